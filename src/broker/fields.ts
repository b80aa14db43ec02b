import { assert } from '../base/assert.ts';
import { UINT53_MAX, readUint53, writeUint53 } from '../base/uint53.ts';
import { decodeUtf8, encodeUtf8 } from '../base/utf8.ts';
import type { QueuePosition } from './queue-position.ts';

const TEXT_BYTES_MAX = 65_535;

/** Fields of a command or a checkpoint, one after the other, into memory that doubles. */
export class Writer {
  #bytes: Uint8Array;
  #view: DataView;
  #offset = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  // A number that wrapped round would be an order that no node can read, and every one stops at.
  u32(value: number): this {
    assert(value >= 0 && value < 2 ** 32, () => `${value} is not in 0..2^32-1`);
    const at = this.#take(4);
    this.#view.setUint32(at, value, true);
    return this;
  }

  uint53(value: number): this {
    assert(value >= 0 && value <= UINT53_MAX, () => `${value} is not in 0..2^53-1`);
    const at = this.#take(8);
    writeUint53(this.#view, at, value);
    return this;
  }

  nullable(value: number | null): this {
    if (value !== null) return this.uint53(value);
    return this.u32(2 ** 32 - 1).u32(2 ** 32 - 1);
  }

  text(value: string): this {
    const bytes = encodeUtf8(value);
    assert(bytes.length <= TEXT_BYTES_MAX, () => `text of ${bytes.length} bytes in a command`);
    const at = this.#take(2 + bytes.length);
    this.#view.setUint16(at, bytes.length, true);
    this.#bytes.set(bytes, at + 2);
    return this;
  }

  bytes(value: Uint8Array): this {
    const at = this.#take(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  positions(positions: readonly QueuePosition[]): this {
    this.u32(positions.length);
    for (const { queue, offset } of positions) this.u32(queue).uint53(offset);
    return this;
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#offset);
  }

  #take(count: number): number {
    const at = this.#offset;
    this.#offset += count;
    if (this.#offset > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#offset));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}

/** The other way. Throws RangeError where the bytes end too early or hold an impossible number. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset: number;

  constructor(bytes: Uint8Array, offset = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#offset = offset;
  }

  get offset(): number {
    return this.#offset;
  }

  get isAtEnd(): boolean {
    return this.#offset === this.#bytes.length;
  }

  u32(): number {
    const value = this.#view.getUint32(this.#offset, true);
    this.#offset += 4;
    return value;
  }

  uint53(): number {
    const value = readUint53(this.#view, this.#offset, RangeError);
    this.#offset += 8;
    return value;
  }

  nullable(): number | null {
    const isNull =
      this.#view.getUint32(this.#offset, true) === 0xffffffff &&
      this.#view.getUint32(this.#offset + 4, true) === 0xffffffff;
    if (!isNull) return this.uint53();
    this.#offset += 8;
    return null;
  }

  text(): string {
    const length = this.#view.getUint16(this.#offset, true);
    const start = this.#offset + 2;
    if (start + length > this.#bytes.length) throw new RangeError(`text of ${length} bytes at byte ${start}`);
    this.#offset = start + length;
    return decodeUtf8(this.#bytes.subarray(start, this.#offset));
  }

  /** A count that lies ends at the first element that is not there: nothing is taken for it before. */
  list<T>(element: () => T): T[] {
    const count = this.u32();
    const elements: T[] = [];
    for (let at = 0; at < count; at += 1) elements.push(element());
    return elements;
  }

  positions(): QueuePosition[] {
    return this.list(() => ({ queue: this.u32(), offset: this.uint53() }));
  }
}
