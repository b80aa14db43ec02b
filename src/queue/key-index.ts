import { mark } from '../base/marks.ts';
import { DiskError, type DiskFile } from '../base/ports/disk.ts';
import { NO_INDEX, type LogIndex } from '../base/units.ts';
import type { QueueFolder } from './consume-queue.ts';
import { TEMPORARY_NAME, keyRunName, type RunRange } from './format.ts';
import {
  KeyTable,
  RUN_BLOCK_BYTES,
  RUN_BLOCK_ENTRIES,
  decodeKeyBlock,
  type KeyBlock,
  type KeyPlace,
} from './key-run.ts';

export interface KeyIndexHandlers {
  readonly enter: () => void;
  readonly onFailure: (error: Error) => void;
  /** Runs are missing or damaged and have to be made again from the log; until then nobody is answered. */
  readonly onGap: () => void;
}

/** More in memory than this become a run. */
export const KEYS_PER_RUN = 65_536;

/** A run that does not verify. */
class DamagedRunError extends Error {
  readonly range: RunRange;

  constructor(range: RunRange) {
    super(`the run of keys behind ${range.after} up to ${range.last} is damaged or gone`);
    this.range = range;
  }
}

/**
 * Finds batches by the hash of a record's key. The newest keys are in memory; when there are many, and whenever a
 * checkpoint is to count, they become a sorted run on disk. Runs lie end to end: each covers a stretch of the log, all
 * together everything up to the last. So one that is missing is missed, and can be made again from its stretch.
 *
 * A key that lies far back costs about one read of a page for each 65,536 keys written since.
 */
export class KeyIndex {
  readonly #folder: QueueFolder;
  readonly #handlers: KeyIndexHandlers;
  readonly #keysPerRun: number;
  #table = new KeyTable(0);
  /** On their way to disk, the oldest first. */
  readonly #sealing: KeyTable[] = [];
  /** Ascending, end to end but for the gaps. */
  #runs: RunRange[] = [];
  #gaps: RunRange[] = [];
  /** Keys of entries up to here are in runs or on their way there. */
  #coveredIndex: LogIndex = NO_INDEX;
  readonly #jobs: ((next: () => void) => void)[] = [];
  #isWorking = false;

  constructor(folder: QueueFolder, handlers: KeyIndexHandlers, keysPerRun: number) {
    this.#folder = folder;
    this.#handlers = handlers;
    this.#keysPerRun = keysPerRun;
  }

  get runCount(): number {
    return this.#runs.length;
  }

  get gaps(): readonly RunRange[] {
    return this.#gaps;
  }

