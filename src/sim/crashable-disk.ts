import { assert } from '../base/assert.ts';
import type { Clock } from '../base/ports/clock.ts';
import { DiskError, type DirectoryLock, type Disk, type DiskFile } from '../base/ports/disk.ts';
import type { Prng } from '../base/prng.ts';
import { CrashableInode, type Survival, type SyncTicket } from './crashable-inode.ts';

export type { Survival } from './crashable-inode.ts';

/** One thing that was done to the disk, for hooks and traces. */
export interface DiskOperation {
  /** 1, 2, 3 ... over the life of the disk. */
  readonly number: number;
  readonly kind: 'create' | 'write' | 'sync' | 'rename' | 'unlink' | 'sync-directory' | 'read';
  readonly path: string;
  readonly position: number;
  readonly bytes: number;
}

export interface CrashableDiskOptions {
  /** Decides what survives a crash. */
  readonly prng: Prng;
  /** With a clock asynchronous operations complete by themselves after `latencyMs`; without, when the test says so. */
  readonly clock?: Clock;
  /** Default: 0.1 ms, plus a millisecond for each 2 MiB. */
  readonly latencyMs?: (kind: DiskOperation['kind'], bytes: number) => number;
  /** Default 1 GiB. */
  readonly totalBytes?: number;
  /** Told of what is written, as far as it is. */
  readonly onWritten?: (path: string, position: number, bytes: Uint8Array) => void;
}

/** Stops a process at an operation: thrown by `crashAt`, and by everything the dead process tries afterwards. */
export class SimulatedCrash extends Error {
  override readonly name = 'SimulatedCrash';
}

interface Completion {
  readonly kind: DiskOperation['kind'];
  readonly path: string;
  /** Applies the effect, then calls back. */
  readonly run: () => void;
  /** Instead of `run`: nobody waits for it any more. */
  readonly abandon: () => void;
}

interface NameChange {
  readonly directory: string;
  /** Performs the change on the durable names. */
  readonly apply: (durable: Map<string, CrashableInode>) => void;
}

type Fault = {
  readonly matches: (path: string) => boolean;
  readonly code: string;
  left: number;
  readonly kind: 'sync' | 'write';
};

/** Of a simulated disk, where nobody says otherwise. */
export const DISK_BYTES: number = 1024 * 1024 * 1024;

/**
 * A file system in memory that can die. It keeps, for every file, what a process sees and what has reached the medium,
 * and for every directory which names have. `kill` ends the process: what it wrote stays visible (the page cache), but
 * stays unsynced. `powerCut` ends the machine: of what was not synced any set of sectors and of name changes survives.
 *
 * One process at a time uses it: whoever was using it when it crashed finds its open files dead and its callbacks never
 * called.
 */
export class CrashableDisk implements Disk {
  /** Called with each operation before it is done; may throw `SimulatedCrash` after `kill` or `powerCut`. */
  onOperation: ((operation: DiskOperation) => void) | null = null;
  /** Done so far. */
  operations = 0;

  readonly #prng: Prng;
  readonly #clock: Clock | null;
  readonly #latencyMs: (kind: DiskOperation['kind'], bytes: number) => number;
  readonly #totalBytes: number;
  readonly #onWritten: CrashableDiskOptions['onWritten'];
  #names = new Map<string, CrashableInode>();
  #durableNames = new Map<string, CrashableInode>();
  readonly #directories = new Set<string>(['/']);
  #nameChanges: NameChange[] = [];
  #completions: Completion[] = [];
  readonly #locks = new Set<string>();
  readonly #faults: Fault[] = [];
  #isFull = false;
  /** Counts crashes: an open file of an earlier life is dead. */
  #life = 0;

  constructor(options: CrashableDiskOptions) {
    this.#prng = options.prng;
    this.#clock = options.clock ?? null;
    this.#latencyMs = options.latencyMs ?? ((_kind, bytes) => 0.1 + bytes / (2 * 1024 * 1024));
    this.#onWritten = options.onWritten;
    this.#totalBytes = options.totalBytes ?? DISK_BYTES;
  }

