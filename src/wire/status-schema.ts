import { z } from 'zod';
import { UINT53_MAX } from '../base/uint53.ts';
import { isNodeId, type NodeId } from '../base/units.ts';
import { FAULT_STATE, type FaultState } from './fault-schema.ts';
import { LIMITS } from './limits.ts';

/** What a node says of itself. Unknown is null, never 0. */
export interface NodeStatus {
  readonly nodeId: NodeId;
  readonly incarnation: number;
  /** Another one after each start of the process. */
  readonly bootId: number;
  /** Null before the cluster is founded or met. */
  readonly clusterId: string | null;
  /** Of the software. */
  readonly version: string;
  readonly durability: 'quorum-sync' | 'unsafe-no-sync';
  /** Where clients reach it, host:port. */
  readonly address: string;
  /** Unix milliseconds. */
  readonly startedAtMs: number;
  readonly groups: readonly GroupStatus[];
  readonly counters: Readonly<Record<string, number>>;
  /** Switches that are on and give up a promise; empty on a healthy node. */
  readonly unsafe: readonly string[];
  readonly pace: PaceStatus;
  /** Of the file system of its data. Null where it cannot be told. */
  readonly disk: { readonly freeBytes: number; readonly totalBytes: number } | null;
  /** Whether faults may be asked for here. */
  readonly allowsFaults: boolean;
  readonly faults: readonly FaultState[];
  /** On their way from this node, and to it. */
  readonly snapshots: readonly SnapshotStatus[];
}

/** A snapshot on its way to a node that needs more than the others' logs keep. */
export interface SnapshotStatus {
  readonly direction: 'in' | 'out';
  /** Where it comes from or goes to. */
  readonly peer: NodeId;
  /** The last entry that it speaks of. */
  readonly index: number;
  readonly bytes: number;
  /** Of these, how many have arrived. */
  readonly doneBytes: number;
}

/** How fast it works, over about the last ten seconds, in milliseconds. Null where nothing was measured. */
export interface PaceStatus {
  readonly syncMs: LatencyStatus | null;
  /** From the proposal of an entry to its commit: at the leader. */
  readonly commitMs: LatencyStatus | null;
  /** How late the loop was at worst. */
  readonly loopDelayMs: number | null;
}

export interface LatencyStatus {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** One Raft group as this node sees it. */
export interface GroupStatus {
  readonly group: number;
  readonly role: 'leader' | 'follower' | 'candidate' | 'preCandidate' | 'learner';
  readonly term: number;
  readonly votedFor: NodeId | null;
  readonly leaderId: NodeId | null;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly lastTerm: number;
  readonly durableIndex: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly members: readonly MemberStatus[];
  /** Whether this node may vote and lead. */
  readonly eligible: boolean;
  readonly ineligibleWhy: string | null;
  /** At the leader; empty elsewhere. */
  readonly progress: readonly FollowerStatus[];
  readonly lastElection: LastElectionStatus | null;
}

export interface MemberStatus {
  readonly id: NodeId;
  /** Where clients reach it, host:port. */
  readonly address: string;
  readonly role: 'voter' | 'learner';
  /** Null until it was first seen. */
  readonly incarnation: number | null;
}

/** What a leader knows of a follower. */
export interface FollowerStatus {
  readonly id: NodeId;
  readonly state: 'probe' | 'replicate' | 'snapshot';
  readonly matchIndex: number;
  readonly nextIndex: number;
  readonly inflightMessages: number;
  readonly inflightBytes: number;
  readonly recentlyActive: boolean;
  /** Whether its acknowledgements count for commits. */
  readonly counts: boolean;
  /** Milliseconds since its last word; null if there was none in this term. */
  readonly lastHeardMs: number | null;
  /** Of the last ping of its connection; null before the first. */
  readonly roundTripMs: number | null;
}

export interface LastElectionStatus {
  readonly term: number;
  readonly leaderId: NodeId;
  readonly why: string;
  /** Unix milliseconds. */
  readonly atMs: number;
  /** How long this node knew no leader; null if it had not known one before. */
  readonly durationMs: number | null;
}

const uint53 = z.number().int().min(0).max(UINT53_MAX);
const milliseconds = z.number().min(0);
const text = z.string().max(LIMITS.msgpackStringBytesMax);
const address = z.string().max(LIMITS.addressBytesMax);
const nodeId = z.custom<NodeId>((value) => typeof value === 'string' && isNodeId(value), 'is no node id');

const member: z.ZodType<MemberStatus> = z.object({
  id: nodeId,
  address,
  role: z.enum(['voter', 'learner']),
  incarnation: uint53.nullable(),
});

const follower: z.ZodType<FollowerStatus> = z.object({
  id: nodeId,
  state: z.enum(['probe', 'replicate', 'snapshot']),
  matchIndex: uint53,
  nextIndex: uint53,
  inflightMessages: uint53,
  inflightBytes: uint53,
  recentlyActive: z.boolean(),
  counts: z.boolean(),
  lastHeardMs: milliseconds.nullable(),
  roundTripMs: milliseconds.nullable().default(null),
});

const lastElection: z.ZodType<LastElectionStatus> = z.object({
  term: uint53,
  leaderId: nodeId,
  why: text,
  atMs: uint53,
  durationMs: milliseconds.nullable(),
});

const group: z.ZodType<GroupStatus> = z.object({
  group: uint53,
  role: z.enum(['leader', 'follower', 'candidate', 'preCandidate', 'learner']),
  term: uint53,
  votedFor: nodeId.nullable(),
  leaderId: nodeId.nullable(),
  firstIndex: uint53,
  lastIndex: uint53,
  lastTerm: uint53,
  durableIndex: uint53,
  commitIndex: uint53,
  appliedIndex: uint53,
  members: z.array(member),
  eligible: z.boolean(),
  ineligibleWhy: text.nullable(),
  progress: z.array(follower),
  lastElection: lastElection.nullable(),
});

const latency: z.ZodType<LatencyStatus> = z.object({
  p50: milliseconds,
  p99: milliseconds,
  max: milliseconds,
});

const snapshot: z.ZodType<SnapshotStatus> = z.object({
  direction: z.enum(['in', 'out']),
  peer: nodeId,
  index: uint53,
  bytes: uint53,
  doneBytes: uint53,
});

const pace: z.ZodType<PaceStatus> = z.object({
  syncMs: latency.nullable(),
  commitMs: latency.nullable(),
  loopDelayMs: milliseconds.nullable(),
});

/** What a node that is older than the field does not say. */
const NO_PACE: PaceStatus = { syncMs: null, commitMs: null, loopDelayMs: null };

/** Checks a status that came from outside. Fields that this version does not know are left out. */
export const NODE_STATUS: z.ZodType<NodeStatus> = z.object({
  nodeId,
  incarnation: uint53,
  bootId: uint53,
  clusterId: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .nullable(),
  version: text,
  durability: z.enum(['quorum-sync', 'unsafe-no-sync']),
  address,
  startedAtMs: uint53,
  groups: z.array(group),
  counters: z.record(z.string().regex(/^[A-Za-z][A-Za-z0-9.]{0,63}$/), z.number()),
  unsafe: z.array(text),
  pace: pace.default(NO_PACE),
  disk: z.object({ freeBytes: uint53, totalBytes: uint53 }).nullable().default(null),
  allowsFaults: z.boolean().default(false),
  faults: z.array(FAULT_STATE).default([]),
  snapshots: z.array(snapshot).default([]),
});
