import { assert, violated } from '../base/assert.ts';
import type { Entry } from '../base/entry.ts';
import type { LogIndex, Term } from '../base/units.ts';
import { EntryCache } from './entry-cache.ts';
import type { Recovered } from './options.ts';
import type { TermRun } from './ready.ts';

/**
 * The replicated log as the core sees it. Its pointers, in the order in which they follow each other:
 *
 *     firstIndex            oldest entry on disk
 *     commitIndex           a majority has it; never cut, never goes back
 *     durableIndex          synced on this node. May be behind the commit index (others were faster) or ahead of it
 *     takenIndex            handed out in a Ready, on its way to the disk
 *     lastIndex             newest entry
 *
 * Terms of all entries are known (as runs, a few numbers a term); of the entries themselves only the newest.
 */
export class RaftLog {
  readonly #cache: EntryCache;
  readonly #runs: TermRun[];
  #firstIndex: LogIndex;
  #lastIndex: LogIndex;
  #commitIndex: LogIndex;
  #durableIndex: LogIndex;
  #takenIndex: LogIndex;
  /** Header checksum of the entry before. */
  #truncateChecksum = 0;
  #truncateFrom: LogIndex | null = null;

  constructor(recovered: Recovered) {
    const { firstIndex, lastIndex, commitIndex, tail } = recovered;
    assert(
      firstIndex <= lastIndex + 1,
      () => `first index ${firstIndex} is beyond last index ${lastIndex} + 1`,
    );
    assert(
      commitIndex <= lastIndex,
      () => `recovered commit index ${commitIndex} is beyond last index ${lastIndex}`,
    );
    this.#firstIndex = firstIndex;
    this.#lastIndex = lastIndex;
    this.#commitIndex = commitIndex;
    this.#durableIndex = lastIndex;
    this.#takenIndex = lastIndex;
    this.#runs = [...recovered.termRuns];
    this.#cache = fill(tail, lastIndex, recovered.lastChecksum);
    assert(
      lastIndex === 0 || this.termAt(lastIndex) !== null,
      () => `no term is known for last index ${lastIndex}`,
    );
  }

  get firstIndex(): LogIndex {
    return this.#firstIndex;
  }

  get lastIndex(): LogIndex {
    return this.#lastIndex;
  }

  get lastTerm(): Term {
    return this.#runs.at(-1)?.term ?? (0 as Term);
  }

  get lastChecksum(): number {
    const checksum = this.#cache.checksumAt(this.#lastIndex);
    assert(checksum !== null, () => `the checksum of last index ${this.#lastIndex} is not known`);
    return checksum;
  }

  get commitIndex(): LogIndex {
    return this.#commitIndex;
  }

  get durableIndex(): LogIndex {
    return this.#durableIndex;
  }

  get takenIndex(): LogIndex {
    return this.#takenIndex;
  }

  get cachedFrom(): LogIndex {
    return this.#cache.firstIndex;
  }

  /** Something waits to be handed to the disk. */
  get hasUntaken(): boolean {
    return this.#takenIndex < this.#lastIndex || this.#truncateFrom !== null;
  }

