import { describe, expect, test } from 'vitest';
import { entryTime, type Entry } from '../../src/base/entry.ts';
import { SimulatedCluster } from '../../src/sim/simulated-cluster.ts';
import type { NodeOptions } from '../../src/node/index.ts';
import { TopicsDriver, recordsOf } from './support/topics.ts';

// Topics on whole nodes under virtual time.

function start(
  node: Partial<NodeOptions> = {},
  size = 3,
): { cluster: SimulatedCluster; driver: TopicsDriver; leader: string } {
  const cluster = new SimulatedCluster({ seed: 7, size, node });
  cluster.startAll();
  const leader = cluster.runUntilLeader();
  return { cluster, driver: new TopicsDriver(cluster), leader };
}

const texts = (records: readonly { readonly text: string }[]): string[] => records.map(({ text }) => text);

describe('a topic', () => {
  test('is created, described, listed, altered and deleted', () => {
    const { driver, leader } = start();
    const topic = driver.createTopic(leader, 'orders', 3);
    expect(topic).toMatchObject({ name: 'orders', retentionMs: null, retentionBytes: null });
    expect(topic.queues).toEqual(
      [1, 2, 3].map((id) => ({ id, ordinal: id - 1, firstOffset: 0, endOffset: 0 })),
    );
    driver.createTopic(leader, 'bills', 1);
    driver.produce(leader, 4, ['a', 'b']);
    const list = driver.admin(leader, { op: 'listTopics' }).value?.topics;
    expect(list?.map(({ name, queueCount, records }) => [name, queueCount, records])).toEqual([
      ['orders', 3, 0],
      ['bills', 1, 2],
    ]);
    const altered = driver.admin(leader, {
      op: 'alterTopic',
      name: 'bills',
      retentionMs: 9,
      retentionBytes: 8,
    });
    expect(altered.value?.topic).toMatchObject({ retentionMs: 9, retentionBytes: 8 });
    const deleted = driver.admin(leader, { op: 'deleteTopic', name: 'orders' });
    expect(deleted.value).toMatchObject({ name: 'orders', topicId: topic.topicId });
    expect(driver.admin(leader, { op: 'describeTopic', name: 'orders' }).error?.code).toBe('UNKNOWN_TOPIC');
  });

  test('is refused with an error of its own for each mistake', () => {
    const { driver, leader } = start();
    driver.createTopic(leader, 'orders', 1);
    const create = (name: string, queues: number): string | undefined =>
      driver.admin(leader, { op: 'createTopic', name, queues, retentionMs: null, retentionBytes: null }).error
        ?.code;
    expect(create('orders', 1)).toBe('TOPIC_EXISTS');
    expect(create('no/name', 1)).toBe('BAD_NAME');
    expect(create('many', 5000)).toBe('LIMIT_EXCEEDED');
    expect(driver.admin(leader, { op: 'deleteTopic', name: 'nobody' }).error?.code).toBe('UNKNOWN_TOPIC');
    expect(driver.produce(leader, 99, ['x']).error).toMatchObject({ code: 'UNKNOWN_TOPIC', outcome: 'none' });
    expect(driver.fetch(leader, { queue: 99 }).error?.code).toBe('UNKNOWN_TOPIC');
  });

  test('takes messages and nothing else, and the raw log keeps to itself', () => {
    const { driver, leader } = start();
    driver.createTopic(leader, 'orders', 1);
    driver.append(leader, ['raw']);
    driver.produce(leader, 1, ['message']);
    expect(texts(driver.readAll(leader))).toEqual(['raw']);
    expect(texts(driver.consume(leader, 1))).toEqual(['message']);
  });
});

