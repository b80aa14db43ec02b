import { describe, expect, test } from 'vitest';
import { SimulatedCluster } from '../../src/sim/simulated-cluster.ts';
import type { NodeStatus } from '../../src/wire/status-schema.ts';
import type { NodeEvent } from '../../src/wire/watch-schema.ts';
import { Driver } from './support/driver.ts';

interface Seen {
  readonly states: NodeStatus[];
  readonly events: NodeEvent[];
}

function start(seed = 1): {
  cluster: SimulatedCluster;
  leader: string;
  watch: (id: string, from?: number) => Seen;
} {
  const cluster = new SimulatedCluster({ seed, size: 3 });
  cluster.startAll();
  const leader = cluster.runUntilLeader();
  let watchers = 0;
  return {
    cluster,
    leader,
    watch: (id, eventsAfter) => {
      watchers += 1;
      const seen: Seen = { states: [], events: [] };
      new Driver(cluster, `console${watchers}`).to(id).watch(
        { statusEveryMs: 200, eventsAfter: eventsAfter ?? null },
        {
          onStatus: (status) => seen.states.push(status),
          onEvents: ({ events }) => seen.events.push(...events),
        },
      );
      return seen;
    },
  };
}

describe('watching a node', () => {
  test('brings its state at once and then at the pace asked for', () => {
    const { cluster, leader, watch } = start();
    const seen = watch(leader);
    cluster.clock.advanceBy(100);
    expect(seen.states).toHaveLength(1);
    expect(seen.states[0]?.groups[0]?.role).toBe('leader');
    cluster.clock.advanceBy(2000);
    expect(seen.states.length).toBeGreaterThanOrEqual(10);
    expect(seen.states.length).toBeLessThanOrEqual(12);
  });

  test('tells of a new leader without waiting for the next state, and why', () => {
    const { cluster, leader, watch } = start();
    const seen = cluster.followers().map((id) => watch(id));
    cluster.clock.advanceBy(100);
    cluster.kill(leader);
    const next = cluster.runUntilLeader();
    cluster.clock.advanceBy(5);
    for (const { states, events } of seen) {
      expect(states.at(-1)?.groups[0]?.leaderId).toBe(next);
      expect(
        events.some(({ code, text }) => code === 'leader-changed' && text.startsWith(`${next} leads`)),
      ).toBe(true);
    }
    const [voted] = seen.flatMap(({ events }) => events.filter(({ code }) => code === 'vote-cast'));
    expect(voted?.text).toMatch(/^(granted|refused) /);
  });

  test('goes on behind an event, across a restart of the node', () => {
    const { cluster, leader, watch } = start();
    const [id] = cluster.followers();
    const first = watch(id as string, 0);
    cluster.clock.advanceBy(100);
    const last = first.events.at(-1)?.sequence ?? 0;
    expect(last).toBeGreaterThan(0);
    cluster.kill(id as string);
    cluster.start(id as string);
    cluster.clock.advanceBy(500);
    const second = watch(id as string, last);
    cluster.clock.advanceBy(100);
    const codes = second.events.map(({ code }) => code);
    expect(codes[0]).toBe('started');
    expect(second.events.every(({ sequence }) => sequence > last)).toBe(true);
    const sequences = second.events.map(({ sequence }) => sequence);
    expect(sequences).toEqual(sequences.toSorted((a, b) => a - b));
    expect(cluster.group(leader).role).toBe('leader');
  });

  test('GET_EVENTS brings the last so many, once', () => {
    const { cluster, leader } = start();
    const driver = new Driver(cluster);
    const { value } = driver.settle<{ events: readonly NodeEvent[] }>((done) =>
      driver.to(leader).events({ after: 0, max: 3 }, done),
    );
    expect(value?.events).toHaveLength(3);
  });

  test('ends with the connection', () => {
    const { cluster, leader } = start();
    const driver = new Driver(cluster);
    driver
      .to(leader)
      .watch(
        { statusEveryMs: 100, eventsAfter: null },
        { onStatus: () => undefined, onEvents: () => undefined },
      );
    cluster.clock.advanceBy(50);
    expect(cluster.status(leader).counters['watchers']).toBe(1);
    driver.to(leader).connection.destroy();
    cluster.clock.advanceBy(50);
    expect(cluster.status(leader).counters['watchers']).toBe(0);
  });

  test('a state says how fast the node works and how full its disk is', () => {
    const { cluster, leader } = start();
    const driver = new Driver(cluster);
    for (let at = 0; at < 5; at += 1) driver.append(leader, ['x']);
    cluster.clock.advanceBy(600);
    const { pace, disk, groups } = cluster.status(leader);
    expect(pace.commitMs?.p50).toBeGreaterThan(0);
    expect(pace.syncMs?.max).toBeGreaterThan(0);
    expect(disk?.totalBytes).toBeGreaterThan(0);
    expect(groups[0]?.progress.every(({ roundTripMs }) => roundTripMs !== null && roundTripMs > 0)).toBe(
      true,
    );
  });
});
