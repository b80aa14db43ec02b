import type { Clock } from '../base/ports/clock.ts';
import { DiskError, type Disk, type DiskFile, type DirectoryLock } from '../base/ports/disk.ts';

/** What is wrong with the disk on request. Each question counts as having been affected by what it is answered. */
export interface DiskFaults {
  /** Nothing is. */
  readonly isDiskWell: boolean;
  /** Milliseconds for which the end of a sync is held back. */
  syncDelayMs(): number;
  /** Whether the next sync fails. */
  failsSync(): boolean;
  /** Whether there is no room for anything new. */
  isFull(): boolean;
}

/** A disk that can be made slow, failing or full: what a node that allows faults keeps its log on. */
export class SickDisk implements Disk {
  /** Nothing is wrong before somebody can say so. */
  faults: DiskFaults | null = null;
  readonly #disk: Disk;
  readonly #clock: Clock;

  constructor(disk: Disk, clock: Clock) {
    this.#disk = disk;
    this.#clock = clock;
  }

  openSync(path: string, mode: 'create' | 'write' | 'read'): DiskFile {
    if (mode === 'create' && this.#isFull) throw noRoom(path);
    const file = this.#disk.openSync(path, mode);
    return {
      path,
      size: () => file.size(),
      readSync: (target, position) => file.readSync(target, position),
      read: (target, position, done) => file.read(target, position, done),
      writevSync: (chunks, position) => {
        if (this.#isFull) needNoRoom(file, position, lengthOf(chunks));
        file.writevSync(chunks, position);
      },
      write: (chunk, position, done) => {
        if (this.#isFull && position + chunk.length > file.size())
          this.#clock.defer(() => done(noRoom(path)));
        else file.write(chunk, position, done);
      },
      datasync: (done) => this.#sync(file, done),
      datasyncSync: () => file.datasyncSync(),
      closeSync: () => file.closeSync(),
    };
  }

  existsSync(path: string): boolean {
    return this.#disk.existsSync(path);
  }

  listSync(path: string): string[] {
    return this.#disk.listSync(path);
  }

  mkdirSync(path: string): void {
    this.#disk.mkdirSync(path);
  }

  renameSync(from: string, to: string): void {
    this.#disk.renameSync(from, to);
  }

  unlinkSync(path: string): void {
    this.#disk.unlinkSync(path);
  }

  syncDirectorySync(path: string): void {
    this.#disk.syncDirectorySync(path);
  }

  spaceSync(path: string): { readonly freeBytes: number; readonly totalBytes: number } {
    const space = this.#disk.spaceSync(path);
    return this.#isFull ? { ...space, freeBytes: 0 } : space;
  }

  lockDirectorySync(path: string): DirectoryLock {
    return this.#disk.lockDirectorySync(path);
  }

  /** The sync is done in any case and only its end is late: then nothing is left to do when the file is closed meanwhile. */
  #sync(file: DiskFile, done: (error: DiskError | null) => void): void {
    const { faults } = this;
    if (faults === null || faults.isDiskWell) {
      file.datasync(done);
      return;
    }
    const fails = faults.failsSync();
    const delayMs = faults.syncDelayMs();
    file.datasync((error) => {
      const end = (): void => done(fails ? failedSync(file.path) : error);
      if (delayMs === 0) end();
      else this.#clock.setTimer(delayMs, end);
    });
  }

  get #isFull(): boolean {
    return this.faults?.isDiskWell === false && this.faults.isFull();
  }
}

/** On a full disk what is there can be written over, and nothing grows. */
function needNoRoom(file: DiskFile, position: number, bytes: number): void {
  if (position + bytes > file.size()) throw noRoom(file.path);
}

function lengthOf(chunks: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const chunk of chunks) bytes += chunk.length;
  return bytes;
}

function noRoom(path: string): DiskError {
  return new DiskError('write', path, 'ENOSPC', 'no space left on the device, on request');
}

function failedSync(path: string): DiskError {
  return new DiskError('sync', path, 'EIO', 'input/output error, on request');
}
