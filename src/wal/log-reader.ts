import { assert } from '../base/assert.ts';
import {
  EntryFormatError,
  ENTRY_HEADER_BYTES,
  entryUnverified,
  parseEntryAt,
  type Entry,
} from '../base/entry.ts';
import { NO_MUTATIONS, type Mutations } from '../base/mutations.ts';
import type { LogIndex } from '../base/units.ts';
import { entryFault, WalReadError, WalRotError } from './errors.ts';
import { BLOCK_HEADER_BYTES, BLOCK_MAGIC, POINT_SPACING_BYTES } from './format.ts';
import type { Extent, LogMap, Place } from './log-map.ts';
import { decodeBlockHeader } from './segment-format.ts';
import type { SegmentFiles } from './segment-files.ts';

/** The tail is read in pieces, whose buffers the entries share. */
const TAIL_STEP_BYTES: number = 1024 * 1024;

export interface ReadRequest {
  readonly first: LogIndex;
  /** At least one entry is read whatever these say. */
  readonly entriesMax: number;
  readonly bytesMax: number;
}

export interface ReadResult {
  /** Consecutive from `first`; at least one. They share buffers of up to `bytesMax` and 64 KiB. */
  readonly entries: Entry[];
  /** Header checksum of the entry before the first; 0 if there is none. */
  readonly previousChecksum: number;
}

/** Reads entries back, verified: checksums, chain and indexes, from the nearest known point on. */
export class LogReader {
  readonly #map: LogMap;
  readonly #files: SegmentFiles;
  readonly #mutations: Mutations;

  constructor(map: LogMap, files: SegmentFiles, mutations: Mutations = NO_MUTATIONS) {
    this.#map = map;
    this.#files = files;
    this.#mutations = mutations;
  }

  /**
   * Without holding up the loop. Errors: WalReadError where the log does not hold `first`, or no longer; WalRotError
   * where it holds it and the bytes do not verify; DiskError.
   */
  read(request: ReadRequest, done: (error: Error | null, result: ReadResult) => void): void {
    const epoch = this.#map.epoch;
    const place = this.#placeOf(request.first);
    const nothing: ReadResult = { entries: [], previousChecksum: 0 };
    if (place === null) {
      done(this.#rangeError(request.first), nothing);
      return;
    }
    const cursor = new Cursor(request, place, this.#mutations);
    const next = (): void => {
      const buffer = new Uint8Array(cursor.wantedBytes);
      this.#files.file(place.segment).read(buffer, cursor.position, (error, bytes) => {
        if (error !== null) {
          done(error, nothing);
          return;
        }
        if (request.first < this.#map.firstIndex) {
          done(this.#rangeError(request.first), nothing);
          return;
        }
        let isDone: boolean;
        try {
          isDone = cursor.advance(buffer.subarray(0, bytes));
        } catch (rot) {
          if (!(rot instanceof WalRotError)) throw rot;
          done(rot, nothing);
          return;
        }
        if (!isDone) next();
        else if (epoch !== this.#map.epoch && !this.#stillHolds(place, cursor.result)) {
          done(
            new WalReadError('WAL_TRUNCATED', `index ${request.first} was truncated while it was read`),
            nothing,
          );
        } else done(null, cursor.result);
      });
    };
    next();
  }

  /** The same at once, for start-up and tools. */
  readSync(request: ReadRequest): ReadResult {
    const place = this.#placeOf(request.first);
    if (place === null) throw this.#rangeError(request.first);
    const cursor = new Cursor(request, place, this.#mutations);
    for (;;) {
      const buffer = new Uint8Array(cursor.wantedBytes);
      const bytes = this.#files.file(place.segment).readSync(buffer, cursor.position);
      if (cursor.advance(buffer.subarray(0, bytes))) return cursor.result;
    }
  }

  /** The newest entries, as many as have no more than `bytesMax` bytes together, and the newest of all in any case. */
  tailSync(bytesMax: number): Entry[] {
    const entries: Entry[] = [];
    let next = this.#firstWithin(bytesMax);
    let bytes = 0;
    while (next <= this.#map.lastIndex) {
      const read = this.readSync({
        first: next,
        entriesMax: Number.POSITIVE_INFINITY,
        bytesMax: TAIL_STEP_BYTES,
      });
      for (const entry of read.entries) {
        entries.push(entry);
        bytes += entry.bytes.length;
      }
      next = (next + read.entries.length) as LogIndex;
    }
    let from = 0;
    for (; bytes > bytesMax && from < entries.length - 1; from += 1)
      bytes -= entries[from]?.bytes.length ?? 0;
    return from === 0 ? entries : entries.slice(from);
  }

  /** The header checksum of an entry, or of the one before the first. */
  checksumAt(index: LogIndex): number {
    if (index === this.#map.base.index) return this.#map.base.checksum;
    if (index === this.#map.lastIndex) return this.#map.lastChecksum;
    const [entry] = this.readSync({ first: index, entriesMax: 1, bytesMax: 0 }).entries;
    assert(entry !== undefined, () => `nothing read at index ${index}`);
    return entry.checksum;
  }

  /** An entry so far back that what follows it has `bytesMax` bytes, or a little more. */
  #firstWithin(bytesMax: number): LogIndex {
    let bytes = 0;
    let later: Extent | null = null;
    for (const extent of this.#map.extents.toReversed()) {
      let end: number = later?.segment === extent.segment ? later.position : extent.segment.end;
      later = extent;
      for (const point of extent.points.toReversed()) {
        bytes += end - point.position;
        end = point.position;
        if (bytes >= bytesMax) return point.index;
      }
    }
    return this.#map.firstIndex;
  }

  #placeOf(first: LogIndex): Place | null {
    return first < this.#map.firstIndex || first > this.#map.lastIndex ? null : this.#map.locate(first);
  }

  #rangeError(first: LogIndex): WalReadError {
    return new WalReadError(
      'WAL_RANGE',
      `index ${first} is not in ${this.#map.firstIndex}..${this.#map.lastIndex}`,
    );
  }

  /** What is on disk does not change, but the log may have been truncated and continued elsewhere meanwhile. */
  #stillHolds(place: Place, result: ReadResult): boolean {
    const [first] = result.entries;
    const last = result.entries.at(-1);
    if (first === undefined || last === undefined) return false;
    const now = this.#placeOf(first.index);
    return now !== null && now.point === place.point && now.lastIndex >= last.index;
  }
}

