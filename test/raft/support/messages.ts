import type { Entry } from '../../../src/base/entry.ts';
import type {
  AppendEntries,
  AppendEntriesResponse,
  AppendRejection,
  CampaignReason,
  Heartbeat,
  HeartbeatResponse,
  PeerMessage,
  PreVote,
  PreVoteResponse,
  RequestVote,
  RequestVoteResponse,
  TimeoutNow,
  VoteVerdict,
} from '../../../src/base/peer-message.ts';
import {
  logIndex,
  type Incarnation,
  type NodeId,
  term,
  UNKNOWN_INCARNATION,
} from '../../../src/base/units.ts';

// What a peer played by the test says. The letter of each field is the paper's, figure 2.

interface Candidacy {
  readonly term: number;
  /** The candidate's log. */
  readonly log: readonly Entry[];
  readonly reason?: CampaignReason;
  /** Who the candidate knows the voter to be; default unknown. */
  readonly voterIncarnation?: Incarnation;
}

export function preVote(
  from: NodeId,
  to: NodeId,
  { term: asked, log, reason = 'timeout', voterIncarnation = UNKNOWN_INCARNATION }: Candidacy,
): PreVote {
  return { type: 'PreVote', from, to, term: term(asked), ...lastOf(log), reason, voterIncarnation };
}

export function requestVote(
  from: NodeId,
  to: NodeId,
  { term: asked, log, reason = 'timeout', voterIncarnation = UNKNOWN_INCARNATION }: Candidacy,
): RequestVote {
  return { type: 'RequestVote', from, to, term: term(asked), ...lastOf(log), reason, voterIncarnation };
}

export function preVoteResponse(
  from: NodeId,
  to: NodeId,
  about: number,
  verdict: VoteVerdict = 'granted',
): PreVoteResponse {
  return { type: 'PreVoteResponse', from, to, term: term(about), verdict };
}

export function voteResponse(
  from: NodeId,
  to: NodeId,
  inTerm: number,
  verdict: VoteVerdict = 'granted',
): RequestVoteResponse {
  return { type: 'RequestVoteResponse', from, to, term: term(inTerm), verdict };
}

interface Append {
  readonly term: number;
  /** The leader's log. */
  readonly log: readonly Entry[];
  /** prevLogIndex. */
  readonly after: number;
  /** How many entries; default all that follow. */
  readonly count?: number;
  readonly commit?: number;
}

export function appendEntries(from: NodeId, to: NodeId, append: Append): AppendEntries {
  const { log, after, count = log.length - after, commit = 0 } = append;
  const previous = log[after - 1];
  return {
    type: 'AppendEntries',
    from,
    to,
    term: term(append.term),
    prevIndex: logIndex(after),
    prevTerm: previous?.term ?? term(0),
    prevChecksum: previous?.checksum ?? 0,
    commitIndex: logIndex(commit),
    entries: log.slice(after, after + count),
  };
}

export function appendResponse(
  from: NodeId,
  to: NodeId,
  inTerm: number,
  matchIndex: number,
  rejection: AppendRejection | null = null,
): AppendEntriesResponse {
  return {
    type: 'AppendEntriesResponse',
    from,
    to,
    term: term(inTerm),
    matchIndex: logIndex(matchIndex),
    rejection,
  };
}

export function rejection(
  prevIndex: number,
  conflictTerm: number,
  conflictIndex: number,
  lastIndex: number,
): AppendRejection {
  return {
    prevIndex: logIndex(prevIndex),
    conflictTerm: term(conflictTerm),
    conflictIndex: logIndex(conflictIndex),
    lastIndex: logIndex(lastIndex),
  };
}

export function heartbeat(from: NodeId, to: NodeId, inTerm: number, commit = 0, round = 1): Heartbeat {
  return { type: 'Heartbeat', from, to, term: term(inTerm), commitIndex: logIndex(commit), round };
}

export function heartbeatResponse(
  from: NodeId,
  to: NodeId,
  inTerm: number,
  round: number,
  matchIndex = 0,
  syncMs = 0,
): HeartbeatResponse {
  return {
    type: 'HeartbeatResponse',
    from,
    to,
    term: term(inTerm),
    round,
    matchIndex: logIndex(matchIndex),
    syncMs,
    surplusBytes: 0,
  };
}

export function timeoutNow(from: NodeId, to: NodeId, inTerm: number): TimeoutNow {
  return { type: 'TimeoutNow', from, to, term: term(inTerm) };
}

/** The messages of one type, in order. */
export function ofType<Type extends PeerMessage['type']>(
  type: Type,
  messages: readonly PeerMessage[],
): Extract<PeerMessage, { type: Type }>[] {
  return messages.filter((message): message is Extract<PeerMessage, { type: Type }> => message.type === type);
}

/** The only message of this type. */
export function oneOf<Type extends PeerMessage['type']>(
  type: Type,
  messages: readonly PeerMessage[],
): Extract<PeerMessage, { type: Type }> {
  const [first, ...more] = ofType(type, messages);
  if (first === undefined || more.length > 0) {
    throw new Error(`expected one ${type}, found ${JSON.stringify(messages.map((message) => message.type))}`);
  }
  return first;
}

function lastOf(log: readonly Entry[]): Pick<PreVote, 'lastIndex' | 'lastTerm'> {
  const last = log.at(-1);
  return { lastIndex: logIndex(last?.index ?? 0), lastTerm: last?.term ?? term(0) };
}
