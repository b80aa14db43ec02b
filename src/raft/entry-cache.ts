import { violated } from '../base/assert.ts';
import type { Entry } from '../base/entry.ts';
import type { LogIndex } from '../base/units.ts';

/**
 * However small they are: what is held are objects, which the collector copies twice before it calls them old, and then goes
 * over again and again. As many as one producer may have in flight, for a follower that lags.
 */
const ENTRIES_MAX = 8192;

/**
 * The newest stretch of the log in memory: a ring addressed by index, so that appending, evicting and truncating cost
 * nothing per entry but a store. Running byte sums beside it answer "how many bytes from here to there" in one
 * subtraction.
 */
export class EntryCache {
  #slots: (Entry | undefined)[] = Array.from({ length: 1024 });
  /** At the slot of index i: bytes of all entries ever put in, up to and including i. */
  #sums = new Float64Array(1024);
  #mask = 1023;
  #first: number;
  #last: number;
  #sumBefore = 0;
  #checksumBefore: number | null;

  /** Begins empty, just before `first`. `checksumBefore` is that of the entry at first - 1; null if not known. */
  constructor(first: LogIndex, checksumBefore: number | null) {
    this.#first = first;
    this.#last = first - 1;
    this.#checksumBefore = checksumBefore;
  }

  /** Index of the oldest entry held; last + 1 when there is none. */
  get firstIndex(): LogIndex {
    return this.#first as LogIndex;
  }

  get bytes(): number {
    return this.#sumAt(this.#last) - this.#sumBefore;
  }

  push(entry: Entry): void {
    if (entry.index !== this.#last + 1)
      violated(`cache ends at ${this.#last}, entry has index ${entry.index}`);
    if (this.#last - this.#first + 1 > this.#mask) this.#grow();
    const sum = this.#sumAt(this.#last) + entry.bytes.length;
    this.#last += 1;
    // `&` works on the low 32 bits of any safe integer, which is all that a ring needs.
    this.#slots[this.#last & this.#mask] = entry;
    this.#sums[this.#last & this.#mask] = sum;
  }

  get(index: number): Entry | null {
    if (index < this.#first || index > this.#last) return null;
    return this.#slots[index & this.#mask] ?? null;
  }

  /** Chained checksum of the entry at `index`, also for the one just before the first held; null if not known. */
  checksumAt(index: number): number | null {
    if (index === this.#first - 1) return this.#checksumBefore;
    return this.get(index)?.checksum ?? null;
  }

  /** Bytes of the entries held in (after, upTo]. */
  bytesBetween(after: number, upTo: number): number {
    if (upTo <= after) return 0;
    return this.#sumAt(upTo) - this.#sumAt(Math.max(after, this.#first - 1));
  }

  /**
   * Entries from `first` to at most `last` within `bytesMax`; the first one comes even if it is larger. Null if
   * `first` is not held.
   */
  slice(first: number, last: number, bytesMax: number): Entry[] | null {
    if (first < this.#first || first > this.#last) return null;
    const end = Math.min(last, this.#last);
    const entries: Entry[] = [];
    let bytes = 0;
    for (let index = first; index <= end; index += 1) {
      const entry = this.#slots[index & this.#mask];
      if (entry === undefined) violated(`cache holds ${this.#first}..${this.#last} but not ${index}`);
      bytes += entry.bytes.length;
      if (bytes > bytesMax && entries.length > 0) break;
      entries.push(entry);
    }
    return entries;
  }

  /** Drops `from` and all after it. `checksumBefore` is that of the entry at from - 1, which need not be held. */
  truncate(from: LogIndex, checksumBefore: number): void {
    for (let index = Math.max(from, this.#first); index <= this.#last; index += 1) {
      this.#slots[index & this.#mask] = undefined;
    }
    if (from <= this.#first) {
      this.#first = from;
      this.#checksumBefore = checksumBefore;
      this.#sumBefore = 0;
    }
    this.#last = Math.min(this.#last, from - 1);
    if (this.#last < this.#first) this.#last = this.#first - 1;
  }

  /** Lets the oldest go, none beyond `upTo`, until no more than `bytesMax` and 8192 entries are held. */
  evict(upTo: LogIndex, bytesMax: number): void {
    const end = Math.min(upTo, this.#last);
    while (this.#first <= end && (this.bytes > bytesMax || this.#last - this.#first >= ENTRIES_MAX)) {
      const slot = this.#first & this.#mask;
      this.#checksumBefore = this.#slots[slot]?.checksum ?? null;
      this.#sumBefore = this.#sums[slot] ?? 0;
      this.#slots[slot] = undefined;
      this.#first += 1;
    }
  }

  #sumAt(index: number): number {
    return index < this.#first ? this.#sumBefore : (this.#sums[index & this.#mask] ?? 0);
  }

  #grow(): void {
    const mask = this.#mask * 2 + 1;
    const slots: (Entry | undefined)[] = Array.from({ length: mask + 1 });
    const sums = new Float64Array(mask + 1);
    for (let index = this.#first; index <= this.#last; index += 1) {
      slots[index & mask] = this.#slots[index & this.#mask];
      sums[index & mask] = this.#sums[index & this.#mask] ?? 0;
    }
    this.#slots = slots;
    this.#sums = sums;
    this.#mask = mask;
  }
}
