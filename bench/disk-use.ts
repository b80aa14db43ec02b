import fs from 'node:fs';

/** What a disk has done since the machine was started, for whoever asked. */
export interface DiskUse {
  readonly writtenBytes: number;
  /** Of its cache, each for one sync or for several that came together. */
  readonly flushes: number;
}

const SECTOR_BYTES = 512;
/** Places in the kernel's statistics of a block device. */
const SECTORS_WRITTEN = 6;
const FLUSHES = 15;

/**
 * Of the disk that a directory is on; null where the kernel does not tell (a file system in memory, one of several disks).
 *
 * What it counts for each process is no use here: a page cache of large folios counts all of a folio, up to 1 MiB, for
 * each small record that is written into it.
 */
export function diskUseOf(directory: string): DiskUse | null {
  const { dev } = fs.statSync(directory);
  const major = (dev >>> 8) & 0xfff;
  const minor = (dev & 0xff) | ((dev >>> 12) & 0xfff00);
  try {
    const numbers = fs
      .readFileSync(`/sys/dev/block/${major}:${minor}/stat`, 'utf8')
      .trim()
      .split(/\s+/)
      .map(Number);
    const [sectors, flushes] = [numbers[SECTORS_WRITTEN], numbers[FLUSHES]];
    if (sectors === undefined || flushes === undefined) return null;
    return { writtenBytes: sectors * SECTOR_BYTES, flushes };
  } catch {
    return null;
  }
}
