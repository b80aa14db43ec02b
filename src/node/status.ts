import { FIRST_GROUP, type Incarnation, type LogIndex, type NodeId } from '../base/units.ts';
import type { RaftStatus } from '../raft/index.ts';
import { mutationNames } from '../base/mutations.ts';
import type { LatencySummary } from '../base/latency-histogram.ts';
import type { FaultState } from '../wire/fault-schema.ts';
import type { LatencyStatus, NodeStatus, SnapshotStatus } from '../wire/status-schema.ts';
import type { Space } from './disk-space.ts';
import type { LastElection } from './election-record.ts';
import { asNodeId, type NodeOptions } from './options.ts';

export interface StatusParts {
  readonly options: NodeOptions;
  readonly core: RaftStatus;
  readonly clusterId: string | null;
  readonly incarnation: Incarnation;
  readonly bootId: number;
  readonly startedAtMs: number;
  readonly address: string;
  readonly appliedIndex: LogIndex;
  /** By what retention decided; segments that lie before may still be there. */
  readonly logStart: LogIndex;
  readonly lastElection: LastElection | null;
  readonly tickMs: number;
  readonly counters: Readonly<Record<string, number>>;
  readonly syncTimes: LatencySummary;
  readonly commitTimes: LatencySummary;
  readonly loopDelayMs: number | null;
  readonly space: Space | null;
  readonly faults: readonly FaultState[];
  readonly snapshots: readonly SnapshotStatus[];
  readonly roundTripMs: (peer: NodeId) => number | null;
}

/** What this node says of itself. Unknown is null, never 0. */
export function buildStatus(parts: StatusParts): NodeStatus {
  const { core, options } = parts;
  const members =
    core.configuration?.members.map((member) => ({
      id: member.id,
      address: member.clientAddress,
      role: member.role,
      incarnation: member.incarnation === 0 ? null : member.incarnation,
    })) ??
    options.peers.map((peer) => ({
      id: asNodeId(peer.id),
      address: peer.address,
      role: 'voter' as const,
      incarnation: null,
    }));
  return {
    nodeId: core.id,
    incarnation: parts.incarnation,
    bootId: parts.bootId,
    clusterId: parts.clusterId,
    version: options.softwareVersion,
    durability: options.durability,
    address: parts.address,
    startedAtMs: parts.startedAtMs,
    groups: [
      {
        group: FIRST_GROUP,
        role: core.role,
        term: core.term,
        votedFor: core.votedFor,
        leaderId: core.leader,
        firstIndex: Math.max(core.firstIndex, parts.logStart),
        lastIndex: core.lastIndex,
        lastTerm: core.lastTerm,
        durableIndex: core.durableIndex,
        commitIndex: core.commitIndex,
        appliedIndex: parts.appliedIndex,
        members,
        eligible: core.eligible,
        ineligibleWhy: core.ineligibleWhy,
        progress: core.progress.map((follower) => ({
          id: follower.id,
          state: follower.state,
          matchIndex: follower.matchIndex,
          nextIndex: follower.nextIndex,
          inflightMessages: follower.inflightMessages,
          inflightBytes: follower.inflightBytes,
          recentlyActive: follower.recentlyActive,
          counts: follower.counts,
          lastHeardMs: follower.ticksSinceHeard * parts.tickMs,
          roundTripMs: parts.roundTripMs(follower.id),
        })),
        lastElection: parts.lastElection,
      },
    ],
    counters: { ...parts.counters, ...core.counters },
    unsafe: [
      ...(options.durability === 'unsafe-no-sync' ? ['unsafe-no-sync'] : []),
      ...mutationNames(options.mutations),
    ],
    pace: {
      syncMs: latency(parts.syncTimes),
      commitMs: latency(parts.commitTimes),
      loopDelayMs: parts.loopDelayMs,
    },
    disk: parts.space,
    allowsFaults: options.allowFaults,
    faults: parts.faults,
    snapshots: parts.snapshots,
  };
}

function latency({ p50, p99, max }: LatencySummary): LatencyStatus | null {
  return p50 === null || p99 === null || max === null ? null : { p50, p99, max };
}
