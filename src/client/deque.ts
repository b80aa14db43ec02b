/** A queue that is also looked into: a ring that doubles when it is full. Its owner bounds it. */
export class Deque<T> {
  #ring: (T | undefined)[] = Array.from({ length: 16 });
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(item: T): void {
    if (this.#length === this.#ring.length) this.#grow();
    this.#ring[(this.#head + this.#length) & (this.#ring.length - 1)] = item;
    this.#length += 1;
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#ring[this.#head];
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.#length -= 1;
    return item;
  }

  /** The item so many places behind the first. */
  at(offset: number): T | undefined {
    if (offset < 0 || offset >= this.#length) return undefined;
    return this.#ring[(this.#head + offset) & (this.#ring.length - 1)];
  }

  /** Takes out what lies at this place and behind it. */
  takeFrom(offset: number): T[] {
    const taken: T[] = [];
    for (let at = offset; at < this.#length; at += 1) {
      const slot = (this.#head + at) & (this.#ring.length - 1);
      taken.push(this.#ring[slot] as T);
      this.#ring[slot] = undefined;
    }
    this.#length -= taken.length;
    return taken;
  }

  takeAll(): T[] {
    return this.takeFrom(0);
  }

  #grow(): void {
    const ring: (T | undefined)[] = Array.from({ length: this.#ring.length * 2 });
    for (let at = 0; at < this.#length; at += 1) ring[at] = this.at(at);
    this.#ring = ring;
    this.#head = 0;
  }
}
