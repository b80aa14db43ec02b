import { EntryKind, entryQueue, type Entry } from '../base/entry.ts';
import { mark } from '../base/marks.ts';
import type { Clock } from '../base/ports/clock.ts';
import type { LogIndex } from '../base/units.ts';
import { batchFacts } from './batch-facts.ts';
import type { ConsumeQueue } from './consume-queue.ts';
import type { KeyIndex } from './key-index.ts';
import { KeyTable } from './key-run.ts';
import { IndexMismatchError, type LogSource } from './log-source.ts';

export interface RebuilderParts {
  readonly log: LogSource;
  readonly clock: Clock;
  readonly keys: KeyIndex;
  readonly keysPerRun: number;
  readonly enter: () => void;
  readonly onFailure: (error: Error) => void;
  /** A queue got a unit. */
  readonly onQueue: (queue: ConsumeQueue) => void;
}

/**
 * Makes again from the log what is missing of the indexes, a piece of the log a turn. Beside it the node goes on; only
 * those who ask for what is missing wait.
 */
export class Rebuilder {
  readonly #parts: RebuilderParts;
  readonly #queues = new Map<number, ConsumeQueue>();
  #waiting: (() => void)[] = [];
  #isRunning = false;
  /** One came in while the log was being read: it may lack what has passed by already. */
  #hasNewcomer = false;
  #isStopped = false;
  #count = 0;

  constructor(parts: RebuilderParts) {
    this.#parts = parts;
  }

  /** Queues and runs of keys that were made again by this process. */
  get count(): number {
    return this.#count;
  }

  get isIdle(): boolean {
    return this.#queues.size === 0 && this.#parts.keys.gaps.length === 0;
  }

  /** The units behind the last of this queue are missing. */
  add(queue: ConsumeQueue): void {
    queue.isWhole = false;
    this.#hasNewcomer = true;
    this.#queues.set(queue.id, queue);
  }

  forget(queue: ConsumeQueue): void {
    if (this.#queues.get(queue.id) === queue) this.#queues.delete(queue.id);
  }

  whenIdle(then: () => void): void {
    if (this.isIdle) then();
    else this.#waiting.push(then);
  }

  whenKeys(then: () => void): void {
    if (this.#parts.keys.gaps.length === 0) then();
    else this.#waiting.push(() => this.whenKeys(then));
  }

  /** Begins, if there is something to do and it has not begun. */
  run(): void {
    if (this.#isRunning || this.isIdle) return;
    this.#isRunning = true;
    // Not in the turn in which the store is opened: the log is not ready to be read then.
    this.#parts.clock.defer(() => {
      this.#parts.enter();
      this.#next();
    });
  }

  stop(): void {
    this.#isStopped = true;
  }

  #next(): void {
    if (this.#isStopped) return;
    const [gap] = this.#parts.keys.gaps;
    if (this.#queues.size > 0) this.#fillQueues();
    else if (gap !== undefined) this.#fillKeys(gap.after, gap.last);
    else {
      this.#isRunning = false;
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const then of waiting) then();
    }
  }

  /** From where the first of them ends to where the log does. Whoever has a batch already lets it pass. */
  #fillQueues(): void {
    const { log } = this.#parts;
    this.#hasNewcomer = false;
    let from = log.appliedIndex + 1;
    for (const queue of this.#queues.values()) from = Math.min(from, queue.lastIndex + 1);
    const step = (first: LogIndex): void => {
      // In one turn the last batch is applied and found here, so nothing can come between.
      if (first > log.appliedIndex) {
        if (!this.#hasNewcomer) this.#finishQueues();
        this.#next();
        return;
      }
      this.#read(first, (entries) => {
        for (const entry of entries) this.#offer(entry);
        step((first + entries.length) as LogIndex);
      });
    };
    step(from as LogIndex);
  }

  #offer(entry: Entry): void {
    if (entry.kind !== EntryKind.batch) return;
    const queue = this.#queues.get(entryQueue(entry));
    if (queue === undefined || entry.index <= queue.lastIndex || this.#parts.log.isVoided(entry.index))
      return;
    queue.append(
      queue.endOffset,
      batchFacts(entry, () => undefined),
    );
    this.#parts.onQueue(queue);
  }

  #finishQueues(): void {
    for (const queue of this.#queues.values()) {
      const endOffset = this.#parts.log.endOffset(queue.id);
      if (endOffset !== null && endOffset !== queue.endOffset) {
        this.#isStopped = true;
        this.#parts.onFailure(
          new IndexMismatchError(
            `queue ${queue.id} ends at ${endOffset}, and its batches in the log at ${queue.endOffset}`,
          ),
        );
        return;
      }
      queue.isWhole = true;
      this.#count += 1;
      mark('queue.rebuilt');
    }
    this.#queues.clear();
  }

  #fillKeys(after: LogIndex, last: LogIndex): void {
    const table = new KeyTable(0);
    const fill = (upTo: LogIndex): void =>
      this.#parts.keys.fill({ after, last: upTo }, table, () => {
        this.#count += 1;
        mark('queue.keys-rebuilt');
        this.#next();
      });
    const step = (first: LogIndex): void =>
      this.#read(first, (entries) => {
        for (const entry of entries) {
          if (entry.index > last) break;
          if (
            entry.kind === EntryKind.batch &&
            entryQueue(entry) > 0 &&
            !this.#parts.log.isVoided(entry.index)
          )
            batchFacts(entry, (hash) => table.add(hash, entryQueue(entry), entry.index));
          if (table.count >= this.#parts.keysPerRun || entry.index === last) {
            fill(entry.index);
            return;
          }
        }
        step((first + entries.length) as LogIndex);
      });
    step((after + 1) as LogIndex);
  }

  /** Each piece in a turn of its own. */
  #read(first: LogIndex, then: (entries: readonly Entry[]) => void): void {
    this.#parts.log.read(first, (error, entries) => {
      if (error !== null) {
        this.#parts.onFailure(error);
        return;
      }
      this.#parts.clock.defer(() => {
        this.#parts.enter();
        if (!this.#isStopped) then(entries);
      });
    });
  }
}
