import {
  ENTRY_BODY_BYTES_MAX,
  ENTRY_HEADER_BYTES,
  EntryFormatError,
  parseEntryAt,
} from '../../base/entry.ts';
import type { Disk, DiskError, DiskFile } from '../../base/ports/disk.ts';
import type { LogIndex } from '../../base/units.ts';
import { entryFault } from '../errors.ts';
import { BLOCK_BYTES_MAX, BLOCK_HEADER_BYTES, SEGMENT_HEADER_BYTES } from '../format.ts';
import { decodeBlockHeader, findBlocks, type BlockHeader } from '../segment-format.ts';
import type { Segment } from '../segment.ts';
import type { BlockBorder, SegmentOutline } from './segment-outline.ts';

/** Where a damaged run may end, and whether the block there takes back a part of it. */
export interface RunEnd extends BlockBorder {
  readonly truncates: boolean;
}

/** Blocks that do not verify, from the first of them up to a border that can be relied on. */
export interface DamagedRun {
  readonly segment: Segment;
  /** Where the first of its blocks begins. */
  readonly position: number;
  /** Of that block; null if the header itself is damaged. */
  readonly header: BlockHeader | null;
  /** Number of that block in the segment. */
  readonly sequence: number;
  readonly epoch: number;
  readonly firstIndex: LogIndex;
  /** Header checksum of the entry before `firstIndex`; null where it is not known. */
  readonly previousChecksum: number | null;
  /** Where entries of the segment have to be. */
  readonly points: ReadonlyMap<LogIndex, number>;
  /** The first bytes that do not verify, the entry they belong to, and what is wrong. */
  readonly badFrom: number;
  readonly badIndex: LogIndex;
  readonly what: string;
  /** Where it may end, the nearest first. */
  readonly ends: readonly RunEnd[];
}

export type Finding =
  /** Everything verifies, up to the last border and beyond. */
  | { readonly kind: 'sound' }
  | { readonly kind: 'damaged'; readonly run: DamagedRun }
  /** What is damaged, or what is beside it, cannot be put in an order that anything vouches for. */
  | { readonly kind: 'obscure'; readonly what: string };

type Block =
  | { readonly kind: 'passed' }
  | { readonly kind: 'more'; readonly bytes: number }
  | {
      readonly kind: 'bad';
      readonly header: BlockHeader | null;
      readonly from: number;
      readonly index: LogIndex;
      readonly what: string;
    };

const WINDOW_BYTES: number = 1024 * 1024;
const BLOCK_LENGTH_MAX: number = Math.max(BLOCK_BYTES_MAX, ENTRY_HEADER_BYTES + ENTRY_BODY_BYTES_MAX);
/** Rot at rest hits one place; where it hits so many that no border is left between them, peers have the segment too. */
const ENDS_MAX = 4;

/**
 * Goes through the blocks of one segment beside everything else, and stops at each place that does not verify. What was taken
 * back later is looked at too, but its damage is passed over: nobody can read it, and nobody else has it.
 */
export class SegmentSurvey {
  readonly #outline: SegmentOutline;
  readonly #file: DiskFile;
  #isClosed = false;
  #window: Uint8Array = new Uint8Array(0);
  #windowAt = 0;
  #position = SEGMENT_HEADER_BYTES;
  #sequence = 0;
  #epoch: number;
  /** Header checksums of the entry before `#first`, if it is known, and of all from there on. */
  #checksums: (number | null)[];
  #first: LogIndex;

  /** @throws DiskError */
  constructor(disk: Disk, outline: SegmentOutline) {
    const { header } = outline.segment;
    this.#outline = outline;
    this.#file = disk.openSync(outline.segment.path, 'read');
    this.#epoch = header.epoch;
    this.#first = header.firstIndex;
    this.#checksums = [header.previousChecksum];
  }

  /** What is being read is not looked at any more, and nobody is called back. */
  close(): void {
    this.#isClosed = true;
    this.#file.closeSync();
  }

  /** Goes on from where it stopped; what is there is read anew. */
  next(done: (error: DiskError | null, finding: Finding) => void): void {
    this.#window = new Uint8Array(0);
    this.#step(done);
  }

  get #lastIndex(): LogIndex {
    return (this.#first + this.#checksums.length - 2) as LogIndex;
  }

