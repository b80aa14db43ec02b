import type { Entry } from './entry.ts';
import type { Incarnation, LogIndex, NodeId, Term } from './units.ts';

/**
 * What nodes say to each other: data only. The raft floor makes and takes these, the wire floor gives them bytes.
 * Names and fields are the Raft paper's where it has them ("In Search of an Understandable Consensus Algorithm",
 * figure 2; the dissertation for PreVote, TimeoutNow and ReadIndex).
 */
export type PeerMessage =
  | PreVote
  | PreVoteResponse
  | RequestVote
  | RequestVoteResponse
  | AppendEntries
  | AppendEntriesResponse
  | Heartbeat
  | HeartbeatResponse
  | InstallSnapshot
  | InstallSnapshotResponse
  | TimeoutNow;

interface Envelope {
  readonly from: NodeId;
  readonly to: NodeId;
}

/** Why somebody stands for election; shown to people, and a transfer passes leader stickiness. */
export type CampaignReason =
  /** No word from a leader for an election timeout. */
  | 'timeout'
  /** The leader's process is gone: its connection was closed and a new one refused. */
  | 'leader-gone'
  /** The leader asked for it (TimeoutNow). */
  | 'transfer';

interface Candidacy extends Envelope {
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  readonly reason: CampaignReason;
  /**
   * Who the receiver is by the configuration that the sender knows to be committed; `UNKNOWN_INCARNATION` where it knows
   * none. By it a voter without a log learns that it has not lost one.
   */
  readonly voterIncarnation: Incarnation;
}

/** Asks whether a real candidacy could win; changes nothing at the receiver (dissertation 9.6). */
export interface PreVote extends Candidacy {
  readonly type: 'PreVote';
  /** The term the sender would campaign in: its own plus one. */
  readonly term: Term;
}

export interface RequestVote extends Candidacy {
  readonly type: 'RequestVote';
  readonly term: Term;
}

/** Why a vote or pre-vote was granted or refused. Anything but `granted` is a refusal. */
export type VoteVerdict =
  | 'granted'
  /** The voter heard from a live leader less than an election timeout ago (stickiness, dissertation 4.2.3). */
  | 'leader-alive'
  /** The voter gave this term's vote to somebody else. */
  | 'voted-for-other'
  /** The candidate's log is behind the voter's (section 5.4.1). */
  | 'log-behind'
  /** The candidate's term is old. */
  | 'stale-term'
  /** The voter may not vote: its disk was wiped or its vote is not to be trusted. */
  | 'not-eligible';

export interface PreVoteResponse extends Envelope {
  readonly type: 'PreVoteResponse';
  /** The term that was asked about if granted, the voter's own term if refused. */
  readonly term: Term;
  readonly verdict: VoteVerdict;
}

export interface RequestVoteResponse extends Envelope {
  readonly type: 'RequestVoteResponse';
  readonly term: Term;
  readonly verdict: VoteVerdict;
}

export interface AppendEntries extends Envelope {
  readonly type: 'AppendEntries';
  readonly term: Term;
  readonly prevIndex: LogIndex;
  readonly prevTerm: Term;
  /** Header checksum of the entry at prevIndex (0 for index 0): lets the receiver verify the chain. */
  readonly prevChecksum: number;
  readonly commitIndex: LogIndex;
  readonly entries: readonly Entry[];
}

export interface AppendEntriesResponse extends Envelope {
  readonly type: 'AppendEntriesResponse';
  readonly term: Term;
  /**
   * Accepted: everything up to here is durable at the sender and equals this leader's log of this term. Cumulative.
   * Unchanged (not zero) in a rejection.
   */
  readonly matchIndex: LogIndex;
  /** Set when prevIndex/prevTerm did not match: where to go on, in one round trip per conflicting term. */
  readonly rejection: AppendRejection | null;
}

export interface AppendRejection {
  /** The prevIndex that was refused: tells a late rejection from a fresh one. */
  readonly prevIndex: LogIndex;
  /** Term of the sender's entry at prevIndex, or 0 if its log is too short. */
  readonly conflictTerm: Term;
  /** First index of conflictTerm in the sender's log; if the log is too short, its last index + 1. */
  readonly conflictIndex: LogIndex;
  readonly lastIndex: LogIndex;
}

/** Travels on the control lane, so that it never waits behind a megabyte of log. */
export interface Heartbeat extends Envelope {
  readonly type: 'Heartbeat';
  readonly term: Term;
  /** min(the leader's commit index, what is known to match at the receiver). */
  readonly commitIndex: LogIndex;
  /** Echoed; a later round has a larger number. Proves leadership for ReadIndex. */
  readonly round: number;
}

export interface HeartbeatResponse extends Envelope {
  readonly type: 'HeartbeatResponse';
  readonly term: Term;
  readonly round: number;
  /** As in AppendEntriesResponse, so that a lost acknowledgement heals within a heartbeat. */
  readonly matchIndex: LogIndex;
  /** How long syncs take at the sender lately, in whole milliseconds; 0 where they take none to speak of. */
  readonly syncMs: number;
  /** So much more than it should hold is on the sender's disk: it asks for a log that begins later. */
  readonly surplusBytes: number;
}

/** A disk without room is the slowest of all: what it should write takes for ever. */
export const NO_ROOM_SYNC_MS = 0xffff_ffff;

/**
 * Which snapshot: the state machine as it is after the entry at `lastIncludedIndex` (figure 13's lastIncludedIndex and
 * lastIncludedTerm), in so many bytes. Equal in all of this, two snapshots are the same bytes, whoever sends them.
 */
export interface SnapshotId {
  readonly lastIncludedIndex: LogIndex;
  readonly lastIncludedTerm: Term;
  /** Header checksum of that entry: what the log goes on from. */
  readonly lastIncludedChecksum: number;
  readonly bytes: number;
  /** Of what the snapshot holds. */
  readonly checksum: number;
}

/** A piece of a snapshot for a follower that needs entries which the leader does not keep any more (section 7). */
export interface InstallSnapshot extends Envelope {
  readonly type: 'InstallSnapshot';
  readonly term: Term;
  readonly snapshot: SnapshotId;
  /** Where in the snapshot `data` belongs. */
  readonly offset: number;
  /** May be empty: then it only asks how far the receiver is. */
  readonly data: Uint8Array;
}

export interface InstallSnapshotResponse extends Envelope {
  readonly type: 'InstallSnapshotResponse';
  readonly term: Term;
  readonly snapshot: SnapshotId;
  /** From here on the sender of this lacks the snapshot. */
  readonly offset: number;
  /** The sender of this needs no more of it: its log and state begin with this snapshot, or know better already. */
  readonly installed: boolean;
}

/** Tells the target of a leadership transfer to campaign at once (dissertation 3.10). */
export interface TimeoutNow extends Envelope {
  readonly type: 'TimeoutNow';
  readonly term: Term;
}
