import * as fs from 'node:fs';
import { dirname } from 'node:path';
import { assert } from '../base/assert.ts';
import { DiskError, type DirectoryLock, type Disk, type DiskFile } from '../base/ports/disk.ts';
import { lockDirectory } from './directory-lock.ts';
import { makeDirectory } from './make-directory.ts';

/** Linux refuses more chunks in one call (IOV_MAX). */
const CHUNKS_PER_CALL_MAX = 1024;

const OPEN_FLAGS = {
  create: fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL,
  write: fs.constants.O_RDWR,
  read: fs.constants.O_RDONLY,
} as const;

/** The machine's file system. Files are private and never reached through a symbolic link. */
export class FileDisk implements Disk {
  openSync(path: string, mode: 'create' | 'write' | 'read'): DiskFile {
    // O_NOFOLLOW: whoever can place a link in the directory must not choose which file is written.
    const flags = OPEN_FLAGS[mode] | fs.constants.O_NOFOLLOW;
    return attempt('open', path, () => new OpenFile(path, fs.openSync(path, flags, 0o600)));
  }

  existsSync(path: string): boolean {
    return fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  }

  listSync(path: string): string[] {
    return attempt('list', path, () => fs.readdirSync(path).sort());
  }

  mkdirSync(path: string): void {
    attempt('mkdir', path, () => {
      const firstMade = makeDirectory(path);
      if (firstMade === null) return;
      // What was made must outlive a power cut like the files that will be in it.
      for (let made = path; made.length >= firstMade.length; made = dirname(made))
        this.syncDirectorySync(dirname(made));
    });
  }

  renameSync(from: string, to: string): void {
    attempt('rename', from, () => {
      fs.renameSync(from, to);
    });
  }

  unlinkSync(path: string): void {
    attempt('unlink', path, () => {
      fs.unlinkSync(path);
    });
  }

  syncDirectorySync(path: string): void {
    attempt('sync', path, () => {
      const descriptor = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
      try {
        fs.fsyncSync(descriptor);
      } finally {
        fs.closeSync(descriptor);
      }
    });
  }

  spaceSync(path: string): { readonly freeBytes: number; readonly totalBytes: number } {
    return attempt('open', path, () => {
      const { blocks, bfree, bavail, bsize } = fs.statfsSync(path);
      // What is set aside for root or a quota is neither free nor used: counted in, a disk looks full that is not.
      return { freeBytes: bavail * bsize, totalBytes: (blocks - bfree + bavail) * bsize };
    });
  }

  lockDirectorySync(path: string): DirectoryLock {
    return attempt('lock', path, () => lockDirectory(path));
  }
}

/**
 * An open descriptor. It is closed only when no operation uses it any more: the number of a closed descriptor is given
 * to the next file that is opened, and a late write would land there.
 */
class OpenFile implements DiskFile {
  readonly path: string;
  readonly #descriptor: number;
  #inFlight = 0;
  #closed = false;

  constructor(path: string, descriptor: number) {
    this.path = path;
    this.#descriptor = descriptor;
  }

  size(): number {
    return attempt('open', this.path, () => fs.fstatSync(this.#open()).size);
  }

  readSync(target: Uint8Array, position: number): number {
    return attempt('read', this.path, () => {
      let bytes = 0;
      while (bytes < target.length) {
        const read = fs.readSync(this.#open(), target, bytes, target.length - bytes, position + bytes);
        if (read === 0) break;
        bytes += read;
      }
      return bytes;
    });
  }

  read(
    target: Uint8Array,
    position: number,
    done: (error: DiskError | null, bytesRead: number) => void,
  ): void {
    this.#begin();
    let bytes = 0;
    const next = (): void => {
      fs.read(this.#descriptor, target, bytes, target.length - bytes, position + bytes, (error, read) => {
        if (error === null) {
          bytes += read;
          if (read > 0 && bytes < target.length) {
            next();
            return;
          }
        }
        this.#end();
        done(error === null ? null : diskError('read', this.path, error), bytes);
      });
    };
    next();
  }

  writevSync(chunks: readonly Uint8Array[], position: number): void {
    attempt('write', this.path, () => {
      let at = position;
      let rest = chunks;
      while (rest.length > 0) {
        const written = fs.writevSync(this.#open(), rest.slice(0, CHUNKS_PER_CALL_MAX), at);
        at += written;
        rest = withoutFirst(rest, written);
      }
    });
  }

  write(chunk: Uint8Array, position: number, done: (error: DiskError | null) => void): void {
    this.#begin();
    let bytes = 0;
    const next = (): void => {
      fs.write(this.#descriptor, chunk, bytes, chunk.length - bytes, position + bytes, (error, written) => {
        if (error === null) {
          bytes += written;
          if (bytes < chunk.length) {
            next();
            return;
          }
        }
        this.#end();
        done(error === null ? null : diskError('write', this.path, error));
      });
    };
    next();
  }

  datasync(done: (error: DiskError | null) => void): void {
    this.#begin();
    fs.fdatasync(this.#descriptor, (error) => {
      this.#end();
      done(error === null ? null : diskError('sync', this.path, error));
    });
  }

  datasyncSync(): void {
    attempt('sync', this.path, () => {
      fs.fdatasyncSync(this.#open());
    });
  }

  closeSync(): void {
    assert(!this.#closed, `${this.path} closed twice`);
    this.#closed = true;
    if (this.#inFlight === 0) fs.closeSync(this.#descriptor);
  }

  #open(): number {
    assert(!this.#closed, `${this.path} used after it was closed`);
    return this.#descriptor;
  }

  #begin(): void {
    this.#open();
    this.#inFlight += 1;
  }

  #end(): void {
    this.#inFlight -= 1;
    if (this.#closed && this.#inFlight === 0) fs.closeSync(this.#descriptor);
  }
}

/** What is left of `chunks` after their first `bytes` bytes. A write may be short at any byte. */
function withoutFirst(chunks: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let whole = 0;
  let left = bytes;
  for (const chunk of chunks) {
    if (left < chunk.length) break;
    left -= chunk.length;
    whole += 1;
  }
  const rest = chunks.slice(whole);
  const [first] = rest;
  if (first !== undefined && left > 0) rest[0] = first.subarray(left);
  return rest;
}

function attempt<T>(operation: DiskError['operation'], path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw diskError(operation, path, error);
  }
}

/** Failures of the system become `DiskError`; anything else is a bug and passes as it is. */
function diskError(operation: DiskError['operation'], path: string, error: unknown): DiskError {
  if (error instanceof DiskError) return error;
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) throw error;
  return new DiskError(operation, path, String(error.code), explain(String(error.code), error.message));
}

function explain(code: string, message: string): string {
  if (code === 'ELOOP') return `${message}; symbolic links are not followed`;
  return message;
}