  /** Where no more is to be read. */
  get #limit(): number {
    const last = this.#outline.borders.at(-1);
    return this.#outline.isWhole && last !== undefined ? last.position : this.#file.size();
  }

  #step(done: (error: DiskError | null, finding: Finding) => void): void {
    for (;;) {
      if (this.#position >= this.#limit) {
        done(null, this.#conclude());
        return;
      }
      const block = this.#block();
      if (block.kind === 'passed') continue;
      if (block.kind === 'bad') {
        this.#inspect(block, done);
        return;
      }
      this.#read(this.#position, block.bytes, (error) => {
        if (error === null) this.#step(done);
        else done(error, { kind: 'sound' });
      });
      return;
    }
  }

  #conclude(): Finding {
    const last = this.#outline.borders.at(-1);
    if (last === undefined || !this.#outline.isWhole) return { kind: 'sound' };
    const isThere =
      last.position === this.#position &&
      last.blocks === this.#sequence &&
      last.lastIndex === this.#lastIndex;
    if (isThere) return { kind: 'sound' };
    const what = `its blocks end at byte ${this.#position} with index ${this.#lastIndex}, not at byte ${last.position} with ${last.lastIndex}`;
    return { kind: 'obscure', what };
  }

  /** Reads a window from `position` on that holds `bytes` bytes, if the file is so long. */
  #read(position: number, bytes: number, done: (error: DiskError | null) => void): void {
    const left = Math.max(0, this.#file.size() - position);
    const window = new Uint8Array(Math.min(left, Math.max(WINDOW_BYTES, bytes)));
    this.#file.read(window, position, (error, read) => {
      if (this.#isClosed) return;
      this.#window = window.subarray(0, read);
      this.#windowAt = position;
      done(error);
    });
  }

  /** @returns null if they are not in the window. */
  #bytesAt(position: number, length: number): Uint8Array | null {
    const offset = position - this.#windowAt;
    return offset < 0 || offset + length > this.#window.length
      ? null
      : this.#window.subarray(offset, offset + length);
  }

  /** The block at the position: verified and taken in, or why not. */
  #block(): Block {
    const position = this.#position;
    const head = this.#bytesAt(position, BLOCK_HEADER_BYTES);
    if (head === null) return this.#wanted(BLOCK_HEADER_BYTES);
    const header = decodeBlockHeader(head, 0, this.#outline.segment.seed);
    const next = (this.#lastIndex + 1) as LogIndex;
    if (header === null || !this.#follows(header))
      return {
        kind: 'bad',
        header: null,
        from: position,
        index: next,
        what: 'the block header does not verify',
      };
    const bytes = BLOCK_HEADER_BYTES + header.length;
    const block = this.#bytesAt(position, bytes);
    if (block === null) return this.#wanted(bytes);
    return this.#take(header, block);
  }

  /** More of the file, unless it ends before that. */
  #wanted(bytes: number): Block {
    const next = (this.#lastIndex + 1) as LogIndex;
    return this.#position + bytes > this.#file.size()
      ? { kind: 'bad', header: null, from: this.#position, index: next, what: 'the file ends inside a block' }
      : { kind: 'more', bytes };
  }

  #follows({ sequence, epoch, firstIndex, length }: BlockHeader): boolean {
    const truncates = firstIndex <= this.#lastIndex;
    return (
      sequence === this.#sequence + 1 &&
      epoch === this.#epoch + (truncates ? 1 : 0) &&
      firstIndex <= this.#lastIndex + 1 &&
      length <= BLOCK_LENGTH_MAX
    );
  }

  #take(header: BlockHeader, block: Uint8Array): Block {
    const { firstIndex } = header;
    const previous = this.#checksumAt((firstIndex - 1) as LogIndex);
    const checksums: number[] = [];
    const fault = verifyEntries(block, firstIndex, previous, checksums);
    if (fault !== null) {
      const index = (firstIndex + checksums.length) as LogIndex;
      return { kind: 'bad', header, from: this.#position + fault.offset, index, what: fault.what };
    }
    if (checksums.length !== header.entryCount) {
      const what = `the block holds ${checksums.length} entries, not ${header.entryCount}`;
      return { kind: 'bad', header: null, from: this.#position, index: firstIndex, what };
    }
    this.#accept(header, previous, checksums);
    return { kind: 'passed' };
  }

  #accept(header: BlockHeader, previous: number | null, checksums: readonly number[]): void {
    const { firstIndex } = header;
    if (firstIndex < this.#first) {
      this.#first = firstIndex;
      this.#checksums = [previous];
    } else this.#checksums.length = firstIndex - this.#first + 1;
    for (const checksum of checksums) this.#checksums.push(checksum);
    this.#position += BLOCK_HEADER_BYTES + header.length;
    this.#sequence = header.sequence;
    this.#epoch = header.epoch;
  }

  #checksumAt(index: LogIndex): number | null {
    if (index < this.#first - 1) return this.#outline.checksumBefore(index);
    return this.#checksums[index - this.#first + 1] ?? null;
  }

  // --- what does not verify -----------------------------------------------------------------------------------------

  #inspect(
    bad: Extract<Block, { kind: 'bad' }>,
    done: (error: DiskError | null, finding: Finding) => void,
  ): void {
    // What is at the position may be that of another block, and of a header only what follows may tell the index.
    this.#read(this.#position, BLOCK_HEADER_BYTES + BLOCK_LENGTH_MAX + BLOCK_HEADER_BYTES, (error) => {
      if (error !== null) {
        done(error, { kind: 'sound' });
        return;
      }
      const firstIndex = bad.header?.firstIndex ?? this.#firstIndexBehindHeader();
      const isOver = [...this.#outline.starts.keys()].every((position) => position <= this.#position);
      if (bad.index >= this.#outline.takenBackFrom && isOver) {
        done(null, { kind: 'sound' });
        return;
      }
      const previousChecksum = this.#checksumAt((firstIndex - 1) as LogIndex);
      if (bad.header !== null && this.#isTakenBack(bad.header, bad.index)) {
        this.#passOver(bad.header, previousChecksum);
        this.#step(done);
        return;
      }
      const truncates = firstIndex <= this.#lastIndex;
      const run: DamagedRun = {
        segment: this.#outline.segment,
        position: this.#position,
        header: bad.header,
        sequence: this.#sequence + 1,
        epoch: this.#epoch + (truncates ? 1 : 0),
        firstIndex,
        previousChecksum,
        points: this.#outline.points,
        badFrom: bad.from,
        badIndex: bad.header === null ? firstIndex : bad.index,
        what: bad.what,
        ends: [],
      };
      this.#findEnds(run, [], this.#position + 1, (failure, ends) => {
        const known = ends.length === 0 ? this.#ownEnd(run) : ends;
        // Behind everything that was vouched for: the end of the log, or a write that was torn.
        const isTail = !this.#outline.isWhole && known.length === 0;
        const isSound = failure !== null || isTail;
        done(failure, isSound ? { kind: 'sound' } : { kind: 'damaged', run: { ...run, ends: known } });
      });
    });
  }

  /** Whether the next block takes back every entry that does not verify: then nothing of it is part of the log. */
  #isTakenBack(header: BlockHeader, badIndex: LogIndex): boolean {
    const bytes = this.#bytesAt(this.#position + BLOCK_HEADER_BYTES + header.length, BLOCK_HEADER_BYTES);
    const next = bytes === null ? null : decodeBlockHeader(bytes, 0, this.#outline.segment.seed);
    return (
      next !== null &&
      next.sequence === header.sequence + 1 &&
      next.epoch === header.epoch + 1 &&
      next.firstIndex <= badIndex
    );
  }

  /** What follows can go on from an entry before the damaged one at most: that one counts, and nobody asks for its checksum. */
  #passOver(header: BlockHeader, previousChecksum: number | null): void {
    const checksums: number[] = [];
    const block = this.#bytesAt(this.#position, BLOCK_HEADER_BYTES + header.length);
    if (block !== null) verifyEntries(block, header.firstIndex, previousChecksum, checksums);
    this.#accept(header, previousChecksum, [...checksums, 0]);
  }

  /**
   * Of the block whose header is damaged: somebody has noted it, or its first entry, if that verifies, says whether the block
   * took something back.
   */
  #firstIndexBehindHeader(): LogIndex {
    const next = (this.#lastIndex + 1) as LogIndex;
    const noted = this.#outline.starts.get(this.#position);
    if (noted !== undefined && noted <= next) return noted;
    const bytes = this.#bytesAt(this.#position + BLOCK_HEADER_BYTES, ENTRY_HEADER_BYTES);
    if (bytes === null) return next;
    const rest = this.#window.subarray(this.#position + BLOCK_HEADER_BYTES - this.#windowAt);
    try {
      const entry = parseEntryAt(rest, viewOf(rest), 0, null);
      const previous = this.#checksumAt((entry.index - 1) as LogIndex);
      if (entry.index > next || previous === null) return next;
      parseEntryAt(rest, viewOf(rest), 0, previous);
      return entry.index;
    } catch (error) {
      if (error instanceof EntryFormatError) return next;
      throw error;
    }
  }

  /** The last block of a log that nothing vouches for yet says itself where it ends. */
  #ownEnd({ header, position, sequence, firstIndex }: DamagedRun): RunEnd[] {
    if (header === null || header.entryCount === 0 || this.#outline.isWhole) return [];
    const lastIndex = (firstIndex + header.entryCount - 1) as LogIndex;
    const end = position + BLOCK_HEADER_BYTES + header.length;
    return [{ position: end, blocks: sequence, lastIndex, checksum: null, truncates: false }];
  }

  /** Borders behind the damage: those that are vouched for, and block headers that can be no accident. */
  #findEnds(
    run: DamagedRun,
    found: readonly RunEnd[],
    from: number,
    done: (error: DiskError | null, ends: readonly RunEnd[]) => void,
  ): void {
    const limit = this.#limit;
    if (found.length >= ENDS_MAX || from >= limit) {
      const known = this.#outline.borders
        .filter(
          ({ position, blocks, lastIndex }) =>
            position > run.position && blocks >= run.sequence && lastIndex >= run.firstIndex,
        )
        .map((border) => ({ ...border, truncates: false }));
      const unknown = found.filter(({ position }) => known.every((border) => border.position !== position));
      done(
        null,
        [...unknown, ...known].toSorted((a, b) => a.position - b.position),
      );
      return;
    }
    this.#read(from, WINDOW_BYTES, (error) => {
      if (error !== null) {
        done(error, []);
        return;
      }
      const ends = [...findBlocks(this.#window, 0, run.segment.seed)]
        .map(({ offset, header }) => endAt(run, this.#windowAt + offset, header))
        .filter((end) => end !== null);
      // Windows overlap by a header, so that one on the border of two is seen, and only once.
      const next = from + Math.max(1, this.#window.length - BLOCK_HEADER_BYTES + 1);
      this.#findEnds(run, [...found, ...ends], this.#window.length < WINDOW_BYTES ? limit : next, done);
    });
  }
}

/** Whether a run could end at this block header. Misdirected writes bring headers that are valid and in the wrong place. */
function endAt(run: DamagedRun, position: number, header: BlockHeader): RunEnd | null {
  const blocks = header.sequence - 1;
  const lastIndex = (header.firstIndex - 1) as LogIndex;
  const truncates = header.epoch === run.epoch + 1;
  if (blocks < run.sequence || (header.epoch !== run.epoch && !truncates)) return null;
  const headersBytes = (blocks - run.sequence + 1) * BLOCK_HEADER_BYTES;
  const entries = lastIndex - run.firstIndex + 1;
  if (entries <= 0 || headersBytes + entries * ENTRY_HEADER_BYTES > position - run.position) return null;
  return { position, blocks, lastIndex, checksum: null, truncates };
}

/** Adds the checksums of the entries of a block up to the first that does not verify. @returns what is wrong with that one. */
function verifyEntries(
  block: Uint8Array,
  firstIndex: LogIndex,
  previousChecksum: number | null,
  checksums: number[],
): { readonly offset: number; readonly what: string } | null {
  const view = viewOf(block);
  let checksum: number | null = previousChecksum;
  let offset = BLOCK_HEADER_BYTES;
  while (offset < block.length) {
    try {
      const entry = parseEntryAt(block, view, offset, checksum);
      const index = firstIndex + checksums.length;
      if (entry.index !== index) return { offset, what: `the entry has index ${entry.index}, not ${index}` };
      checksum = entry.checksum;
      checksums.push(entry.checksum);
      offset += entry.bytes.length;
    } catch (error) {
      if (!(error instanceof EntryFormatError)) throw error;
      return { offset, what: entryFault(error) };
    }
  }
  return null;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