/** The state of one read between two pieces of the file. */
class Cursor {
  readonly #mutations: Mutations;
  readonly #request: ReadRequest;
  readonly #place: Place;
  readonly #entries: Entry[] = [];
  #previousOfFirst = 0;
  /** Of the next entry or block header. */
  #position: number;
  #index: LogIndex;
  #previousChecksum: number;
  #entryBytes = 0;
  #wantedBytes: number;
  /** Where the segment's blocks ended when the read began: it may grow meanwhile, what was asked for is before that. */
  readonly #end: number;

  constructor(request: ReadRequest, place: Place, mutations: Mutations) {
    this.#mutations = mutations;
    this.#request = request;
    this.#place = place;
    this.#end = place.segment.end;
    this.#position = place.position;
    this.#index = place.point.index;
    this.#previousChecksum = place.point.previousChecksum;
    this.#wantedBytes = POINT_SPACING_BYTES + request.bytesMax + ENTRY_HEADER_BYTES + BLOCK_HEADER_BYTES;
  }

  get position(): number {
    return this.#position;
  }

  get wantedBytes(): number {
    const left = this.#end - this.#position;
    if (left <= 0) throw this.#rot('the segment ends before its last entry');
    return Math.min(this.#wantedBytes, left);
  }

  get result(): ReadResult {
    return { entries: this.#entries, previousChecksum: this.#previousOfFirst };
  }

  /**
   * Takes the bytes at `position`.
   * @returns false if more are needed: then `position` and `wantedBytes` say which.
   */
  advance(bytes: Uint8Array): boolean {
    const { first, entriesMax, bytesMax } = this.#request;
    if (bytes.length < this.wantedBytes) throw this.#rot('the file is shorter than the log in it');
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let offset = 0;
    while (this.#index <= this.#place.lastIndex) {
      const left = bytes.length - offset;
      const lead = left < 4 ? 0 : view.getUint32(offset, true);
      const itemBytes = lead === BLOCK_MAGIC ? BLOCK_HEADER_BYTES : Math.max(lead, ENTRY_HEADER_BYTES);
      if (left < itemBytes) {
        if (this.#entries.length > 0) return true;
        this.#wantMore(offset, itemBytes);
        return false;
      }
      if (lead === BLOCK_MAGIC) {
        this.#passBlockHeader(bytes, offset);
        offset += BLOCK_HEADER_BYTES;
        continue;
      }
      const entry = this.#parse(bytes, view, offset);
      if (entry.index === first) this.#previousOfFirst = this.#previousChecksum;
      if (entry.index >= first) {
        const isFull = this.#entries.length >= entriesMax || this.#entryBytes + itemBytes > bytesMax;
        if (isFull && this.#entries.length > 0) return true;
        this.#entries.push(entry);
        this.#entryBytes += itemBytes;
      }
      this.#previousChecksum = entry.checksum;
      this.#index = (this.#index + 1) as LogIndex;
      offset += itemBytes;
    }
    return true;
  }

  #wantMore(offset: number, itemBytes: number): void {
    this.#position += offset;
    this.#wantedBytes = Math.max(this.#wantedBytes, itemBytes);
    if (this.#position + itemBytes > this.#end) {
      throw this.#rot(`an entry of ${itemBytes} bytes ends beyond the segment's last block`);
    }
  }

  #passBlockHeader(bytes: Uint8Array, offset: number): void {
    const header = decodeBlockHeader(bytes, offset, this.#place.segment.seed);
    if (header === null) throw this.#rotAt(offset, 'the block header does not verify');
    if (header.firstIndex !== this.#index) {
      throw this.#rotAt(offset, `the block begins at index ${header.firstIndex}, not ${this.#index}`);
    }
  }

  #parse(bytes: Uint8Array, view: DataView, offset: number): Entry {
    let entry: Entry;
    try {
      entry = parseEntryAt(bytes, view, offset, this.#previousChecksum);
    } catch (error) {
      if (!(error instanceof EntryFormatError)) throw error;
      const length = view.getUint32(offset, true);
      if (!this.#mutations.readsUnverified || length < ENTRY_HEADER_BYTES || offset + length > bytes.length)
        throw this.#rotAt(offset, entryFault(error));
      return entryUnverified(bytes.subarray(offset, offset + length), this.#index);
    }
    if (entry.index !== this.#index) throw this.#rotAt(offset, `the entry has index ${entry.index}`);
    return entry;
  }

  #rotAt(offset: number, what: string): WalRotError {
    const { name } = this.#place.segment;
    return new WalRotError({ file: name, position: this.#position + offset, index: this.#index }, what);
  }

  #rot(what: string): WalRotError {
    return this.#rotAt(0, what);
  }
}
