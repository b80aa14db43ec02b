import { expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { forceRecover, surveySurvivor } from '../../src/node/index.ts';
import { SimulatedCluster } from '../../src/sim/simulated-cluster.ts';
import { Driver } from './support/driver.ts';

const TO = '/recovered';

/** Three nodes, of which n1 was recovered by force although the others live on. */
function mistaken(): SimulatedCluster {
  const cluster = new SimulatedCluster({ seed: 4, size: 3 });
  cluster.startAll();
  const driver = new Driver(cluster);
  expect(driver.append(cluster.runUntilLeader(), ['a']).error).toBeNull();
  cluster.clock.advanceBy(1000);
  cluster.kill('n1');
  const ports = { disk: cluster.disk('n1'), clock: cluster.clock, prng: new Prng(2) };
  let isDone = false;
  const members = [{ id: 'n1', address: 'n1:7100' }];
  forceRecover(ports, surveySurvivor(ports, '/data'), '/data', { members, to: TO }, (error) => {
    expect(error).toBeNull();
    isDone = true;
  });
  cluster.clock.advanceBy(1000);
  expect(isDone).toBe(true);
  cluster.start('n1', { dataDirectory: `${TO}/n1` });
  return cluster;
}

test('a cluster that lives does not end because one of its nodes was recovered elsewhere', () => {
  const cluster = mistaken();
  cluster.clock.advanceBy(20_000);
  expect(cluster.ids.map((id) => cluster.fatal(id))).toEqual([null, null, null]);
  expect(cluster.group('n1').role).toBe('leader');
  const ids = cluster.ids.map((id) => cluster.status(id).clusterId);
  expect([ids[0] === ids[1], ids[1] === ids[2]]).toEqual([false, true]);
  const other = ['n2', 'n3'].find((id) => cluster.group(id).role === 'leader') as string;
  const driver = new Driver(cluster);
  expect(driver.append(other, ['b']).error).toBeNull();
  expect(driver.append('n1', ['c']).error).toBeNull();
  expect(driver.readAll('n1').map(({ text }) => text)).toEqual(['a', 'c']);
  expect(driver.readAll(other).map(({ text }) => text)).toEqual(['a', 'b']);
});

test('nor because a stranger sits at the address of one of its nodes', () => {
  const cluster = new SimulatedCluster({ seed: 4, size: 3 });
  cluster.startAll();
  cluster.runUntilLeader();
  cluster.clock.advanceBy(1000);
  cluster.kill('n1');
  cluster.start('n1', { dataDirectory: '/other', peers: [{ id: 'n1', address: 'n1:7100' }] });
  cluster.clock.advanceBy(20_000);
  expect(cluster.ids.map((id) => cluster.fatal(id))).toEqual([null, null, null]);
  const leader = ['n2', 'n3'].find((id) => cluster.group(id).role === 'leader') as string;
  expect(new Driver(cluster).append(leader, ['a']).error).toBeNull();
});

test('who of it starts, and finds no leader, ends', () => {
  const cluster = mistaken();
  cluster.kill('n2');
  cluster.kill('n3');
  cluster.clock.advanceBy(1000);
  for (const id of ['n2', 'n3']) cluster.start(id);
  cluster.clock.advanceBy(5000);
  expect(cluster.fatal('n2')?.code).toBe('CLUSTER_REPLACED');
  expect(cluster.fatal('n3')?.code).toBe('CLUSTER_REPLACED');
  expect(cluster.fatal('n1')).toBeNull();
});
