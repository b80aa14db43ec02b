import { entryQueue, type Entry } from '../base/entry.ts';
import { mark } from '../base/marks.ts';
import type { Clock } from '../base/ports/clock.ts';
import { DiskError, type Disk } from '../base/ports/disk.ts';
import { NO_INDEX, type LogIndex } from '../base/units.ts';
import { batchFacts } from './batch-facts.ts';
import {
  ConsumeQueue,
  DamagedUnitError,
  type QueueFolder,
  type UnitKey,
  type UnitRun,
} from './consume-queue.ts';
import { FilePool } from './file-pool.ts';
import {
  TEMPORARY_NAME,
  parseKeyRunName,
  parseQueueFileName,
  queueFileName,
  type RunRange,
} from './format.ts';
import { KEYS_PER_RUN, KeyIndex } from './key-index.ts';
import type { KeyPlace } from './key-run.ts';
import type { LogSource } from './log-source.ts';
import { Rebuilder } from './rebuilder.ts';
import type { Unit } from './unit.ts';

export interface QueueState {
  readonly queue: number;
  /** First offset that retention has left. */
  readonly firstOffset: number;
  readonly endOffset: number;
}

export interface QueueStoreOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  /** A folder of its own. Made when there is something to put into it. */
  readonly directory: string;
  readonly log: LogSource;
  /** All queues, as the restored checkpoint has them. */
  readonly queues: Iterable<QueueState>;
  /** To be called before anything that comes from outside. */
  readonly enter: () => void;
  /** The disk failed, or an index contradicts the log: this node cannot go on. */
  readonly onFailure: (error: Error) => void;
  /** Units of all queues that wait in memory. Default 131,072. */
  readonly pendingUnitsMax?: number;
  /** Default 256. */
  readonly filesOpenMax?: number;
  /** Default 65,536. */
  readonly keysPerRun?: number;
}

const FILES_OPEN_MAX = 256;
/**
 * Units of all queues that are kept in memory, some 100 bytes each. Written before a checkpoint they help nobody: a start
 * makes again what lies behind it. And a queue that is written for one unit costs opening a file.
 */
const PENDING_UNITS_MAX = 131_072;
/** Queues that are flushed, and files whose syncs are under way, before the loop gets its turn. */
const FLUSHES_PER_TURN = 64;
const SYNCS_AT_ONCE = 4;

/**
 * The indexes of one node that lead from (queue, offset), from a time and from a key to the log. They hold nothing that
 * the log does not: what is lost is made again from it, and nothing here is ever asked whether a record exists.
 */
export class QueueStore {
  readonly #options: QueueStoreOptions;
  readonly #folder: QueueFolder;
  readonly #queues = new Map<number, ConsumeQueue>();
  readonly #keys: KeyIndex;
  readonly #rebuilder: Rebuilder;
  /** Queues with units that no file has. */
  #unflushed = new Set<ConsumeQueue>();
  #pendingUnits = 0;
  #isFlushing = false;
  /** Files with bytes that may not be durable. */
  #unsynced = new Set<string>();
  #hasNewNames = false;
  #hasFolder = false;
  /** What retention and deleted topics leave behind goes when no checkpoint speaks of it any more. */
  #obsolete: { deleted: ConsumeQueue[]; raised: Map<number, number> } = { deleted: [], raised: new Map() };
  #obsoleteAtCheckpoint = this.#obsolete;
  #lastIndex: LogIndex = NO_INDEX;
  #isUsed: boolean;
  #isClosed = false;

