import { LatencyHistogram, type LatencySummary } from '../base/latency-histogram.ts';

export const INTERVAL_MS = 250;

/** One interval of a series. */
export interface Interval {
  readonly atMs: number;
  readonly intervalMs: number;
  readonly offered: number;
  readonly acked: number;
  /** Refused, or of unknown outcome. */
  readonly failed: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

/** A stretch of time without an acknowledgement. */
export interface Silence {
  readonly fromMs: number;
  readonly toMs: number;
}

interface Counts {
  offered: number;
  acked: number;
  failed: number;
  readonly latencies: LatencyHistogram;
}

interface Ack {
  readonly atMs: number;
  /** When it was to be sent, whether or not it could be. */
  readonly intendedMs: number;
}

/** What clients felt, on the time of the drill. */
export class Measurements {
  readonly #intervals: Counts[] = [];
  readonly #acks: Ack[] = [];
  /** While so many are wanted, silence is the cluster's. */
  readonly #loads: { fromMs: number; toMs: number }[] = [];

  get acked(): number {
    return this.#acks.length;
  }

  offered(atMs: number): void {
    this.#at(atMs).offered += 1;
  }

  acknowledged(atMs: number, intendedMs: number): void {
    this.#acks.push({ atMs, intendedMs });
    const counts = this.#at(atMs);
    counts.acked += 1;
    counts.latencies.add(Math.max(0, atMs - intendedMs));
  }

  failed(atMs: number): void {
    this.#at(atMs).failed += 1;
  }

  loadBegan(atMs: number): void {
    this.#loads.push({ fromMs: atMs, toMs: Infinity });
  }

  loadEnded(atMs: number): void {
    const load = this.#loads.at(-1);
    if (load !== undefined) load.toMs = atMs;
  }

  /** How long no acknowledgement has come, while load is offered; 0 where none is. */
  silentFor(nowMs: number): number {
    const load = this.#loads.at(-1);
    if (load === undefined || load.toMs !== Infinity) return 0;
    return nowMs - Math.max(load.fromMs, this.#acks.at(-1)?.atMs ?? 0);
  }

  /** Acknowledgements a second from one moment to another. */
  rateBetween(fromMs: number, toMs: number): number {
    const acks = this.#acks.filter(({ atMs }) => atMs >= fromMs && atMs < toMs).length;
    return toMs > fromMs ? (acks * 1000) / (toMs - fromMs) : 0;
  }

  /** Of those whose intended start satisfies the condition, so that what could not be sent counts too. */
  latencies(isMeant: (intendedMs: number) => boolean): LatencySummary {
    const histogram = new LatencyHistogram();
    for (const { atMs, intendedMs } of this.#acks) {
      if (isMeant(intendedMs)) histogram.add(Math.max(0, atMs - intendedMs));
    }
    return histogram.summary;
  }

  /** While load was offered: stretches without an acknowledgement that are at least so long, in order. */
  silences(atLeastMs: number): Silence[] {
    const silences: Silence[] = [];
    for (const { fromMs, toMs } of this.#loads) {
      const inside = this.#acks.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs).map(({ atMs }) => atMs);
      const last = toMs === Infinity ? (inside.at(-1) ?? fromMs) : toMs;
      const moments = [fromMs, ...inside, last];
      for (let at = 1; at < moments.length; at += 1) {
        const silence = { fromMs: moments[at - 1] ?? 0, toMs: moments[at] ?? 0 };
        if (silence.toMs - silence.fromMs >= atLeastMs) silences.push(silence);
      }
    }
    return silences;
  }

  series(): Interval[] {
    return this.#intervals.map(({ offered, acked, failed, latencies }, at) => {
      const { p50, p99 } = latencies.summary;
      return {
        atMs: at * INTERVAL_MS,
        intervalMs: INTERVAL_MS,
        offered,
        acked,
        failed,
        p50Ms: p50,
        p99Ms: p99,
      };
    });
  }

  #at(atMs: number): Counts {
    const place = Math.max(0, Math.floor(atMs / INTERVAL_MS));
    while (this.#intervals.length <= place) {
      this.#intervals.push({ offered: 0, acked: 0, failed: 0, latencies: new LatencyHistogram() });
    }
    return this.#intervals[place] as Counts;
  }
}
