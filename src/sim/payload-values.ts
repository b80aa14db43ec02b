import { Buffer } from 'node:buffer';
import { crc32 } from '../base/crc32.ts';

interface Known {
  readonly payload: Uint8Array;
  readonly value: string;
}

/**
 * Values in the history for the payloads of records: the name that a payload begins with, and a checksum of everything in
 * it. A payload is sent once and read again and again, so what was seen before is found and not made anew; the bytes are
 * compared, because two payloads may have one checksum.
 */
export class PayloadValues {
  readonly #known = new Map<number, Known>();
  readonly #decoder = new TextDecoder();

  /** @param payload is kept, and not to be changed afterwards. */
  of(payload: Uint8Array): string {
    const checksum = crc32(payload);
    const known = this.#known.get(checksum);
    if (known !== undefined && Buffer.compare(known.payload, payload) === 0) return known.value;
    const space = payload.indexOf(0x20);
    const name = this.#decoder.decode(payload.subarray(0, space < 0 ? payload.length : space));
    const value = `${name}/${checksum.toString(16)}`;
    if (known === undefined) this.#known.set(checksum, { payload, value });
    return value;
  }
}
