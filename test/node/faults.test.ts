import { describe, expect, test } from 'vitest';
import { entryTime, type Entry } from '../../src/base/entry.ts';
import type { LogIndex, NodeId } from '../../src/base/units.ts';
import type { NodeError } from '../../src/node/index.ts';
import { SimulatedCluster } from '../../src/sim/simulated-cluster.ts';
import type { ReadResult } from '../../src/wire/client-codec.ts';
import type { FaultReport, FaultSpec } from '../../src/wire/fault-schema.ts';
import { Driver } from './support/driver.ts';

// What may be broken at a node on request, and that it ends by itself.

function start(allowFaults = true): {
  cluster: SimulatedCluster;
  /** Why nodes ended by themselves, by id. */
  failures: Map<string, string>;
  leader: string;
  followers: readonly string[];
  add: (id: string, spec: FaultSpec, ttlMs?: number) => FaultReport;
  ask: (id: string, op: 'list' | 'clear') => FaultReport;
} {
  const failures = new Map<string, string>();
  const onFatal = (id: string, error: NodeError): void => void failures.set(id, error.code);
  const cluster = new SimulatedCluster({ seed: 5, size: 3, node: { allowFaults }, onFatal });
  cluster.startAll();
  const leader = cluster.runUntilLeader();
  cluster.clock.advanceBy(500);
  const driver = new Driver(cluster, 'operator');
  const order = (id: string, what: Parameters<ReturnType<Driver['to']>['fault']>[0]): FaultReport => {
    const { value, error } = driver.settle<FaultReport>((done) => driver.to(id).fault(what, done));
    if (value === null) throw new Error(error?.message ?? 'the connection closed');
    return value;
  };
  return {
    cluster,
    failures,
    leader,
    followers: cluster.followers(),
    add: (id, spec, ttlMs = 1000) => order(id, { op: 'add', spec, ttlMs, owner: 'test' }),
    ask: (id, op) => order(id, op === 'list' ? { op } : { op, id: null }),
  };
}

function both(peer: string, more: Partial<Extract<FaultSpec, { kind: 'drop' }>> = {}): FaultSpec {
  return { kind: 'drop', peer: peer as NodeId, direction: 'both', mode: 'blackhole', share: 1, ...more };
}

function elections(cluster: SimulatedCluster): number {
  return cluster.ids.reduce((sum, id) => sum + (cluster.status(id).counters['electionsStarted'] ?? 0), 0);
}

