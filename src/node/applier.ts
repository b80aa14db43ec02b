import { assert, violated } from '../base/assert.ts';
import type { Entry } from '../base/entry.ts';
import { mark } from '../base/marks.ts';
import type { Mutations } from '../base/mutations.ts';
import { NO_INDEX, type LogIndex } from '../base/units.ts';
import type { ApplyResult, StateMachine } from '../broker/index.ts';
import type { RaftCore } from '../raft/index.ts';
import { WalReadError, WalRotError, type Wal } from '../wal/index.ts';

export interface ApplierHandlers {
  enter(): void;
  onApplied(entry: Entry, result: ApplyResult): void;
  /** A run of entries was applied. */
  onProgress(appliedIndex: LogIndex): void;
  /** What comes next does not verify. @returns whether it may be put back: then `resume` is called. */
  onRot(error: WalRotError): boolean;
  onFailure(error: Error): void;
}

/** So much is applied in one turn at most: what is behind must not keep heartbeats waiting. */
const ENTRIES_PER_TURN_MAX = 8192;
const BYTES_PER_TURN_MAX = 8 * 1024 * 1024;

/** Feeds committed entries to the state machine, in order, once each. */
export class Applier {
  readonly #core: RaftCore;
  readonly #machine: StateMachine;
  readonly #wal: Wal;
  readonly #mutations: Mutations;
  readonly #handlers: ApplierHandlers;
  #reading = false;
  #failed = false;
  #isWaiting = false;
  #last: Entry | null = null;
  #appliedBytes = 0;

  constructor(
    core: RaftCore,
    machine: StateMachine,
    wal: Wal,
    mutations: Mutations,
    handlers: ApplierHandlers,
  ) {
    this.#core = core;
    this.#machine = machine;
    this.#wal = wal;
    this.#mutations = mutations;
    this.#handlers = handlers;
  }

  /** The entry applied last by this process; null before the first. */
  get last(): Entry | null {
    return this.#last;
  }

  /** Bytes of log applied by this process. */
  get appliedBytes(): number {
    return this.#appliedBytes;
  }

  get isBehind(): boolean {
    return this.#machine.appliedIndex < this.#goalIndex;
  }

  get #goalIndex(): LogIndex {
    return this.#mutations.appliesUncommitted ? this.#core.lastIndex : this.#core.commitIndex;
  }

  /** @returns whether there is more to apply at once. */
  run(): boolean {
    if (this.#reading || this.#failed || this.#isWaiting || !this.isBehind) return false;
    const first = (this.#machine.appliedIndex + 1) as LogIndex;
    const last = Math.min(this.#goalIndex, first + ENTRIES_PER_TURN_MAX - 1) as LogIndex;
    const cached = this.#core.cachedEntries(first, last, BYTES_PER_TURN_MAX);
    if (cached === null) {
      this.#readFromDisk(first, last);
      return false;
    }
    this.#apply(cached);
    return this.isBehind;
  }

  /** What did not verify may do so now. */
  resume(): void {
    this.#isWaiting = false;
  }

  /**
   * After a start the entries between the checkpoint and the cache come from disk: only what is durable, because behind
   * that the disk may still hold what the log has dropped since.
   */
  #readFromDisk(first: LogIndex, last: LogIndex): void {
    const durable = this.#mutations.appliesDroppedEntries ? last : this.#core.durableIndex;
    const count = Math.min(last, durable) - first + 1;
    assert(
      count > 0,
      () => `entry ${first} is neither in memory nor durable: durable is ${this.#core.durableIndex}`,
    );
    mark('node.applied-from-disk');
    this.#reading = true;
    this.#wal.read(first, count, BYTES_PER_TURN_MAX, (error, entries) => {
      this.#handlers.enter();
      this.#reading = false;
      if (error === null) this.#apply(entries);
      // Closed because a write failed in this turn: that is what is to be reported, and will be.
      else if (error instanceof WalReadError && error.code === 'WAL_CLOSED') this.#failed = true;
      else if (error instanceof WalRotError && this.#handlers.onRot(error)) {
        mark('node.applying-waited');
        this.#isWaiting = true;
      } else this.#fail(error);
    });
  }

  #apply(entries: readonly Entry[]): void {
    const goalIndex = this.#goalIndex;
    try {
      for (const entry of entries) {
        const { appliedIndex } = this.#machine;
        if (entry.index !== appliedIndex + 1 || entry.index > goalIndex)
          violated(`apply ${entry.index} after ${appliedIndex}, committed ${this.#core.commitIndex}`);
        const result = this.#machine.apply(entry);
        this.#last = entry;
        this.#appliedBytes += entry.bytes.length;
        this.#handlers.onApplied(entry, result);
      }
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    if (entries.length === 0) return;
    const applied = this.#last?.index ?? NO_INDEX;
    this.#core.applied(applied);
    this.#handlers.onProgress(applied);
  }

  #fail(error: Error): void {
    this.#failed = true;
    this.#handlers.onFailure(error);
  }
}
