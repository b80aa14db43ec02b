import { describe, expect, test } from 'vitest';
import { SimulatedCluster } from '../../src/sim/simulated-cluster.ts';
import type { GroupView } from '../../src/wire/broker-schema.ts';
import { TopicsDriver } from './support/topics.ts';

// Consumer groups on whole nodes under virtual time.

function start(queues = 4): { cluster: SimulatedCluster; driver: TopicsDriver; leader: string } {
  const cluster = new SimulatedCluster({ seed: 11, size: 3 });
  cluster.startAll();
  const leader = cluster.runUntilLeader();
  const driver = new TopicsDriver(cluster);
  driver.createTopic(leader, 'orders', queues);
  return { cluster, driver, leader };
}

const owned = ({ assignment }: GroupView): number[] =>
  assignment.filter(({ isRevoking }) => !isRevoking).map(({ queue }) => queue);

function beat(driver: TopicsDriver, id: string, member: GroupView, waitMs = 0): GroupView | string {
  const { memberId, generation } = member;
  const { error, value } = driver.group(id, { op: 'heartbeat', group: 'g', memberId, generation, waitMs });
  return value ?? error?.code ?? 'closed';
}

describe('a group', () => {
  test('hands queues over when their owner releases them, at the position committed with that', () => {
    const { driver, leader } = start();
    for (let at = 0; at < 5; at += 1) for (const queue of [1, 2, 3, 4]) driver.produce(leader, queue, ['x']);
    const one = driver.join(leader, 'g', 'one', ['orders']);
    expect(owned(one)).toEqual([1, 2, 3, 4]);
    const two = driver.join(leader, 'g', 'two', ['orders']);
    expect(two.assignment).toEqual([]);
    const revoking = beat(driver, leader, one) as GroupView;
    const release = revoking.assignment.filter(({ isRevoking }) => isRevoking).map(({ queue }) => queue);
    expect(release).toHaveLength(2);
    const positions = release.map((queue) => ({ queue, offset: 3 }));
    const { memberId } = one;
    driver.group(leader, { op: 'commit', group: 'g', memberId, sequence: 1, positions, release });
    const after = beat(driver, leader, two) as GroupView;
    expect(after.assignment.map(({ queue, position }) => ({ queue, offset: position }))).toEqual(positions);
    const late = { op: 'commit', group: 'g', memberId, sequence: 2, positions, release: [] } as const;
    expect(driver.group(leader, late).error?.code).toBe('STALE_MEMBER');
    const lag = driver.admin(leader, { op: 'groupLag', group: 'g' }).value?.queues;
    expect(lag?.find(({ id }) => id === release[0])).toMatchObject({ committed: 3, end: 5, lag: 2 });
    expect(lag?.find(({ committed }) => committed === null)?.lag).toBeNull();
  });

  test('answers a heartbeat when the group changes, or when its time is up', () => {
    const { cluster, driver, leader } = start();
    const one = driver.join(leader, 'g', 'one', ['orders']);
    const startedMs = cluster.clock.monotonicMs();
    expect((beat(driver, leader, one, 1000) as GroupView).generation).toBe(one.generation);
    expect(cluster.clock.monotonicMs() - startedMs).toBeGreaterThanOrEqual(1000);
    let seen: number | undefined;
    const { memberId, generation } = one;
    new TopicsDriver(cluster, 'waiter')
      .to(leader)
      .group({ op: 'heartbeat', group: 'g', memberId, generation, waitMs: 2000 }, (_error, value) => {
        seen = (value as GroupView | null)?.generation;
      });
    driver.join(leader, 'g', 'two', ['orders']);
    cluster.clock.advanceBy(100);
    expect(seen).toBeGreaterThan(generation);
  });

  test('gives up the queues of a member that vanishes, and not those of one that is heard', () => {
    const { cluster, driver, leader } = start();
    const silent = driver.join(leader, 'g', 'silent', ['orders'], 2000);
    let heard = driver.join(leader, 'g', 'heard', ['orders'], 2000);
    for (let at = 0; at < 30; at += 1) heard = beat(driver, leader, heard, 500) as GroupView;
    expect(owned(heard)).toEqual([1, 2, 3, 4]);
    expect(beat(driver, leader, silent)).toBe('STALE_MEMBER');
    cluster.clock.advanceBy(4000);
    expect(driver.admin(leader, { op: 'describeGroup', group: 'g' }).value?.group).toMatchObject({
      state: 'empty',
    });
  });

  test('keeps members and positions when its leader dies, and gives everybody a full time-out again', () => {
    const { cluster, driver, leader } = start();
    driver.produce(leader, 1, ['a', 'b', 'c']);
    const one = driver.join(leader, 'g', 'one', ['orders'], 3000);
    const { memberId } = one;
    const positions = [{ queue: 1, offset: 2 }];
    driver.group(leader, { op: 'commit', group: 'g', memberId, sequence: 1, positions, release: [] });
    cluster.clock.advanceBy(2500);
    cluster.kill(leader);
    const next = cluster.runUntilLeader();
    cluster.clock.advanceBy(1500);
    const view = beat(driver, next, one) as GroupView;
    expect(view.assignment.find(({ queue }) => queue === 1)).toMatchObject({ position: 2 });
    const again = driver.join(next, 'g', 'one', ['orders'], 3000);
    expect(owned(again)).toEqual([1, 2, 3, 4]);
    expect(beat(driver, next, one)).toBe('STALE_MEMBER');
  });

  test('is reset only while it is empty, to where was asked for', () => {
    const { driver, leader } = start(1);
    driver.produce(leader, 1, ['a', 'b', 'c']);
    const member = driver.join(leader, 'g', 'one', ['orders']);
    const reset = (kind: 'earliest' | 'latest' | 'offset', value: number | null, dryRun = false) =>
      driver.admin(leader, { op: 'resetGroup', group: 'g', topic: 'orders', to: { kind, value }, dryRun });
    expect(reset('latest', null).error?.code).toBe('GROUP_NOT_EMPTY');
    driver.group(leader, { op: 'leave', group: 'g', memberId: member.memberId });
    expect(reset('offset', 2, true).value?.queues).toMatchObject([{ before: null, after: 2 }]);
    expect(reset('latest', null).value?.queues).toMatchObject([{ before: null, after: 3 }]);
    expect(reset('earliest', null).value?.queues).toMatchObject([{ before: 3, after: 0 }]);
    expect(reset('offset', 9).error).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', lastIndex: 3 });
    driver.admin(leader, { op: 'deleteGroup', group: 'g' });
    expect(driver.admin(leader, { op: 'groupLag', group: 'g' }).error?.code).toBe('UNKNOWN_GROUP');
  });
});

describe('retention', () => {
  test('by size and by age raises where a queue begins, and says so to who comes too late', () => {
    const { cluster, driver, leader } = start(1);
    driver.createTopic(leader, 'small', 1, { retentionBytes: 1000 });
    driver.createTopic(leader, 'short', 1, { retentionMs: 20_000 });
    for (let at = 0; at < 20; at += 1)
      for (const queue of [2, 3]) driver.produce(leader, queue, ['0123456789']);
    cluster.clock.advanceBy(8000);
    const first = (name: string): number | undefined =>
      driver.admin(leader, { op: 'describeTopic', name }).value?.topic.queues[0]?.firstOffset;
    expect(first('small')).toBeGreaterThan(5);
    expect(first('small')).toBeLessThan(20);
    expect(first('short')).toBe(0);
    cluster.clock.advanceBy(25_000);
    expect(first('short')).toBe(20);
    expect(driver.fetch(leader, { queue: 3, offset: 5 }).error).toMatchObject({
      code: 'OFFSET_EXPIRED',
      firstIndex: 20,
      lastIndex: 20,
    });
  });
});
