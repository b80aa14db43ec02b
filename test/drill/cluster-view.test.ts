import { beforeEach, describe, expect, test } from 'vitest';
import type {
  ClusterWatchHandlers,
  GroupStatus,
  NodeEvent,
  NodeStatus,
  WatchedNode,
} from '../../src/client/index.ts';
import { ClusterView } from '../../src/drill/cluster-view.ts';
import { VirtualClock } from '../../src/sim/virtual-clock.ts';

let clock = new VirtualClock();
let told: ClusterWatchHandlers | null = null;
let view: ClusterView;

beforeEach(() => {
  clock = new VirtualClock();
  view = new ClusterView({
    endpoints: [],
    clock,
    zeroMs: 0,
    watch: (handlers) => {
      told = handlers;
      return { close: () => undefined };
    },
  });
});

/** A node says how it is. */
function says(
  nodeId: string,
  group: Partial<GroupStatus>,
  changes: Partial<WatchedNode> = {},
  bootId = 1,
): void {
  const status = {
    bootId,
    groups: [{ role: 'follower', term: 1, commitIndex: 0, appliedIndex: 0, ...group }],
  } as unknown as NodeStatus;
  const heardAtMs = clock.monotonicMs();
  told?.onNode({ nodeId, address: `${nodeId}:1`, isUp: true, why: null, status, heardAtMs, ...changes });
}

describe('the view of a cluster', () => {
  test('believes a leader that can be reached, in the highest term that anybody knows', () => {
    says('n1', { role: 'leader', term: 3 });
    says('n2', { term: 3 });
    expect([view.leader, view.term]).toEqual(['n1', 3]);
    says('n2', { term: 4 });
    expect(view.leader).toBeNull();
    says('n2', { role: 'leader', term: 4 });
    expect([view.leader, view.oldLeader]).toEqual(['n2', 'n1']);
    says('n2', { role: 'leader', term: 4 }, { isUp: false });
    expect([view.leader, view.oldLeader]).toEqual([null, 'n2']);
    expect(view.leaders.map(({ node, term }) => [node, term])).toEqual([
      ['n1', 3],
      ['n2', 4],
    ]);
  });

  test('holds a node against what the leader had said before it', () => {
    says('n1', { role: 'leader', commitIndex: 100, appliedIndex: 100 });
    clock.advanceBy(10);
    says('n2', { commitIndex: 98, appliedIndex: 97 });
    expect(view.lag).toBe(3);
    clock.advanceBy(10);
    says('n1', { role: 'leader', commitIndex: 200, appliedIndex: 200 });
    expect(view.lag).toBe(3);
    clock.advanceBy(10);
    says('n2', { commitIndex: 200, appliedIndex: 200 });
    expect(view.lag).toBe(0);
    says('n2', { commitIndex: 200, appliedIndex: 200 }, { isUp: false });
    expect(view.lag).toBeNull();
  });

  test('notes each change of role once, and a commit index that goes back in one process', () => {
    says('n1', { role: 'leader', commitIndex: 5 });
    clock.advanceBy(100);
    says('n1', { role: 'leader', commitIndex: 6 });
    says('n1', { commitIndex: 6 }, { isUp: false });
    says('n1', { commitIndex: 2 }, {}, 2);
    expect(view.roles.map(({ atMs, role }) => [atMs, role])).toEqual([
      [0, 'leader'],
      [100, 'down'],
      [100, 'follower'],
    ]);
    expect(view.regressions).toEqual([]);
    says('n1', { commitIndex: 1 }, {}, 2);
    expect(view.regressions).toEqual(['the commit index of n1 went back from 2 to 1']);
  });

  test('knows of leaders from events too, however short their reign, and never before the beginning', () => {
    const event = (at: number, sequence: number): NodeEvent => ({
      sequence,
      at,
      level: 'info',
      code: 'election-won',
      text: 'won',
      fields: { term: 2 },
    });
    says('n1', {});
    clock.advanceBy(50);
    const [node] = view.nodes;
    told?.onEvents(node as WatchedNode, [event(clock.unixMs() - 20, 1)]);
    told?.onEvents(node as WatchedNode, [event(0, 2), event(0, 2)]);
    expect(view.leaders).toEqual([{ node: 'n1', term: 2, atMs: 30 }]);
    expect(view.events.map(({ atMs }) => atMs)).toEqual([30, 0]);
  });

  test('wakes a wait by a change, by the clock, or by a signal', async () => {
    const seen = view.until(() => view.leader === 'n1', 1000);
    says('n1', { role: 'leader' });
    expect(await seen).toBe(true);
    const late = view.until(() => false, 1000);
    clock.advanceBy(1000);
    expect(await late).toBe(false);
    const abort = new AbortController();
    const ended = view.until(() => false, 1000, abort.signal);
    abort.abort();
    expect(await ended).toBe(false);
    expect(clock.pendingCount).toBe(0);
  });

  test('looks on no more once it is closed', () => {
    view.close();
    says('n1', { role: 'leader' });
    expect([view.leader, view.roles]).toEqual([null, []]);
  });
});
