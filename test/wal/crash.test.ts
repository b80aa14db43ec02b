import { expect, test } from 'vitest';
import { markCounts } from '../../src/base/marks.ts';
import { DiskError } from '../../src/base/ports/disk.ts';
import { Prng } from '../../src/base/prng.ts';
import { SimulatedCrash } from '../../src/sim/crashable-disk.ts';
import { CrashModel, stepByChance, type Crash } from './crash-model.ts';
import { N1, N2, term } from './harness.ts';

const LIVES = 2000;

const CRASHES: readonly Crash[] = [
  { kind: 'kill' },
  { kind: 'power', survival: 'none' },
  { kind: 'power', survival: 'all' },
  { kind: 'power', survival: 'some' },
  { kind: 'power', survival: 'some' },
  { kind: 'power', survival: 'some' },
];

/** Everything a log does, once: appending, a full segment, hard state, truncations, a checkpoint, watermarks. */
function everything(model: CrashModel): void {
  model.open();
  model.submit({ hardState: { term: term(1), votedFor: N1 } });
  model.settle();
  model.submit({ count: 3 });
  model.submit({ count: 2, bodyBytes: 3000 });
  model.submit({ count: 1, hardState: { term: term(2), votedFor: null } });
  model.settle();
  model.pass(60);
  model.settle();
  model.submit({ count: 20, bodyBytes: 1500 });
  model.settle();
  model.submit({ truncateFrom: 10, count: 2, hardState: { term: term(3), votedFor: N2 } });
  model.submit({ truncateFrom: 11, count: 4 });
  model.settle();
  model.checkpoint();
  model.submit({ count: 30, bodyBytes: 1500 });
  model.settle();
  model.submit({ count: 1, bodyBytes: 100_000 });
  model.submit({ count: 1 });
  model.settle();
  model.submit({ truncateFrom: 5 });
  model.settle();
  model.pass(60);
  model.settle();
  model.checkpoint();
  model.submit({ count: 5, bodyBytes: 9000 });
  model.submit({ count: 60, bodyBytes: 3000 });
  model.settle();
  model.trim(10);
  model.settle();
  model.submit({ count: 3 });
  model.settle();
  model.close();
}

function eventsOf(work: (model: CrashModel) => void): number {
  const model = new CrashModel(new Prng(1));
  work(model);
  return model.ticks;
}

/** @returns whether it crashed before it came to its end. */
function runUntilCrash(model: CrashModel, work: () => void): boolean {
  try {
    work();
    return false;
  } catch (error) {
    // A disk that fails while the log is opened is reported by open itself.
    if (error instanceof DiskError) model.die({ kind: 'kill' });
    else if (!(error instanceof SimulatedCrash)) throw error;
    return true;
  } finally {
    model.crashNever();
  }
}

test('after a crash at any moment nothing that was reported is missing, and nothing is called rot', () => {
  const events = eventsOf(everything);
  expect(events).toBeGreaterThan(100);
  let crashes = 0;
  for (let at = 1; at <= events; at += 1) {
    for (const [variant, crash] of CRASHES.entries()) {
      const model = new CrashModel(new Prng(1000 * at + variant));
      model.crashAfter(at, crash);
      if (!runUntilCrash(model, () => everything(model))) continue;
      model.open();
      // What was shown once stays, even if nothing was written since.
      model.die({ kind: 'power', survival: 'none' });
      model.open();
      crashes += 1;
    }
  }
  // The order of completions, and with it the number of events, varies a little.
  expect(crashes).toBeGreaterThan(events * CRASHES.length * 0.95);
}, 60_000);

test('a crash during recovery is recovered from', () => {
  const events = eventsOf(everything);
  for (let at = 7; at <= events; at += 5) {
    for (let during = 1; during < 40; during += 3) {
      const prng = new Prng(100 * at + during);
      const model = new CrashModel(prng);
      model.crashAfter(at, { kind: 'power', survival: 'some' });
      runUntilCrash(model, () => everything(model));
      model.crashAfter(during, CRASHES[prng.below(CRASHES.length)] ?? { kind: 'kill' });
      runUntilCrash(model, () => {
        model.open();
        model.die({ kind: 'kill' });
      });
      model.open();
    }
  }
}, 60_000);

test('lives of many kinds, each ended by a crash or a failing disk', () => {
  const ends: readonly Crash[] = [
    ...CRASHES,
    { kind: 'fault', fault: 'sync' },
    { kind: 'fault', fault: 'write' },
  ];
  for (let seed = 1; seed <= LIVES; seed += 1) {
    const prng = new Prng(seed);
    const model = new CrashModel(prng.fork());
    try {
      for (let life = 0; life < 3; life += 1) {
        const end = ends[prng.below(ends.length)] ?? { kind: 'kill' };
        model.crashAfter(prng.between(1, 110), end);
        runUntilCrash(model, () => {
          model.open();
          // What was shown once stays, even if nothing was written since and nothing that is unsynced survives.
          if (prng.chance(0.5)) model.die({ kind: 'power', survival: 'none' });
          else for (let step = 0; step < 22; step += 1) stepByChance(model, prng);
          model.die(end);
        });
      }
      model.open();
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
  const marks = markCounts();
  expect(marks['wal.trimmed']).toBeGreaterThan(100);
  expect(marks['wal.trimming-resumed']).toBeGreaterThan(10);
}, 60_000);

test('lives on a disk that is full now and then: the log waits, votes pass by, and nothing is reported that is not there', () => {
  for (let seed = 1; seed <= LIVES / 2; seed += 1) {
    const prng = new Prng(seed);
    const model = new CrashModel(prng.fork());
    try {
      for (let life = 0; life < 3; life += 1) {
        const end = CRASHES[prng.below(CRASHES.length)] ?? { kind: 'kill' };
        if (prng.chance(0.5)) model.crashAfter(prng.between(20, 160), end);
        runUntilCrash(model, () => {
          model.open();
          for (let round = 0; round < 4; round += 1) {
            model.fill(prng.below(40_000));
            for (let step = 0; step < 8; step += 1) stepByChance(model, prng);
            if (prng.chance(0.6)) model.makeRoom();
          }
          model.die(end);
        });
      }
      model.open();
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
}, 60_000);
