import { describe, expect, test } from 'vitest';
import { topicsOf, type TopicsListing } from '../../src/cli/console/topics-feed.ts';
import type { QueueLag } from '../../src/client/index.ts';

function lagOf(topic: string, queue: number, committed: number | null, end: number): QueueLag {
  return {
    topic,
    queue,
    id: queue + 1,
    committed,
    first: 0,
    end,
    lag: committed === null ? null : end - committed,
  };
}

function listing(atMs: number, records: number, lags: readonly QueueLag[], topicId = 7): TopicsListing {
  return {
    atMs,
    topics: [
      {
        name: 'orders',
        topicId,
        createdAtMs: 1,
        retentionMs: null,
        retentionBytes: null,
        queueCount: 2,
        records,
      },
    ],
    groups: [{ name: 'billing', generation: 3, state: 'stable', memberCount: 2 }],
    lags: new Map([['billing', lags]]),
  };
}

describe('what the topics screen is told', () => {
  test('the first time there are no rates, and none is taken for zero', () => {
    const { topics, groups } = topicsOf(
      listing(1000, 50, [lagOf('orders', 0, 10, 30), lagOf('orders', 1, 20, 20)]),
      null,
    );
    expect(topics).toEqual([{ name: 'orders', queues: 2, records: 50, perSecond: null }]);
    expect(groups).toEqual([
      { group: 'billing', topic: 'orders', members: 2, lag: 20, perSecond: null, lagPerSecond: null },
    ]);
  });

  test('then what changed in a second: of all queues of a topic together', () => {
    const before = listing(1000, 50, [lagOf('orders', 0, 10, 30), lagOf('orders', 1, 20, 20)]);
    const now = listing(3000, 90, [lagOf('orders', 0, 30, 50), lagOf('orders', 1, 30, 40)]);
    const { topics, groups } = topicsOf(now, before);
    expect(topics[0]?.perSecond).toBe(20);
    expect(groups[0]).toMatchObject({ lag: 30, perSecond: 15, lagPerSecond: 5 });
  });

  test('a queue of which nothing was committed makes lag and rates unknown', () => {
    const before = listing(1000, 50, [lagOf('orders', 0, 10, 30), lagOf('orders', 1, null, 20)]);
    const now = listing(2000, 50, [lagOf('orders', 0, 20, 30), lagOf('orders', 1, null, 20)]);
    expect(topicsOf(now, before).groups[0]).toMatchObject({ lag: null, perSecond: null, lagPerSecond: null });
  });

  test('what went back is no rate: retention, a reset, a topic that was made again', () => {
    const before = listing(1000, 50, [lagOf('orders', 0, 30, 30)]);
    const less = topicsOf(listing(2000, 40, [lagOf('orders', 0, 10, 30)]), before);
    expect(less.topics[0]?.perSecond).toBeNull();
    expect(less.groups[0]).toMatchObject({ perSecond: null, lagPerSecond: 20 });
    expect(topicsOf(listing(2000, 90, [], 8), before).topics[0]?.perSecond).toBeNull();
  });

  test('a group without positions is shown all the same', () => {
    expect(topicsOf(listing(1000, 0, []), null).groups).toEqual([
      { group: 'billing', topic: '', members: 2, lag: null, perSecond: null, lagPerSecond: null },
    ]);
  });
});
