import { crc32 as zlibCrc32 } from 'node:zlib';

/** From here on a call of zlib costs less than to go over the bytes here. */
const ZLIB_BYTES_MIN = 128;
const POLYNOMIAL = 0xedb88320;
const TABLES = makeTables();

/**
 * CRC-32 (IEEE 802.3), as zlib computes it. Passing the checksum of what came before as `previous` chains the two, so
 * that a record also vouches for its predecessor. Detects accidents, not attackers.
 */
export function crc32(bytes: Uint8Array, previous = 0): number {
  return bytes.length < ZLIB_BYTES_MIN ? ofFew(bytes, 0, bytes.length, previous) : zlibCrc32(bytes, previous);
}

/** The same of bytes[start..end], for headers in the middle of something: a view of each would cost as much again. */
export function crc32Between(bytes: Uint8Array, start: number, end: number, previous = 0): number {
  return end - start < ZLIB_BYTES_MIN
    ? ofFew(bytes, start, end, previous)
    : zlibCrc32(bytes.subarray(start, end), previous);
}

/** Four bytes at a time (Kounavis and Berry, "slicing-by-4"): a header of 20 bytes in a quarter of a call of zlib. */
function ofFew(bytes: Uint8Array, start: number, end: number, previous: number): number {
  let crc = ~previous;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    crc ^=
      (bytes[at] ?? 0) |
      ((bytes[at + 1] ?? 0) << 8) |
      ((bytes[at + 2] ?? 0) << 16) |
      ((bytes[at + 3] ?? 0) << 24);
    crc =
      (TABLES[768 + (crc & 255)] ?? 0) ^
      (TABLES[512 + ((crc >>> 8) & 255)] ?? 0) ^
      (TABLES[256 + ((crc >>> 16) & 255)] ?? 0) ^
      (TABLES[crc >>> 24] ?? 0);
  }
  for (; at < end; at += 1) crc = (TABLES[(crc ^ (bytes[at] ?? 0)) & 255] ?? 0) ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** Table k: what a byte does to the checksum k bytes later. */
function makeTables(): Int32Array {
  const tables = new Int32Array(4 * 256);
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ POLYNOMIAL;
    tables[byte] = crc;
  }
  for (let at = 256; at < tables.length; at += 1) {
    const before = tables[at - 256] ?? 0;
    tables[at] = (tables[before & 255] ?? 0) ^ (before >>> 8);
  }
  return tables;
}