  /** @throws DiskError */
  constructor(options: QueueStoreOptions) {
    const { disk, directory, enter, log } = options;
    this.#options = options;
    this.#folder = {
      disk,
      directory,
      pool: new FilePool(disk, options.filesOpenMax ?? FILES_OPEN_MAX),
    };
    const onFailure = (error: Error): void => this.#fail(error);
    this.#keys = new KeyIndex(
      this.#folder,
      { enter, onFailure, onGap: () => this.#rebuilder.run() },
      options.keysPerRun ?? KEYS_PER_RUN,
    );
    this.#rebuilder = new Rebuilder({
      log,
      clock: options.clock,
      keys: this.#keys,
      keysPerRun: options.keysPerRun ?? KEYS_PER_RUN,
      enter,
      onFailure,
      onQueue: (queue) => this.#noteUnflushed(queue),
      onBeginning: (queue) => this.#attempt(() => this.#removeAll(queue)),
    });
    this.#lastIndex = log.appliedIndex;
    this.#isUsed = this.#recover(log.appliedIndex);
  }

  counters(): Record<string, number> {
    return {
      queueUnitsPending: this.#pendingUnits,
      queueFilesOpen: this.#folder.pool.size,
      keyRuns: this.#keys.runCount,
      queueRebuilds: this.#rebuilder.count,
    };
  }

  /** Whether everything can be read now. */
  get isWhole(): boolean {
    return this.#rebuilder.isIdle;
  }

  /** A batch of a topic was accepted when it was applied. In the order of the log. */
  append(entry: Entry, baseOffset: number): void {
    this.#isUsed = true;
    const id = entryQueue(entry);
    const facts = batchFacts(entry, (hash) => this.#keys.add(hash, id, entry.index));
    this.#keys.added(entry.index);
    this.#lastIndex = entry.index;
    const queue = this.#queueOf(id);
    // What has to be made again is read from the log up to its end: this comes with it.
    if (!queue.isWhole) return;
    queue.append(baseOffset, facts);
    this.#noteUnflushed(queue);
  }

  /** Its topic was deleted. */
  delete(queues: Iterable<number>): void {
    for (const id of queues) {
      const queue = this.#queues.get(id);
      if (queue === undefined) continue;
      this.#queues.delete(id);
      this.#unflushed.delete(queue);
      this.#pendingUnits -= queue.pendingCount;
      this.#rebuilder.forget(queue);
      this.#obsolete.deleted.push(queue);
    }
  }

  /** Retention has taken everything below. */
  raiseFirstOffset(queue: number, offset: number): void {
    if (this.#queues.has(queue)) this.#obsolete.raised.set(queue, offset);
  }

  /**
   * Units from the one that holds `offset` on, at least one, at most what lies in a page; none for an offset that the
   * queue does not hold. Calls back in this turn or a later one; while the queue is made again, when that is done.
   */
  read(queue: number, offset: number, done: (error: Error | null, run: UnitRun) => void): void {
    this.#whenWhole(queue, done, NOTHING, (found, end) => {
      if (offset >= found.endOffset || offset < found.firstOffset) end(null, NOTHING);
      else found.read(offset, end);
    });
  }

  /** More of a stretch that `read` began: units from this number on. */
  readAt(queue: number, number: number, done: (error: Error | null, run: UnitRun) => void): void {
    this.#whenWhole(queue, done, NOTHING, (found, end) => {
      if (number >= found.count) end(null, NOTHING);
      else found.readAt(number, end);
    });
  }

  /** Somebody will go on reading at this offset, with this unit: then it need not be searched for. */
  remember(queue: number, offset: number, number: number): void {
    this.#queues.get(queue)?.remember(offset, number);
  }

  /** The first unit whose `key` is at least `value`; null if there is none. */
  find(
    queue: number,
    key: UnitKey,
    value: number,
    done: (error: Error | null, unit: Unit | null) => void,
  ): void {
    this.#whenWhole<Unit | null>(queue, done, null, (found, end) => {
      found.find(key, value, (error, { unit }) => end(error, unit));
    });
  }

  /** Nothing of the queue below this offset can be read here, though the replicated state may not say so yet. */
  firstOffset(queue: number): number {
    return this.#queues.get(queue)?.firstOffset ?? 0;
  }

  /** Bytes of the log entries of all batches that the queue ever got, and of the last of them. */
  bytes(queue: number): { readonly all: number; readonly last: number } {
    const found = this.#queues.get(queue);
    return { all: found?.bytes ?? 0, last: found?.lastBytes ?? 0 };
  }

  /**
   * Batches that may hold a record whose key has this hash, newest first.
   * @param visit may be told of a batch more than once; goes on to older batches by calling `next`.
   */
  lookup(
    hash: number,
    visit: (places: readonly KeyPlace[], next: () => void) => void,
    done: (error: Error | null) => void,
  ): void {
    this.#rebuilder.whenKeys(() =>
      this.#keys.lookup(hash, visit, (error) => {
        if (error !== null && this.#keys.tookDamage(error)) this.lookup(hash, visit, done);
        else done(error);
      }),
    );
  }

  /**
   * Makes everything durable that was appended so far: a checkpoint at this point may count when it has called back.
   * Calls back at once where there is nothing to do. A disk that fails is reported as a failure, and never called back.
   */
  sync(done: () => void): void {
    this.#obsoleteAtCheckpoint = this.#obsolete;
    this.#obsolete = { deleted: [], raised: new Map() };
    const index = maxOf(this.#options.log.appliedIndex, this.#lastIndex);
    if (!this.#isUsed) {
      done();
      return;
    }
    // What is being made again need not be waited for: the next start misses it too.
    this.#flushSome([...this.#unflushed], () => this.#syncFiles(() => this.#keys.sync(index, done)));
  }

  /** The checkpoint for which `sync` was called counts: what it does not need any more goes. */
  checkpointed(): void {
    const { deleted, raised } = this.#obsoleteAtCheckpoint;
    this.#obsoleteAtCheckpoint = { deleted: [], raised: new Map() };
    for (const queue of deleted) this.#attempt(() => this.#remove(queue.paths()));
    this.#keys.dropBefore(this.#options.log.firstIndex);
    for (const [id, offset] of raised) {
      const queue = this.#queues.get(id);
      if (queue === undefined || !queue.isWhole) continue;
      queue.find('baseOffset', offset + 1, (error, { number }) => {
        if (error === null) this.#attempt(() => this.#remove(queue.dropBefore(number - 1)));
      });
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#rebuilder.stop();
    this.#folder.pool.close();
  }

  /** @returns whether any queue ever held a record. */
  #recover(appliedIndex: LogIndex): boolean {
    const { disk, directory } = this.#folder;
    const files = new Map<number, number[]>();
    const runs: RunRange[] = [];
    for (const name of disk.existsSync(directory) ? disk.listSync(directory) : []) {
      const file = parseQueueFileName(name);
      const run = parseKeyRunName(name);
      if (run !== null) runs.push(run);
      else if (file === null) {
        if (name === TEMPORARY_NAME) disk.unlinkSync(`${directory}/${name}`);
      } else {
        const known = files.get(file.queue);
        if (known === undefined) files.set(file.queue, [file.number]);
        else known.push(file.number);
      }
    }
    let isUsed = runs.length > 0;
    for (const { queue: id, firstOffset, endOffset } of this.#options.queues) {
      const queue = new ConsumeQueue(this.#folder, id);
      this.#queues.set(id, queue);
      if (endOffset > 0) isUsed = true;
      if (!queue.recover(files.get(id) ?? [], firstOffset, endOffset)) {
        mark('queue.rebuilt-at-start');
        this.#rebuilder.add(queue);
      }
      files.delete(id);
    }
    // Of topics that were deleted, or that the log will create again: then their units come with it.
    for (const [id, numbers] of files)
      this.#remove(numbers.map((number) => `${directory}/${queueFileName(id, number)}`));
    this.#keys.recover(runs, this.#options.log.firstIndex, appliedIndex, isUsed);
    this.#rebuilder.run();
    return isUsed;
  }

  #queueOf(id: number): ConsumeQueue {
    let queue = this.#queues.get(id);
    if (queue === undefined) {
      queue = new ConsumeQueue(this.#folder, id);
      this.#queues.set(id, queue);
    }
    return queue;
  }

  /** Does something with a queue that is whole, and again when damage was found and repaired on the way. */
  #whenWhole<T>(
    id: number,
    done: (error: Error | null, value: T) => void,
    nothing: T,
    work: (queue: ConsumeQueue, end: (error: Error | null, value: T) => void) => void,
  ): void {
    const queue = this.#queues.get(id);
    if (queue === undefined) {
      done(null, nothing);
      return;
    }
    if (!queue.isWhole) {
      this.#rebuilder.whenIdle(() => this.#whenWhole(id, done, nothing, work));
      return;
    }
    const { cuts } = queue;
    work(queue, (error, value) => {
      this.#options.enter();
      if (!(error instanceof DamagedUnitError) || this.#queues.get(id) !== queue) {
        done(error, value);
        return;
      }
      if (queue.cuts === cuts) this.#repair(queue, error.number);
      this.#whenWhole(id, done, nothing, work);
    });
  }

  #repair(queue: ConsumeQueue, number: number): void {
    mark('queue.unit-damaged');
    this.#pendingUnits -= queue.pendingCount;
    this.#unflushed.delete(queue);
    this.#attempt(() => queue.cutBefore(number));
    this.#rebuilder.add(queue);
    this.#rebuilder.run();
  }

  #noteUnflushed(queue: ConsumeQueue): void {
    this.#unflushed.add(queue);
    this.#pendingUnits += 1;
    const unitsMax = this.#options.pendingUnitsMax ?? PENDING_UNITS_MAX;
    if (this.#pendingUnits >= unitsMax && !this.#isFlushing)
      this.#flushSome(this.#largest(unitsMax / 2), () => undefined);
  }

  /** Those that have the most units, so many together at least: the fewest files for the most room. */
  #largest(units: number): ConsumeQueue[] {
    const largest = [...this.#unflushed].sort((one, other) => other.pendingCount - one.pendingCount);
    let found = 0;
    const enough = largest.findIndex((queue) => {
      found += queue.pendingCount;
      return found >= units;
    });
    return enough < 0 ? largest : largest.slice(0, enough + 1);
  }

  /** In slices, between which the loop is free. */
  #flushSome(queues: readonly ConsumeQueue[], done: () => void): void {
    let at = 0;
    this.#isFlushing = true;
    const slice = (): void => {
      if (this.#isClosed) return;
      this.#attempt(() => {
        for (const queue of queues.slice(at, at + FLUSHES_PER_TURN)) this.#flush(queue);
        at += FLUSHES_PER_TURN;
        if (at < queues.length) {
          this.#options.clock.defer(slice);
          return;
        }
        this.#isFlushing = false;
        done();
      });
    };
    slice();
  }

  #flush(queue: ConsumeQueue): void {
    if (!this.#unflushed.delete(queue)) return;
    if (!this.#hasFolder) this.#folder.disk.mkdirSync(this.#folder.directory);
    this.#hasFolder = true;
    this.#pendingUnits -= queue.pendingCount;
    queue.flush((path, isNew) => {
      this.#unsynced.add(path);
      if (isNew) this.#hasNewNames = true;
    });
  }

  /** Everything that was written, a few files at a time. */
  #syncFiles(done: () => void): void {
    const paths = [...this.#unsynced];
    this.#unsynced = new Set();
    let left = paths.length;
    const finish = (): void => {
      this.#attempt(() => {
        if (this.#hasNewNames) {
          this.#hasNewNames = false;
          this.#folder.disk.syncDirectorySync(this.#folder.directory);
        }
        done();
      });
    };
    if (left === 0) {
      finish();
      return;
    }
    const next = (): void => {
      const path = paths.pop();
      if (path === undefined || this.#isClosed) return;
      const synced = (error: DiskError | null): void => {
        this.#options.enter();
        left -= 1;
        if (error !== null) this.#fail(error);
        else if (left === 0) finish();
        else next();
      };
      this.#attempt(() => {
        // Retention may have taken it since.
        if (this.#folder.disk.existsSync(path)) this.#folder.pool.use(path).datasync(synced);
        else synced(null);
      });
    };
    for (let at = 0; at < SYNCS_AT_ONCE; at += 1) next();
  }

  /** Every file that any life of this node gave the queue. */
  #removeAll(queue: ConsumeQueue): void {
    const { disk, directory } = this.#folder;
    this.#pendingUnits -= queue.pendingCount;
    this.#unflushed.delete(queue);
    const names = disk.existsSync(directory) ? disk.listSync(directory) : [];
    const own = names.filter((name) => parseQueueFileName(name)?.queue === queue.id);
    this.#remove(own.map((name) => `${directory}/${name}`));
  }

  #remove(paths: readonly string[]): void {
    for (const path of paths) {
      this.#unsynced.delete(path);
      this.#folder.pool.forget(path);
      this.#folder.disk.unlinkSync(path);
    }
  }

  #attempt(step: () => void): void {
    try {
      step();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#fail(error);
    }
  }

  #fail(error: Error): void {
    if (!this.#isClosed) this.#options.onFailure(error);
  }
}

const NOTHING: UnitRun = { first: 0, units: [] };

function maxOf(one: LogIndex, other: LogIndex): LogIndex {
  return one > other ? one : other;
}
