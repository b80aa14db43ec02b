import { mark } from '../base/marks.ts';

/** Messages on their way to one follower and not yet acknowledged: a ring of (last index, bytes), oldest first. */
export class Inflights {
  readonly #ends: Float64Array;
  readonly #sizes: Float64Array;
  readonly #bytesMax: number;
  #head = 0;
  #count = 0;
  #bytes = 0;

  constructor(messagesMax: number, bytesMax: number) {
    this.#ends = new Float64Array(messagesMax);
    this.#sizes = new Float64Array(messagesMax);
    this.#bytesMax = bytesMax;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes that may still leave; 0 if the window is full in messages or bytes. */
  get roomBytes(): number {
    return this.#count === this.#ends.length ? 0 : Math.max(0, this.#bytesMax - this.#bytes);
  }

  add(lastIndex: number, bytes: number): void {
    const at = (this.#head + this.#count) % this.#ends.length;
    this.#ends[at] = lastIndex;
    this.#sizes[at] = bytes;
    this.#count += 1;
    this.#bytes += bytes;
    if (this.#count === this.#ends.length) mark('raft.window-full');
    if (this.#bytes >= this.#bytesMax) mark('raft.byte-window-full');
  }

  acknowledge(matchIndex: number): void {
    while (this.#count > 0 && (this.#ends[this.#head] ?? 0) <= matchIndex) {
      this.#bytes -= this.#sizes[this.#head] ?? 0;
      this.#head = (this.#head + 1) % this.#ends.length;
      this.#count -= 1;
    }
  }

  clear(): void {
    this.#head = 0;
    this.#count = 0;
    this.#bytes = 0;
  }
}
