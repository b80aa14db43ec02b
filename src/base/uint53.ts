/**
 * Integers in 0..2^53-1 as little-endian u64, without BigInt (a tenth of the cost). Formats reserve 64 bits; this
 * system refuses what a JavaScript number cannot hold exactly.
 */
export const UINT53_MAX: number = Number.MAX_SAFE_INTEGER;

export function writeUint53(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value >>> 0, true);
  view.setUint32(offset + 4, Math.floor(value / 2 ** 32), true);
}

/** @throws an `ErrorClass` where the stored number is above 2^53-1. */
export function readUint53(
  view: DataView,
  offset: number,
  ErrorClass: new (message: string) => Error,
): number {
  const high = view.getUint32(offset + 4, true);
  if (high > 0x1fffff) throw new ErrorClass(`the number at byte ${offset} is above 2^53-1`);
  return high * 2 ** 32 + view.getUint32(offset, true);
}
