import type { Clock } from '../base/ports/clock.ts';
import { DiskError, type Disk } from '../base/ports/disk.ts';

export interface Space {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** Asking the operating system holds up the loop for a moment. */
const LOOK_EVERY_MS = 500;

/** How full the file system of the data is, as of the last half second. Null where it cannot be told. */
export class DiskSpace {
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #directory: string;
  #last: Space | null = null;
  #nextLookMs = Number.NEGATIVE_INFINITY;

  constructor(disk: Disk, clock: Clock, directory: string) {
    this.#disk = disk;
    this.#clock = clock;
    this.#directory = directory;
  }

  get space(): Space | null {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#nextLookMs) return this.#last;
    this.#nextLookMs = nowMs + LOOK_EVERY_MS;
    try {
      this.#last = this.#disk.spaceSync(this.#directory);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#last = null;
    }
    return this.#last;
  }
}
