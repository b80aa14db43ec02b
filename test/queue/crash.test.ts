import { expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { SimulatedCrash, type Survival } from '../../src/sim/crashable-disk.ts';
import { diesIn } from '../support/dies-in.ts';
import { Bench } from './support/bench.ts';

const CRASHES: readonly (Survival | 'kill')[] = ['kill', 'none', 'all', 'some', 'some', 'some'];

/** Everything the indexes do, once. */
function everything(bench: Bench): void {
  bench.open();
  const step = (count: number, queues: number): void => {
    for (let at = 0; at < count; at += 1) {
      bench.append(1 + (at % queues), [{ key: `k${at % 13}` }, { tag: 'red' }], { isVoided: at % 9 === 5 });
      if (at % 4 === 0) bench.appendRaw();
    }
  };
  step(20, 3);
  bench.checkpoint();
  bench.settle();
  step(40, 4);
  bench.pass(1500);
  step(10, 2);
  bench.checkpoint();
  step(10, 5);
  bench.settle();
  bench.appendRaw();
  bench.checkpoint();
  bench.settle();
  bench.raise(1, 9);
  bench.delete(4);
  step(10, 3);
  bench.pass(1500);
  bench.checkpoint();
  bench.settle();
}

/** Lets the disk die at its n-th event, an operation or the completion of one. @returns whether it came to that. */
function crashAt(bench: Bench, at: number, how: Survival | 'kill', work: () => void): boolean {
  let events = 0;
  const count = (): void => {
    events += 1;
    if (events !== at) return;
    if (how === 'kill') bench.disk.kill();
    else bench.disk.powerCut(how);
    throw new SimulatedCrash('here');
  };
  bench.disk.onOperation = count;
  bench.onSettling = count;
  try {
    return diesIn(bench.disk, work);
  } finally {
    bench.onSettling = null;
  }
}

const OPTIONS = { keysPerRun: 30, filesOpenMax: 3 };

test('a start after a crash at any moment finds everything, or makes it again', () => {
  let crashes = 0;
  let rebuilds = 0;
  for (const how of CRASHES) {
    for (let at = 1; ; at += 1) {
      const bench = new Bench({ seed: at, ...OPTIONS });
      if (!crashAt(bench, at, how, () => everything(bench))) break;
      crashes += 1;
      bench.open();
      const reads = bench.reads;
      bench.verify();
      rebuilds += bench.reads - reads;
      // And what is found once is found again.
      bench.disk.powerCut('none');
      bench.open();
      bench.verify();
    }
  }
  expect(crashes).toBeGreaterThan(300);
  // What a checkpoint counts on was durable before: a crash alone never makes anything be made again.
  expect(rebuilds).toBe(0);
});

test('a crash while things are made again is recovered from', () => {
  for (let seed = 1; seed <= 150; seed += 1) {
    const bench = new Bench({ seed, ...OPTIONS });
    everything(bench);
    bench.close();
    const prng = new Prng(seed);
    for (const name of bench.files()) {
      const path = `/data/queues/${name}`;
      const { length } = bench.disk.visible(path);
      if (prng.chance(0.3)) bench.disk.unlinkSync(path);
      else if (prng.chance(0.5)) bench.disk.setByte(path, prng.below(length), (byte) => byte ^ 0x10);
    }
    const how = CRASHES[prng.below(CRASHES.length)] ?? 'kill';
    crashAt(bench, prng.between(1, 40), how, () => {
      bench.open();
      bench.verify();
      bench.append(1, [{ key: 'k1' }]);
      bench.checkpoint();
      bench.settle();
    });
    bench.disk.powerCut('some');
    bench.open();
    bench.verify();
  }
});

test.each(['sync', 'write'] as const)(
  'a failed %s is reported and nothing counts that came after',
  (kind) => {
    const bench = new Bench();
    bench.open();
    bench.append(1, [{ key: 'a' }]);
    bench.checkpoint();
    bench.settle();
    const { checkpointIndex } = bench;
    bench.append(1, [{ key: 'b' }]);
    if (kind === 'sync') bench.disk.failSync(() => true);
    else bench.disk.failWrite(() => true);
    bench.checkpoint();
    bench.settle();
    expect(bench.failures.map((error) => error.name)).toEqual(['DiskError']);
    expect(bench.checkpointIndex).toBe(checkpointIndex);
    bench.disk.kill();
    bench.disk.clearFaults();
    bench.failures.length = 0;
    bench.open();
    bench.verify();
  },
);
