import { join } from 'node:path';
import { mark } from '../base/marks.ts';
import { DiskError, type Disk, type DiskFile } from '../base/ports/disk.ts';
import { SPARE_NAME } from './format.ts';

/** Zeros are written in steps of this many bytes, each synced, so that no step holds up the disk for long. */
const STEP_BYTES_MAX: number = 1024 * 1024;

/** A file of synced zeros, ready to become a segment. */
export interface PreparedFile {
  readonly file: DiskFile;
  readonly path: string;
  readonly bytes: number;
}

/**
 * The next segment, prepared in the background: overwriting zeros that are already there lets a sync skip the file
 * system's journal (about 1.5 times the syncs a second). Its syncs are not in the log's chain. They cannot be mistaken
 * for syncs of the log, for there is no log in this file; in the chain each one would hold up a commit by a few
 * milliseconds.
 */
export class SpareSegment {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #zeros: Uint8Array;
  #file: DiskFile | null = null;
  #bytes = 0;
  #goal = 0;
  #isStepping = false;
  /** After a failure: not tried again before the file is needed. */
  #isResting = false;
  #taker: {
    readonly bytesMin: number;
    readonly done: (error: Error | null, file: PreparedFile | null) => void;
  } | null = null;
  #closed = false;

  constructor(disk: Disk, directory: string, segmentBytes: number) {
    this.#disk = disk;
    this.#path = join(directory, SPARE_NAME);
    this.#zeros = new Uint8Array(Math.min(STEP_BYTES_MAX, segmentBytes));
  }

  /**
   * Lets the file grow to this many bytes, rounded up to whole steps, in the background. A failure shows when the file
   * is taken.
   */
  prepare(bytes: number): void {
    if (this.#isResting) return;
    this.#goal = Math.max(this.#goal, this.#wholeSteps(bytes));
    this.#step();
  }

  /**
   * Gives the file away, with at least this many bytes: what is not zeroed by then is a hole, which reads as zeros and
   * costs the log its head start on the journal, but nobody waits for zeros while records wait for the log. It is
   * closed, if not used, by whoever took it.
   */
  take(bytesMin: number, done: (error: Error | null, file: PreparedFile | null) => void): void {
    this.#taker = { bytesMin, done };
    this.#isResting = false;
    if (!this.#isStepping) this.#giveAway();
  }

  close(): void {
    this.#closed = true;
    this.#taker = null;
    this.#discard();
  }

  #step(): void {
    if (this.#isStepping || this.#closed || this.#bytes >= this.#goal) return;
    this.#isStepping = true;
    try {
      this.#file ??= this.#disk.openSync(this.#path, 'create');
    } catch (error) {
      this.#stepDone(error as Error, 0);
      return;
    }
    const file = this.#file;
    file.write(this.#zeros, this.#bytes, (writeError) => {
      if (writeError !== null || this.#closed) this.#stepDone(writeError, 0);
      else file.datasync((syncError) => this.#stepDone(syncError, this.#zeros.length));
    });
  }

  #stepDone(error: Error | null, bytes: number): void {
    this.#isStepping = false;
    if (this.#closed) return;
    if (error === null) {
      this.#bytes += bytes;
      if (this.#taker === null) this.#step();
      else this.#giveAway();
      return;
    }
    // Whatever room there is belongs to the log: give back what the spare took. It is begun anew when it is needed.
    this.#discard();
    this.#goal = 0;
    this.#isResting = true;
    const taker = this.#taker;
    this.#taker = null;
    taker?.done(error, null);
  }

  #giveAway(): void {
    const taker = this.#taker;
    if (taker === null) return;
    this.#taker = null;
    const bytes = Math.max(this.#bytes, this.#wholeSteps(taker.bytesMin));
    try {
      this.#file ??= this.#disk.openSync(this.#path, 'create');
      mark(this.#bytes < bytes ? 'wal.spare-was-late' : 'wal.spare-was-ready');
      if (this.#bytes < bytes) this.#file.writevSync([new Uint8Array(1)], bytes - 1);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#discard();
      taker.done(error, null);
      return;
    }
    const prepared = { file: this.#file, path: this.#path, bytes };
    this.#file = null;
    this.#bytes = 0;
    this.#goal = 0;
    taker.done(null, prepared);
  }

  #wholeSteps(bytes: number): number {
    const step = this.#zeros.length;
    return Math.ceil(bytes / step) * step;
  }

  #discard(): void {
    this.#bytes = 0;
    if (this.#file === null) return;
    this.#file.closeSync();
    this.#file = null;
    if (this.#disk.existsSync(this.#path)) this.#disk.unlinkSync(this.#path);
  }
}
