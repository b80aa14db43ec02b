import { assert } from '../base/assert.ts';
import { DiskError, type Disk, type DiskFile } from '../base/ports/disk.ts';
import { NO_INDEX, type LogIndex } from '../base/units.ts';
import type { FilePool } from './file-pool.ts';
import { queueFileName } from './format.ts';
import { UNITS_PER_FILE, UNIT_BYTES, decodeUnit, encodeUnit, unitEnd, type Unit } from './unit.ts';

/** A unit that was written does not verify, or its file is gone. */
export class DamagedUnitError extends Error {
  override readonly name = 'DamagedUnitError';
  readonly code = 'DAMAGED_UNIT';
  /** The first that is missing. */
  readonly number: number;

  constructor(queue: number, number: number) {
    super(`unit ${number} of queue ${queue} is damaged or gone`);
    this.number = number;
  }
}

/** What a queue is found by. Each rises, or stays, from unit to unit. */
export type UnitKey = 'baseOffset' | 'index' | 'timeMs' | 'bytesBefore';

/** A stretch of units; `first` is the number of the first in its queue. */
export interface UnitRun {
  readonly first: number;
  readonly units: readonly Unit[];
}

export type UnitFacts = Pick<Unit, 'index' | 'timeMs' | 'count' | 'tagMask' | 'entryBytes'>;

export interface QueueFolder {
  readonly disk: Disk;
  readonly directory: string;
  readonly pool: FilePool;
}

/** Read at once: about a page of the disk. */
const BLOCK_UNITS = 85;
const PENDING_UNITS_FIRST = 4;

/** Where a queue ends. */
interface Tail {
  readonly count: number;
  readonly endOffset: number;
  readonly lastIndex: LogIndex;
  readonly lastTimeMs: number;
  readonly bytes: number;
  /** Of the last batch. */
  readonly lastBytes: number;
}

const EMPTY: Tail = { count: 0, endOffset: 0, lastIndex: NO_INDEX, lastTimeMs: 0, bytes: 0, lastBytes: 0 };

/**
 * The units of one queue: the newest in memory until they are flushed, all others in files that are only ever appended
 * to. Unit n is made from the queue's n-th batch and from nothing else, so whatever an earlier life of this node left
 * behind the end is what will be written there again: nothing has to be cut, only to be disbelieved.
 */
export class ConsumeQueue {
  readonly id: number;
  /** False while units are missing that the log still has to give: nothing may be read. */
  isWhole = true;
  readonly #folder: QueueFolder;
  #firstFile = 0;
  /** Of its first unit, as far as it ever had one: nothing before was ever here, or can be made again. */
  #firstOffset = 0;
  /** Units in files; those behind them are pending. */
  #written = 0;
  #pending: Uint8Array | null = null;
  #tail: Tail = EMPTY;
  #cuts = 0;
  /** Where some reader will probably go on. Base offsets never change: it is never wrong. */
  #hint: { readonly offset: number; readonly number: number } | null = null;

  constructor(folder: QueueFolder, id: number) {
    this.#folder = folder;
    this.id = id;
  }

  get count(): number {
    return this.#tail.count;
  }

  /** How often units were found damaged and taken away, to be made again. */
  get cuts(): number {
    return this.#cuts;
  }

  get pendingCount(): number {
    return this.#tail.count - this.#written;
  }

  /** No unit holds an offset below this one. */
  get firstOffset(): number {
    return this.#firstOffset;
  }

  get endOffset(): number {
    return this.#tail.endOffset;
  }

  get lastIndex(): LogIndex {
    return this.#tail.lastIndex;
  }

  /** Of the log entries of all its batches, since it began. */
  get bytes(): number {
    return this.#tail.bytes;
  }

  get lastBytes(): number {
    return this.#tail.lastBytes;
  }

  /**
   * Finds where the queue ends that should end at `endOffset`. What lies behind, of an earlier life, is disbelieved.
   * @param files numbers of its files, ascending.
   * @returns whether all of it from `firstOffset` on is there; else it ends with the last unit that is.
   */
  recover(files: readonly number[], firstOffset: number, endOffset: number): boolean {
    this.#tail = EMPTY;
    if (endOffset === 0) return true;
    const first = files[0];
    if (first === undefined) return false;
    this.#firstFile = first;
    let last = first;
    for (const number of files) if (number === last + 1) last = number;
    const front = this.#readSync(first * UNITS_PER_FILE);
    // One that begins with its very first unit has all that it ever had: the log began later than the queue.
    if (front === null || (front.baseOffset > firstOffset && first > 0)) {
      this.#firstFile = 0;
      return false;
    }
    if (front.baseOffset >= endOffset) return false;
    this.#firstOffset = front.baseOffset;
    for (let file = last; file >= first; file -= 1) {
      const number = this.#lastBelow(file, endOffset);
      if (number !== null) {
        this.#endWith(number);
        break;
      }
    }
    return this.#tail.endOffset === endOffset;
  }

