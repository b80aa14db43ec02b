/**
 * Latencies in microseconds, in buckets that are at most 1.6 % wide (64 to a power of two): constant memory, however
 * many are recorded, and quantiles true to that width.
 */
export class Histogram {
  readonly #buckets = new Float64Array(64 * 32);
  #count = 0;
  #max = 0;

  record(microseconds: number): void {
    const value = Math.max(1, Math.round(microseconds));
    this.#count += 1;
    if (value > this.#max) this.#max = value;
    const bucket = bucketOf(value);
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
  }

  get count(): number {
    return this.#count;
  }

  get maxMs(): number {
    return this.#max / 1000;
  }

  /** @param fraction 0.5 is the median. @returns milliseconds, or null where nothing was recorded. */
  quantileMs(fraction: number): number | null {
    if (this.#count === 0) return null;
    let left = Math.ceil(this.#count * fraction);
    for (let bucket = 0; bucket < this.#buckets.length; bucket += 1) {
      left -= this.#buckets[bucket] ?? 0;
      if (left <= 0) return middleOf(bucket) / 1000;
    }
    return this.#max / 1000;
  }
}

function bucketOf(value: number): number {
  const power = Math.floor(Math.log2(value));
  if (power < 6) return value;
  return (power - 5) * 64 + (Math.floor(value / 2 ** (power - 6)) - 64);
}

function middleOf(bucket: number): number {
  if (bucket < 64) return bucket;
  const power = Math.floor(bucket / 64) + 5;
  const width = 2 ** (power - 6);
  return (bucket % 64) * width + 2 ** power + width / 2;
}

/** Median, smallest and largest of repeated measurements. */
export function spread(values: readonly number[]): { median: number; min: number; max: number } {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  const middle = Math.floor(sorted.length / 2);
  const median = sorted.length % 2 === 1 ? at(middle) : (at(middle - 1) + at(middle)) / 2;
  return { median, min: at(0), max: at(sorted.length - 1) };
}
