/** So many syncs in a row show that a disk is slow: one alone may have met somebody else's. */
const RUN = 3;
/** A single sync that hangs shows it too, once it takes so many times as long. */
const HUNG_TIMES = 4;
/** What was so long ago says nothing of today. */
const FORGOTTEN_MS = 10_000;

/** How slow a disk is at the moment: told while a sync hangs, and not only when it has ended. */
export class SyncPace {
  readonly #lastMs: number[] = [];
  #endedMs = Number.NEGATIVE_INFINITY;
  #beganMs: number | null = null;

  began(nowMs: number): void {
    this.#beganMs = nowMs;
  }

  ended(nowMs: number): void {
    if (this.#beganMs === null) return;
    this.#lastMs.push(nowMs - this.#beganMs);
    if (this.#lastMs.length > RUN) this.#lastMs.shift();
    this.#beganMs = null;
    this.#endedMs = nowMs;
  }

  /** What each of the last three syncs took at least, the one under way included; 0 where there were not so many lately. */
  paceMs(nowMs: number): number {
    const hangsMs = this.#beganMs === null ? 0 : nowMs - this.#beganMs;
    if (nowMs - this.#endedMs > FORGOTTEN_MS) return hangsMs / HUNG_TIMES;
    const done = Math.min(...(this.#lastMs.length < RUN ? [0] : this.#lastMs));
    const withThis = this.#lastMs.length < RUN - 1 ? 0 : Math.min(hangsMs, ...this.#lastMs.slice(1 - RUN));
    return Math.max(done, withThis, hangsMs / HUNG_TIMES);
  }
}
