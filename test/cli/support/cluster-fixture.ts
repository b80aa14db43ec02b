import type { NodeId } from '../../../src/base/units.ts';
import type { ClusterStatus, GroupStatus, NodeAnswer, NodeStatus } from '../../../src/client/index.ts';

/** A cluster as it may be described: nodes n1, n2 ... on ports 7101 and on. */
export function clusterOf(nodes: readonly NodeAnswer[], leaderId: string | null = 'n1'): ClusterStatus {
  return { clusterId: 'c'.repeat(32), leaderId, term: 7, nodes };
}

export function nodeOf(
  id: string,
  changes: Partial<NodeStatus> = {},
  group: Partial<GroupStatus> = {},
): NodeAnswer {
  const address = `127.0.0.1:710${id.slice(1)}`;
  const status: NodeStatus = {
    nodeId: id as NodeId,
    incarnation: 1,
    bootId: Number(id.slice(1)),
    clusterId: 'c'.repeat(32),
    version: '0.1.0',
    durability: 'quorum-sync',
    address,
    startedAtMs: 0,
    counters: {},
    unsafe: [],
    pace: { syncMs: null, commitMs: null, loopDelayMs: null },
    disk: { freeBytes: 60, totalBytes: 100 },
    allowsFaults: true,
    faults: [],
    snapshots: [],
    ...changes,
    groups: [
      {
        group: 1,
        role: id === 'n1' ? 'leader' : 'follower',
        term: 7,
        votedFor: 'n1' as NodeId,
        leaderId: 'n1' as NodeId,
        firstIndex: 1,
        lastIndex: 100,
        lastTerm: 7,
        durableIndex: 100,
        commitIndex: 100,
        appliedIndex: 100,
        members: [],
        eligible: true,
        ineligibleWhy: null,
        progress: [],
        lastElection: null,
        ...group,
      },
    ],
  };
  return { nodeId: id, address, status, error: null };
}

export function downNode(id: string): NodeAnswer {
  return { nodeId: id, address: `127.0.0.1:710${id.slice(1)}`, status: null, error: 'connection refused' };
}
