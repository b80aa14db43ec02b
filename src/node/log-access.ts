import type { Entry } from '../base/entry.ts';
import { mark } from '../base/marks.ts';
import type { LogIndex } from '../base/units.ts';
import type { StateMachine } from '../broker/index.ts';
import type { RaftCore } from '../raft/index.ts';
import { WalRotError, type Wal } from '../wal/index.ts';

export interface LogAccessParts {
  readonly core: RaftCore;
  readonly machine: StateMachine;
  readonly wal: Wal;
  readonly enter: () => void;
  /** What was to be read does not verify. */
  readonly onRot: (error: WalRotError) => void;
}

type Done = (error: Error | null, entries: readonly Entry[]) => void;

/** Read from disk at once; the others wait their turn. */
const DISK_READS_MAX = 16;

/** Applied entries, from the cache or else from disk. */
export class LogAccess {
  readonly #parts: LogAccessParts;
  #waiting: (() => void)[] = [];
  #diskReads = 0;

  constructor(parts: LogAccessParts) {
    this.#parts = parts;
  }

  /** What lies before is not served any more. */
  get firstIndex(): LogIndex {
    const { core, machine } = this.#parts;
    return Math.max(core.firstIndex, machine.logStart) as LogIndex;
  }

  /** Reads that are under way or wait. */
  get pending(): number {
    return this.#diskReads + this.#waiting.length;
  }

  /**
   * Consecutive entries from `first` to `last` at most, both applied or durable: at least one, and as many as have `bytesMax` bytes.
   * Calls back at once where they are in memory.
   */
  read(first: LogIndex, last: LogIndex, bytesMax: number, done: Done): void {
    const cached = this.#parts.core.cachedEntries(first, last, bytesMax);
    if (cached !== null) {
      done(null, cached);
      return;
    }
    this.#waiting.push(() => this.#fromDisk(first, last, bytesMax, done));
    this.#next();
  }

  /**
   * Behind what is durable the disk may still hold entries that the log has dropped since; those that took their place
   * are in memory.
   */
  #fromDisk(first: LogIndex, last: LogIndex, bytesMax: number, done: Done): void {
    const { core, wal, enter, onRot } = this.#parts;
    const end = Math.min(last, core.durableIndex);
    mark('node.read-from-disk');
    wal.read(first, end - first + 1, bytesMax, (error, entries) => {
      enter();
      this.#diskReads -= 1;
      this.#next();
      if (error instanceof WalRotError) onRot(error);
      done(error, entries);
    });
  }

  #next(): void {
    if (this.#diskReads >= DISK_READS_MAX) return;
    const read = this.#waiting.shift();
    if (read === undefined) return;
    this.#diskReads += 1;
    read();
  }
}
