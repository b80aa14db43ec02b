import { describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { ClusterWatch, type WatchedNode } from '../../src/client/cluster-watch.ts';
import { NODE_PORT, SimulatedCluster } from '../../src/sim/simulated-cluster.ts';
import type { NodeEvent } from '../../src/wire/watch-schema.ts';

function start(): { cluster: SimulatedCluster; leader: string } {
  const cluster = new SimulatedCluster({ seed: 3, size: 3 });
  cluster.startAll();
  return { cluster, leader: cluster.runUntilLeader() };
}

function look(
  cluster: SimulatedCluster,
  endpoints: readonly string[],
): {
  watch: ClusterWatch;
  node: (id: string) => WatchedNode | undefined;
  events: { readonly id: string | null; readonly event: NodeEvent }[];
} {
  const events: { id: string | null; event: NodeEvent }[] = [];
  const ports = { network: cluster.network.host('console'), clock: cluster.clock, prng: new Prng(1) };
  const watch = new ClusterWatch(
    { endpoints, ports },
    {
      onNode: () => undefined,
      onEvents: ({ nodeId }, more) => events.push(...more.map((event) => ({ id: nodeId, event }))),
    },
  );
  return { watch, events, node: (id) => watch.nodes.find((candidate) => candidate.nodeId === id) };
}

describe('watching a cluster', () => {
  test('finds all nodes from one', () => {
    const { cluster, leader } = start();
    const { watch, node } = look(cluster, [`n2:${NODE_PORT}`]);
    cluster.clock.advanceBy(200);
    expect(cluster.ids.map((id) => node(id)?.isUp)).toEqual([true, true, true]);
    expect(watch.nodes).toHaveLength(3);
    expect(node(leader)?.status?.groups[0]?.role).toBe('leader');
  });

  test('goes on through the death of the leader, and keeps what it last said', () => {
    const { cluster, leader } = start();
    const { node, events, watch } = look(
      cluster,
      cluster.ids.map((id) => `${id}:${NODE_PORT}`),
    );
    cluster.clock.advanceBy(200);
    cluster.kill(leader);
    const next = cluster.runUntilLeader();
    cluster.clock.advanceBy(20);
    expect(node(next)?.status?.groups[0]?.role).toBe('leader');
    expect(node(leader)).toMatchObject({ isUp: false });
    expect(node(leader)?.why).not.toBeNull();
    expect(node(leader)?.status?.groups[0]?.role).toBe('leader');
    expect(watch.nowMs() - (node(leader)?.heardAtMs ?? 0)).toBeGreaterThan(0);
    expect(events.some(({ id, event }) => id === next && event.code === 'election-won')).toBe(true);
    cluster.start(leader);
    cluster.clock.advanceBy(2500);
    expect(node(leader)).toMatchObject({ isUp: true });
    const told = events.filter(({ id }) => id === leader).map(({ event }) => event.sequence);
    expect(told).toEqual([...new Set(told)]);
    expect(events.some(({ id, event }) => id === leader && event.code === 'started')).toBe(true);
  });

  test('works where nobody leads and most are gone', () => {
    const { cluster, leader } = start();
    for (const id of cluster.followers()) cluster.kill(id);
    cluster.clock.advanceBy(1000);
    const { node, watch } = look(cluster, [`${leader}:${NODE_PORT}`]);
    cluster.clock.advanceBy(1000);
    expect(node(leader)?.status?.groups[0]?.leaderId).toBeNull();
    expect(watch.nodes.filter(({ isUp }) => isUp)).toHaveLength(1);
    expect(watch.nodes).toHaveLength(3);
  });

  test('a node that lost its disk tells its new events, numbered anew', () => {
    const { cluster } = start();
    const [id] = cluster.followers() as [string];
    const { events } = look(cluster, [`${id}:${NODE_PORT}`]);
    cluster.clock.advanceBy(500);
    const before = events.length;
    cluster.wipe(id);
    cluster.clock.advanceBy(500);
    cluster.start(id);
    cluster.clock.advanceBy(3000);
    const later = events.slice(before).filter((seen) => seen.id === id);
    expect(later.some(({ event }) => event.code === 'started' && event.text.includes('empty log'))).toBe(
      true,
    );
  });

  test('ends when it is closed', () => {
    const { cluster, leader } = start();
    const { watch } = look(cluster, [`${leader}:${NODE_PORT}`]);
    cluster.clock.advanceBy(200);
    expect(cluster.status(leader).counters['watchers']).toBe(1);
    watch.close();
    cluster.clock.advanceBy(100);
    expect(cluster.status(leader).counters['watchers']).toBe(0);
  });
});
