import type { Disk, DiskFile } from '../base/ports/disk.ts';

/**
 * Open files, as many as are allowed at once: ten thousand queues do not hold ten thousand descriptors. Whoever was used
 * longest ago is closed. A file that is closed with a read under way ends when the read does.
 */
export class FilePool {
  readonly #disk: Disk;
  readonly #filesMax: number;
  /** In the order of use, the oldest first. */
  readonly #open = new Map<string, DiskFile>();

  constructor(disk: Disk, filesMax: number) {
    this.#disk = disk;
    this.#filesMax = filesMax;
  }

  get size(): number {
    return this.#open.size;
  }

  /** @throws DiskError ENOENT if the file is not there. */
  use(path: string): DiskFile {
    const known = this.#open.get(path);
    if (known !== undefined) {
      this.#open.delete(path);
      this.#open.set(path, known);
      return known;
    }
    return this.#keep(path, this.#disk.openSync(path, 'write'));
  }

  create(path: string): DiskFile {
    return this.#keep(path, this.#disk.openSync(path, 'create'));
  }

  /** Before its name goes away, or gets another file. */
  forget(path: string): void {
    const file = this.#open.get(path);
    if (file === undefined) return;
    this.#open.delete(path);
    file.closeSync();
  }

  close(): void {
    for (const file of this.#open.values()) file.closeSync();
    this.#open.clear();
  }

  #keep(path: string, file: DiskFile): DiskFile {
    this.#open.set(path, file);
    if (this.#open.size > this.#filesMax) {
      for (const oldest of this.#open.keys()) {
        this.forget(oldest);
        break;
      }
    }
    return file;
  }
}
