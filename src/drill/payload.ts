import { crc32 } from '../base/crc32.ts';

const TEXT = new TextEncoder();
const DECODER = new TextDecoder();

/** A record of the load: its name, then filler that follows from the name, so that every byte of it can be checked. */
export function payloadOf(value: string, bytes: number): Uint8Array {
  return TEXT.encode(`${value} `.padEnd(bytes, value));
}

/** The name of a record of the load; of anything else what tells it apart. */
export function valueOf(data: Uint8Array): string {
  const text = DECODER.decode(data);
  const value = text.slice(0, Math.max(0, text.indexOf(' ')));
  if (value !== '' && text === `${value} `.padEnd(data.length, value)) return value;
  return `foreign ${data.length} bytes, crc32 ${crc32(data).toString(16)}`;
}
