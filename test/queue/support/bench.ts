import { expect } from 'vitest';
import { assert } from '../../../src/base/assert.ts';
import { encodeBatch } from '../../../src/base/batch.ts';
import { crc32 } from '../../../src/base/crc32.ts';
import { EntryKind, sealEntries, type Entry } from '../../../src/base/entry.ts';
import { encodeMessage, hashText } from '../../../src/base/message.ts';
import type { DiskError } from '../../../src/base/ports/disk.ts';
import { Prng } from '../../../src/base/prng.ts';
import { FIRST_GROUP, type LogIndex, type Term } from '../../../src/base/units.ts';
import type { UnitRun } from '../../../src/queue/consume-queue.ts';
import { QueueStore, type QueueState } from '../../../src/queue/queue-store.ts';
import type { KeyPlace } from '../../../src/queue/key-run.ts';
import { tagMaskOf } from '../../../src/queue/batch-facts.ts';
import type { LogSource } from '../../../src/queue/log-source.ts';
import { unitEnd, type Unit } from '../../../src/queue/unit.ts';
import { CrashableDisk } from '../../../src/sim/crashable-disk.ts';
import { ManualClock } from '../../wal/harness.ts';

export const FOLDER = '/data/queues';

export interface Record {
  readonly key?: string;
  readonly tag?: string;
}

interface Accepted {
  readonly entry: Entry;
  readonly queue: number;
  readonly unit: Unit;
  readonly keys: readonly string[];
}

interface Model {
  /** Applied when the checkpoint was taken. */
  readonly index: LogIndex;
  readonly queues: readonly QueueState[];
}

