/**
 * Fields of a few bytes, read and written by hand: to make a DataView costs more than to read a whole header. Bounds are
 * the caller's to check: beyond the end there is nothing but zeros, and what is written there is lost.
 */
export function u16At(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
}

export function u32At(bytes: Uint8Array, at: number): number {
  return (u16At(bytes, at) | (u16At(bytes, at + 2) << 16)) >>> 0;
}

/** A u64. @throws an `ErrorClass` where the stored number is above 2^53-1. */
export function uint53At(bytes: Uint8Array, at: number, ErrorClass: new (message: string) => Error): number {
  const high = u32At(bytes, at + 4);
  if (high > 0x1fffff) throw new ErrorClass(`the number at byte ${at} is above 2^53-1`);
  return high * 2 ** 32 + u32At(bytes, at);
}

export function setU16At(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}

export function setU32At(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

/** As a u64. @param value 0..2^53-1 */
export function setUint53At(bytes: Uint8Array, at: number, value: number): void {
  setU32At(bytes, at, value >>> 0);
  setU32At(bytes, at + 4, Math.floor(value / 2 ** 32));
}
