import type { Disk } from '../base/ports/disk.ts';

const COPY_BYTES_MAX: number = 1024 * 1024;

/** Copies a file to a new one and syncs its bytes; its name is durable when its directory is synced. @throws DiskError */
export function copyFile(disk: Disk, from: string, to: string): void {
  const source = disk.openSync(from, 'read');
  try {
    const target = disk.openSync(to, 'create');
    try {
      const buffer = new Uint8Array(COPY_BYTES_MAX);
      for (let at = 0; ; ) {
        const bytes = source.readSync(buffer, at);
        if (bytes === 0) break;
        target.writevSync([buffer.subarray(0, bytes)], at);
        at += bytes;
      }
      target.datasyncSync();
    } finally {
      target.closeSync();
    }
  } finally {
    source.closeSync();
  }
}
