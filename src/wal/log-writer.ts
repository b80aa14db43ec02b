import { join } from 'node:path';
import { assert } from '../base/assert.ts';
import { coalesceEntryBytes, ENTRY_HEADER_BYTES, type Entry } from '../base/entry.ts';
import { crc32Between } from '../base/crc32.ts';
import { mark } from '../base/marks.ts';
import type { Mutations } from '../base/mutations.ts';
import type { Disk, DiskFile } from '../base/ports/disk.ts';
import type { Prng } from '../base/prng.ts';
import type { LogIndex } from '../base/units.ts';
import { attempt, diskErrorOf } from './errors.ts';
import { writeFooter } from './footer.ts';
import {
  BLOCK_HEADER_BYTES,
  FOOTER_EXTENT_BYTES,
  FOOTER_POINT_BYTES,
  POINT_SPACING_BYTES,
  SEGMENT_HEADER_BYTES,
  segmentName,
} from './format.ts';
import type { Identity } from './identity.ts';
import type { LogMap } from './log-map.ts';
import type { LogReader } from './log-reader.ts';
import { encodeBlockHeader, encodeSegmentHeader, segmentSeed, type SegmentHeader } from './segment-format.ts';
import { emptySegment, type Segment } from './segment.ts';
import { SpareSegment, type PreparedFile } from './spare-segment.ts';
import { bytesOf } from './work.ts';

/** The spare is zeroed at least this far, whatever the active segment holds. */
const SPARE_HEAD_START_BYTES: number = 4 * 1024 * 1024;
/**
 * Zeros gain a sync its way past the journal, some 70 microseconds, whatever the sync writes; and a KiB of zeros costs 2.
 * So no block pays for more than this: a log of large blocks would be written twice for nothing.
 */
const ZEROS_PER_BLOCK_MAX: number = 32 * 1024;

export interface LogWriterOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly identity: Identity;
  readonly prng: Prng;
  readonly segmentBytes: number;
  readonly map: LogMap;
  readonly reader: LogReader;
  readonly active: Segment;
  /** The last one is `active`. */
  readonly segments: readonly Segment[];
  readonly mutations: Mutations;
}

/**
 * Appends blocks, and begins a new segment when one is full. It knows nothing of chains and callbacks of the log:
 * whoever drives it sees to it that nothing is called while a sync is in flight.
 */
export class LogWriter {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #identity: Identity;
  readonly #prng: Prng;
  readonly #segmentBytes: number;
  readonly #map: LogMap;
  readonly #reader: LogReader;
  readonly #spare: SpareSegment;
  readonly #mutations: Mutations;
  #active: Segment;
  #file: DiskFile;
  /** Bytes of the next segment that are worth zeros so far. */
  #spareGoal: number;
  readonly #segments: Segment[];

  constructor(options: LogWriterOptions) {
    this.#disk = options.disk;
    this.#directory = options.directory;
    this.#identity = options.identity;
    this.#prng = options.prng;
    this.#segmentBytes = options.segmentBytes;
    this.#map = options.map;
    this.#reader = options.reader;
    this.#mutations = options.mutations;
    this.#active = options.active;
    this.#segments = [...options.segments];
    this.#file = options.disk.openSync(options.active.path, 'write');
    this.#spare = new SpareSegment(options.disk, options.directory, options.segmentBytes);
    this.#spareGoal = SPARE_HEAD_START_BYTES + 2 * this.#active.end;
    this.#prepareSpare();
  }

  get active(): Segment {
    return this.#active;
  }

  /** The oldest first. */
  get segments(): readonly Segment[] {
    return this.#segments;
  }