/** A log that never fails, what it means, and the indexes of it on a disk that does. */
export class Bench implements LogSource {
  readonly prng: Prng;
  readonly disk: CrashableDisk;
  readonly clock = new ManualClock();
  readonly failures: Error[] = [];
  readonly accepted: Accepted[] = [];
  /** By index - 1. */
  readonly #log: Entry[] = [];
  readonly #meaning = new Map<LogIndex, Accepted>();
  readonly #voided = new Set<LogIndex>();
  #queues = new Map<number, QueueState>();
  #checkpoint: Model = { index: 0 as LogIndex, queues: [] };
  #applied = 0;
  #isAway = false;
  #store: QueueStore | null = null;
  readonly #options: {
    readonly filesOpenMax?: number;
    readonly keysPerRun?: number;
    readonly pendingUnitsMax: number;
  };
  readonly #piece: number;
  /** Of the log. */
  reads = 0;
  /** Called before each completion. */
  onSettling: (() => void) | null = null;

  constructor(
    options: {
      readonly seed?: number;
      readonly filesOpenMax?: number;
      readonly keysPerRun?: number;
      /** Default 100: some are in memory, some in files. */
      readonly pendingUnitsMax?: number;
      /** Entries that one read of the log gives. */
      readonly piece?: number;
    } = {},
  ) {
    const { seed, piece, pendingUnitsMax = 100, ...rest } = options;
    this.prng = new Prng(seed ?? 1);
    this.disk = new CrashableDisk({ prng: this.prng.fork() });
    this.#options = { ...rest, pendingUnitsMax };
    this.#piece = piece ?? 7;
  }

  get store(): QueueStore {
    assert(this.#store !== null, 'the store is not open');
    return this.#store;
  }

  // The log.

  firstIndex: LogIndex = 1 as LogIndex;

  get appliedIndex(): LogIndex {
    return this.#applied as LogIndex;
  }

  read(first: LogIndex, done: (error: Error | null, entries: readonly Entry[]) => void): void {
    assert(first >= this.firstIndex && first <= this.#applied, () => `read at ${first} of ${this.#applied}`);
    this.reads += 1;
    done(null, this.#log.slice(first - 1, Math.min(this.#applied, first - 1 + this.#piece)));
  }

  isVoided(index: LogIndex): boolean {
    return this.#voided.has(index);
  }

  endOffset(queue: number): number | null {
    return this.#queues.get(queue)?.endOffset ?? null;
  }

  // What happens.

  /** Opens the indexes as a start does: with the last checkpoint, then the log behind it. */
  open(): void {
    this.clock.forgetAll();
    this.#queues = new Map(this.#checkpoint.queues.map((queue) => [queue.queue, queue]));
    this.#applied = this.#checkpoint.index;
    this.#store = new QueueStore({
      disk: this.disk,
      clock: this.clock,
      directory: FOLDER,
      log: this,
      queues: this.#checkpoint.queues,
      enter: () => undefined,
      onFailure: (error) => this.failures.push(error),
      ...this.#options,
    });
    while (this.#applied < this.#log.length) this.#applyNext();
  }

  /** A batch becomes an entry of the log, and is applied. */
  append(queue: number, records: readonly Record[], { isVoided = false } = {}): Unit | null {
    const bodies = records.map(({ key, tag }) =>
      encodeMessage({
        bornTimeMs: 1,
        key: key ?? null,
        tag: tag ?? null,
        orderingGroup: null,
        headers: [],
        body: new Uint8Array(10),
      }),
    );
    const entry = this.#seal(
      encodeBatch({ producerId: 0, epoch: 0, sequence: 0 }, bodies),
      queue,
      records.length,
    );
    if (isVoided) this.#voided.add(entry.index);
    else {
      const before = this.accepted.findLast((other) => other.queue === queue)?.unit;
      const accepted: Accepted = {
        entry,
        queue,
        keys: records.flatMap(({ key }) => (key === undefined ? [] : [key])),
        unit: {
          baseOffset: before === undefined ? 0 : unitEnd(before),
          index: entry.index,
          timeMs: timeOf(entry.index),
          bytesBefore: before === undefined ? 0 : before.bytesBefore + before.entryBytes,
          count: records.length,
          tagMask: tagMaskOf(records.map(({ tag }) => (tag === undefined ? 0 : hashText(tag)))),
          entryBytes: entry.bytes.length,
        },
      };
      this.accepted.push(accepted);
      this.#meaning.set(entry.index, accepted);
    }
    this.#applyNext();
    return this.#meaning.get(entry.index)?.unit ?? null;
  }

  /** An entry that concerns no queue. */
  appendRaw(): void {
    this.#seal(encodeBatch({ producerId: 0, epoch: 0, sequence: 0 }, [new Uint8Array(3)]), 0, 1);
    this.#applyNext();
  }

  raise(queue: number, firstOffset: number): void {
    const state = this.#queues.get(queue);
    assert(state !== undefined, `queue ${queue} is not there`);
    this.#queues.set(queue, { ...state, firstOffset });
    this.store.raiseFirstOffset(queue, firstOffset);
  }

  /** The topic of this queue is deleted. */
  delete(queue: number): void {
    this.#queues.delete(queue);
    this.store.delete([queue]);
  }

  /** Begins a checkpoint; it counts when `settle` has carried out what that takes. */
  checkpoint(): void {
    const model: Model = { index: this.appliedIndex, queues: [...this.#queues.values()] };
    this.store.sync(() => {
      this.#checkpoint = model;
      this.store.checkpointed();
    });
  }

  /** Appends what only other nodes see. @returns how many entries. */
  withoutStore(append: () => void): number {
    const before = this.#applied;
    this.#isAway = true;
    append();
    this.#isAway = false;
    return this.#applied - before;
  }

  /** The next start is one from a snapshot of this moment, with a log that begins behind it. */
  takeSnapshot(): void {
    this.#checkpoint = { index: this.appliedIndex, queues: [...this.#queues.values()] };
    this.firstIndex = (this.#applied + 1) as LogIndex;
  }

  get checkpointIndex(): number {
    return this.#checkpoint.index;
  }

  /** Lets the disk and deferred calls run until nothing happens any more; time stands still. */
  settle(): void {
    for (;;) {
      this.onSettling?.();
      if (!this.disk.complete() && !this.clock.advance(0)) return;
    }
  }

  pass(ms: number): void {
    this.clock.advance(ms);
    this.settle();
  }

  close(): void {
    this.store.close();
    this.settle();
  }

  reopen(): void {
    this.close();
    this.open();
    this.settle();
  }

  // What is seen.

  readUnits(queue: number, offset: number): readonly Unit[] {
    return this.wait<UnitRun>((done) => this.store.read(queue, offset, done)).units;
  }

  find(queue: number, key: 'timeMs' | 'index' | 'bytesBefore' | 'baseOffset', value: number): Unit | null {
    return this.wait((done) => this.store.find(queue, key, value, done));
  }

  /** Indexes of batches, newest first, without those that only share the hash. */
  lookup(key: string): number[] {
    const found: KeyPlace[] = [];
    this.wait<null>((done) =>
      this.store.lookup(
        hashText(key),
        (places, next) => {
          found.push(...places);
          next();
        },
        (error) => done(error, null),
      ),
    );
    const indexes = [...new Set(found.map(({ index }) => index as number))];
    return indexes.filter(
      (index) =>
        index >= this.firstIndex && (this.#meaning.get(index as LogIndex)?.keys.includes(key) ?? false),
    );
  }

  /** Everything is there, in every way it can be asked for. */
  verify(): void {
    this.settle();
    expect(this.failures).toEqual([]);
    expect(this.store.isWhole).toBe(true);
    for (const [queue, { firstOffset: raisedTo, endOffset }] of this.#queues) {
      const firstOffset = Math.max(raisedTo, this.store.firstOffset(queue));
      const batches = this.accepted.filter(
        (batch) => batch.queue === queue && unitEnd(batch.unit) > firstOffset,
      );
      // A queue that began anew counts its bytes from there.
      const began = this.firstIndex > 1 && this.store.firstOffset(queue) > 0;
      const bytesBefore = began ? (batches[0]?.unit.bytesBefore ?? 0) : 0;
      const expected = batches.map(({ unit }) => ({ ...unit, bytesBefore: unit.bytesBefore - bytesBefore }));
      const seen: Unit[] = [];
      for (let offset = firstOffset; offset < endOffset; ) {
        const units = this.readUnits(queue, offset);
        assert(units.length > 0, () => `nothing at ${offset} of queue ${queue}`);
        seen.push(...units);
        offset = unitEnd(units.at(-1) as Unit);
      }
      expect(seen).toEqual(expected);
      expect(this.readUnits(queue, endOffset)).toEqual([]);
    }
    const keys = new Set(this.accepted.flatMap((batch) => batch.keys));
    for (const key of keys) {
      const expected = this.accepted
        .filter((batch) => batch.keys.includes(key) && batch.entry.index >= this.firstIndex)
        .map(({ entry }) => entry.index);
      expect(this.lookup(key), key).toEqual(expected.reverse());
    }
  }

  wait<T>(ask: (done: (error: Error | null, value: T) => void) => void): T {
    const answers: { error: Error | null; value: T }[] = [];
    ask((error, value) => answers.push({ error, value }));
    this.settle();
    const [answer] = answers;
    assert(answer !== undefined && answers.length === 1, () => `${answers.length} answers`);
    if (answer.error !== null) throw answer.error;
    return answer.value;
  }

  files(): string[] {
    return this.disk.existsSync(FOLDER) ? this.disk.listSync(FOLDER) : [];
  }

  #seal(body: Uint8Array, queue: number, recordCount: number): Entry {
    const index = (this.#log.length + 1) as LogIndex;
    const [entry] = sealEntries(
      [{ kind: EntryKind.batch, version: 1, queue, recordCount, body, bodyChecksum: crc32(body) }],
      {
        group: FIRST_GROUP,
        firstIndex: index,
        term: 1 as Term,
        time: timeOf(index),
        previousChecksum: this.#log.at(-1)?.checksum ?? 0,
      },
    );
    this.#log.push(entry as Entry);
    return entry as Entry;
  }

  #applyNext(): void {
    this.#applied += 1;
    const accepted = this.#meaning.get(this.#applied as LogIndex);
    if (accepted === undefined) return;
    const { queue, unit } = accepted;
    const firstOffset = this.#queues.get(queue)?.firstOffset ?? 0;
    this.#queues.set(queue, { queue, firstOffset, endOffset: unitEnd(unit) });
    if (!this.#isAway) this.store.append(accepted.entry, unit.baseOffset);
  }
}

/** Three entries share each millisecond. */
export function timeOf(index: number): number {
  return 1_700_000_000_000 + Math.floor(index / 3);
}

export function isDiskError(error: unknown): error is DiskError {
  return error instanceof Error && error.name === 'DiskError';
}