  /**
   * Begins anew without a unit: what came before this offset and this index is not kept any more. Its files must be
   * gone, for units will have other numbers.
   */
  beginAt(offset: number, index: LogIndex): void {
    this.#hint = null;
    this.#cuts += 1;
    this.#firstFile = 0;
    this.#firstOffset = offset;
    this.#written = 0;
    this.#pending = null;
    this.#tail = { ...EMPTY, endOffset: offset, lastIndex: index };
  }

  append(baseOffset: number, facts: UnitFacts): void {
    const tail = this.#tail;
    assert(
      baseOffset === tail.endOffset && facts.index > tail.lastIndex && facts.timeMs >= tail.lastTimeMs,
      () =>
        `batch ${facts.index} of queue ${this.id} begins at ${baseOffset}, stored ${facts.timeMs}; the queue ends at ${tail.endOffset} with ${tail.lastIndex}, stored ${tail.lastTimeMs}`,
    );
    const at = this.pendingCount * UNIT_BYTES;
    this.#makeRoom(at + UNIT_BYTES);
    encodeUnit(this.#pending as Uint8Array, at, this.id, { ...facts, baseOffset, bytesBefore: tail.bytes });
    this.#tail = {
      count: tail.count + 1,
      endOffset: baseOffset + facts.count,
      lastIndex: facts.index,
      lastTimeMs: facts.timeMs,
      bytes: tail.bytes + facts.entryBytes,
      lastBytes: facts.entryBytes,
    };
  }