  /** Bytes of all segment files. */
  get bytes(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** The log begins with this segment now. @returns those before, which are to be removed. */
  beginWith(segment: Segment): Segment[] {
    return this.#segments.splice(0, this.#segments.indexOf(segment));
  }

  /** Whether a block with this many bytes of entries goes into the active segment. If not, `roll` first. */
  fits(entryBytes: number): boolean {
    return this.#active.end + this.#needs(entryBytes) + this.#map.footerBytesMax <= this.#active.bytes;
  }

  /**
   * Writes one block, to be synced before anything else is written. It begins with a truncation if `firstIndex` is not
   * above the last index.
   * @param checksumBefore of a truncation, where it is known: what is on disk there may have rotted.
   * @returns the bytes written.
   * @throws DiskError
   */
  write(firstIndex: LogIndex, entries: readonly Entry[], checksumBefore?: number): number {
    const previousChecksum = checksumBefore ?? this.#checksumBefore(firstIndex);
    assertContinues(firstIndex, entries, previousChecksum);
    const truncates = firstIndex <= this.#map.lastIndex;
    const header = {
      length: bytesOf(entries),
      sequence: this.#active.blocks + 1,
      epoch: this.#map.epoch + (truncates ? 1 : 0),
      firstIndex,
      entryCount: entries.length,
    };
    const position = this.#active.end;
    this.#file.writevSync(
      [encodeBlockHeader(header, this.#active.seed), ...coalesceEntryBytes(entries)],
      position,
    );
    if (truncates) mark('wal.truncation-written');
    if (truncates) this.#map.truncate((firstIndex - 1) as LogIndex, previousChecksum);
    this.#active.end = position + BLOCK_HEADER_BYTES + header.length;
    this.#active.blocks += 1;
    this.#map.addBlock(this.#active, position, entries);
    const bytes = BLOCK_HEADER_BYTES + header.length;
    // Twice as fast as the active segment fills: complete when it is half full, and no burst of zeros before.
    this.#spareGoal += Math.min(2 * bytes, ZEROS_PER_BLOCK_MAX);
    this.#prepareSpare();
    return bytes;
  }

  sync(done: Parameters<DiskFile['datasync']>[0]): void {
    this.#file.datasync(done);
  }

  /**
   * Seals the active segment and begins the next one, with room for a block of this many bytes of entries. Each step is
   * durable before the next is begun: the footer, the new header, the new name.
   */
  roll(entryBytes: number, done: (error: Error | null) => void): void {
    const needed = SEGMENT_HEADER_BYTES + this.#needs(entryBytes) + this.#map.footerBytesMax;
    this.#spare.take(Math.max(this.#segmentBytes, needed), (error, prepared) => {
      if (prepared === null) {
        done(error);
        return;
      }
      this.#seal(prepared, (failure) => {
        if (failure !== null) this.#giveBack(prepared);
        done(failure);
      });
    });
  }

  close(): void {
    this.#file.closeSync();
    this.#spare.close();
  }

  #seal(prepared: PreparedFile, done: (error: Error | null) => void): void {
    attempt(done, () => {
      writeFooter(this.#file, this.#active, this.#map.contentsOf(this.#active));
      this.#file.datasync((error) => {
        if (error === null) this.#begin(prepared, done);
        else done(error);
      });
    });
  }

  #begin(prepared: PreparedFile, done: (error: Error | null) => void): void {
    const header: SegmentHeader = {
      nonce: this.#prng.safeInteger(),
      incarnation: this.#identity.incarnation,
      group: this.#identity.group,
      sequence: this.#active.header.sequence + 1,
      epoch: this.#map.epoch,
      firstIndex: (this.#map.lastIndex + 1) as LogIndex,
      previousTerm: this.#map.lastTerm,
      previousChecksum: this.#map.lastChecksum,
      previousEnd: this.#active.end,
      previousBlocks: this.#active.blocks,
    };
    const headerBytes = encodeSegmentHeader(header);
    attempt(done, () => {
      prepared.file.writevSync([headerBytes], 0);
      prepared.file.datasync((error) => {
        if (error === null) attempt(done, () => this.#publish(prepared, header, headerBytes, done));
        else done(error);
      });
    });
  }

  #publish(
    prepared: PreparedFile,
    header: SegmentHeader,
    headerBytes: Uint8Array,
    done: (error: Error | null) => void,
  ): void {
    const name = segmentName(header.sequence);
    const path = join(this.#directory, name);
    this.#disk.renameSync(prepared.path, path);
    if (!this.#mutations.skipsDirectorySync) this.#disk.syncDirectorySync(this.#directory);
    this.#file.closeSync();
    this.#file = prepared.file;
    this.#active = emptySegment({
      header,
      seed: segmentSeed(headerBytes),
      name,
      path,
      bytes: prepared.bytes,
    });
    this.#segments.push(this.#active);
    mark('wal.segment-rolled');
    this.#map.beginSegment();
    this.#spareGoal = SPARE_HEAD_START_BYTES;
    this.#prepareSpare();
    done(null);
  }

  /** The change of segments failed: whatever room the next one had taken belongs to the log. */
  #giveBack({ file, path }: PreparedFile): void {
    if (!this.#disk.existsSync(path)) return;
    diskErrorOf(() => {
      file.closeSync();
      this.#disk.unlinkSync(path);
    });
  }

  /** What a block needs at most, with what it adds to the footer. */
  #needs(entryBytes: number): number {
    const points = Math.ceil(entryBytes / POINT_SPACING_BYTES) + 1;
    return BLOCK_HEADER_BYTES + entryBytes + FOOTER_EXTENT_BYTES + points * FOOTER_POINT_BYTES;
  }

  #prepareSpare(): void {
    this.#spare.prepare(Math.min(this.#segmentBytes, this.#spareGoal));
  }

  #checksumBefore(firstIndex: LogIndex): number {
    if (firstIndex === this.#map.lastIndex + 1) return this.#map.lastChecksum;
    return this.#reader.checksumAt((firstIndex - 1) as LogIndex);
  }
}

/** The indexes were checked when the work was submitted; that it is this log which the entries continue, is checked here. */
function assertContinues(firstIndex: LogIndex, entries: readonly Entry[], previousChecksum: number): void {
  const [first] = entries;
  if (first === undefined) return;
  assert(
    first.index === firstIndex,
    () => `a block from index ${firstIndex} begins with entry ${first.index}`,
  );
  const computed = crc32Between(first.bytes, 0, ENTRY_HEADER_BYTES - 4, previousChecksum);
  assert(computed === first.checksum, () => `entry ${first.index} does not chain to the entry before it`);
}
