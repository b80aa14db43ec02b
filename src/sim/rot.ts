import type { Prng } from '../base/prng.ts';
import type { CrashableDisk } from './crashable-disk.ts';
import { SECTOR_BYTES } from './crashable-inode.ts';

/**
 * Damages what lies on a disk whose machine is off, as media do: bits that flip, a sector that was written somewhere
 * else, one that reads as zeros. What was synced is damaged too.
 * @returns what was done, or null where there is nothing to damage.
 */
export function damage(disk: CrashableDisk, prng: Prng): string | null {
  const files = disk.paths.filter((path) => disk.visible(path).length > 0);
  const path = files[prng.below(Math.max(1, files.length))];
  if (path === undefined) return null;
  const { length } = disk.visible(path);
  const kind = prng.below(4);
  if (kind <= 1) {
    const bits = prng.between(1, 8);
    // Most of a preallocated file is zeros that nobody reads: near its beginning there is something to lose.
    const within = prng.chance(0.7) ? Math.min(length, 8192) : length;
    for (let left = bits; left > 0; left -= 1) {
      const bit = prng.below(8);
      disk.setByte(path, prng.below(within), (byte) => byte ^ (1 << bit));
    }
    return `${bits} bits of ${path} flip`;
  }
  const sectors = Math.ceil(length / SECTOR_BYTES);
  const target = prng.below(prng.chance(0.7) ? Math.min(sectors, 16) : sectors) * SECTOR_BYTES;
  if (kind === 2) {
    overwrite(disk, path, target, new Uint8Array(SECTOR_BYTES));
    return `the sector at ${target} of ${path} reads as zeros`;
  }
  const from = files[prng.below(files.length)] ?? path;
  const source = disk.visible(from);
  const start = prng.below(Math.ceil(source.length / SECTOR_BYTES)) * SECTOR_BYTES;
  overwrite(disk, path, target, source.subarray(start, start + SECTOR_BYTES));
  return `what belongs to ${from} at ${start} lies at ${target} of ${path}`;
}

function overwrite(disk: CrashableDisk, path: string, position: number, bytes: Uint8Array): void {
  const { length } = disk.visible(path);
  for (let at = 0; at < bytes.length && position + at < length; at += 1) {
    disk.setByte(path, position + at, () => bytes[at] ?? 0);
  }
}
