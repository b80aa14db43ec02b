import type {
  CampaignReason,
  InstallSnapshot,
  InstallSnapshotResponse,
  PeerMessage,
  VoteVerdict,
} from '../base/peer-message.ts';
import type { Configuration } from '../base/configuration.ts';
import type { Entry } from '../base/entry.ts';
import type { LogIndex, NodeId, Term } from '../base/units.ts';

/** What must survive a crash besides the log: figure 2's currentTerm and votedFor. */
export interface HardState {
  readonly term: Term;
  readonly votedFor: NodeId | null;
}

/** A stretch of the log written in one term: entries from `firstIndex` up to the next run's. */
export interface TermRun {
  readonly firstIndex: LogIndex;
  readonly term: Term;
}

export type Role = 'leader' | 'follower' | 'candidate' | 'preCandidate' | 'learner';

/**
 * What the core wants done, taken with `ready()` after any inputs, numbered from 1.
 *
 * THE ORDERING CONTRACT, all of it:
 *
 * 1. `messages` may leave at once, in any order with the disk work of this or any earlier Ready. That includes the
 *    leader's AppendEntries for entries it has not synced itself (dissertation 10.2.1), RequestVote of a candidate
 *    that has not synced its own vote (it does not take office before it has), and refusals.
 * 2. Whatever may leave only after something is durable (a granted vote; every acknowledgement of an append; the
 *    leader counting itself; a candidate counting its own vote) the core holds back, and puts into the `messages` of
 *    a later Ready once `persisted()` has reported the Ready that carried it.
 * 3. `hardState`, `truncateFrom` and `entries` are made durable in the order: hard state, truncation, entries. Readys
 *    are made durable in the order of their numbers; several may be merged into one write.
 * 4. `persisted(number)` means: everything in this Ready and in all before it is durable. It is reported in order,
 *    never for a failed sync. The core maps it to indexes itself and disregards what was truncated since, so a late
 *    completion for an overwritten entry counts for nothing (etcd-io/raft calls the danger ABA).
 * 5. `commitIndex` never goes back. Entries up to it may be applied at once, whether or not they are durable here:
 *    a majority has them.
 */
export interface Ready {
  readonly number: number;
  /** Null when unchanged since the Ready before. */
  readonly hardState: HardState | null;
  /** Drop all entries from here on before appending `entries`. Never at or below the commit index. */
  readonly truncateFrom: LogIndex | null;
  /** Header checksum of the entry before `truncateFrom`; means nothing where that is null. */
  readonly truncateChecksum: number;
  /** Consecutive. */
  readonly entries: readonly Entry[];
  readonly messages: readonly PeerMessage[];
  readonly commitIndex: LogIndex;
  /** Linearizable reads that may be served once everything up to `index` is applied. */
  readonly reads: readonly ReadGrant[];
  /** Reads refused because leadership was lost: the caller tries elsewhere. */
  readonly readsRefused: readonly number[];
  /** Entries that left the cache and that a lagging follower needs: answer with `logRead()`. */
  readonly logReads: readonly LogRead[];
  /** Followers that need what this log does not keep any more: send them a snapshot by `sendSnapshot()`. */
  readonly snapshotsWanted: readonly SnapshotWanted[];
  /** What followers say of the snapshots that they are sent. */
  readonly snapshotAnswers: readonly InstallSnapshotResponse[];
  /** Pieces of a snapshot of this term's leader, to be stored and answered by `snapshotStored()`. */
  readonly snapshotPieces: readonly InstallSnapshot[];
  /** Bulk lanes that move no acknowledgement although appends are outstanding: close them so that they are dialled anew. */
  readonly resetBulkLanes: readonly NodeId[];
  /** What happened and why, for people: status, events, logs. */
  readonly events: readonly RaftEvent[];
  /** False if this Ready asks for nothing to be made durable: then `persisted(number)` need not be called. */
  readonly mustPersist: boolean;
}

export interface ReadGrant {
  readonly token: number;
  readonly index: LogIndex;
}

export interface LogRead {
  readonly to: NodeId;
  readonly term: Term;
  readonly firstIndex: LogIndex;
  readonly entriesMax: number;
  readonly bytesMax: number;
}