describe('messages', () => {
  test('get dense offsets in each queue, the same on every node', () => {
    const { cluster, driver, leader } = start();
    driver.createTopic(leader, 'orders', 2);
    const bases = [
      driver.produce(leader, 1, ['a', 'b']),
      driver.produce(leader, 2, ['x']),
      driver.produce(leader, 1, ['c']),
      driver.produce(leader, 2, ['y', 'z']),
    ].map(({ value }) => value?.baseOffset);
    expect(bases).toEqual([0, 0, 2, 1]);
    cluster.clock.advanceBy(500);
    for (const id of cluster.ids) {
      const from = { consistency: 'committed' } as const;
      expect(driver.consume(id, 1, from)).toEqual(['a', 'b', 'c'].map((text, offset) => ({ offset, text })));
      expect(driver.consume(id, 2, from)).toEqual(['x', 'y', 'z'].map((text, offset) => ({ offset, text })));
    }
  });

  test('that are sent again after a failover keep their place', () => {
    const { cluster, driver, leader } = start();
    driver.createTopic(leader, 'orders', 1);
    const { producerId, epoch } = driver.openProducer(leader);
    driver.produce(leader, 1, ['zero']);
    const first = driver.produce(leader, 1, ['once'], { producerId, epoch, sequence: 1 });
    cluster.kill(leader);
    const next = cluster.runUntilLeader();
    const again = driver.produce(next, 1, ['once'], { producerId, epoch, sequence: 1 });
    expect(again.value).toMatchObject({ index: first.value?.index, baseOffset: 1 });
    expect(texts(driver.consume(next, 1))).toEqual(['zero', 'once']);
  });

  test('outside of what the queue holds are refused, with what it holds', () => {
    const { driver, leader } = start();
    driver.createTopic(leader, 'orders', 1);
    driver.produce(leader, 1, ['a', 'b', 'c']);
    expect(driver.fetch(leader, { queue: 1, offset: 4 }).error).toMatchObject({
      code: 'OFFSET_OUT_OF_RANGE',
      firstIndex: 0,
      lastIndex: 3,
    });
    expect(driver.fetch(leader, { queue: 1, offset: 3 }).value).toMatchObject({ nextOffset: 3, batches: [] });
  });

  test('are waited for', () => {
    const { cluster, driver, leader } = start();
    driver.createTopic(leader, 'orders', 2);
    const waiter = new TopicsDriver(cluster, 'waiter');
    const client = waiter.to(leader);
    const seen: string[] = [];
    client.fetch({ queue: 1, offset: 0, waitMs: 5000 }, (_error, value) => {
      if (value !== null) seen.push(...texts(recordsOf(value, 0)));
    });
    cluster.clock.advanceBy(500);
    driver.produce(leader, 2, ['elsewhere']);
    expect(seen).toEqual([]);
    driver.produce(leader, 1, ['here']);
    cluster.clock.advanceBy(50);
    expect(seen).toEqual(['here']);
    const before = cluster.clock.monotonicMs();
    expect(waiter.fetch(leader, { queue: 1, offset: 1, waitMs: 700 }).value?.batches).toEqual([]);
    expect(cluster.clock.monotonicMs() - before).toBeGreaterThanOrEqual(700);
  });

  test('of a topic that is deleted are waited for no longer', () => {
    const { cluster, driver, leader } = start();
    driver.createTopic(leader, 'orders', 1);
    const waiter = new TopicsDriver(cluster, 'waiter');
    let code: string | undefined;
    waiter.to(leader).fetch({ queue: 1, waitMs: 60_000 }, (error) => {
      code = error?.code;
    });
    cluster.clock.advanceBy(100);
    driver.admin(leader, { op: 'deleteTopic', name: 'orders' });
    cluster.clock.advanceBy(100);
    expect(code).toBe('UNKNOWN_TOPIC');
  });

  test('are chosen by tag, in whole batches with a bitmap', () => {
    const { driver, leader } = start();
    driver.createTopic(leader, 'orders', 1);
    for (let at = 0; at < 40; at += 1) {
      const tag = at % 5 === 0 ? 'red' : 'blue';
      driver.produce(leader, 1, [
        { text: `${at}a`, tag },
        { text: `${at}b` },
        { text: `${at}c`, tag: 'green' },
      ]);
    }
    const red = Array.from({ length: 8 }, (_, at) => `${at * 5}a`);
    expect(texts(driver.consume(leader, 1, { tags: ['red'] }))).toEqual(red);
    const { value } = driver.fetch(leader, { queue: 1, tags: ['red', 'green'] });
    expect(value?.batches).toHaveLength(40);
    expect(recordsOf(value as never, 0)).toHaveLength(48);
    expect(driver.fetch(leader, { queue: 1, tags: ['nobody'] }).value).toMatchObject({
      nextOffset: 120,
      batches: [],
    });
  });

  test('come as many as were asked for, in whole batches, and one batch at least', () => {
    const { driver, leader } = start();
    driver.createTopic(leader, 'orders', 1);
    for (let at = 0; at < 10; at += 1) driver.produce(leader, 1, ['a', 'b', 'c']);
    const lengths = (request: object): number | undefined =>
      driver.fetch(leader, { queue: 1, ...request }).value?.batches.length;
    expect(lengths({ recordsMax: 1 })).toBe(1);
    expect(lengths({ recordsMax: 4 })).toBe(2);
    expect(lengths({ bytesMax: 1 })).toBe(1);
    expect(lengths({ bytesMax: 500 })).toBeLessThan(5);
    expect(lengths({ offset: 4, recordsMax: 2 })).toBe(1);
    expect(driver.fetch(leader, { queue: 1, offset: 4, recordsMax: 3 }).value?.nextOffset).toBe(9);
  });

  test('are found by key, newest first, and by time', () => {
    const { cluster, driver, leader } = start();
    driver.createTopic(leader, 'orders', 2);
    driver.createTopic(leader, 'bills', 1);
    for (let at = 0; at < 20; at += 1) {
      driver.produce(leader, 1, [{ text: `${at}`, key: `k${at % 4}` }, { text: 'x' }]);
      driver.produce(leader, 3, [{ text: `${at}`, key: `k${at % 4}` }]);
      cluster.clock.advanceBy(100);
    }
    const found = driver.admin(leader, { op: 'findByKey', topic: 'orders', key: 'k1', max: 3 }).value?.found;
    expect(found?.map(({ id, offset }) => [id, offset])).toEqual([
      [1, 34],
      [1, 26],
      [1, 18],
    ]);
    const { value } = driver.fetch(leader, { queue: 1, offset: 20, recordsMax: 1 });
    const timeMs = entryTime(value?.batches[0]?.entry as Entry);
    const byTime = driver.admin(leader, { op: 'findByTime', topic: 'orders', timeMs }).value?.queues;
    expect(byTime).toEqual([
      { id: 1, ordinal: 0, offset: 20 },
      { id: 2, ordinal: 1, offset: 0 },
    ]);
  });

  test('are read back from disk after a start from a checkpoint, and after the indexes were lost', () => {
    const { cluster, driver, leader } = start({ checkpointEveryBytes: 20_000, cacheBytesMax: 4096 }, 1);
    driver.createTopic(leader, 'orders', 2);
    const sent: string[] = [];
    for (let at = 0; at < 300; at += 1) {
      sent.push(`record ${at}`);
      driver.produce(leader, 1, [{ text: `record ${at}`, key: `k${at % 30}` }]);
    }
    expect(cluster.status(leader).counters['checkpointIndex']).toBeGreaterThan(100);
    expect(texts(driver.consume(leader, 1))).toEqual(sent);
    cluster.powerCut(leader);
    cluster.start(leader);
    cluster.runUntilLeader();
    expect(cluster.status(leader).counters['queueRebuilds']).toBe(0);
    expect(texts(driver.consume(leader, 1))).toEqual(sent);
    cluster.kill(leader);
    const disk = cluster.disk(leader);
    for (const name of disk.listSync('/data/queues')) disk.unlinkSync(`/data/queues/${name}`);
    cluster.start(leader);
    cluster.runUntilLeader();
    expect(texts(driver.consume(leader, 1))).toEqual(sent);
    expect(
      driver.admin(leader, { op: 'findByKey', topic: 'orders', key: 'k7', max: 100 }).value?.found,
    ).toHaveLength(10);
    expect(cluster.status(leader).counters['queueRebuilds']).toBeGreaterThan(0);
  });
});
