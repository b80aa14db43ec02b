import { Buffer } from 'node:buffer';
import { crc32Between } from '../base/crc32.ts';
import { u16At, u32At } from '../base/little-endian.ts';
import { isNodeId, type LogIndex, type NodeId, type Term } from '../base/units.ts';
import { LIMITS } from './limits.ts';
import { WireError } from './wire-error.ts';

/**
 * Reads the fields of a body, one after the other. Each method names the field it reads, because whoever looks into a
 * refused connection has only the message. All throw WireError BAD_BODY.
 */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #buffer: Buffer | null = null;
  readonly #what: string;
  #offset = 0;

  /** @param what names the message in errors. */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  u8(field: string): number {
    return this.#bytes[this.#take(1, field)] ?? 0;
  }

  u16(field: string): number {
    return u16At(this.#bytes, this.#take(2, field));
  }

  u32(field: string): number {
    return u32At(this.#bytes, this.#take(4, field));
  }

  /** A u32 in `min`..`max`. */
  u32In(field: string, min: number, max: number): number {
    const value = this.u32(field);
    if (value < min || value > max) throw this.bad(`${field} ${value} is not in ${min}..${max}`);
    return value;
  }

  /** A u64 that must be at most 2^53-1. */
  uint53(field: string): number {
    const at = this.#take(8, field);
    const high = u32At(this.#bytes, at + 4);
    if (high > 0x1fffff) throw this.bad(`${field} is above 2^53-1`);
    return high * 2 ** 32 + u32At(this.#bytes, at);
  }

  logIndex(field: string): LogIndex {
    return this.uint53(field) as LogIndex;
  }

  term(field: string): Term {
    return this.uint53(field) as Term;
  }

  /** The name that a code stands for. */
  code<T>(field: string, names: readonly (T | undefined)[]): T {
    const value = this.u8(field);
    const name = names[value];
    if (name === undefined) throw this.bad(`${field} ${value} is not known`);
    return name;
  }

  /** u8 length, then UTF-8. */
  text8(field: string, bytesMax: number): string {
    return this.#text(field, this.u8(field), bytesMax);
  }

  /** u16 length, then UTF-8. */
  text16(field: string, bytesMax: number): string {
    return this.#text(field, this.u16(field), bytesMax);
  }

  nodeId(field: string): NodeId {
    const id = this.text8(field, LIMITS.nodeIdBytesMax);
    if (!isNodeId(id)) throw this.bad(`${field} ${JSON.stringify(id)} is no node id`);
    return id;
  }

  /** The empty string stands for null. */
  nodeIdOrNull(field: string): NodeId | null {
    const id = this.text8(field, LIMITS.nodeIdBytesMax);
    if (id === '') return null;
    if (!isNodeId(id)) throw this.bad(`${field} ${JSON.stringify(id)} is no node id`);
    return id;
  }

  /** 16 bytes as 32 hexadecimal digits; all zero stands for null. */
  hex16OrNull(field: string): string | null {
    const at = this.#take(16, field);
    const text = this.#asBuffer().toString('hex', at, at + 16);
    return /^0+$/.test(text) ? null : text;
  }

  /** u16 length, then bytes. */
  bytes16(field: string, bytesMax: number): Uint8Array {
    const length = this.u16(field);
    if (length > bytesMax) throw this.bad(`${field} of ${length} bytes, the limit is ${bytesMax}`);
    const at = this.#take(length, field);
    return this.#bytes.subarray(at, at + length);
  }

  /** u32 that must be the checksum of everything read so far. */
  checksum(): void {
    const computed = crc32Between(this.#bytes, 0, this.#offset);
    const checksum = this.u32('checksum');
    if (checksum !== computed) throw this.bad(`checksum ${checksum} of the fixed part, computed ${computed}`);
  }

  /** What is left. */
  rest(): Uint8Array {
    const rest = this.#bytes.subarray(this.#offset);
    this.#offset = this.#bytes.length;
    return rest;
  }

  /** Nothing may be left: bytes that nobody reads are a difference of opinion about the format. */
  end(): void {
    const left = this.#bytes.length - this.#offset;
    if (left > 0) throw this.bad(`${left} bytes after the last field`);
  }

  bad(message: string): WireError {
    return new WireError('BAD_BODY', `${this.#what}: ${message}`);
  }

  /** Made for whoever has text to read: most bodies that come often have none. */
  #asBuffer(): Buffer {
    this.#buffer ??= Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length);
    return this.#buffer;
  }

  #text(field: string, length: number, bytesMax: number): string {
    if (length > bytesMax) throw this.bad(`${field} of ${length} bytes, the limit is ${bytesMax}`);
    const at = this.#take(length, field);
    return this.#asBuffer().toString('utf8', at, at + length);
  }

  #take(count: number, field: string): number {
    const at = this.#offset;
    if (at + count > this.#bytes.length) {
      throw this.bad(`${field} needs byte ${at + count}, the body has ${this.#bytes.length}`);
    }
    this.#offset += count;
    return at;
  }
}
