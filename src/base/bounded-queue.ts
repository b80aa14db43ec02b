import { assert } from './assert.ts';

/** First in, first out, with a limit: every queue between two parts of this system has one. A ring that grows to it. */
export class BoundedQueue<T> {
  readonly limit: number;
  #ring: (T | undefined)[] = Array.from({ length: 16 });
  #head = 0;
  #size = 0;

  constructor(limit: number) {
    assert(Number.isInteger(limit) && limit > 0, () => `queue limit ${limit} is not a positive integer`);
    this.limit = limit;
  }

  get size(): number {
    return this.#size;
  }

  get isFull(): boolean {
    return this.#size >= this.limit;
  }

  /** @returns false, and leaves the queue as it was, if it is full. */
  push(item: T): boolean {
    if (this.isFull) return false;
    if (this.#size === this.#ring.length) this.#grow();
    this.#ring[(this.#head + this.#size) % this.#ring.length] = item;
    this.#size += 1;
    return true;
  }

  peek(): T | undefined {
    return this.#size === 0 ? undefined : this.#ring[this.#head];
  }

  shift(): T | undefined {
    if (this.#size === 0) return undefined;
    const item = this.#ring[this.#head];
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) % this.#ring.length;
    this.#size -= 1;
    return item;
  }

  clear(): void {
    this.#ring.fill(undefined);
    this.#head = 0;
    this.#size = 0;
  }

  #grow(): void {
    const ring: (T | undefined)[] = Array.from({ length: this.#ring.length * 2 });
    for (let at = 0; at < this.#size; at += 1) ring[at] = this.#ring[(this.#head + at) % this.#ring.length];
    this.#ring = ring;
    this.#head = 0;
  }
}
