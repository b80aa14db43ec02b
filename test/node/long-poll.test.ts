import { expect, test } from 'vitest';
import type { LogIndex } from '../../src/base/units.ts';
import { SimulatedCluster } from '../../src/sim/simulated-cluster.ts';
import type { ReadResult } from '../../src/wire/client-codec.ts';
import { Driver } from './support/driver.ts';

function startOne(): { cluster: SimulatedCluster; driver: Driver; leader: string } {
  const cluster = new SimulatedCluster({ seed: 1, size: 1 });
  cluster.startAll();
  const leader = cluster.runUntilLeader();
  return { cluster, driver: new Driver(cluster), leader };
}

test('a read that waits for a moment is not kept by one that waits for long', () => {
  const { cluster, driver, leader } = startOne();
  const { value } = driver.append(leader, ['a']);
  const from = ((value?.index ?? 0) + 1) as LogIndex;
  driver.to(leader).read({ from, waitMs: 20_000, deadlineMs: 20_000 }, () => undefined);
  const startMs = cluster.clock.monotonicMs();
  const short = driver.settle<ReadResult>((done) => driver.to(leader).read({ from, waitMs: 100 }, done));
  expect(short.value?.entries).toEqual([]);
  expect(cluster.clock.monotonicMs() - startMs).toBeGreaterThanOrEqual(100);
  expect(cluster.clock.monotonicMs() - startMs).toBeLessThan(150);
});

test('a read that waits and finds nothing but an entry without records is told how far it came', () => {
  const { cluster, driver, leader } = startOne();
  driver.append(leader, ['a']);
  cluster.kill(leader);
  cluster.start(leader);
  cluster.runUntilLeader();
  // The last entry is the one with which the new term began.
  const commitIndex = cluster.group(leader).commitIndex as LogIndex;
  const startMs = cluster.clock.monotonicMs();
  const { value } = driver.settle<ReadResult>((done) =>
    driver.to(leader).read({ from: commitIndex, waitMs: 5000 }, done),
  );
  expect(value).toMatchObject({ entries: [], nextIndex: commitIndex + 1, commitIndex });
  expect(cluster.clock.monotonicMs() - startMs).toBeLessThan(100);
});