  get uncommittedBytes(): number {
    return this.bytesAfter(this.#commitIndex);
  }

  get termRuns(): readonly TermRun[] {
    return this.#runs;
  }

  /** Null outside of what is known: beyond the last index, or before the one that precedes the first. */
  termAt(index: number): Term | null {
    if (index === 0) return 0 as Term;
    if (index > this.#lastIndex) return null;
    const run = this.#runs[this.#runAt(index)];
    if (run === undefined || index < this.#firstIndex - 1) return null;
    return run.term;
  }

  /** First index of the stretch of equal terms around `index`. */
  firstIndexOfRun(index: LogIndex): LogIndex {
    return this.#runs[this.#runAt(index)]?.firstIndex ?? index;
  }

  /** Newest entry of `term` before `before`; null if there is none. */
  lastIndexOfTerm(term: Term, before: LogIndex): LogIndex | null {
    const at = this.#runAt(before - 1);
    for (let run = at; run >= 0; run -= 1) {
      const found = this.#runs[run];
      if (found === undefined || found.term < term) return null;
      if (found.term > term) continue;
      const end = run === at ? before : (this.#runs[run + 1]?.firstIndex ?? before);
      return (end - 1) as LogIndex;
    }
    return null;
  }

  checksumAt(index: number): number | null {
    if (index === 0) return 0;
    return index > this.#lastIndex ? null : this.#cache.checksumAt(index);
  }

  cached(index: LogIndex): Entry | null {
    return this.#cache.get(index);
  }

  slice(first: LogIndex, last: number, bytesMax: number): Entry[] | null {
    return this.#cache.slice(first, last, bytesMax);
  }

  /** Bytes of the entries beyond `index`, as far as they are in memory. */
  bytesAfter(index: number): number {
    return this.#cache.bytesBetween(index, this.#lastIndex);
  }

  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.term !== this.lastTerm) {
        if (entry.term < this.lastTerm)
          violated(`entry ${entry.index} has term ${entry.term}, the one before has ${this.lastTerm}`);
        this.#runs.push({ firstIndex: entry.index, term: entry.term });
      }
      this.#cache.push(entry);
      this.#lastIndex = entry.index;
    }
  }

  /**
   * Drops `from` and all after it. What the disk is about to write, or wrote, is dropped there too with the next
   * Ready; what it never saw just vanishes.
   */
  truncate(from: LogIndex, checksumBefore: number): void {
    assert(
      from > this.#commitIndex,
      () => `truncation from ${from} would cut committed entries: commit index ${this.#commitIndex}`,
    );
    assert(from <= this.#lastIndex, () => `truncation from ${from} beyond last index ${this.#lastIndex}`);
    const end = (from - 1) as LogIndex;
    while (this.#runs.length > 0 && (this.#runs.at(-1)?.firstIndex ?? 0) >= from) this.#runs.pop();
    this.#cache.truncate(from, checksumBefore);
    this.#lastIndex = end;
    if (this.#takenIndex >= from) {
      this.#takenIndex = end;
      if (this.#truncateFrom === null || from < this.#truncateFrom) {
        this.#truncateFrom = from;
        this.#truncateChecksum = checksumBefore;
      }
    }
    if (this.#durableIndex > end) this.#durableIndex = end;
  }

  commitTo(index: LogIndex): void {
    assert(
      index >= this.#commitIndex && index <= this.#lastIndex,
      () => `commit index ${this.#commitIndex} cannot move to ${index}: last index ${this.#lastIndex}`,
    );
    this.#commitIndex = index;
  }

  /** What the disk is to do now. Entries that were taken are not handed out again. */
  take(): { truncateFrom: LogIndex | null; truncateChecksum: number; entries: Entry[] } {
    const truncateFrom = this.#truncateFrom;
    const first = (this.#takenIndex + 1) as LogIndex;
    const entries =
      first > this.#lastIndex ? [] : this.#cache.slice(first, this.#lastIndex, Number.POSITIVE_INFINITY);
    assert(entries !== null, () => `entries from ${first} left the cache before the disk saw them`);
    this.#takenIndex = this.#lastIndex;
    this.#truncateFrom = null;
    return { truncateFrom, truncateChecksum: this.#truncateChecksum, entries };
  }

  durableTo(index: LogIndex): void {
    assert(
      index <= this.#takenIndex,
      () => `durable index ${index} is beyond what was taken, ${this.#takenIndex}`,
    );
    if (index > this.#durableIndex) this.#durableIndex = index;
  }

  /** The log on disk begins here now: what lies before is applied, and the disk does not have it any more. */
  beginAt(firstIndex: LogIndex): void {
    if (firstIndex <= this.#firstIndex) return;
    const base = (firstIndex - 1) as LogIndex;
    assert(
      base <= Math.min(this.#commitIndex, this.#durableIndex),
      () =>
        `the log would begin at ${firstIndex}: commit index ${this.#commitIndex}, durable ${this.#durableIndex}`,
    );
    const term = this.termAt(base);
    this.#firstIndex = firstIndex;
    this.#runs.splice(0, this.#runAt(base));
    if (term !== null && this.#runs.length > 0) this.#runs[0] = { firstIndex: base, term };
  }

  /** Lets go of what is durable, committed and applied, beyond a budget. */
  evict(appliedIndex: LogIndex, bytesMax: number): void {
    this.#cache.evict(Math.min(appliedIndex, this.#durableIndex, this.#commitIndex) as LogIndex, bytesMax);
  }

  /** Position of the run that holds `index`; -1 if it lies before all. Nearly always it is the last one. */
  #runAt(index: number): number {
    let high = this.#runs.length - 1;
    if (high >= 0 && (this.#runs[high]?.firstIndex ?? 0) <= index) return high;
    let low = -1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.#runs[middle]?.firstIndex ?? 0) <= index) low = middle;
      else high = middle;
    }
    return low;
  }
}

function fill(tail: readonly Entry[], lastIndex: LogIndex, lastChecksum: number): EntryCache {
  const first = tail[0];
  if (first === undefined)
    return new EntryCache((lastIndex + 1) as LogIndex, lastIndex === 0 ? 0 : lastChecksum);
  const cache = new EntryCache(first.index, first.index === 1 ? 0 : null);
  for (const entry of tail) cache.push(entry);
  const last = tail.at(-1);
  assert(
    last?.index === lastIndex && last.checksum === lastChecksum,
    () => `recovered entries end at ${last?.index}, the log at ${lastIndex}`,
  );
  return cache;
}
