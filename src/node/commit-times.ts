import { RecentLatencies, type LatencySummary } from '../base/latency-histogram.ts';
import type { LogIndex } from '../base/units.ts';

/** How long the leader's proposals take to commit. One sample a turn, not one a record. */
export class CommitTimes {
  readonly #latencies = new RecentLatencies();
  #lastProposed = 0;
  readonly #open: { readonly index: LogIndex; readonly atMs: number }[] = [];

  proposed(index: LogIndex, nowMs: number): void {
    if (index <= this.#lastProposed) return;
    this.#lastProposed = index;
    this.#open.push({ index, atMs: nowMs });
  }

  committed(index: LogIndex, nowMs: number): void {
    let done = 0;
    for (const sample of this.#open) {
      if (sample.index > index) break;
      this.#latencies.add(nowMs - sample.atMs, nowMs);
      done += 1;
    }
    if (done > 0) this.#open.splice(0, done);
  }

  /** What was proposed may never commit. */
  leadershipLost(): void {
    this.#open.length = 0;
    this.#lastProposed = 0;
  }

  summary(nowMs: number): LatencySummary {
    return this.#latencies.summary(nowMs);
  }
}
