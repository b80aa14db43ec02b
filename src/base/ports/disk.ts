/**
 * A failed disk operation. After `sync` nothing is known about the bytes written since the last good sync, and
 * repeating it proves nothing (the kernel marks the pages clean): callers give up, they never retry.
 */
export class DiskError extends Error {
  override readonly name = 'DiskError';
  /** As the operating system names it: ENOSPC, EIO, ENOENT, EACCES ... */
  readonly code: string;
  readonly operation: 'open' | 'read' | 'write' | 'sync' | 'rename' | 'unlink' | 'list' | 'mkdir' | 'lock';
  readonly path: string;

  constructor(operation: DiskError['operation'], path: string, code: string, message: string) {
    super(`${operation} ${path}: ${message}`);
    this.operation = operation;
    this.path = path;
    this.code = code;
  }
}

/** Of a write or a new file, which may be tried again: a sync that finds no room has failed as any other. */
export function isLackOfRoom(error: unknown): error is DiskError {
  return error instanceof DiskError && error.code === 'ENOSPC' && error.operation !== 'sync';
}

/** An open file. Positions are absolute; there is no cursor. */
export interface DiskFile {
  readonly path: string;
  /** Current length in bytes. */
  size(): number;
  /** Fills `target` from `position`. @returns bytes read, short only at the end of the file. */
  readSync(target: Uint8Array, position: number): number;
  /** The same without holding up the loop. */
  read(
    target: Uint8Array,
    position: number,
    done: (error: DiskError | null, bytesRead: number) => void,
  ): void;
  /** Writes all chunks, one after the other, into the page cache. Returns when all are written or throws DiskError. */
  writevSync(chunks: readonly Uint8Array[], position: number): void;
  /** The same without holding up the loop: for preparing segments, never for records. */
  write(chunk: Uint8Array, position: number, done: (error: DiskError | null) => void): void;
  /** Makes everything written before the call durable (fdatasync). */
  datasync(done: (error: DiskError | null) => void): void;
  /** The same, holding up the loop: for start-up and offline tools. */
  datasyncSync(): void;
  closeSync(): void;
}

/** A directory held for one process; released when it ends, however it ends. */
export interface DirectoryLock {
  release(): void;
}

/**
 * The file system as this system uses it. Real nodes have the machine's, tests a crashable one in memory that loses
 * what was not synced. Paths are absolute.
 */
export interface Disk {
  /** `create` fails if the file is there; `write` and `read` fail if it is not. Files are private (0600). */
  openSync(path: string, mode: 'create' | 'write' | 'read'): DiskFile;
  existsSync(path: string): boolean;
  /** Names in a directory, sorted. */
  listSync(path: string): string[];
  /** Creates the directory and its parents, private (0700); no error if it is there. */
  mkdirSync(path: string): void;
  renameSync(from: string, to: string): void;
  unlinkSync(path: string): void;
  /** Makes creations, renames and removals in this directory durable. */
  syncDirectorySync(path: string): void;
  /** Bytes free for this process on the directory's file system, and those with the ones in use: what `df` counts its share of. */
  spaceSync(path: string): { readonly freeBytes: number; readonly totalBytes: number };
  /** @throws DiskError with code ELOCKED, saying who holds it. */
  lockDirectorySync(path: string): DirectoryLock;
}
