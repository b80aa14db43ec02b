import { Buffer } from 'node:buffer';
import { crc32 } from '../base/crc32.ts';

interface Known {
  readonly payload: Uint8Array;
  readonly value: string;
}

/** So many bytes tell one payload from most others: their names are in them. */
const KEY_BYTES = 24;

/**
 * Values in the history for the payloads of records: the name that a payload begins with, and a checksum of everything in
 * it. A payload is sent once and read again and again, so what was seen before is found and not made anew: by its beginning,
 * and then every byte is compared.
 */
export class PayloadValues {
  readonly #known = new Map<number, Known>();
  readonly #decoder = new TextDecoder();

  /** @param payload is kept, and not to be changed afterwards. */
  of(payload: Uint8Array): string {
    const key = keyOf(payload);
    const known = this.#known.get(key);
    if (known !== undefined && Buffer.compare(known.payload, payload) === 0) return known.value;
    const space = payload.indexOf(0x20);
    const name = this.#decoder.decode(payload.subarray(0, space < 0 ? payload.length : space));
    const value = `${name}/${crc32(payload).toString(16)}`;
    if (known === undefined) this.#known.set(key, { payload, value });
    return value;
  }
}

function keyOf(payload: Uint8Array): number {
  const end = Math.min(payload.length, KEY_BYTES);
  let key = payload.length;
  for (let at = 0; at < end; at += 1) key = (Math.imul(key, 31) + (payload[at] ?? 0)) | 0;
  return key;
}