export interface SnapshotWanted {
  readonly to: NodeId;
  readonly term: Term;
}

/** Why the core did something. Each has the term at that moment. */
export type RaftEvent =
  | {
      readonly type: 'role-changed';
      readonly term: Term;
      readonly from: Role;
      readonly to: Role;
      readonly why: string;
    }
  | {
      readonly type: 'leader-changed';
      readonly term: Term;
      readonly leader: NodeId | null;
      readonly why: string;
    }
  | { readonly type: 'term-changed'; readonly from: Term; readonly term: Term; readonly why: string }
  | {
      readonly type: 'campaign-started';
      readonly term: Term;
      /** A pre-vote asks about `term` without entering it. */
      readonly kind: 'pre-vote' | 'vote';
      readonly reason: CampaignReason;
      /** For `timeout`: milliseconds cannot be known here, so ticks since the leader was last heard. */
      readonly silentTicks: number;
    }
  | {
      readonly type: 'vote-cast';
      readonly term: Term;
      readonly kind: 'pre-vote' | 'vote';
      readonly candidate: NodeId;
      readonly verdict: VoteVerdict;
      readonly why: string;
    }
  | {
      readonly type: 'vote-received';
      readonly term: Term;
      readonly kind: 'pre-vote' | 'vote';
      readonly from: NodeId;
      readonly verdict: VoteVerdict;
    }
  | {
      readonly type: 'election-won';
      readonly term: Term;
      readonly votes: readonly NodeId[];
      readonly voters: number;
    }
  | { readonly type: 'transfer-started'; readonly term: Term; readonly target: NodeId }
  | {
      readonly type: 'transfer-ended';
      readonly term: Term;
      readonly target: NodeId;
      readonly outcome: 'done' | 'timeout' | 'aborted';
    }
  | {
      readonly type: 'log-truncated';
      readonly term: Term;
      readonly from: LogIndex;
      readonly lastIndexBefore: LogIndex;
    }
  | {
      readonly type: 'configuration-committed';
      readonly term: Term;
      readonly index: LogIndex;
      readonly configuration: Configuration;
    }
  | {
      readonly type: 'follower-state';
      readonly term: Term;
      readonly follower: NodeId;
      readonly state: ProgressState;
      readonly why: string;
    };

export type ProgressState = 'probe' | 'replicate' | 'snapshot';

/** What `propose` says. Refusals leave the log as it was. */
export type ProposeResult =
  | { readonly ok: true; readonly firstIndex: LogIndex; readonly term: Term }
  | {
      readonly ok: false;
      readonly refusal: 'not-leader' | 'transferring' | 'uncommitted-limit' | 'term-not-started';
    };

export type TransferResult =
  | { readonly ok: true; readonly target: NodeId }
  | {
      readonly ok: false;
      readonly refusal:
        | 'not-leader'
        | 'unknown-target'
        | 'target-is-leader'
        | 'target-lagging'
        | 'target-unreachable'
        | 'target-slow'
        | 'in-progress';
    };

export interface ProgressStatus {
  readonly id: NodeId;
  readonly state: ProgressState;
  readonly matchIndex: LogIndex;
  readonly nextIndex: LogIndex;
  readonly inflightMessages: number;
  readonly inflightBytes: number;
  readonly recentlyActive: boolean;
  /** False while this member's incarnation is not the one that the committed configuration names. */
  readonly counts: boolean;
  readonly ticksSinceHeard: number;
}

export interface RaftStatus {
  readonly id: NodeId;
  readonly role: Role;
  readonly term: Term;
  readonly votedFor: NodeId | null;
  readonly leader: NodeId | null;
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  readonly durableIndex: LogIndex;
  readonly commitIndex: LogIndex;
  readonly configuration: Configuration | null;
  /** Whether this node may vote and campaign, and if not, why not. */
  readonly eligible: boolean;
  readonly ineligibleWhy: string | null;
  readonly transferTarget: NodeId | null;
  /** At the leader; empty elsewhere. */
  readonly progress: readonly ProgressStatus[];
  readonly counters: {
    readonly electionsStarted: number;
    readonly preVotesStarted: number;
    readonly stepDowns: number;
    readonly votesGranted: number;
    readonly votesRefused: number;
  };
}