  /**
   * Hands what is pending to the operating system; it is durable when the files are synced.
   * @param onWritten is told each file that was written to, and whether it was made for that.
   * @throws DiskError
   */
  flush(onWritten: (path: string, isNew: boolean) => void): void {
    while (this.#written < this.#tail.count) {
      const file = Math.floor(this.#written / UNITS_PER_FILE);
      const start = file * UNITS_PER_FILE;
      const upTo = Math.min(this.#tail.count, start + UNITS_PER_FILE);
      const bytes = (this.#pending as Uint8Array).subarray(0, (upTo - this.#written) * UNIT_BYTES);
      const path = this.#path(file);
      const { disk, pool } = this.#folder;
      const isNew = this.#written === start && !disk.existsSync(path);
      const opened: DiskFile = isNew ? pool.create(path) : pool.use(path);
      opened.writevSync([bytes], (this.#written - start) * UNIT_BYTES);
      onWritten(path, isNew);
      this.#pending = (this.#pending as Uint8Array).subarray(bytes.length);
      this.#written = upTo;
    }
    this.#pending = null;
  }

  /** Units from the one that holds `offset` on; `offset` must be in the queue. At least one, at most a block. */
  read(offset: number, done: (error: Error | null, run: UnitRun) => void): void {
    const hint = this.#hint;
    if (hint !== null && hint.offset === offset && hint.number < this.#tail.count) {
      this.readAt(hint.number, done);
      return;
    }
    this.find('baseOffset', offset + 1, (error, after) => {
      if (error === null) this.readAt(after.number - 1, done);
      else done(error, NO_RUN);
    });
  }

  /** Units from this number on. At least one, at most a block. */
  readAt(number: number, done: (error: Error | null, run: UnitRun) => void): void {
    if (number >= this.#tail.count) done(new DamagedUnitError(this.id, number), NO_RUN);
    else this.#load(number, this.#tail.count, (error, units) => done(error, { first: number, units }));
  }

  /** A reader will go on at this offset, which is the base offset of this unit. */
  remember(offset: number, number: number): void {
    this.#hint = { offset, number };
  }

  /**
   * The first unit whose `key` is `value` or more, by number; the number behind the last one and no unit if none is.
   * Costs a few reads of a page each, however many units there are.
   */
  find(
    key: UnitKey,
    value: number,
    done: (error: Error | null, found: { readonly number: number; readonly unit: Unit | null }) => void,
  ): void {
    const first = this.#firstFile * UNITS_PER_FILE;
    const end = this.#tail.count;
    const search: Search = {
      cuts: this.#cuts,
      key,
      value,
      low: first,
      high: end,
      lowKey: first === 0 && (key === 'baseOffset' || key === 'bytesBefore') ? 0 : null,
      highKey: this.#keyOfEnd(key),
      steps: 0,
    };
    if (this.#written > first && this.#written < end) {
      // The newest are asked for most, and in memory.
      const oldestPending = this.#pendingUnit(this.#written);
      if (oldestPending[key] < value) search.low = this.#written;
      else {
        search.high = this.#written;
        search.highKey = oldestPending[key];
      }
    }
    this.#search(search, (error, number, unit) => {
      // A file that retention took meanwhile is no damage: what was looked for may not be there, but is not in it.
      if (error !== null && this.#firstFile * UNITS_PER_FILE > first) this.find(key, value, done);
      else done(error, { number, unit });
    });
  }

  /** Ends the queue before the unit of this number, or before that where damage goes further back. */
  cutBefore(number: number): void {
    this.#hint = null;
    this.#cuts += 1;
    let last = Math.min(number, this.#written) - 1;
    while (last >= this.#firstFile * UNITS_PER_FILE && this.#readSync(last) === null) last -= 1;
    if (last >= this.#firstFile * UNITS_PER_FILE) this.#endWith(last);
    else {
      this.#firstFile = 0;
      this.#firstOffset = 0;
      this.#written = 0;
      this.#pending = null;
      this.#tail = EMPTY;
    }
  }

  /** From now on begins with the file that holds unit `number`. @returns the files that hold nothing any more. */
  dropBefore(number: number): string[] {
    const keep = Math.floor(Math.max(0, Math.min(number, this.#written - 1)) / UNITS_PER_FILE);
    const dropped: string[] = [];
    for (; this.#firstFile < keep; this.#firstFile += 1) dropped.push(this.#path(this.#firstFile));
    return dropped;
  }

  /** Its files, of earlier lives too. */
  paths(): string[] {
    const paths: string[] = [];
    for (let file = this.#firstFile; this.#folder.disk.existsSync(this.#path(file)); file += 1)
      paths.push(this.#path(file));
    return paths;
  }

  #search(search: Search, done: (error: Error | null, number: number, unit: Unit | null) => void): void {
    const { key, value } = search;
    if (search.cuts !== this.#cuts) {
      done(new DamagedUnitError(this.id, search.low), 0, null);
      return;
    }
    if (search.low >= search.high) {
      if (search.low >= this.#tail.count) done(null, this.#tail.count, null);
      else this.#load(search.low, search.low + 1, (error, [unit]) => done(error, search.low, unit ?? null));
      return;
    }
    const from = probe(search);
    search.steps += 1;
    this.#load(from, search.high, (error, units) => {
      if (error !== null) {
        done(error, 0, null);
        return;
      }
      const at = units.findIndex((unit) => unit[key] >= value);
      if (at > 0 || (at === 0 && from === search.low)) {
        done(null, from + at, units[at] ?? null);
        return;
      }
      if (at === 0) {
        search.high = from;
        search.highKey = units[0]?.[key] ?? null;
      } else {
        search.low = from + units.length;
        search.lowKey = units.at(-1)?.[key] ?? null;
      }
      this.#search(search, done);
    });
  }

  /** Units `from` up to `to` (not included), as many as lie in one block of one file or are pending. */
  #load(from: number, to: number, done: (error: Error | null, units: readonly Unit[]) => void): void {
    assert(
      from >= 0 && from < to && to <= this.#tail.count,
      () => `units ${from}..${to} of ${this.#tail.count}`,
    );
    if (from >= this.#written) {
      const units: Unit[] = [];
      for (let number = from; number < to && units.length < BLOCK_UNITS; number += 1)
        units.push(this.#pendingUnit(number));
      done(null, units);
      return;
    }
    const file = Math.floor(from / UNITS_PER_FILE);
    const end = Math.min(to, this.#written, from + BLOCK_UNITS, (file + 1) * UNITS_PER_FILE);
    const bytes = new Uint8Array((end - from) * UNIT_BYTES);
    let opened: DiskFile;
    try {
      opened = this.#folder.pool.use(this.#path(file));
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      done(error.code === 'ENOENT' ? new DamagedUnitError(this.id, from) : error, []);
      return;
    }
    opened.read(bytes, (from - file * UNITS_PER_FILE) * UNIT_BYTES, (error, read) => {
      if (error !== null) {
        done(error, []);
        return;
      }
      const units: Unit[] = [];
      for (let number = from; number < end; number += 1) {
        const unit = decodeUnit(bytes.subarray(0, read), (number - from) * UNIT_BYTES, this.id);
        if (unit === null) {
          done(new DamagedUnitError(this.id, number), []);
          return;
        }
        units.push(unit);
      }
      done(null, units);
    });
  }

  /** The least that the key of the next unit can be. */
  #keyOfEnd(key: UnitKey): number {
    const { endOffset, lastIndex, lastTimeMs, bytes } = this.#tail;
    return { baseOffset: endOffset, index: lastIndex + 1, timeMs: lastTimeMs, bytesBefore: bytes }[key];
  }

  #pendingUnit(number: number): Unit {
    const at = (number - this.#written) * UNIT_BYTES;
    const unit = this.#pending === null ? null : decodeUnit(this.#pending, at, this.id);
    assert(unit !== null, () => `unit ${number} of queue ${this.id} is not in memory`);
    return unit;
  }

  #makeRoom(bytes: number): void {
    const old = this.#pending;
    if (old !== null && old.length >= bytes) return;
    const grown = new Uint8Array(Math.max(bytes * 2, PENDING_UNITS_FIRST * UNIT_BYTES));
    if (old !== null) grown.set(old);
    this.#pending = grown;
  }

  /** The last unit of a file whose base offset is below `endOffset`; what does not verify counts as above. */
  #lastBelow(file: number, endOffset: number): number | null {
    const start = file * UNITS_PER_FILE;
    let low = start;
    let high = start + UNITS_PER_FILE;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const unit = this.#readSync(middle);
      if (unit !== null && unit.baseOffset < endOffset) low = middle + 1;
      else high = middle;
    }
    return low === start ? null : low - 1;
  }

  #endWith(number: number): void {
    const unit = this.#readSync(number);
    assert(unit !== null, () => `unit ${number} of queue ${this.id} vanished`);
    this.#pending = null;
    this.#written = number + 1;
    this.#tail = {
      count: number + 1,
      endOffset: unitEnd(unit),
      lastIndex: unit.index,
      lastTimeMs: unit.timeMs,
      bytes: unit.bytesBefore + unit.entryBytes,
      lastBytes: unit.entryBytes,
    };
  }

  #readSync(number: number): Unit | null {
    const file = Math.floor(number / UNITS_PER_FILE);
    const bytes = new Uint8Array(UNIT_BYTES);
    try {
      const read = this.#folder.pool
        .use(this.#path(file))
        .readSync(bytes, (number - file * UNITS_PER_FILE) * UNIT_BYTES);
      return read < UNIT_BYTES ? null : decodeUnit(bytes, 0, this.id);
    } catch (error) {
      if (error instanceof DiskError && error.code === 'ENOENT') return null;
      throw error;
    }
  }

  #path(file: number): string {
    return `${this.#folder.directory}/${queueFileName(this.id, file)}`;
  }
}

const NO_RUN: UnitRun = { first: 0, units: [] };

/** What is looked for is in `low`..`high`. The keys next to that stretch are known or not. */
interface Search {
  /** Of the queue when the search began: what was cut away since is not searched. */
  readonly cuts: number;
  readonly key: UnitKey;
  readonly value: number;
  low: number;
  high: number;
  lowKey: number | null;
  highKey: number | null;
  steps: number;
}

/**
 * Where to look next. Batches of a queue tend to be alike, so a guess in proportion mostly hits in one or two steps;
 * every other step halves what is left, so that whatever the batches are like it takes no more than twice a bisection.
 */
function probe({ value, low, high, lowKey, highKey, steps }: Search): number {
  const last = Math.max(low, high - BLOCK_UNITS);
  let middle = Math.floor((low + high) / 2);
  if (steps % 2 === 0 && lowKey !== null && highKey !== null && highKey > lowKey) {
    middle = Math.floor(low + ((value - lowKey) / (highKey - lowKey)) * (high - low));
  }
  return Math.min(last, Math.max(low, middle - Math.floor(BLOCK_UNITS / 2)));
}
