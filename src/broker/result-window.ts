import { violated } from '../base/assert.ts';
import { readUint53, writeUint53 } from '../base/uint53.ts';
import type { LogIndex, Term } from '../base/units.ts';

/** In the raw log; 8 more in a queue. */
const RESULT_BYTES = 16;
const HEAD_BYTES = 16;

/** Where a batch was stored. */
export interface StoredAt {
  readonly index: LogIndex;
  readonly term: Term;
  /** Of its first record in its queue; null in the raw log. */
  readonly baseOffset: number | null;
}

/**
 * The results of a producer's last batches in one queue: a ring over consecutive sequence numbers. It grows with what
 * the producer sends, up to what it announced to have in flight at most: a retry cannot be older than that.
 */
export class ResultWindow {
  readonly #limit: number;
  #lastSequence = 0;
  #kept = 0;
  #indexes: Float64Array;
  #terms: Float64Array;
  /** Null in the raw log, which has no offsets. */
  #baseOffsets: Float64Array | null;

  /** @param hasOffsets whether it is for a queue, and not for the raw log. */
  constructor(limit: number, hasOffsets: boolean) {
    this.#limit = limit;
    const capacity = Math.min(limit, 16);
    this.#indexes = new Float64Array(capacity);
    this.#terms = new Float64Array(capacity);
    this.#baseOffsets = hasOffsets ? new Float64Array(capacity) : null;
  }

  /** Results that there is memory for. A function of what is kept, so that it survives a checkpoint. */
  get capacity(): number {
    return this.#indexes.length;
  }

  /** Sequence of the batch accepted last; 0 before the first. */
  get lastSequence(): number {
    return this.#lastSequence;
  }

  /** The result of an earlier batch, or null if it is too long ago. */
  resultOf(sequence: number): StoredAt | null {
    if (sequence > this.#lastSequence || sequence <= this.#lastSequence - this.#kept) return null;
    const slot = sequence % this.#indexes.length;
    return {
      index: (this.#indexes[slot] ?? 0) as LogIndex,
      term: (this.#terms[slot] ?? 0) as Term,
      baseOffset: this.#baseOffsets === null ? null : (this.#baseOffsets[slot] ?? 0),
    };
  }

  accept(sequence: number, { index, term, baseOffset }: StoredAt): void {
    if (sequence !== this.#lastSequence + 1) violated(`sequence ${sequence} after ${this.#lastSequence}`);
    if (this.#kept === this.#indexes.length && this.#indexes.length < this.#limit) this.#grow();
    const slot = sequence % this.#indexes.length;
    this.#indexes[slot] = index;
    this.#terms[slot] = term;
    if (this.#baseOffsets !== null) this.#baseOffsets[slot] = baseOffset ?? 0;
    this.#lastSequence = sequence;
    if (this.#kept < this.#indexes.length) this.#kept += 1;
  }

  get encodedBytes(): number {
    return HEAD_BYTES + this.#kept * (RESULT_BYTES + (this.#baseOffsets === null ? 0 : 8));
  }

  /** u64 last sequence, u32 results kept, u32 zero, then of each, oldest first: u64 index, u64 term, in a queue u64 baseOffset. */
  encode(view: DataView, offset: number): number {
    writeUint53(view, offset, this.#lastSequence);
    view.setUint32(offset + 8, this.#kept, true);
    view.setUint32(offset + 12, 0, true);
    let at = offset + HEAD_BYTES;
    for (let sequence = this.#lastSequence - this.#kept + 1; sequence <= this.#lastSequence; sequence += 1) {
      const slot = sequence % this.#indexes.length;
      writeUint53(view, at, this.#indexes[slot] ?? 0);
      writeUint53(view, at + 8, this.#terms[slot] ?? 0);
      at += RESULT_BYTES;
      if (this.#baseOffsets === null) continue;
      writeUint53(view, at, this.#baseOffsets[slot] ?? 0);
      at += 8;
    }
    return at;
  }

  static decode(
    view: DataView,
    offset: number,
    limit: number,
    hasOffsets: boolean,
  ): { window: ResultWindow; end: number } {
    const window = new ResultWindow(limit, hasOffsets);
    const lastSequence = readUint53(view, offset, RangeError);
    const kept = view.getUint32(offset + 8, true);
    if (kept > limit || kept > lastSequence)
      throw new RangeError(`${kept} results kept of ${lastSequence}, limit ${limit}`);
    window.#lastSequence = lastSequence - kept;
    let at = offset + HEAD_BYTES;
    for (let sequence = lastSequence - kept + 1; sequence <= lastSequence; sequence += 1) {
      window.accept(sequence, {
        index: readUint53(view, at, RangeError) as LogIndex,
        term: readUint53(view, at + 8, RangeError) as Term,
        baseOffset: hasOffsets ? readUint53(view, at + RESULT_BYTES, RangeError) : null,
      });
      at += hasOffsets ? RESULT_BYTES + 8 : RESULT_BYTES;
    }
    return { window, end: at };
  }

  #grow(): void {
    const capacity = Math.min(this.#limit, this.#indexes.length * 2);
    const indexes = new Float64Array(capacity);
    const terms = new Float64Array(capacity);
    const old = this.#baseOffsets;
    const baseOffsets = old === null ? null : new Float64Array(capacity);
    for (let sequence = this.#lastSequence - this.#kept + 1; sequence <= this.#lastSequence; sequence += 1) {
      indexes[sequence % capacity] = this.#indexes[sequence % this.#indexes.length] ?? 0;
      terms[sequence % capacity] = this.#terms[sequence % this.#terms.length] ?? 0;
      if (baseOffsets !== null && old !== null)
        baseOffsets[sequence % capacity] = old[sequence % old.length] ?? 0;
    }
    this.#indexes = indexes;
    this.#terms = terms;
    this.#baseOffsets = baseOffsets;
  }
}
