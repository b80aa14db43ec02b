import type { ClusterStatus, NodeEvent, PeekedEntry, WatchedNode } from '../../client/index.ts';
import type { Health } from '../health.ts';

export interface ClusterEvent extends NodeEvent {
  readonly node: string;
}

export interface ConsoleNode extends WatchedNode {
  /** Its id, or its address where nobody says the id. */
  readonly name: string;
  /** Since it last said something; null where it never did. */
  readonly ageMs: number | null;
  /** Started by an `up` of this machine: it can be killed and restarted from here. */
  readonly isManaged: boolean;
}

/** One second of the cluster's work. Null where nobody could tell. */
export interface Sample {
  readonly acknowledgedPerSecond: number | null;
  readonly commitP50Ms: number | null;
  readonly commitP99Ms: number | null;
}

/** The last election that is known: the first question after every failover. */
export interface Election {
  readonly leader: string;
  readonly term: number;
  /** Unix milliseconds. */
  readonly atMs: number;
  /** Why there was one; null where no node that was asked remembers. */
  readonly why: string | null;
  /** "2 of 3 (n1, n3)"; null likewise. */
  readonly votes: string | null;
  /** How long the winner knew no leader; null where it had not known one before. */
  readonly leaderlessMs: number | null;
}

export interface TailEntry extends PeekedEntry {
  readonly isCommitted: boolean;
}

export interface LogTail {
  readonly node: string;
  readonly commitIndex: number;
  readonly lastIndex: number;
  readonly entries: readonly TailEntry[];
}

export interface TopicRow {
  readonly name: string;
  readonly queues: number;
  readonly records: number;
  readonly perSecond: number | null;
}

export interface GroupRow {
  readonly group: string;
  readonly topic: string;
  readonly members: number;
  /** Null where a queue has no position yet. */
  readonly lag: number | null;
  /** Read. */
  readonly perSecond: number | null;
  /** By which the lag grows; below 0 it shrinks. */
  readonly lagPerSecond: number | null;
}

export interface Topics {
  readonly topics: readonly TopicRow[];
  readonly groups: readonly GroupRow[];
  /** Why nothing is known; null where it is. */
  readonly error: string | null;
}

export interface DrillRow {
  readonly name: string;
  readonly hypothesis: string;
}

/** The drill that runs, or ran last. */
export interface DrillView {
  readonly name: string;
  /** What it did so far, the newest last. */
  readonly lines: readonly string[];
  /** Null while it runs. */
  readonly verdict: { readonly text: string; readonly isGood: boolean } | null;
  /** Empty while it runs. */
  readonly expectations: readonly { readonly text: string; readonly isGood: boolean }[];
  /** Where its report is. */
  readonly report: string | null;
}

export interface Drills {
  readonly library: readonly DrillRow[];
  readonly run: DrillView | null;
}

/** Everything that is shown, at one moment. */
export interface ConsoleModel {
  readonly cluster: string;
  readonly environment: string;
  /** By name. */
  readonly nodes: readonly ConsoleNode[];
  readonly leader: ConsoleNode | null;
  /** As `cluster status` would have it: a node that is silent for too long does not answer. */
  readonly status: ClusterStatus;
  readonly health: Health;
  /** Of what is known of the cluster at all: since the freshest node last spoke. Null before the first. */
  readonly ageMs: number | null;
  /** By time, the newest last. */
  readonly events: readonly ClusterEvent[];
  /** A sample a second, the newest last. */
  readonly history: readonly Sample[];
  readonly election: Election | null;
  readonly electionsLastHour: number;
  readonly tail: LogTail | null;
  readonly topics: Topics | null;
  readonly drills: Drills | null;
  readonly isReadOnly: boolean;
  /** Unix milliseconds. */
  readonly nowMs: number;
}

/** Nobody that was silent for so long is believed to lead. */
export const STALE_MS = 1500;

export function groupOf(node: ConsoleNode): NonNullable<WatchedNode['status']>['groups'][number] | null {
  return node.status?.groups[0] ?? null;
}

/** Committed entries that a node has not got yet; null where either is unknown. */
export function lagOf(node: ConsoleNode, leader: ConsoleNode | null): number | null {
  const committed = leader === null ? undefined : groupOf(leader)?.commitIndex;
  const own = groupOf(node)?.commitIndex;
  return committed === undefined || own === undefined || !node.isUp ? null : Math.max(0, committed - own);
}
