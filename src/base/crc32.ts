import { crc32 as zlibCrc32 } from 'node:zlib';

/**
 * CRC-32 (IEEE 802.3), as zlib computes it. Passing the checksum of what came before as `previous` chains the two, so
 * that a record also vouches for its predecessor. Detects accidents, not attackers.
 */
export function crc32(bytes: Uint8Array, previous = 0): number {
  return zlibCrc32(bytes, previous);
}
