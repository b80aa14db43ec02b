import { assert } from '../base/assert.ts';
import type { Entry } from '../base/entry.ts';
import type { LogIndex } from '../base/units.ts';
import { BLOCK_BYTES_MAX } from './format.ts';
import type { HardState } from './hard-state.ts';

/** What is to be made durable together, in the order: hard state, truncation, entries. */
export interface WalWork {
  /** Ascending. `onDurable(number)` reports it and all before. */
  readonly number: number;
  /** Null = unchanged. */
  readonly hardState: HardState | null;
  /** Forget all entries from here on. Null, or an index above the last one: none. */
  readonly truncateFrom: LogIndex | null;
  /** Header checksum of the entry before `truncateFrom`. Where it is not given, it is read. */
  readonly truncateChecksum?: number;
  /** Consecutive, and chained to the entry before them. */
  readonly entries: readonly Entry[];
}

/** Several works as one write. */
export interface Batch {
  readonly number: number;
  readonly hardState: HardState | null;
  readonly truncateFrom: LogIndex | null;
  readonly truncateChecksum?: number | undefined;
  readonly entries: readonly Entry[];
}

/** What gathers while a sync runs. */
export class Gathering {
  #works: WalWork[] = [];
  #lastNumber = 0;
  /** The last index of the log when everything gathered will have been written. */
  #lastIndex: LogIndex;

  constructor(lastIndex: LogIndex) {
    this.#lastIndex = lastIndex;
  }

  get isEmpty(): boolean {
    return this.#works.length === 0;
  }

  get lastIndex(): LogIndex {
    return this.#lastIndex;
  }

  /** The newest term and vote among what gathered, and the work they came with. */
  get hardState(): { readonly number: number; readonly hardState: HardState } | null {
    const work = this.#works.findLast(({ hardState }) => hardState !== null);
    return work === undefined || work.hardState === null
      ? null
      : { number: work.number, hardState: work.hardState };
  }

  /** Term and vote of all works up to this one are written. */
  hardStateWritten(number: number): void {
    this.#works = this.#works.map((work) => (work.number <= number ? { ...work, hardState: null } : work));
  }

  add(work: WalWork): void {
    assert(work.number > this.#lastNumber, () => `work ${work.number} after work ${this.#lastNumber}`);
    let lastIndex = this.#lastIndex as number;
    if (work.truncateFrom !== null) {
      assert(work.truncateFrom > 0, 'truncating from index 0');
      lastIndex = Math.min(lastIndex, work.truncateFrom - 1);
    }
    for (const entry of work.entries) {
      lastIndex += 1;
      if (entry.index !== lastIndex) assert(false, `entry ${entry.index} where ${lastIndex} is next`);
    }
    this.#lastNumber = work.number;
    this.#lastIndex = lastIndex as LogIndex;
    this.#works.push(work);
  }

  /**
   * Takes works from the front, as many as one block should hold, and at least one.
   * A truncation of entries that were not written yet just leaves them out.
   */
  take(): Batch {
    const [first] = this.#works;
    assert(first !== undefined, 'nothing was gathered');
    if (this.#works.length === 1) {
      this.#works = [];
      return first;
    }
    let { number, hardState, truncateFrom, truncateChecksum } = first;
    let entries = [...first.entries];
    let bytes = bytesOf(first.entries);
    let taken = 1;
    for (; taken < this.#works.length && bytes < BLOCK_BYTES_MAX; taken += 1) {
      const work = this.#works[taken];
      if (work === undefined) break;
      number = work.number;
      hardState = work.hardState ?? hardState;
      if (work.truncateFrom !== null) {
        const kept = entries.filter(({ index }) => index < (work.truncateFrom ?? 0));
        if (kept.length === 0 && (truncateFrom === null || work.truncateFrom < truncateFrom)) {
          truncateFrom = work.truncateFrom;
          truncateChecksum = work.truncateChecksum;
        }
        entries = kept;
      }
      for (const entry of work.entries) entries.push(entry);
      bytes += bytesOf(work.entries);
    }
    this.#works = taken === this.#works.length ? [] : this.#works.slice(taken);
    return { number, hardState, truncateFrom, truncateChecksum, entries };
  }

  clear(): void {
    this.#works = [];
  }
}

/** As many entries from `from` on as one block holds, at least one. @returns one after the last. */
export function blockEnd(entries: readonly Entry[], from: number): number {
  let bytes = 0;
  let at = from;
  for (; at < entries.length; at += 1) {
    bytes += entries[at]?.bytes.length ?? 0;
    if (bytes > BLOCK_BYTES_MAX && at > from) break;
  }
  return at;
}

export function bytesOf(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entry.bytes.length;
  return bytes;
}
