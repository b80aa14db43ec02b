import { EntryKind, entryQueue, type Entry } from '../base/entry.ts';
import { mark } from '../base/marks.ts';
import type { Clock } from '../base/ports/clock.ts';
import { entryRecordCount } from '../base/entry.ts';
import { indexPlus, type LogIndex } from '../base/units.ts';
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
  /** A queue is to begin anew, with none of the files that it has. */
  readonly onBeginning: (queue: ConsumeQueue) => void;
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

  #fillQueues(): void {
    this.#hasNewcomer = false;
    const behind = [...this.#queues.values()].filter(
      ({ lastIndex }) => lastIndex + 1 < this.#parts.log.firstIndex,
    );
    if (behind.length > 0) this.#placeQueues(behind, () => this.#appendQueues());
    else this.#appendQueues();
  }

  /**
   * Finds where queues go on that end before the log begins. Their batches may have gone with the log, so the offset is
   * told from the other end: that of the next record, less all records that the log has. Who lacks some before it begins anew there.
   */
  #placeQueues(behind: readonly ConsumeQueue[], done: () => void): void {
    const { log, onBeginning } = this.#parts;
    const counts = new Map<number, number>();
    this.#scan(
      log.firstIndex,
      (entry) => {
        const id = entryQueue(entry);
        if (this.#isBatchOf(id, entry)) counts.set(id, (counts.get(id) ?? 0) + entryRecordCount(entry));
      },
      () => {
        for (const queue of behind) {
          const offset = (log.endOffset(queue.id) ?? 0) - (counts.get(queue.id) ?? 0);
          if (offset === queue.endOffset) continue;
          mark('queue.began-behind-the-log');
          onBeginning(queue);
          queue.beginAt(offset, indexPlus(log.firstIndex, -1));
        }
        done();
      },
    );
  }

  /** From where the first of them ends to where the log does. Whoever has a batch already lets it pass. */
  #appendQueues(): void {
    const { log } = this.#parts;
    let from = log.appliedIndex + 1;
    for (const queue of this.#queues.values()) from = Math.min(from, queue.lastIndex + 1);
    this.#scan(
      Math.max(from, log.firstIndex) as LogIndex,
      (entry) => this.#offer(entry),
      () => {
        if (!this.#hasNewcomer) this.#finishQueues();
        this.#next();
      },
    );
  }

  /** @param done in the turn in which the last entry was applied and found here, so that nothing can come between. */
  #scan(first: LogIndex, visit: (entry: Entry) => void, done: () => void): void {
    if (first > this.#parts.log.appliedIndex) {
      done();
      return;
    }
    this.#read(first, (entries) => {
      for (const entry of entries) visit(entry);
      this.#scan(indexPlus(first, entries.length), visit, done);
    });
  }

  #isBatchOf(id: number, entry: Entry): boolean {
    return entry.kind === EntryKind.batch && this.#queues.has(id) && !this.#parts.log.isVoided(entry.index);
  }

  #offer(entry: Entry): void {
    const queue = this.#queues.get(entryQueue(entry));
    if (queue === undefined || entry.index <= queue.lastIndex || !this.#isBatchOf(queue.id, entry)) return;
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
    // What lay before the log's first entry nobody can be led to any more.
    const first = Math.max(after + 1, this.#parts.log.firstIndex) as LogIndex;
    if (first > last) fill(last);
    else step(first);
  }

  /** Each piece in a turn of its own. */
  #read(first: LogIndex, then: (entries: readonly Entry[]) => void): void {
    this.#parts.log.read(first, (error, entries) => {
      if (error !== null && first < this.#parts.log.firstIndex) {
        // The log was trimmed under it.
        this.#next();
        return;
      }
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
