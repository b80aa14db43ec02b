import { assert } from '../../src/base/assert.ts';
import { EntryKind, type Entry } from '../../src/base/entry.ts';
import { DiskError } from '../../src/base/ports/disk.ts';
import type { Prng } from '../../src/base/prng.ts';
import { FIRST_GROUP } from '../../src/base/units.ts';
import { CrashableDisk, SimulatedCrash, type Survival } from '../../src/sim/crashable-disk.ts';
import { CheckpointStore } from '../../src/wal/checkpoint.ts';
import type { HardState } from '../../src/wal/hard-state.ts';
import { verifyLog } from '../../src/wal/verify.ts';
import { Wal } from '../../src/wal/wal.ts';
import { DIRECTORY, index, makeEntries, ManualClock, N1, N2, term } from './harness.ts';

/** What the log should be after some work: checksums stand for entries, for they chain. */
interface LogState {
  readonly hardState: HardState;
  readonly entries: readonly Entry[];
  /** Entries up to here are those of the state before. */
  readonly keptTo: number;
}

export type Crash =
  | { readonly kind: 'kill' }
  | { readonly kind: 'power'; readonly survival: Survival }
  /** The disk fails once, and the process exits because of it. */
  | { readonly kind: 'fault'; readonly fault: 'sync' | 'write' };

/**
 * A log, and what is known about it from outside: everything submitted, and up to where it was reported durable. After
 * a crash the log must be one of the states in between.
 */
export class CrashModel {
  readonly disk: CrashableDisk;
  readonly clock = new ManualClock();
  readonly #prng: Prng;
  #wal: Wal | null = null;
  /** `#states[k]` is the state after work k of this life. */
  #states: LogState[] = [];
  #durable = 0;
  /** Committed, as far as the log may know: nothing at or below is cut, and all of it may be trimmed. */
  #trimmedTo = 0;
  /** Term and vote may be further than the log, while that waits for room. */
  #hardStateDurable = 0;
  #checkpoint = 0;
  #checkpointBegun = 0;
  #life = 0;
  /** Events so far: operations begun and completed. */
  ticks = 0;
  #crashAt = Number.POSITIVE_INFINITY;
  #crash: Crash = { kind: 'kill' };

  constructor(prng: Prng) {
    this.#prng = prng;
    this.disk = new CrashableDisk({ prng: prng.fork() });
    this.disk.onOperation = ({ kind, path }) => {
      this.#tick();
      const isLog = kind === 'write' && /segment-|watermark|hard-state/.test(path);
      const inFlight = this.disk.pending.find(
        (other) => other.kind === 'sync' && !other.path.endsWith('.tmp'),
      );
      assert(
        !isLog || inFlight === undefined,
        () => `${path} written while ${inFlight?.path} is being synced`,
      );
    };
  }

