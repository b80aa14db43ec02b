import { crc32 } from '../base/crc32.ts';
import { readUint53, writeUint53 } from '../base/uint53.ts';
import type { LogIndex } from '../base/units.ts';

/**
 * A sorted run of the key index: which batches hold a record whose key has some hash. Blocks of 4,096 bytes, little
 * endian, each
 *
 *     offset size field
 *      0      4   magic      DLKR
 *      4      4   number     of the block in its run: 0, 1, 2 ...
 *      8      4   count      entries in this block: 254, fewer in the last, 0 only in a run without keys
 *     12      4   zero
 *     16      entries, each: u32 hash (crc32 of the key), u32 queue, u64 index of the batch's log entry
 *   4096      - 4: checksum  crc32(block[0..4092])
 *
 * sorted by hash, then by index. Where in its batch a record lies is not kept: whoever looks a key up reads the batch
 * anyway, because a hash proves nothing.
 */
export const RUN_BLOCK_BYTES = 4096;
export const RUN_BLOCK_ENTRIES = 254;

const MAGIC = 0x524b4c44;
const HEAD_BYTES = 16;
const ENTRY_BYTES = 16;
const CHECKSUM_AT = RUN_BLOCK_BYTES - 4;

/** A batch that may hold a record with some key. */
export interface KeyPlace {
  readonly queue: number;
  readonly index: LogIndex;
}

export interface KeyBlock {
  readonly count: number;
  hash(at: number): number;
  place(at: number): KeyPlace;
}

class KeyNumberError extends Error {}

/** Hash, queue and index of many records, in columns: a megabyte for 65,536 of them. */
export class KeyTable {
  #hashes: Uint32Array;
  #queues: Uint32Array;
  #indexes: Float64Array;
  #count = 0;

  constructor(capacity: number) {
    this.#hashes = new Uint32Array(capacity);
    this.#queues = new Uint32Array(capacity);
    this.#indexes = new Float64Array(capacity);
  }

  get count(): number {
    return this.#count;
  }

  /** A key that the batch has already is not kept twice, where it comes right after. */
  add(hash: number, queue: number, index: LogIndex): void {
    const last = this.#count - 1;
    if (last >= 0 && this.#hashes[last] === hash && this.#indexes[last] === index) return;
    if (this.#count === this.#hashes.length) this.#grow();
    this.#hashes[this.#count] = hash;
    this.#queues[this.#count] = queue;
    this.#indexes[this.#count] = index;
    this.#count += 1;
  }

  addAll(block: KeyBlock): void {
    for (let at = 0; at < block.count; at += 1) {
      const { queue, index } = block.place(at);
      this.add(block.hash(at), queue, index);
    }
  }

  addTable(other: KeyTable): void {
    for (let at = 0; at < other.#count; at += 1) {
      const { queue, index } = other.#place(at);
      this.add(other.#hashes[at] ?? 0, queue, index);
    }
  }

  /** Newest first. */
  places(hash: number): KeyPlace[] {
    const places: KeyPlace[] = [];
    for (let at = 0; at < this.#count; at += 1) if (this.#hashes[at] === hash) places.push(this.#place(at));
    return places.sort((one, other) => other.index - one.index);
  }

  /** The blocks of a run that holds all of this. */
  encode(): Uint8Array {
    const order = this.#order();
    const blocks = Math.max(1, Math.ceil(this.#count / RUN_BLOCK_ENTRIES));
    const bytes = new Uint8Array(blocks * RUN_BLOCK_BYTES);
    const view = new DataView(bytes.buffer);
    for (let block = 0; block < blocks; block += 1) {
      const start = block * RUN_BLOCK_BYTES;
      const first = block * RUN_BLOCK_ENTRIES;
      const count = Math.min(RUN_BLOCK_ENTRIES, this.#count - first);
      view.setUint32(start, MAGIC, true);
      view.setUint32(start + 4, block, true);
      view.setUint32(start + 8, count, true);
      for (let at = 0; at < count; at += 1) {
        const from = order[first + at] ?? 0;
        const offset = start + HEAD_BYTES + at * ENTRY_BYTES;
        view.setUint32(offset, this.#hashes[from] ?? 0, true);
        view.setUint32(offset + 4, this.#queues[from] ?? 0, true);
        writeUint53(view, offset + 8, this.#indexes[from] ?? 0);
      }
      view.setUint32(start + CHECKSUM_AT, crc32(bytes.subarray(start, start + CHECKSUM_AT)), true);
    }
    return bytes;
  }

  #place(at: number): KeyPlace {
    return { queue: this.#queues[at] ?? 0, index: (this.#indexes[at] ?? 0) as LogIndex };
  }

  /**
   * Places by hash, then by index. Two passes of a counting sort, low half first: a comparing sort of a full table would
   * hold the loop up for tens of milliseconds. A table that was filled in the order of the log stays so for each hash.
   */
  #order(): Uint32Array {
    let from = new Uint32Array(this.#count);
    for (let at = 0; at < this.#count; at += 1) from[at] = at;
    let to = new Uint32Array(this.#count);
    for (const shift of [0, 16]) {
      const starts = new Uint32Array(65_537);
      for (let at = 0; at < this.#count; at += 1) {
        const digit = ((this.#hashes[at] ?? 0) >>> shift) & 0xffff;
        starts[digit + 1] = (starts[digit + 1] ?? 0) + 1;
      }
      for (let digit = 1; digit <= 65_536; digit += 1)
        starts[digit] = (starts[digit] ?? 0) + (starts[digit - 1] ?? 0);
      for (const at of from) {
        const digit = ((this.#hashes[at] ?? 0) >>> shift) & 0xffff;
        const place = starts[digit] ?? 0;
        to[place] = at;
        starts[digit] = place + 1;
      }
      [from, to] = [to, from];
    }
    return from;
  }

  #grow(): void {
    const capacity = Math.max(1024, this.#hashes.length * 2);
    const hashes = new Uint32Array(capacity);
    const queues = new Uint32Array(capacity);
    const indexes = new Float64Array(capacity);
    hashes.set(this.#hashes);
    queues.set(this.#queues);
    indexes.set(this.#indexes);
    this.#hashes = hashes;
    this.#queues = queues;
    this.#indexes = indexes;
  }
}

/** @returns null where the bytes are not this block of a run. */
export function decodeKeyBlock(bytes: Uint8Array, number: number): KeyBlock | null {
  if (bytes.length !== RUN_BLOCK_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const count = view.getUint32(8, true);
  if (
    view.getUint32(0, true) !== MAGIC ||
    view.getUint32(4, true) !== number ||
    count > RUN_BLOCK_ENTRIES ||
    view.getUint32(CHECKSUM_AT, true) !== crc32(bytes.subarray(0, CHECKSUM_AT))
  )
    return null;
  return {
    count,
    hash: (at) => view.getUint32(HEAD_BYTES + at * ENTRY_BYTES, true),
    place: (at) => ({
      queue: view.getUint32(HEAD_BYTES + at * ENTRY_BYTES + 4, true),
      index: readUint53(view, HEAD_BYTES + at * ENTRY_BYTES + 8, KeyNumberError) as LogIndex,
    }),
  };
}
