import { assert } from '../../src/base/assert.ts';
import { encodeBatch } from '../../src/base/batch.ts';
import { crc32 } from '../../src/base/crc32.ts';
import { EntryKind, sealEntries, type Entry } from '../../src/base/entry.ts';
import type { Clock, TimerHandle } from '../../src/base/ports/clock.ts';
import { Prng } from '../../src/base/prng.ts';
import { FIRST_GROUP, nodeId, type LogIndex, type NodeId, type Term } from '../../src/base/units.ts';
import { CrashableDisk, SimulatedCrash } from '../../src/sim/crashable-disk.ts';
import { CheckpointStore, type CheckpointHeader } from '../../src/wal/checkpoint.ts';
import { BLOCK_HEADER, SEGMENT_HEADER_BYTES } from '../../src/wal/format.ts';
import type { HardState } from '../../src/wal/hard-state.ts';
import { segmentSeed } from '../../src/wal/segment-format.ts';
import { Wal } from '../../src/wal/wal.ts';
import type { WalOptions } from '../../src/wal/wal-options.ts';

export const DIRECTORY = '/data';
export const N1: NodeId = nodeId('n1');
export const N2: NodeId = nodeId('n2');

export const index = (value: number): LogIndex => value as LogIndex;
export const term = (value: number): Term => value as Term;

/** Time that stands still until it is told to move. */
export class ManualClock implements Clock {
  #nowMs = 0;
  #timers: { readonly atMs: number; readonly callback: () => void }[] = [];

  monotonicMs(): number {
    return this.#nowMs;
  }

