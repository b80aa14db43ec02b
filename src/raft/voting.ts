import { mark } from '../base/marks.ts';
import type { PreVote, RequestVote, VoteVerdict } from '../base/peer-message.ts';
import type { LogIndex, Term } from '../base/units.ts';
import { showLogEnd, type CoreState } from './core-state.ts';

export interface Judgement {
  readonly verdict: VoteVerdict;
  /** For people: names the numbers that decided. */
  readonly why: string;
}

/**
 * Whether this node would vote for the sender; changes nothing. Judged as if a higher term of the message had already
 * been adopted: then no vote is cast in it yet.
 */
export function judgeVote(state: CoreState, message: PreVote | RequestVote): Judgement {
  const { term, from, lastIndex, lastTerm } = message;
  const { membership } = state;
  if (term < state.term)
    return { verdict: 'stale-term', why: `term ${term} is over, this is term ${state.term}` };
  const alive = leaderAlive(state, message);
  if (alive !== null) return { verdict: 'leader-alive', why: alive };
  if (term === state.term && state.leader !== null && state.leader !== from) {
    return { verdict: 'stale-term', why: `term ${term} has its leader, ${state.leader}` };
  }
  const { ineligibleWhy } = membership;
  if (ineligibleWhy !== null && !isNamedSince(state, message))
    return { verdict: 'not-eligible', why: ineligibleWhy };
  if (state.mustNotFound && lastIndex === 0) {
    // Whoever is elected must hold what founded the cluster.
    return { verdict: 'log-behind', why: `the log of ${from} is empty, and this cluster is founded` };
  }
  if (mayHaveLostALog(state, message)) {
    return {
      verdict: 'not-eligible',
      why: `its log is empty, that of ${from} ends at ${showLogEnd(lastTerm, lastIndex)}`,
    };
  }
  if (term === state.term && state.votedFor !== null && state.votedFor !== from) {
    return { verdict: 'voted-for-other', why: `its vote in term ${term} went to ${state.votedFor}` };
  }
  const theirs = showLogEnd(lastTerm, lastIndex);
  const end = state.promisedEnd;
  const mine = showLogEnd(end.lastTerm, end.lastIndex);
  if (!isUpToDate(message, end) && !ignoresLogs(state, message))
    return { verdict: 'log-behind', why: `its log is behind: ${theirs} < ${mine}` };
  return { verdict: 'granted', why: `its log is up to date: ${theirs} >= ${mine}` };
}

/** Section 5.4.1: the log with the later last term is more up to date; with equal terms, the longer one. */
function isUpToDate(
  { lastIndex, lastTerm }: PreVote | RequestVote,
  mine: { readonly lastIndex: LogIndex; readonly lastTerm: Term },
): boolean {
  if (lastTerm !== mine.lastTerm) return lastTerm > mine.lastTerm;
  return lastIndex >= mine.lastIndex;
}

/**
 * A node without a log may have belonged to a cluster and lost its disk, with entries that it had acknowledged. Two things
 * show that nothing is lost: that the candidate has no log either, and that a committed configuration names this very
 * incarnation. All that an earlier one had acknowledged was then acknowledged before the majority stored that
 * configuration, without this node; so who has the votes of a majority with this one has been compared with one of them.
 */
function mayHaveLostALog(state: CoreState, { lastIndex, voterIncarnation }: PreVote | RequestVote): boolean {
  const { membership, log, lacksItsCluster, options } = state;
  const isBlank = !membership.founded && log.lastIndex === 0 && !lacksItsCluster;
  if (!isBlank || lastIndex === 0 || options.mutations.countsWipedMembers) return false;
  if (voterIncarnation !== options.incarnation) return true;
  mark('raft.blank-voter-known');
  return false;
}

/**
 * A node that its cluster was founded without may count already and not know it: the configuration that names it was
 * committed by the others. If one of them is lost then, the cluster needs its vote to go on. The candidate's word for it
 * is enough, for the same reason as above.
 */
function isNamedSince(
  { membership, options }: CoreState,
  { voterIncarnation }: PreVote | RequestVote,
): boolean {
  if (!membership.isUnseen || voterIncarnation !== options.incarnation) return false;
  mark('raft.unseen-voter-named');
  return true;
}

function ignoresLogs({ options }: CoreState, { type, reason }: PreVote | RequestVote): boolean {
  if (options.mutations.votesWithoutComparingLogs) return true;
  return options.mutations.handsOverUnchecked && type === 'RequestVote' && reason === 'transfer';
}

/**
 * Stickiness (dissertation 4.2.3): with a live leader nobody needs another. Not even the candidate's term is adopted,
 * else a node that was cut off for a while would depose a leader by merely asking. Two may pass: who was asked by the
 * leader to take over, and the leader itself, which would not ask if it still led.
 */
function leaderAlive(state: CoreState, message: PreVote | RequestVote): string | null {
  const { leader, lease, options } = state;
  if (options.mutations.votesAgainstLivingLeaders) return null;
  if (message.type === 'RequestVote' && message.reason === 'transfer') return null;
  if (leader === null || leader === message.from) return null;
  if (leader === state.id) return `it leads term ${state.term} itself`;
  return lease.holds ? `${leader} was heard ${lease.silentTicks} ticks ago` : null;
}