  get wal(): Wal {
    assert(this.#wal !== null, 'the log is not open');
    return this.#wal;
  }

  get state(): LogState {
    const state = this.#states.at(-1);
    assert(state !== undefined, 'the log was never open');
    return state;
  }

  /** Dies at the tick-th event from now. */
  crashAfter(ticks: number, crash: Crash): void {
    this.#crashAt = this.ticks + ticks;
    this.#crash = crash;
  }

  crashNever(): void {
    this.#crashAt = Number.POSITIVE_INFINITY;
  }

  /** Opens the log and checks what it holds against everything that is known. */
  open(): void {
    this.clock.forgetAll();
    this.#life += 1;
    const life = this.#life;
    const wal = Wal.open({
      disk: this.disk,
      clock: this.clock,
      prng: this.#prng,
      directory: DIRECTORY,
      nodeId: N1,
      group: FIRST_GROUP,
      segmentBytes: 64 * 1024,
      onDurable: (number) => {
        assert(life === this.#life, 'a log of the past reports');
        assert(number > this.#durable, () => `work ${number} is reported after ${this.#durable}`);
        this.#durable = number;
      },
      onHardStateDurable: (number) => {
        assert(life === this.#life, 'a log of the past reports');
        this.#hardStateDurable = Math.max(this.#hardStateDurable, number);
      },
      onFailure: (error) => {
        this.#exit(error);
      },
    });
    const found = readAll(wal);
    const { hardState } = wal;
    assert(wal.hardStateTrusted, 'the vote is lost');
    const entries = this.#states.length > 0 ? this.#checkRecovered(hardState, found, wal.firstIndex) : found;
    this.#states = [{ hardState, entries, keptTo: entries.length }];
    this.#durable = 0;
    this.#hardStateDurable = 0;
    this.#wal = wal;
    this.#checkCheckpoint();
    const report = verifyLog(this.disk, DIRECTORY);
    // This model truncates what a checkpoint has seen, as no node does.
    const isGood = report.firstBad?.file.startsWith('checkpoint-') ?? true;
    assert(isGood && report.lastIndex === wal.lastIndex, () => `verify says ${JSON.stringify(report)}`);
  }

  submit(options: {
    readonly count?: number;
    readonly bodyBytes?: number;
    readonly truncateFrom?: number;
    readonly hardState?: HardState;
  }): void {
    const before = this.state;
    const hardState = options.hardState ?? before.hardState;
    const kept =
      options.truncateFrom === undefined ? before.entries : before.entries.slice(0, options.truncateFrom - 1);
    const first = kept.length + 1;
    const made = makeEntries(first, options.count ?? 0, kept.at(-1)?.checksum ?? 0, {
      term: hardState.term,
      bodyBytes: options.bodyBytes ?? 40,
      mark: this.#states.length,
      kind: this.#prng.chance(0.1) ? EntryKind.noop : EntryKind.batch,
    });
    this.#states.push({ hardState, entries: [...kept, ...made], keptTo: kept.length });
    this.wal.submit({
      number: this.#states.length - 1,
      hardState: options.hardState ?? null,
      truncateFrom: options.truncateFrom === undefined ? null : index(options.truncateFrom),
      entries: made,
    });
  }

  /** Lets go of what lies so far behind the end, as far as whole segments go. */
  trim(behind: number): void {
    const durable = this.wal.durableIndex;
    // Work that waits, for room perhaps, may cut what is durable: none of that is committed.
    const waiting = this.#states.slice(this.#durable + 1);
    const stays = Math.min(durable, ...waiting.map(({ keptTo }) => keptTo));
    this.#trimmedTo = Math.max(this.#trimmedTo, stays - behind);
    if (this.#trimmedTo <= stays) this.wal.trimTo(index(this.#trimmedTo));
  }

  get trimmedTo(): number {
    return this.#trimmedTo;
  }

  checkpoint(): void {
    const last = this.wal.durableIndex;
    if (this.#checkpointBegun > this.#checkpoint || last <= this.#checkpoint) return;
    this.#checkpointBegun = last;
    const store = this.#store();
    const header = {
      index: last,
      term: term(1),
      checksum: this.wal.checksumAt(last),
      configurationIndex: index(0),
      timeMs: 0,
    };
    const state = [new Uint8Array(700).fill(last), new Uint8Array(900).fill(last + 1)];
    store.write({ ...header, configuration: new Uint8Array(0), stateDigest: last }, state, (error) => {
      if (error !== null) this.#exit(error);
      this.#checkpoint = last;
    });
  }

  /** Completes some of what is in flight, in any order between files. */
  run(completions: number): void {
    for (let count = 0; count < completions && this.disk.pending.length > 0; count += 1) {
      this.#tick();
      this.disk.complete(this.#prng.below(this.disk.pending.length));
      this.clock.advance(0);
    }
    this.clock.advance(0);
  }

  settle(): void {
    do this.run(Number.POSITIVE_INFINITY);
    while (this.clock.advance(0) || this.disk.pending.length > 0);
  }

  pass(ms: number): void {
    this.clock.advance(ms);
  }

  close(): void {
    let isClosed = false;
    this.wal.close(() => {
      isClosed = true;
    });
    this.settle();
    assert(isClosed, 'the log did not close');
    this.#durable = this.#states.length - 1;
  }

  /** The segments take so many bytes more, and then nothing until there is room again. */
  fill(bytes: number): void {
    this.disk.failWrite((path) => /segment-|spare/.test(path), 'ENOSPC', bytes);
  }

  /** There is room again: all that was submitted is written. */
  makeRoom(): void {
    this.disk.clearFaults();
    this.settle();
    this.pass(250);
    this.settle();
    assert(
      this.#durable === this.#states.length - 1,
      () => `${this.#durable} of ${this.#states.length - 1} works written`,
    );
  }

  /** Dies now. */
  die(crash: Crash): void {
    this.#crashAt = Number.POSITIVE_INFINITY;
    this.clock.forgetAll();
    this.disk.clearFaults();
    if (crash.kind === 'power') this.disk.powerCut(crash.survival);
    else this.disk.kill();
    this.#checkpointBegun = this.#checkpoint;
  }

  #tick(): void {
    this.ticks += 1;
    if (this.ticks < this.#crashAt) return;
    if (this.#crash.kind === 'fault') {
      this.#crashAt = Number.POSITIVE_INFINITY;
      if (this.#crash.fault === 'sync') this.disk.failSync(() => true);
      else this.disk.failWrite(() => true, 'ENOSPC', this.#prng.below(3000));
      return;
    }
    this.die(this.#crash);
    throw new SimulatedCrash(`at event ${this.ticks}`);
  }

  /** What a process does when its disk fails. */
  #exit(error: Error): never {
    assert(error instanceof DiskError, () => String(error));
    this.die({ kind: 'kill' });
    throw new SimulatedCrash(error.message);
  }

  /** @returns all entries of the state that it is, those that were trimmed too. */
  #checkRecovered(hardState: HardState, entries: readonly Entry[], firstIndex: number): readonly Entry[] {
    const possible = this.#states.slice(this.#durable);
    const voted = this.#states.slice(Math.max(this.#durable, this.#hardStateDurable));
    const isKnown = voted.some(
      ({ hardState: other }) => other.term === hardState.term && other.votedFor === hardState.votedFor,
    );
    assert(
      isKnown,
      () =>
        `hard state ${JSON.stringify(hardState)}, possible ${JSON.stringify(voted.map((s) => s.hardState))}`,
    );
    const found = entries.map(({ checksum }) => checksum);
    // Works here are small, so each is in one block, alone or with others: there is nothing in between.
    const trimmed = firstIndex - 1;
    assert(
      trimmed <= this.#trimmedTo,
      () => `the log begins at ${firstIndex}, trimmed to ${this.#trimmedTo}`,
    );
    const match = possible.find(
      ({ entries: other }) =>
        other.length === trimmed + found.length &&
        found.every((checksum, at) => checksum === other[trimmed + at]?.checksum),
    );
    assert(
      match !== undefined,
      () =>
        `${found.length} entries from ${firstIndex} recovered, possible ${possible.map((s) => s.entries.length).join()}`,
    );
    return match.entries;
  }

  #checkCheckpoint(): void {
    const loaded = this.#store().load();
    const at = loaded?.index ?? 0;
    assert(at >= this.#checkpoint, () => `checkpoint ${at}, ${this.#checkpoint} was written`);
    assert(loaded === null || loaded.state[0] === (at & 0xff), 'the checkpoint holds something else');
    this.#checkpoint = at;
    this.#checkpointBegun = at;
  }

  #store(): CheckpointStore {
    return new CheckpointStore({
      disk: this.disk,
      clock: this.clock,
      directory: DIRECTORY,
      group: FIRST_GROUP,
    });
  }
}

function readAll(wal: Wal): Entry[] {
  const all: Entry[] = [];
  while (wal.firstIndex + all.length <= wal.lastIndex) {
    all.push(
      ...wal.readSync({ first: index(wal.firstIndex + all.length), entriesMax: 10_000, bytesMax: 1 << 20 })
        .entries,
    );
  }
  return all;
}

/** One step of a life, chosen by chance. */
export function stepByChance(model: CrashModel, prng: Prng): void {
  // Nothing is ever written in term 0.
  if (model.state.hardState.term === 0) model.submit({ hardState: { term: term(1), votedFor: N1 } });
  const { hardState, entries } = model.state;
  const nextHardState = { term: term(hardState.term + prng.below(2)), votedFor: prng.chance(0.5) ? N1 : N2 };
  const count = prng.below(6);
  const bodyBytes = prng.chance(0.2) ? prng.below(20_000) : prng.below(600);
  const raises = nextHardState.term > hardState.term;
  switch (prng.below(12)) {
    case 0:
      model.submit({ hardState: raises ? nextHardState : { ...hardState } });
      break;
    case 1:
      model.submit({ count, bodyBytes, ...(raises ? { hardState: nextHardState } : {}) });
      break;
    case 2:
      if (entries.length > model.trimmedTo) {
        const from = Math.max(model.trimmedTo + 1, entries.length - 8);
        model.submit({ truncateFrom: prng.between(from, entries.length), count });
      }
      break;
    case 3:
      model.pass(prng.below(120));
      break;
    case 4:
      model.settle();
      break;
    case 5:
      model.checkpoint();
      break;
    case 6:
      model.submit({ count: 40, bodyBytes: 1000 });
      break;
    case 7:
      model.trim(prng.below(80));
      break;
    default:
      model.submit({ count: count + 1, bodyBytes });
  }
  model.run(prng.below(6));
}