  // --- the port ---------------------------------------------------------------------------------------------------

  openSync(path: string, mode: 'create' | 'write' | 'read'): DiskFile {
    let inode = this.#names.get(path);
    if (mode === 'create') {
      if (inode !== undefined) throw new DiskError('open', path, 'EEXIST', 'the file exists');
      this.#needDirectory('open', path);
      this.#operate('create', path, 0, 0);
      const created = new CrashableInode();
      inode = created;
      this.#names.set(path, created);
      this.#changeName(path, (durable) => durable.set(path, created));
    }
    if (inode === undefined) throw new DiskError('open', path, 'ENOENT', 'no such file');
    return this.#openFile(path, inode, mode !== 'read');
  }

  existsSync(path: string): boolean {
    return this.#names.has(path) || this.#directories.has(path);
  }

  listSync(path: string): string[] {
    if (!this.#directories.has(path)) throw new DiskError('list', path, 'ENOENT', 'no such directory');
    const names: string[] = [];
    for (const other of this.#names.keys())
      if (parentOf(other) === path) names.push(other.slice(path.length + 1));
    return names.sort();
  }

  mkdirSync(path: string): void {
    // Directories themselves are durable at once: the log is told where to live, it does not build the way there.
    for (let at = path; !this.#directories.has(at); at = parentOf(at)) this.#directories.add(at);
  }

  renameSync(from: string, to: string): void {
    const inode = this.#names.get(from);
    if (inode === undefined) throw new DiskError('rename', from, 'ENOENT', 'no such file');
    this.#operate('rename', to, 0, 0);
    this.#names.delete(from);
    this.#names.set(to, inode);
    this.#changeName(to, (durable) => {
      if (durable.get(from) === inode) durable.delete(from);
      durable.set(to, inode);
    });
  }

  unlinkSync(path: string): void {
    const inode = this.#names.get(path);
    if (inode === undefined) throw new DiskError('unlink', path, 'ENOENT', 'no such file');
    this.#operate('unlink', path, 0, 0);
    this.#names.delete(path);
    this.#changeName(path, (durable) => {
      if (durable.get(path) === inode) durable.delete(path);
    });
  }

  syncDirectorySync(path: string): void {
    this.#operate('sync-directory', path, 0, 0);
    const error = this.#takeFault('sync', path);
    if (error !== null) throw new DiskError('sync', path, error, 'injected');
    this.#nameChanges = this.#nameChanges.filter((change) => {
      if (change.directory !== path) return true;
      change.apply(this.#durableNames);
      return false;
    });
  }

  spaceSync(_path: string): { readonly freeBytes: number; readonly totalBytes: number } {
    if (this.#isFull) return { freeBytes: 0, totalBytes: this.#totalBytes };
    let used = 0;
    for (const inode of this.#names.values()) used += inode.size;
    return { freeBytes: Math.max(0, this.#totalBytes - used), totalBytes: this.#totalBytes };
  }

  lockDirectorySync(path: string): DirectoryLock {
    if (this.#locks.has(path))
      throw new DiskError('lock', path, 'ELOCKED', 'a simulated process holds this directory');
    this.#locks.add(path);
    const life = this.#life;
    return {
      release: () => {
        if (life === this.#life) this.#locks.delete(path);
      },
    };
  }

  // --- time ---------------------------------------------------------------------------------------------------------

  /** Asynchronous operations that were begun and not completed, in the order they were begun. */
  get pending(): readonly { readonly kind: DiskOperation['kind']; readonly path: string }[] {
    return this.#completions;
  }

  /** Completes the pending operation at this place (default: the oldest). @returns false if there is none. */
  complete(at = 0): boolean {
    const [completion] = this.#completions.splice(at, 1);
    if (completion === undefined) return false;
    completion.run();
    return true;
  }

  /** Completes pending operations, and those they lead to, until none is left. @returns how many. */
  completeAll(): number {
    let count = 0;
    while (this.complete()) {
      count += 1;
      assert(count < 1_000_000, 'the disk never falls idle');
    }
    return count;
  }

  // --- faults -------------------------------------------------------------------------------------------------------

  /** The process dies, the machine lives on: what was written is visible, unsynced bytes stay unsynced. */
  kill(): void {
    this.#die('some');
  }

  /** The machine dies. Whatever was synced stays; `survival` says what becomes of the rest (default: chance). */
  powerCut(survival: Survival = 'some'): void {
    this.#die(survival);
    for (const change of this.#nameChanges.splice(0)) {
      if (survives(survival, this.#prng)) change.apply(this.#durableNames);
    }
    const inodes = new Set([...this.#names.values(), ...this.#durableNames.values()]);
    for (const inode of inodes) inode.powerCut(survival, this.#prng);
    this.#names = new Map(this.#durableNames);
  }

  /**
   * Syncs of matching paths fail, from the `after`-th (0 = the next) on, once. As in the kernel, what was to be synced
   * stays visible, counts as clean, and is not on the medium.
   */
  failSync(matches: (path: string) => boolean, code = 'EIO', after = 0): void {
    this.#faults.push({ kind: 'sync', matches, code, left: after });
  }

  /**
   * Writes to matching paths fail after this many more bytes; the write that crosses the limit is partly done.
   * @returns what mends this one.
   */
  failWrite(matches: (path: string) => boolean, code = 'ENOSPC', afterBytes = 0): () => void {
    const fault = { kind: 'write', matches, code, left: afterBytes } as const;
    this.#faults.push(fault);
    return () => {
      const at = this.#faults.indexOf(fault);
      if (at >= 0) this.#faults.splice(at, 1);
    };
  }

  /** No file can grow any more, until there is room again: what lies there already can be written over. */
  setFull(isFull: boolean): void {
    this.#isFull = isFull;
  }

  /** Heals: later operations succeed again. A disk that is full stays so. */
  clearFaults(): void {
    this.#faults.length = 0;
  }

  /** Changes a byte at rest, on the medium and in the cache. */
  setByte(path: string, position: number, change: (byte: number) => number): void {
    this.#inodeAt(path).setByte(position, change);
  }

  /** Cuts a file at rest. */
  shrink(path: string, bytes: number): void {
    this.#inodeAt(path).shrink(bytes);
  }

  /** All files, by path. */
  get paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  /** What a process would read now. */
  visible(path: string): Uint8Array {
    return this.#inodeAt(path).visible().slice();
  }

  /** What would be there if everything unsynced were lost; null if the name itself is not durable. */
  durable(path: string): Uint8Array | null {
    return this.#durableNames.get(path)?.durable().slice() ?? null;
  }

  #inodeAt(path: string): CrashableInode {
    const inode = this.#names.get(path);
    assert(inode !== undefined, `no file ${path}`);
    return inode;
  }

  // --- inside -------------------------------------------------------------------------------------------------------

  /** The kernel finishes, or does not, what it was asked for; nobody is told. */
  #die(survival: Survival): void {
    this.#life += 1;
    this.#locks.clear();
    for (const { run, abandon } of this.#completions.splice(0)) {
      if (survives(survival, this.#prng)) run();
      else abandon();
    }
  }

  #openFile(path: string, inode: CrashableInode, writable: boolean): DiskFile {
    const life = this.#life;
    let closed = false;
    const use = (): CrashableInode => {
      if (life !== this.#life) throw new SimulatedCrash(`${path} belongs to a process that died`);
      assert(!closed, `${path} used after it was closed`);
      return inode;
    };
    const write = (chunk: Uint8Array, position: number): DiskError | null => {
      assert(writable, `${path} is open for reading`);
      const { room, code } = this.#roomToWrite(path, chunk.length, inode.size - position);
      const written = room === chunk.length ? chunk : chunk.subarray(0, room);
      inode.write(written, position);
      this.#onWritten?.(path, position, written);
      return code === null ? null : new DiskError('write', path, code, 'injected');
    };
    const endSync = (ticket: SyncTicket): DiskError | null => {
      const code = this.#takeFault('sync', path);
      if (code === null) {
        inode.endSync(ticket);
        return null;
      }
      inode.failSync(ticket, this.#prng);
      return new DiskError('sync', path, code, 'injected');
    };
    return {
      path,
      size: () => use().size,
      readSync: (target, position) => use().read(target, position),
      read: (target, position, done) => {
        use();
        this.#later('read', path, target.length, () => {
          const bytes = inode.read(target, position);
          return () => done(null, bytes);
        });
      },
      writevSync: (chunks, position) => {
        let at = position;
        let bytes = 0;
        for (const chunk of chunks) bytes += chunk.length;
        use();
        this.#operate('write', path, position, bytes);
        for (const chunk of chunks) {
          const error = write(chunk, at);
          if (error !== null) throw error;
          at += chunk.length;
        }
      },
      write: (chunk, position, done) => {
        use();
        this.#operate('write', path, position, chunk.length);
        this.#later('write', path, chunk.length, () => {
          const error = write(chunk, position);
          return () => done(error);
        });
      },
      datasync: (done) => {
        use();
        const bytes = inode.dirtyBytes;
        this.#operate('sync', path, 0, bytes);
        const ticket = inode.beginSync();
        const effect = (): (() => void) => {
          const error = endSync(ticket);
          return () => done(error);
        };
        this.#later('sync', path, bytes, effect, () => inode.abandonSync(ticket));
      },
      datasyncSync: () => {
        use();
        this.#operate('sync', path, 0, inode.dirtyBytes);
        const error = endSync(inode.beginSync());
        if (error !== null) throw error;
      },
      closeSync: () => {
        // Files of a dead process are closed already.
        if (life === this.#life) use();
        closed = true;
      },
    };
  }

  #operate(kind: DiskOperation['kind'], path: string, position: number, bytes: number): void {
    this.operations += 1;
    this.onOperation?.({ number: this.operations, kind, path, position, bytes });
  }

  /** `effect` happens at completion and returns the call back, which a process that died meanwhile does not get. */
  #later(
    kind: DiskOperation['kind'],
    path: string,
    bytes: number,
    effect: () => () => void,
    abandon: () => void = () => {},
  ): void {
    const life = this.#life;
    const completion: Completion = {
      kind,
      path,
      abandon,
      run: () => {
        const callback = effect();
        if (life === this.#life) callback();
      },
    };
    this.#completions.push(completion);
    this.#clock?.setTimer(this.#latencyMs(kind, bytes), () => {
      const at = this.#completions.indexOf(completion);
      if (at >= 0) this.complete(at);
    });
  }

  #changeName(path: string, apply: NameChange['apply']): void {
    this.#nameChanges.push({ directory: parentOf(path), apply });
  }

  #needDirectory(operation: DiskError['operation'], path: string): void {
    if (!this.#directories.has(parentOf(path)))
      throw new DiskError(operation, path, 'ENOENT', 'no such directory');
  }

  /** @param inPlace bytes from there to the end of the file. */
  #roomToWrite(path: string, bytes: number, inPlace: number): { room: number; code: string | null } {
    if (this.#isFull && bytes > inPlace) return { room: Math.max(0, inPlace), code: 'ENOSPC' };
    for (const fault of this.#faults) {
      if (fault.kind !== 'write' || !fault.matches(path)) continue;
      if (bytes > fault.left) {
        const room = fault.left;
        fault.left = 0;
        return { room, code: fault.code };
      }
      fault.left -= bytes;
    }
    return { room: bytes, code: null };
  }

  #takeFault(kind: 'sync', path: string): string | null {
    const at = this.#faults.findIndex((fault) => fault.kind === kind && fault.matches(path));
    const fault = this.#faults[at];
    if (fault === undefined) return null;
    if (fault.left > 0) {
      fault.left -= 1;
      return null;
    }
    this.#faults.splice(at, 1);
    return fault.code;
  }
}

function survives(survival: Survival, prng: Prng): boolean {
  return survival === 'all' || (survival === 'some' && prng.chance(0.5));
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash <= 0 ? '/' : path.slice(0, slash);
}
