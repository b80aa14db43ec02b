import { expect, test } from 'vitest';
import { SimulatedCluster } from '../../src/sim/simulated-cluster.ts';
import { Driver } from './support/driver.ts';

// A majority of three is the leader and the faster follower: the other one must not be felt.

const SYNC_MS = 2;
const APPENDS = 300;

/** Virtual milliseconds from an append to its acknowledgement, of all but the slowest in a hundred. */
function p99(slowTimes: number): number {
  let slow = '';
  const cluster = new SimulatedCluster({
    seed: 8,
    size: 3,
    diskLatencyMs: (id, kind) => (kind === 'sync' ? SYNC_MS * (id === slow ? slowTimes : 1) : 0.05),
  });
  cluster.startAll();
  const leader = cluster.runUntilLeader();
  slow = cluster.followers()[0] ?? '';
  const driver = new Driver(cluster);
  const latencies = Array.from({ length: APPENDS }, (_, at) => {
    const sentMs = cluster.clock.monotonicMs();
    expect(driver.append(leader, [`record ${at} ${'x'.repeat(200)}`]).error).toBeNull();
    return cluster.clock.monotonicMs() - sentMs;
  });
  expect(cluster.leader()).toBe(leader);
  cluster.clock.advanceBy(60 * 1000);
  expect(cluster.group(slow).appliedIndex).toBe(cluster.group(leader).appliedIndex);
  return latencies.toSorted((one, other) => one - other)[Math.floor(APPENDS * 0.99)] ?? Number.NaN;
}

test('a follower whose disk is a hundred times slower costs the others no more than as much again', () => {
  const healthy = p99(1);
  const withSlow = p99(100);
  expect(healthy).toBeGreaterThan(SYNC_MS);
  expect(withSlow).toBeLessThanOrEqual(2 * healthy);
});
