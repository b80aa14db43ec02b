import type { Incarnation, LogIndex } from '../base/units.ts';
import { FIRST_GROUP } from '../base/units.ts';
import type { RaftStatus } from '../raft/index.ts';
import type { NodeStatus } from '../wire/status-schema.ts';
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
  readonly lastElection: LastElection | null;
  readonly tickMs: number;
  readonly counters: Readonly<Record<string, number>>;
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
        firstIndex: core.firstIndex,
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
        })),
        lastElection: parts.lastElection,
      },
    ],
    counters: { ...parts.counters, ...core.counters },
    unsafe: options.durability === 'unsafe-no-sync' ? ['unsafe-no-sync'] : [],
  };
}
