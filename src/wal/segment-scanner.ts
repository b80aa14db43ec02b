import {
  ENTRY_BODY_BYTES_MAX,
  ENTRY_HEADER_BYTES,
  EntryFormatError,
  parseEntryAt,
  type Entry,
} from '../base/entry.ts';
import type { DiskFile } from '../base/ports/disk.ts';
import type { LogIndex } from '../base/units.ts';
import { entryFault } from './errors.ts';
import { BLOCK_BYTES_MAX, BLOCK_HEADER_BYTES, SEGMENT_HEADER_BYTES } from './format.ts';
import type { LogMap } from './log-map.ts';
import { decodeBlockHeader, type BlockHeader } from './segment-format.ts';
import type { Segment } from './segment.ts';

const WINDOW_BYTES = 1024 * 1024;

/** A block that verifies and continues the log. */
export interface ScannedBlock {
  readonly position: number;
  readonly header: BlockHeader;
  /** They refer into a buffer of the scanner: copy what is to be kept. */
  readonly entries: readonly Entry[];
}

/** Why there is no next block at `position`, and which bytes there fail to verify. */
export interface ScanStop {
  readonly position: number;
  /**
   * - `no-block`: no valid block header.
   * - `bad-entry`: a valid block header, and an entry that does not verify.
   * - `misplaced`: everything verifies, but it does not follow what is before it.
   */
  readonly kind: 'no-block' | 'bad-entry' | 'misplaced';
  readonly what: string;
  /** The bytes that fail to verify. */
  readonly badFrom: number;
  readonly badTo: number;
  /** Where the block ends, if its header is valid. */
  readonly blockEnd: number | null;
  readonly index: LogIndex;
}

/**
 * Reads a segment from its header on and verifies everything: block headers, both checksums of each entry, the chain,
 * the indexes. Whoever scans adds each block to the map that the scanner continues from.
 */
export class SegmentScanner {
  readonly #file: DiskFile;
  readonly #segment: Segment;
  readonly #map: LogMap;
  /** The header checksum of an earlier entry: a truncating block chains to one. */
  readonly #checksumAt: (index: LogIndex) => number;
  #window: Uint8Array = new Uint8Array(0);
  #windowAt = 0;
  #position = SEGMENT_HEADER_BYTES;
  #sequence = 0;

  constructor(file: DiskFile, segment: Segment, map: LogMap, checksumAt: (index: LogIndex) => number) {
    this.#file = file;
    this.#segment = segment;
    this.#map = map;
    this.#checksumAt = checksumAt;
  }

  /** Looks once more at where it stopped: the file may have been written to since. */
  retry(): ScannedBlock | ScanStop {
    this.#window = new Uint8Array(0);
    return this.next();
  }

  /** The next block, or why there is none. */
  next(): ScannedBlock | ScanStop {
    const position = this.#position;
    const headerBytes = this.#bytesAt(position, BLOCK_HEADER_BYTES);
    const header = headerBytes === null ? null : decodeBlockHeader(headerBytes, 0, this.#segment.seed);
    if (header === null) {
      return this.#stop(
        'no-block',
        'there is no valid block header',
        [position, position + BLOCK_HEADER_BYTES],
        null,
      );
    }
    const from = position + BLOCK_HEADER_BYTES;
    const to = from + header.length;
    const misplaced = this.#misplaced(header, to);
    if (misplaced !== null) return this.#stop('misplaced', misplaced, [position, from], to);
    const body = this.#bytesAt(from, header.length);
    if (body === null) return this.#stop('bad-entry', 'the file ends inside the block', [from, to], to);
    const entries = this.#parse(body, header, from);
    if (!Array.isArray(entries)) return entries;
    this.#position = to;
    this.#sequence += 1;
    return { position, header, entries };
  }

  #misplaced(header: BlockHeader, end: number): string | null {
    const { lastIndex, epoch, base } = this.#map;
    const truncates = header.firstIndex <= lastIndex;
    if (header.sequence !== this.#sequence + 1)
      return `block ${header.sequence} follows block ${this.#sequence}`;
    if (header.epoch !== epoch + (truncates ? 1 : 0)) {
      return `the block from index ${header.firstIndex} has epoch ${header.epoch}, before it is ${lastIndex} in epoch ${epoch}`;
    }
    if (header.firstIndex > lastIndex + 1 || header.firstIndex <= base.index) {
      return `the block begins at index ${header.firstIndex}, the log is ${base.index + 1}..${lastIndex}`;
    }
    if (
      header.length > Math.max(BLOCK_BYTES_MAX, ENTRY_HEADER_BYTES + ENTRY_BODY_BYTES_MAX) ||
      end > this.#file.size()
    ) {
      return `the block is ${header.length} bytes long`;
    }
    return null;
  }

  #parse(body: Uint8Array, header: BlockHeader, from: number): Entry[] | ScanStop {
    const view = new DataView(body.buffer, body.byteOffset, body.length);
    const to = from + body.length;
    const entries: Entry[] = [];
    let checksum =
      header.firstIndex > this.#map.lastIndex
        ? this.#map.lastChecksum
        : this.#checksumAt((header.firstIndex - 1) as LogIndex);
    let offset = 0;
    while (offset < body.length) {
      const index = (header.firstIndex + entries.length) as LogIndex;
      try {
        const entry = parseEntryAt(body, view, offset, checksum);
        if (entry.index !== index) {
          return this.#stop(
            'misplaced',
            `the entry has index ${entry.index}`,
            [from + offset, to],
            to,
            index,
          );
        }
        entries.push(entry);
        checksum = entry.checksum;
        offset += entry.bytes.length;
      } catch (error) {
        if (!(error instanceof EntryFormatError)) throw error;
        // Only with a header that verifies is the length of the entry known.
        const bytes =
          error.code === 'ENTRY_BODY_CHECKSUM'
            ? view.getUint32(offset, true)
            : Math.min(ENTRY_HEADER_BYTES, to - from - offset);
        return this.#stop('bad-entry', entryFault(error), [from + offset, from + offset + bytes], to, index);
      }
    }
    if (entries.length !== header.entryCount) {
      return this.#stop('misplaced', `${entries.length} entries, not ${header.entryCount}`, [from, to], to);
    }
    return entries;
  }

  #stop(
    kind: ScanStop['kind'],
    what: string,
    [badFrom, badTo]: [number, number],
    blockEnd: number | null,
    index: LogIndex = (this.#map.lastIndex + 1) as LogIndex,
  ): ScanStop {
    return { position: this.#position, kind, what, badFrom, badTo, blockEnd, index };
  }

  /** @returns null where the file is too short. */
  #bytesAt(position: number, length: number): Uint8Array | null {
    const offset = position - this.#windowAt;
    if (offset >= 0 && offset + length <= this.#window.length)
      return this.#window.subarray(offset, offset + length);
    const left = Math.max(0, this.#file.size() - position);
    const window = new Uint8Array(Math.min(left, Math.max(WINDOW_BYTES, length)));
    this.#window = window.subarray(0, this.#file.readSync(window, position));
    this.#windowAt = position;
    return length <= this.#window.length ? this.#window.subarray(0, length) : null;
  }
}
