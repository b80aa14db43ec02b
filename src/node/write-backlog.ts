import { assert } from '../base/assert.ts';

/**
 * Bytes of entries handed to this node's own log and not durable there yet. A majority may commit without this disk;
 * if it is the slowest of all, what it has not written would pile up in memory without end. So a leader proposes no
 * faster than its own disk writes, give or take this backlog.
 */
export class WriteBacklog {
  #works: { readonly number: number; readonly bytes: number }[] = [];
  #head = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  submitted(number: number, bytes: number): void {
    this.#works.push({ number, bytes });
    this.#bytes += bytes;
  }

  /** Everything up to and including this number is durable. */
  durable(number: number): void {
    while (this.#head < this.#works.length) {
      const work = this.#works[this.#head];
      if (work === undefined || work.number > number) break;
      this.#bytes -= work.bytes;
      this.#head += 1;
    }
    assert(this.#bytes >= 0, () => `a backlog of ${this.#bytes} bytes`);
    if (this.#head > 64 && this.#head * 2 > this.#works.length) {
      this.#works = this.#works.slice(this.#head);
      this.#head = 0;
    }
  }
}