  /**
   * @param found runs that are there.
   * @param first nobody can be led to what lies before any more.
   * @param last up to where the log was applied when the runs were to be complete.
   * @param isUsed whether any queue ever held a record: before that there is nothing to be found, and nothing missing.
   */
  recover(found: readonly RunRange[], first: LogIndex, last: LogIndex, isUsed: boolean): void {
    const sorted = found.toSorted((one, other) => one.after - other.after || other.last - one.last);
    let covered = Math.min(first - 1, last) as LogIndex;
    for (const run of sorted) {
      if (run.last <= covered) {
        // Its keys went into a larger run, and the node died before it was removed; or the log does not keep what it leads to.
        this.#folder.disk.unlinkSync(this.#path(run));
        continue;
      }
      if (run.after > covered) this.#gaps.push({ after: covered, last: run.after });
      this.#runs.push(run);
      covered = run.last;
    }
    if (covered < last && (isUsed || this.#runs.length > 0)) this.#gaps.push({ after: covered, last });
    this.#coveredIndex = this.#runs.length === 0 && this.#gaps.length === 0 ? NO_INDEX : maxOf(covered, last);
  }

  /** A record of the batch at `index` has a key with this hash. In the order of the log. */
  add(hash: number, queue: number, index: LogIndex): void {
    if (index > this.#coveredIndex) this.#table.add(hash, queue, index);
  }

  /** All keys of the batch at `index` were added. */
  added(index: LogIndex): void {
    if (this.#table.count >= this.#keysPerRun) this.#seal(index, () => undefined);
  }

  /** Calls back when everything up to `index` is durable. */
  sync(index: LogIndex, done: () => void): void {
    if (index <= this.#coveredIndex) this.#enqueue((next) => (next(), done()));
    else this.#seal(index, done);
  }

  /**
   * Batches that may hold a record whose key has this hash, newest first in each call; later calls are about older
   * batches, but may repeat some.
   * @param visit goes on to older ones by calling `next`.
   */
  lookup(
    hash: number,
    visit: (places: readonly KeyPlace[], next: () => void) => void,
    done: (error: Error | null) => void,
  ): void {
    const sources: ((found: (error: Error | null, places: KeyPlace[]) => void) => void)[] = [];
    for (const table of [this.#table, ...this.#sealing.toReversed()])
      sources.push((found) => found(null, table.places(hash)));
    for (const run of this.#runs.toReversed()) sources.push((found) => this.#searchRun(run, hash, found));
    const next = (): void => {
      const source = sources.shift();
      if (source === undefined) {
        done(null);
        return;
      }
      source((error, places) => {
        if (error !== null) done(error);
        else if (places.length === 0) next();
        else visit(places, next);
      });
    };
    next();
  }

  /** Whether an error of `lookup` is damage: then a gap is open, and the lookup can be repeated when it is closed. */
  tookDamage(error: Error): boolean {
    if (!(error instanceof DamagedRunError)) return false;
    mark('queue.run-damaged');
    const { range } = error;
    if (this.#runs.includes(range)) {
      this.#runs = this.#runs.filter((run) => run !== range);
      this.#folder.pool.forget(this.#path(range));
      if (this.#folder.disk.existsSync(this.#path(range))) this.#folder.disk.unlinkSync(this.#path(range));
      this.#gaps.push(range);
      this.#handlers.onGap();
    }
    return true;
  }

  /**
   * Runs of what the log does not keep any more go, but for the newest, which others may be merged into.
   */
  dropBefore(firstIndex: LogIndex): void {
    this.#enqueue((next) => {
      const kept = this.#runs.findIndex((run, at) => run.last >= firstIndex || at === this.#runs.length - 1);
      for (const run of this.#runs.splice(0, kept < 0 ? 0 : kept)) {
        this.#attempt(() => {
          this.#folder.pool.forget(this.#path(run));
          if (this.#folder.disk.existsSync(this.#path(run))) this.#folder.disk.unlinkSync(this.#path(run));
        });
      }
      next();
    });
  }

  /** Keys of a stretch of the log that was read again. The gap is closed as far as the stretch goes. */
  fill(range: RunRange, table: KeyTable, done: () => void): void {
    this.#enqueue((next) =>
      this.#write(table, range, null, () => {
        this.#gaps = this.#gaps
          .map((gap) => (gap.after === range.after ? { after: range.last, last: gap.last } : gap))
          .filter((gap) => gap.after < gap.last);
        next();
        done();
      }),
    );
  }

  /** What is in memory becomes a run that covers everything up to `last`. */
  #seal(last: LogIndex, done: () => void): void {
    const table = this.#table;
    const range: RunRange = { after: this.#coveredIndex, last };
    this.#table = new KeyTable(0);
    this.#coveredIndex = last;
    this.#sealing.push(table);
    this.#enqueue((next) => {
      const finish = (): void => {
        this.#sealing.splice(this.#sealing.indexOf(table), 1);
        next();
        done();
      };
      const before = this.#runs.at(-1);
      if (before === undefined || before.last !== range.after || this.#gaps.length > 0) {
        this.#write(table, range, null, finish);
      } else if (table.count === 0) {
        this.#extend(before, last, finish);
      } else if (table.count >= this.#keysPerRun) {
        this.#write(table, range, null, finish);
      } else {
        this.#writeMerged(before, table, range, finish);
      }
    });
  }

  /** Nothing was added: the last run gets the name of one that covers more. */
  #extend(run: RunRange, last: LogIndex, done: () => void): void {
    const extended: RunRange = { after: run.after, last };
    this.#attempt(() => {
      this.#folder.pool.forget(this.#path(run));
      this.#folder.disk.renameSync(this.#path(run), this.#path(extended));
      this.#folder.disk.syncDirectorySync(this.#folder.directory);
      this.#replace([run], extended);
      done();
    });
  }

  /** Small runs would become many, so the last one is written again with what has come since, while both fit in one. */
  #writeMerged(before: RunRange, table: KeyTable, range: RunRange, done: () => void): void {
    this.#readWhole(before, this.#keysPerRun - table.count, (merged) => {
      if (merged === null || !this.#runs.includes(before)) {
        this.#write(table, range, null, done);
        return;
      }
      mark('queue.runs-merged');
      merged.addTable(table);
      this.#write(merged, { after: before.after, last: range.last }, before, done);
    });
  }

  /** Calls back with null where the run is too large, or damaged: that is for whoever looks into it to find out. */
  #readWhole(run: RunRange, keysMax: number, done: (table: KeyTable | null) => void): void {
    const blocks = this.#blocksOf(run);
    const file = this.#open(run);
    if (file === null || (blocks - 1) * RUN_BLOCK_ENTRIES >= keysMax) {
      done(null);
      return;
    }
    const bytes = new Uint8Array(blocks * RUN_BLOCK_BYTES);
    file.read(bytes, 0, (error, read) => {
      this.#handlers.enter();
      const table = error === null && read === bytes.length ? tableOf(bytes) : null;
      done(table !== null && table.count <= keysMax ? table : null);
    });
  }

  /** A run gets its name when it is durable: under its name it is whole, or it has rotted. */
  #write(table: KeyTable, range: RunRange, replaced: RunRange | null, done: () => void): void {
    const { disk, directory } = this.#folder;
    const temporary = `${directory}/${TEMPORARY_NAME}`;
    this.#attempt(() => {
      disk.mkdirSync(directory);
      if (disk.existsSync(temporary)) disk.unlinkSync(temporary);
      const file = disk.openSync(temporary, 'create');
      file.write(table.encode(), 0, (writeError) => {
        if (writeError !== null) {
          file.closeSync();
          this.#fail(writeError);
          return;
        }
        file.datasync((syncError) => {
          this.#handlers.enter();
          file.closeSync();
          if (syncError !== null) {
            this.#fail(syncError);
            return;
          }
          this.#attempt(() => {
            disk.renameSync(temporary, this.#path(range));
            disk.syncDirectorySync(directory);
            this.#replace(replaced === null ? [] : [replaced], range);
            if (replaced !== null && disk.existsSync(this.#path(replaced))) {
              this.#folder.pool.forget(this.#path(replaced));
              disk.unlinkSync(this.#path(replaced));
            }
            done();
          });
        });
      });
    });
  }

  #replace(replaced: readonly RunRange[], run: RunRange): void {
    this.#runs = [...this.#runs.filter((other) => !replaced.includes(other)), run].sort(
      (one, other) => one.after - other.after,
    );
  }

  /** Places with this hash in one run, newest first. */
  #searchRun(run: RunRange, hash: number, found: (error: Error | null, places: KeyPlace[]) => void): void {
    const places: KeyPlace[] = [];
    const blocks = this.#blocksOf(run);
    let low = 0;
    let high = Math.max(0, blocks - 1);
    let isCollecting = false;
    const look = (number: number): void =>
      this.#readBlock(run, number, (error, block) => {
        if (block === null) {
          const successor = this.#runs.find((other) => other.after <= run.after && other.last >= run.last);
          if (successor === undefined || successor === run) found(error, []);
          else this.#searchRun(successor, hash, found);
          return;
        }
        const first = block.count === 0 ? hash : block.hash(0);
        const last = block.count === 0 ? hash : block.hash(block.count - 1);
        if (!isCollecting && last < hash && number < high) {
          low = number + 1;
          look(low + Math.floor((high - low) / 4));
        } else if (!isCollecting && first >= hash && number > low) {
          high = number;
          look(Math.min(number - 1, high - Math.floor((high - low) / 4)));
        } else {
          isCollecting = true;
          for (let at = 0; at < block.count; at += 1)
            if (block.hash(at) === hash) places.push(block.place(at));
          if (last <= hash && number + 1 < blocks) look(number + 1);
          else found(null, places.reverse());
        }
      });
    // Hashes are spread evenly: a guess in proportion is at most a block or two off.
    look(Math.min(high, Math.floor((hash / 2 ** 32) * blocks)));
  }

  #readBlock(
    run: RunRange,
    number: number,
    done: (error: Error | null, block: KeyBlock | null) => void,
  ): void {
    const bytes = new Uint8Array(RUN_BLOCK_BYTES);
    const file = this.#open(run);
    if (file === null) {
      done(new DamagedRunError(run), null);
      return;
    }
    file.read(bytes, number * RUN_BLOCK_BYTES, (error, read) => {
      this.#handlers.enter();
      const block = error === null ? decodeKeyBlock(bytes.subarray(0, read), number) : null;
      done(block === null ? (error ?? new DamagedRunError(run)) : null, block);
    });
  }

  #blocksOf(run: RunRange): number {
    const file = this.#open(run);
    return file === null ? 0 : Math.ceil(file.size() / RUN_BLOCK_BYTES);
  }

  /** To be used at once: it may be closed for another, or replaced, in any later turn. Null: it is not there. */
  #open(run: RunRange): DiskFile | null {
    try {
      return this.#folder.pool.use(this.#path(run));
    } catch (error) {
      if (error instanceof DiskError && error.code === 'ENOENT') return null;
      throw error;
    }
  }

  #enqueue(job: (next: () => void) => void): void {
    this.#jobs.push(job);
    if (!this.#isWorking) this.#work();
  }

  #work(): void {
    const job = this.#jobs.shift();
    this.#isWorking = job !== undefined;
    job?.(() => this.#work());
  }

  #attempt(step: () => void): void {
    try {
      step();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#fail(error);
    }
  }

  /** Nothing is called back any more: the node ends. */
  #fail(error: Error): void {
    this.#handlers.enter();
    this.#handlers.onFailure(error);
  }

  #path(range: RunRange): string {
    return `${this.#folder.directory}/${keyRunName(range)}`;
  }
}

function tableOf(bytes: Uint8Array): KeyTable | null {
  const table = new KeyTable(0);
  for (let number = 0; number * RUN_BLOCK_BYTES < bytes.length; number += 1) {
    const start = number * RUN_BLOCK_BYTES;
    const block = decodeKeyBlock(bytes.subarray(start, start + RUN_BLOCK_BYTES), number);
    if (block === null) return null;
    table.addAll(block);
  }
  return table;
}

function maxOf(one: LogIndex, other: LogIndex): LogIndex {
  return one > other ? one : other;
}
