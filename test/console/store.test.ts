import { describe, expect, test } from 'vitest';
import { Bench, afterFailover, downNode, event, nodeOf } from './support/fixture.ts';

describe('the store', () => {
  test('publishes four times a second at most, however much is said', () => {
    const bench = new Bench([nodeOf('n1'), nodeOf('n2'), nodeOf('n3')]);
    const before = bench.published;
    for (let at = 0; at < 100; at += 1) {
      bench.tell(nodeOf('n1', {}, { commitIndex: at, lastIndex: at }));
      bench.clock.advanceBy(10);
    }
    // One for each second on top: everything grows older.
    expect(bench.published - before).toBeLessThanOrEqual(6);
    expect(bench.published - before).toBeGreaterThanOrEqual(4);
  });

  test('publishes a change of leader at once', () => {
    const bench = new Bench([nodeOf('n1'), nodeOf('n2')]);
    const before = bench.published;
    bench.tell(nodeOf('n2', {}, { role: 'leader', term: 8 }));
    expect(bench.published).toBe(before + 1);
    expect(bench.store.snapshot().leader?.name).toBe('n2');
  });

  test('believes the leader of the highest term, and none that is silent', () => {
    const bench = new Bench([nodeOf('n1'), nodeOf('n2', {}, { role: 'leader', term: 8 })]);
    expect(bench.model.leader?.name).toBe('n2');
    bench.clock.advanceBy(1400);
    expect(bench.model.leader?.name).toBe('n2');
    bench.clock.advanceBy(200);
    expect(bench.model.leader).toBeNull();
    expect(bench.model.health.state).toBe('unreachable');
  });

  test('keeps what a node that is gone said last, with its age', () => {
    const bench = new Bench([nodeOf('n1'), nodeOf('n2'), nodeOf('n3')]);
    bench.clock.advanceBy(400);
    const gone = { ...downNode('n3'), status: null };
    const before = bench.model.nodes.find(({ name }) => name === 'n3');
    bench.store.onNode({
      nodeId: 'n3',
      address: gone.address,
      isUp: false,
      why: 'reset',
      status: before?.status ?? null,
      heardAtMs: 0,
    });
    bench.clock.advanceBy(100);
    const now = bench.model.nodes.find(({ name }) => name === 'n3');
    expect(now).toMatchObject({ isUp: false, why: 'reset', ageMs: 500 });
    expect(now?.status?.groups[0]?.commitIndex).toBe(100);
  });

  test('tells the last election: who, why, with whose votes, and how long nobody led', () => {
    expect(afterFailover().model.election).toMatchObject({
      leader: 'n2',
      term: 8,
      why: 'the process that led was gone',
      votes: '2 of 3 votes (n2, n3)',
      leaderlessMs: 20,
    });
  });

  test('does not count a restart of the leader as work', () => {
    const leader = (accepted: number, bootId: number): void =>
      bench.tell(nodeOf('n1', { bootId, counters: { appendsAccepted: accepted } }));
    const bench = new Bench([nodeOf('n1')]);
    const rates: (number | null)[] = [];
    for (const [accepted, bootId] of [
      [1000, 1],
      [3000, 1],
      [10, 2],
      [510, 2],
    ] as const) {
      leader(accepted, bootId);
      bench.clock.advanceBy(1000);
      rates.push(bench.model.history.at(-1)?.acknowledgedPerSecond ?? null);
    }
    expect(rates).toEqual([null, 2000, null, 500]);
  });

  test('orders events of several nodes by time, and keeps a bounded number', () => {
    const bench = new Bench([nodeOf('n1'), nodeOf('n2')]);
    bench.events(nodeOf('n2'), event('b', 50, 'later'));
    bench.events(nodeOf('n1'), event('a', 90, 'earlier'));
    expect(bench.model.events.map(({ text }) => text)).toEqual(['earlier', 'later']);
    for (let at = 0; at < 30; at += 1)
      bench.events(
        nodeOf('n1'),
        ...Array.from({ length: 100 }, (_, each) => event('x', 10, `${at}/${each}`)),
      );
    expect(bench.model.events).toHaveLength(2000);
  });

  test('forgets an address that was another name of a node', () => {
    const bench = new Bench([nodeOf('n1'), nodeOf('n2')]);
    bench.store.onForgotten('127.0.0.1:7102');
    expect(bench.model.nodes.map(({ name }) => name)).toEqual(['n1']);
  });
});
