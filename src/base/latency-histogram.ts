/** How long something took, in milliseconds. Null before the first. */
export interface LatencySummary {
  readonly count: number;
  readonly p50: number | null;
  readonly p99: number | null;
  readonly p999: number | null;
  readonly max: number | null;
}

const BUCKETS_PER_OCTAVE = 8;
const SHORTEST_MS = 0.01;
const BUCKETS = 200;

/** A histogram whose buckets are 9 % wide (8 an octave), from 10 microseconds to about 5 minutes. */
export class LatencyHistogram {
  readonly #counts: Float64Array = new Float64Array(BUCKETS);
  #count = 0;
  #max = 0;

  add(ms: number): void {
    const bucket = Math.ceil(Math.log2(Math.max(ms, SHORTEST_MS) / SHORTEST_MS) * BUCKETS_PER_OCTAVE);
    const at = Math.min(bucket, BUCKETS - 1);
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#count += 1;
    this.#max = Math.max(this.#max, ms);
  }

  /** Both together, as a new one. */
  with(other: LatencyHistogram): LatencyHistogram {
    const sum = new LatencyHistogram();
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      sum.#counts[bucket] = (this.#counts[bucket] ?? 0) + (other.#counts[bucket] ?? 0);
    }
    sum.#count = this.#count + other.#count;
    sum.#max = Math.max(this.#max, other.#max);
    return sum;
  }

  get summary(): LatencySummary {
    if (this.#count === 0) return { count: 0, p50: null, p99: null, p999: null, max: null };
    return {
      count: this.#count,
      p50: this.#quantile(0.5),
      p99: this.#quantile(0.99),
      p999: this.#quantile(0.999),
      max: this.#max,
    };
  }

  /** The upper end of the bucket, so that a figure is never better than what was measured. */
  #quantile(share: number): number {
    const rank = Math.ceil(this.#count * share);
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      seen += this.#counts[bucket] ?? 0;
      if (seen >= rank) return Math.min(this.#max, SHORTEST_MS * 2 ** (bucket / BUCKETS_PER_OCTAVE));
    }
    return this.#max;
  }
}

const SPAN_MS = 10_000;

/** The same over a while that ends now: what is older than two spans of ten seconds is forgotten, older than one may be. */
export class RecentLatencies {
  #current = new LatencyHistogram();
  #previous = new LatencyHistogram();
  #spanEndsMs = 0;

  /** @param nowMs monotonic. */
  add(ms: number, nowMs: number): void {
    this.#roll(nowMs);
    this.#current.add(ms);
  }

  summary(nowMs: number): LatencySummary {
    this.#roll(nowMs);
    return this.#current.with(this.#previous).summary;
  }

  #roll(nowMs: number): void {
    if (nowMs < this.#spanEndsMs) return;
    const isRecent = nowMs < this.#spanEndsMs + SPAN_MS;
    this.#previous = isRecent ? this.#current : new LatencyHistogram();
    this.#current = new LatencyHistogram();
    this.#spanEndsMs = nowMs + SPAN_MS;
  }
}
