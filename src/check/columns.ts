/** The typed arrays that a column may be made of. */
type Storage = Float64Array | Uint32Array | Uint8Array;

const FIRST_LENGTH = 1024;

/**
 * A column of numbers that grows. Millions of operations as objects would take a gigabyte and spend their time in the
 * collector of garbage; as columns they are a few arrays.
 */
export class Column {
  readonly #make: (length: number) => Storage;
  #values: Storage;
  #length = 0;

  private constructor(make: (length: number) => Storage) {
    this.#make = make;
    this.#values = make(FIRST_LENGTH);
  }

  /** Indexes, terms, moments: whole numbers up to 2^53, and Infinity. */
  static numbers(): Column {
    return new Column((length) => new Float64Array(length));
  }

  /** Rows of other columns. */
  static rows(): Column {
    return new Column((length) => new Uint32Array(length));
  }

  static bytes(): Column {
    return new Column((length) => new Uint8Array(length));
  }

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const grown = this.#make(this.#length * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#length] = value;
    this.#length += 1;
  }

  /** 0 beyond the end. */
  at(row: number): number {
    return row < this.#length ? (this.#values[row] ?? 0) : 0;
  }

  set(row: number, value: number): void {
    this.#values[row] = value;
  }
}

/** Texts, each once: a number for each, from 0 on. */
export class Interner {
  readonly #numbers = new Map<string, number>();
  readonly #texts: string[] = [];

  get size(): number {
    return this.#texts.length;
  }

  intern(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    const number = this.#texts.length;
    this.#numbers.set(text, number);
    this.#texts.push(text);
    return number;
  }

  textOf(number: number): string {
    return this.#texts[number] ?? '';
  }
}