  unixMs(): number {
    return 1_700_000_000_000 + Math.floor(this.#nowMs);
  }

  setTimer(delayMs: number, callback: () => void): TimerHandle {
    const timer = { atMs: this.#nowMs + delayMs, callback };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  defer(callback: () => void): void {
    this.setTimer(0, callback);
  }

  /** Runs what is due. @returns whether there was anything. */
  advance(ms: number): boolean {
    this.#nowMs += ms;
    const due = this.#timers.filter(({ atMs }) => atMs <= this.#nowMs);
    this.#timers = this.#timers.filter(({ atMs }) => atMs > this.#nowMs);
    for (const { callback } of due) callback();
    return due.length > 0;
  }

  forgetAll(): void {
    this.#timers = [];
  }
}

export interface DraftOptions {
  readonly term?: number;
  readonly bodyBytes?: number;
  readonly kind?: EntryKind;
  /** Default: that of the raw log. */
  readonly queue?: number;
  /** Default: a batch of one record. */
  readonly body?: Uint8Array;
  /** Filled into the body, so that two entries of one index differ. */
  readonly mark?: number;
}

/** Consecutive entries that continue a log with this checksum at `first - 1`. */
export function makeEntries(
  first: number,
  count: number,
  previousChecksum: number,
  options: DraftOptions = {},
): Entry[] {
  const kind = options.kind ?? EntryKind.batch;
  const drafts = Array.from({ length: count }, (_, at) => {
    const record = new Uint8Array(options.bodyBytes ?? 40).fill((options.mark ?? 0) + first + at);
    const body =
      options.body ??
      (kind === EntryKind.noop
        ? new Uint8Array(0)
        : encodeBatch({ producerId: 0, epoch: 0, sequence: 0 }, [record]));
    return {
      kind,
      version: 1,
      queue: options.queue ?? 0,
      recordCount: kind === EntryKind.batch ? 1 : 0,
      body,
      bodyChecksum: crc32(body),
    };
  });
  const place = {
    group: FIRST_GROUP,
    firstIndex: index(first),
    term: term(options.term ?? 1),
    time: 1_700_000_000_000,
  };
  return sealEntries(drafts, { ...place, previousChecksum });
}

/** A log on a crashable disk, and the verbs that tests speak in. */
export class Bench {
  readonly prng: Prng;
  readonly disk: CrashableDisk;
  readonly clock = new ManualClock();
  readonly durable: number[] = [];
  readonly failures: Error[] = [];
  readonly options: Partial<WalOptions>;
  #wal: Wal | null = null;
  #number = 0;
  /** Checksums of what was submitted, by index. */
  readonly #checksums: number[] = [0];

  constructor(options: Partial<WalOptions> & { readonly seed?: number } = {}) {
    const { seed, ...rest } = options;
    this.prng = new Prng(seed ?? 1);
    this.disk = new CrashableDisk({ prng: this.prng.fork() });
    this.options = rest;
  }

  get wal(): Wal {
    assert(this.#wal !== null, 'the log is not open');
    return this.#wal;
  }

  /** Of the same directory; each knows what is on the disk, and nothing of the others. */
  checkpoints(): CheckpointStore {
    return new CheckpointStore({
      disk: this.disk,
      clock: this.clock,
      directory: DIRECTORY,
      group: FIRST_GROUP,
    });
  }

  /** Writes a checkpoint that says `header`, with a state of so many bytes. */
  writeCheckpoint(
    header: Partial<CheckpointHeader> & { readonly index: LogIndex },
    stateBytes: number,
  ): void {
    const rest = {
      checksum: 0,
      configurationIndex: index(1),
      configuration: new Uint8Array(0),
      stateDigest: 0,
      timeMs: 0,
    };
    this.checkpoints().write({ term: term(1), ...rest, ...header }, [new Uint8Array(stateBytes)], (error) => {
      assert(error === null, () => `the checkpoint was not written: ${error?.message}`);
    });
    this.settle();
  }

  /** The power fails just before operation `number` of the disk, counted over its life, and the process dies with it. */
  cutPowerAt(number: number): void {
    this.disk.onOperation = (operation) => {
      if (operation.number < number) return;
      this.disk.onOperation = null;
      this.disk.powerCut('some');
      throw new SimulatedCrash();
    };
  }

  open(): Wal {
    this.clock.forgetAll();
    this.#wal = Wal.open({
      disk: this.disk,
      clock: this.clock,
      prng: this.prng,
      directory: DIRECTORY,
      nodeId: N1,
      group: FIRST_GROUP,
      segmentBytes: 64 * 1024,
      onDurable: (number) => this.durable.push(number),
      onFailure: (error) => this.failures.push(error),
      ...this.options,
    });
    this.#number = 0;
    this.durable.length = 0;
    this.#checksums.length = this.#wal.lastIndex + 1;
    this.#checksums[this.#wal.lastIndex] = this.#wal.lastChecksum;
    return this.#wal;
  }

  /** Submits entries after the last one submitted (or from `from`), without waiting. @returns the work's number. */
  submit(
    count: number,
    options: DraftOptions & { from?: number; hardState?: HardState; truncateFrom?: number } = {},
  ): number {
    const first = options.from ?? options.truncateFrom ?? this.#checksums.length;
    const entries = makeEntries(first, count, this.#checksumAt(first - 1), options);
    this.#checksums.length = first;
    for (const entry of entries) this.#checksums.push(entry.checksum);
    this.#number += 1;
    this.wal.submit({
      number: this.#number,
      hardState: options.hardState ?? null,
      truncateFrom: options.truncateFrom === undefined ? null : index(options.truncateFrom),
      entries,
    });
    return this.#number;
  }

  /** Submits and waits until it is durable. */
  write(count: number, options: Parameters<Bench['submit']>[1] = {}): void {
    const number = this.submit(count, options);
    this.settle();
    assert(
      this.durable.at(-1) === number,
      `work ${number} is not durable: ${this.failures.map(String).join()}`,
    );
  }

  /** Lets the disk and deferred calls run until nothing happens any more; time stands still. */
  settle(): void {
    while (this.disk.completeAll() > 0 || this.clock.advance(0));
  }

  /** Time passes, in steps. */
  pass(ms: number): void {
    for (let left = ms; left > 0; left -= 5) {
      this.clock.advance(Math.min(5, left));
      this.settle();
    }
  }

  close(): void {
    let isClosed = false;
    this.wal.close(() => {
      isClosed = true;
    });
    this.settle();
    assert(isClosed, 'the log did not close');
    this.#wal = null;
  }

  /** The process dies and the log is opened anew by another. */
  killAndOpen(): Wal {
    this.disk.kill();
    return this.open();
  }

  cutPowerAndOpen(survival: 'none' | 'all' | 'some' = 'some'): Wal {
    this.disk.powerCut(survival);
    return this.open();
  }

  /** All entries, as `index.term`. */
  content(): string[] {
    return this.entries().map(({ index: at, term: of }) => `${at}.${of}`);
  }

  entries(): Entry[] {
    const { wal } = this;
    const all: Entry[] = [];
    while (wal.firstIndex + all.length <= wal.lastIndex) {
      const first = index(wal.firstIndex + all.length);
      all.push(...wal.readSync({ first, entriesMax: 1000, bytesMax: 100_000 }).entries);
    }
    return all;
  }

  segmentPath(sequence: number): string {
    return `${DIRECTORY}/segment-${String(sequence).padStart(10, '0')}`;
  }

  // --- damage at rest ---------------------------------------------------------------------------------------------

  flip(path: string, position: number, mask = 0x55): void {
    this.disk.setByte(path, position, (byte) => byte ^ mask);
  }

  /** Puts bytes there, as if they had always been. */
  put(path: string, position: number, bytes: Uint8Array): void {
    for (const [at, byte] of bytes.entries()) this.disk.setByte(path, position + at, () => byte);
  }

  /** Makes the header of the block at `position` verify again after a change. */
  fixBlockChecksum(path: string, position: number): void {
    const bytes = this.disk.visible(path);
    const seed = segmentSeed(bytes.subarray(0, SEGMENT_HEADER_BYTES));
    const field = new DataView(new ArrayBuffer(4));
    field.setUint32(0, crc32(bytes.subarray(position, position + BLOCK_HEADER.checksum), seed), true);
    this.put(path, position + BLOCK_HEADER.checksum, new Uint8Array(field.buffer));
  }

  #checksumAt(at: number): number {
    return this.#checksums[at] ?? this.wal.checksumAt(index(at));
  }
}
