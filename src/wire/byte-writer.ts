import { Buffer } from 'node:buffer';
import { assert } from '../base/assert.ts';
import { crc32Between } from '../base/crc32.ts';
import { UINT53_MAX } from '../base/uint53.ts';

/** Writes the fields of a body, one after the other. What does not fit is a bug of the caller, not bad input. */
export class ByteWriter {
  readonly #bytes: Buffer;
  #offset = 0;

  /** @param capacity bytes that will be enough; `finish` cuts off the rest. */
  constructor(capacity: number) {
    this.#bytes = Buffer.allocUnsafe(capacity);
  }

  u8(value: number): this {
    this.#offset = this.#bytes.writeUInt8(value, this.#offset);
    return this;
  }

  u16(value: number): this {
    this.#offset = this.#bytes.writeUInt16LE(value, this.#offset);
    return this;
  }

  u32(value: number): this {
    this.#offset = this.#bytes.writeUInt32LE(value, this.#offset);
    return this;
  }

  /** A u64 that is at most 2^53-1. */
  uint53(value: number): this {
    assert(value >= 0 && value <= UINT53_MAX, () => `${value} is not in 0..2^53-1`);
    this.#bytes.writeUInt32LE(value % 2 ** 32, this.#offset);
    this.#offset = this.#bytes.writeUInt32LE(Math.floor(value / 2 ** 32), this.#offset + 4);
    return this;
  }

  /** u8 length, then UTF-8. */
  text8(value: string, bytesMax: number): this {
    const length = this.#bytes.write(value, this.#offset + 1);
    assert(
      length <= bytesMax && length === Buffer.byteLength(value),
      () => `${JSON.stringify(value)} is over ${bytesMax} bytes`,
    );
    this.#bytes[this.#offset] = length;
    this.#offset += 1 + length;
    return this;
  }

  /** u16 length, then bytes. */
  bytes16(value: Uint8Array, bytesMax: number): this {
    assert(value.length <= bytesMax, () => `${value.length} bytes, the limit is ${bytesMax}`);
    this.u16(value.length);
    this.#bytes.set(value, this.#offset);
    this.#offset += value.length;
    return this;
  }

  /** 32 hexadecimal digits as 16 bytes. */
  hex16(value: string): this {
    const written = this.#bytes.write(value, this.#offset, 16, 'hex');
    assert(
      written === 16 && value.length === 32,
      () => `${JSON.stringify(value)} is not 32 hexadecimal digits`,
    );
    this.#offset += 16;
    return this;
  }

  /** u32 checksum of everything written so far. */
  checksum(): this {
    return this.u32(crc32Between(this.#bytes, 0, this.#offset));
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#offset);
  }
}