describe('faults on request', () => {
  test('are refused by a node that was not started to allow them', () => {
    const { cluster, leader } = start(false);
    const driver = new Driver(cluster, 'operator2');
    const { error } = driver.settle<FaultReport>((done) =>
      driver.to(leader).fault({ op: 'add', spec: { kind: 'stall' }, ttlMs: 100, owner: 'test' }, done),
    );
    expect(error?.code).toBe('FAULT_REFUSED');
    expect(error?.message).toContain('--allow-faults');
    expect(cluster.status(leader)).toMatchObject({ allowsFaults: false, faults: [] });
  });

  test('name a peer that there is', () => {
    const { cluster, leader } = start();
    const driver = new Driver(cluster, 'operator2');
    const { error } = driver.settle<FaultReport>((done) =>
      driver.to(leader).fault({ op: 'add', spec: both('n9'), ttlMs: 100, owner: 'test' }, done),
    );
    expect(error?.message).toContain('n9 is no other member');
  });

  test('a leader that loses all messages is replaced, and knows it when the fault ran out', () => {
    const { cluster, leader, followers, add, ask } = start();
    for (const follower of followers) add(leader, both(follower), 2000);
    expect(cluster.status(leader).faults).toHaveLength(2);
    cluster.clock.advanceBy(1500);
    const next = followers.find((id) => cluster.group(id).role === 'leader');
    expect(next).toBeDefined();
    expect(cluster.group(leader).role).not.toBe('leader');
    cluster.clock.advanceBy(1500);
    expect(cluster.group(leader).leaderId).toBe(next);
    const { active, ended } = ask(leader, 'list');
    expect(active).toEqual([]);
    expect(ended.map(({ affected }) => affected > 0)).toEqual([true, true]);
  });

  test('resets of the living leader’s connections elect nobody', () => {
    const { cluster, leader, followers, add } = start();
    const before = elections(cluster);
    for (let round = 0; round < 20; round += 1) {
      for (const follower of followers) add(leader, both(follower, { mode: 'reset' }), 10);
      cluster.clock.advanceBy(50);
    }
    expect(elections(cluster)).toBe(before);
    expect(cluster.group(leader).role).toBe('leader');
  });

  test('a follower that refuses the leader is brought up to date afterwards', () => {
    const { cluster, leader, followers, add } = start();
    const [cut] = followers as [string];
    const report = add(cut, both(leader, { mode: 'refuse' }), 600);
    expect(report.active[0]?.affected).toBeGreaterThan(0);
    const driver = new Driver(cluster);
    const index = driver.append(leader, ['while it was cut off']).value?.index ?? 0;
    expect(cluster.group(cut).lastIndex).toBeLessThan(index);
    cluster.clock.advanceBy(3000);
    expect(cluster.group(cut).commitIndex).toBeGreaterThanOrEqual(index);
  });

  test('delay holds messages back and keeps their order', () => {
    const { cluster, leader, followers, add } = start();
    const driver = new Driver(cluster);
    for (const follower of followers) {
      add(leader, { kind: 'delay', peer: follower as NodeId, delayMs: 40, jitterMs: 20 }, 5000);
    }
    const before = cluster.clock.monotonicMs();
    driver.append(leader, ['slow']);
    expect(cluster.clock.monotonicMs() - before).toBeGreaterThanOrEqual(40);
    expect(cluster.group(leader).role).toBe('leader');
  });

  test('a narrow line to one follower lets it fall behind, elects nobody, and holds up nobody else', () => {
    const { cluster, leader, followers, add, ask } = start();
    const [far, near] = followers as [string, string];
    const driver = new Driver(cluster);
    const before = elections(cluster);
    add(leader, { kind: 'throttle', peer: far as NodeId, bytesPerSecond: 20_000 }, 3000);
    let last = 0;
    for (let count = 0; count < 100; count += 1)
      last = driver.append(leader, ['x'.repeat(1000)]).value?.index ?? 0;
    cluster.clock.advanceBy(200);
    expect(cluster.group(near).commitIndex).toBeGreaterThanOrEqual(last);
    expect(cluster.group(far).lastIndex).toBeLessThan(last);
    cluster.clock.advanceBy(8000);
    expect(cluster.group(far).commitIndex).toBeGreaterThanOrEqual(last);
    expect(elections(cluster)).toBe(before);
    expect(ask(leader, 'list').ended[0]?.affected).toBeGreaterThan(0);
  });

  test('a leader that stands still acknowledges nothing, is replaced, and follows when it goes on', () => {
    const { cluster, leader, add } = start();
    const producer = new Driver(cluster, 'producer');
    const client = producer.to(leader);
    add(leader, { kind: 'stall' }, 1000);
    const answers: unknown[] = [];
    client.append(['after'], { producerId: 0, epoch: 0, sequence: 0 }, (error, value) =>
      answers.push(error ?? value),
    );
    cluster.clock.advanceBy(900);
    expect(answers).toEqual([]);
    const next =
      cluster.followers().length === 0
        ? null
        : cluster.ids.find((id) => id !== leader && cluster.group(id).role === 'leader');
    expect(next).toBeDefined();
    cluster.clock.advanceBy(600);
    expect(cluster.group(leader)).toMatchObject({ role: 'follower', leaderId: next });
    expect(answers).toHaveLength(1);
    expect(answers[0]).not.toHaveProperty('index');
    expect(cluster.events(leader).some(({ code }) => code === 'paused')).toBe(true);
  });

  test('a node that stands still can be told to go on', () => {
    const { cluster, followers, add, ask } = start();
    const [follower] = followers as [string];
    add(follower, { kind: 'stall' }, 60_000);
    cluster.clock.advanceBy(100);
    const { ended } = ask(follower, 'clear');
    expect(ended[0]?.affected).toBeGreaterThanOrEqual(100);
    cluster.clock.advanceBy(1000);
    expect(cluster.group(follower).commitIndex).toBe(cluster.group(cluster.leader() ?? '').commitIndex);
  });

  test('a leader whose syncs are slow goes on by the others, and hears so when the fault is over', () => {
    const { cluster, leader, add, ask } = start();
    const driver = new Driver(cluster);
    const before = elections(cluster);
    add(leader, { kind: 'disk-slow', delayMs: 400, jitterMs: 0 }, 2000);
    const beganMs = cluster.clock.monotonicMs();
    expect(driver.append(leader, ['slow here, fast there']).value?.index).toBeGreaterThan(0);
    expect(cluster.clock.monotonicMs() - beganMs).toBeLessThan(400);
    cluster.clock.advanceBy(2500);
    const { active, ended } = ask(leader, 'list');
    expect([active, elections(cluster), cluster.group(leader).role]).toEqual([[], before, 'leader']);
    expect(ended[0]?.affected).toBeGreaterThan(0);
    expect(cluster.group(leader).durableIndex).toBe(cluster.group(leader).lastIndex);
  });

  test('clocks that jump change no leader and let no stamp go back', () => {
    const { cluster, leader, followers, add, ask } = start();
    const driver = new Driver(cluster);
    const before = elections(cluster);
    const stampOf = (record: string): number => {
      const from = (driver.append(leader, [record]).value?.index ?? 0) as LogIndex;
      const { value } = driver.settle<ReadResult>((done) => driver.to(leader).read({ from }, done));
      return entryTime(value?.entries[0] as Entry);
    };
    const now = stampOf('right');
    add(leader, { kind: 'clock', offsetMs: 3_600_000 }, 2000);
    for (const follower of followers) add(follower, { kind: 'clock', offsetMs: -3_600_000 }, 2000);
    const ahead = stampOf('ahead');
    expect(ahead - now).toBeGreaterThanOrEqual(3_600_000);
    cluster.clock.advanceBy(2500);
    expect(stampOf('right again')).toBeGreaterThanOrEqual(ahead);
    expect(elections(cluster)).toBe(before);
    expect(ask(leader, 'list').ended[0]?.affected).toBeGreaterThan(0);
  });

  test('a leader with disk-sync-error ends and says why, and the others lose nothing', () => {
    const { cluster, failures, leader, followers, add } = start();
    const driver = new Driver(cluster);
    const { index } = driver.append(leader, ['before']).value ?? { index: 0 };
    add(leader, { kind: 'disk-sync-error' }, 60_000);
    driver.to(leader).append(['during'], { producerId: 0, epoch: 0, sequence: 0 }, () => undefined);
    cluster.clock.advanceBy(1500);
    expect(failures.get(leader)).toBe('DISK_FAILED');
    const next = followers.find((id) => cluster.group(id).role === 'leader') ?? '';
    expect(cluster.group(next).commitIndex).toBeGreaterThan(index);
  });

  test('a leader with disk-full hands over and stays, and has room again when the fault ends', () => {
    const { cluster, failures, leader, followers, add, ask } = start();
    add(leader, { kind: 'disk-full' }, 3000);
    cluster.clock.advanceBy(2500);
    expect(failures.size).toBe(0);
    expect(followers).toContain(cluster.leader());
    expect(cluster.status(leader).counters).toMatchObject({ diskIsFull: 1, fullDiskHandOvers: 1 });
    expect(cluster.status(leader).disk?.freeBytes).toBe(0);
    cluster.clock.advanceBy(2000);
    expect(cluster.status(leader).counters['diskIsFull']).toBe(0);
    expect(ask(leader, 'list').ended[0]?.affected).toBeGreaterThan(0);
  });
});
