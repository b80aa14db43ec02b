import { mark } from '../base/marks.ts';
import type {
  CampaignReason,
  PreVote,
  PreVoteResponse,
  RequestVote,
  RequestVoteResponse,
  VoteVerdict,
} from '../base/peer-message.ts';
import type { NodeId, Term } from '../base/units.ts';
import type { CoreState } from './core-state.ts';
import { EarlyCampaign } from './early-campaign.ts';
import { judgeVote, type Judgement } from './voting.ts';

/** Preferred voters go first: the others wait this much longer for each of them, up to a fraction of the timeout. */
const HANDICAP_TICKS = 2;

/** Standing for election and voting (sections 5.2 and 5.4.1, dissertation 4.2.3 and 9.6). */
export class Election {
  readonly #state: CoreState;
  readonly #early: EarlyCampaign;
  #reason: CampaignReason = 'timeout';
  /** What voters said in the campaign that runs. */
  readonly #verdicts = new Map<NodeId, VoteVerdict>();
  #votesRequested = false;

  constructor(state: CoreState) {
    this.#state = state;
    this.#early = new EarlyCampaign(state);
  }

  /** For all but a leader. */
  tick(): void {
    const state = this.#state;
    state.lease.tick();
    if (this.#early.tick()) {
      this.#preCampaign('leader-gone');
      return;
    }
    const { preferredVoters } = state.membership;
    const { electionTimeoutTicksMin } = state.options;
    const handicap = Math.min(preferredVoters * HANDICAP_TICKS, electionTimeoutTicksMin);
    if (!state.timer.tick(handicap + (state.hasSlowDisk ? electionTimeoutTicksMin : 0))) return;
    if (state.ineligibleWhy === null) {
      this.#preCampaign('timeout');
      return;
    }
    state.timer.restart();
    state.loseLeader(`not heard for ${state.lease.silentTicks} ticks`);
  }

  /** The leader asked this node to take over: the others are content with it, so no pre-vote (dissertation 3.10). */
  onTimeoutNow(): void {
    if (this.#state.ineligibleWhy !== null) return;
    mark('raft.timeout-now-obeyed');
    this.#campaign('transfer');
  }

  leaderGone(leader: NodeId): void {
    const reconsider = this.#early.begin(leader);
    if (reconsider !== null) {
      mark('raft.early-pre-vote-reconsidered');
      this.onPreVote(reconsider);
    }
    if (this.#early.takeTurn()) this.#preCampaign('leader-gone');
  }

  /** Somebody has a cluster: who has nothing stands for nothing. */
  clusterHeard(): void {
    const state = this.#state;
    if (!state.mustNotFound || (state.role !== 'preCandidate' && state.role !== 'candidate')) return;
    mark('raft.founding-given-up');
    this.#early.stop();
    state.follow(state.term, null, 'the others have a cluster already');
  }

  /** This process stood still: whatever it believes about silence is about its own. */
  pauseDetected(): void {
    this.#early.stop();
    this.#state.timer.restart();
  }

  onPreVote(message: PreVote): void {
    const state = this.#state;
    const judgement = judgeVote(state, message);
    this.#record(message, 'pre-vote', judgement);
    const granted = judgement.verdict === 'granted';
    state.send({
      type: 'PreVoteResponse',
      from: state.id,
      to: message.from,
      term: granted ? message.term : state.term,
      verdict: judgement.verdict,
    });
    this.#early.preVoteJudged(message, judgement.verdict);
    if (this.#early.takeTurn()) this.#preCampaign('leader-gone');
  }

  onRequestVote(message: RequestVote): void {
    const state = this.#state;
    const { term, from } = message;
    const judgement = judgeVote(state, message);
    if (term > state.term && judgement.verdict !== 'leader-alive') {
      state.follow(term, null, `RequestVote of ${from} for term ${term}`);
    }
    this.#record(message, 'vote', judgement);
    const response = { type: 'RequestVoteResponse', from: state.id, to: from, term: state.term } as const;
    if (judgement.verdict !== 'granted') {
      state.send({ ...response, verdict: judgement.verdict });
      return;
    }
    state.castVote(from);
    if (state.role === 'preCandidate') state.follow(state.term, null, `voted for ${from}`);
    state.timer.restart();
    this.#early.voteGranted();
    if (state.options.mutations.votesBeforeSync) state.send({ ...response, verdict: 'granted' });
    else state.outbox.sendVote({ ...response, verdict: 'granted' }, state.persistence);
  }

  onPreVoteResponse(message: PreVoteResponse): void {
    const state = this.#state;
    const granted = message.verdict === 'granted';
    if (!granted && this.#adoptTerm(message.term, message.from)) return;
    if (state.role !== 'preCandidate') return;
    // A grant names the term asked about: one for another term is of an earlier campaign.
    if (granted && message.term !== state.term + 1) return;
    this.#heard(message.from, 'pre-vote', message.verdict);
    this.#concludePreVote();
  }

  /** @returns true if this wins the election. */
  onRequestVoteResponse(message: RequestVoteResponse): boolean {
    const state = this.#state;
    if (this.#adoptTerm(message.term, message.from)) return false;
    if (state.role !== 'candidate' || message.term !== state.term) return false;
    this.#heard(message.from, 'vote', message.verdict);
    return this.#concludeVote();
  }

  /**
   * Counts the candidate's own vote once it is on disk. Until then it does not win, even if the others make a majority:
   * a crash could make it forget that it led this term, and the same voters would elect it to it once more, to write
   * other entries under the same indexes and term. @returns true if this wins the election.
   */
  persisted(): boolean {
    const state = this.#state;
    if (state.role !== 'candidate' || this.#verdicts.has(state.id) || !state.persistence.hardStateDurable)
      return false;
    this.#verdicts.set(state.id, 'granted');
    this.#requestVotes();
    return this.#concludeVote();
  }

  /** Who counts has changed. @returns true if this wins the election. */
  recount(): boolean {
    if (this.#state.role === 'preCandidate') this.#concludePreVote();
    return this.#state.role === 'candidate' && this.#concludeVote();
  }

  #preCampaign(reason: CampaignReason): void {
    const state = this.#state;
    if (state.options.mutations.campaignsWithoutPreVote) {
      this.#campaign(reason);
      return;
    }
    const { term } = state;
    this.#reason = reason;
    if (reason === 'leader-gone') mark('raft.early-campaign');
    state.counters.preVotesStarted += 1;
    const silentTicks = state.lease.silentTicks;
    const asked = (term + 1) as Term;
    state.emit({ type: 'campaign-started', term: asked, kind: 'pre-vote', reason, silentTicks });
    state.stand('preCandidate', whyCampaign(reason, silentTicks));
    state.timer.restart();
    this.#verdicts.clear();
    this.#verdicts.set(state.id, 'granted');
    this.#askVoters({ type: 'PreVote', term: asked, reason });
    this.#concludePreVote();
  }

  #campaign(reason: CampaignReason): void {
    const state = this.#state;
    this.#reason = reason;
    const silentTicks = state.lease.silentTicks;
    const why = reason === 'transfer' ? whyCampaign(reason, silentTicks) : 'a majority would vote for it';
    state.enterTerm((state.term + 1) as Term, why);
    state.counters.electionsStarted += 1;
    state.emit({ type: 'campaign-started', term: state.term, kind: 'vote', reason, silentTicks });
    state.stand('candidate', why);
    state.castVote(state.id);
    state.timer.restart();
    this.#verdicts.clear();
    this.#votesRequested = false;
    if (state.log.durableIndex === state.log.lastIndex) this.#requestVotes();
  }

  /**
   * At once, while its own vote is being written; but not by a log whose end is not on disk yet. A vote may arrive after
   * a crash, at a candidate that is standing in this term again: it must have the log that the vote was given for.
   */
  #requestVotes(): void {
    if (this.#votesRequested) return;
    this.#votesRequested = true;
    this.#askVoters({ type: 'RequestVote', term: this.#state.term, reason: this.#reason });
  }

  #askVoters(ask: Pick<PreVote | RequestVote, 'type' | 'term' | 'reason'>): void {
    const state = this.#state;
    for (const to of state.membership.voters) {
      if (to === state.id) continue;
      const voterIncarnation = state.membership.committedIncarnationOf(to);
      state.send({ ...ask, from: state.id, to, ...state.logEnd, voterIncarnation });
    }
  }

  #concludePreVote(): void {
    const count = this.#count();
    if (count.granted >= this.#state.membership.quorum) {
      this.#campaign(this.#reason);
    } else if (!count.open && !this.#early.isRunning) {
      this.#lose('pre-vote');
    }
  }

  #concludeVote(): boolean {
    const count = this.#count();
    if (count.granted >= this.#state.membership.quorum) {
      const isComplete = this.#verdicts.has(this.#state.id);
      if (!isComplete) mark('raft.own-vote-was-last');
      return isComplete;
    }
    if (!count.open) this.#lose('election');
    return false;
  }

  /** Those whose votes won. */
  get supporters(): NodeId[] {
    return this.#state.membership.voters.filter(
      (id) => this.#verdicts.get(id) === 'granted' && this.#counts(id),
    );
  }

  #lose(what: string): void {
    mark('raft.election-lost');
    const refusals = [...this.#verdicts].filter(([, verdict]) => verdict !== 'granted');
    const why = refusals.map(([id, verdict]) => `${id} ${verdict}`).join(', ');
    this.#state.follow(this.#state.term, null, `${what} lost: ${why}`);
  }

  /** Votes that count, and whether those still out could make it a majority. */
  #count(): { granted: number; open: boolean } {
    const { voters, quorum } = this.#state.membership;
    let granted = 0;
    let refused = 0;
    for (const id of voters) {
      const verdict = this.#verdicts.get(id);
      if (verdict === undefined) continue;
      if (verdict !== 'granted') refused += 1;
      else if (this.#counts(id)) granted += 1;
    }
    return { granted, open: voters.length - refused >= quorum };
  }

  #counts(id: NodeId): boolean {
    return this.#state.membership.counts(id);
  }

  #heard(from: NodeId, kind: 'pre-vote' | 'vote', verdict: VoteVerdict): void {
    this.#verdicts.set(from, verdict);
    this.#state.emit({ type: 'vote-received', term: this.#state.term, kind, from, verdict });
  }

  /** An answer from a later term: whatever this node stood for is over. */
  #adoptTerm(term: Term, from: NodeId): boolean {
    if (term <= this.#state.term) return false;
    this.#state.follow(term, null, `${from} is in term ${term}`);
    return true;
  }

  #record(message: PreVote | RequestVote, kind: 'pre-vote' | 'vote', { verdict, why }: Judgement): void {
    markRefusal(kind, verdict);
    const { counters } = this.#state;
    if (verdict === 'granted') counters.votesGranted += 1;
    else counters.votesRefused += 1;
    this.#state.emit({ type: 'vote-cast', term: message.term, kind, candidate: message.from, verdict, why });
  }
}

function markRefusal(kind: 'pre-vote' | 'vote', verdict: VoteVerdict): void {
  const isVote = kind === 'vote';
  if (verdict === 'leader-alive')
    mark(isVote ? 'raft.vote-refused-by-lease' : 'raft.pre-vote-refused-by-lease');
  else if (verdict === 'log-behind')
    mark(isVote ? 'raft.vote-refused-log-behind' : 'raft.pre-vote-refused-log-behind');
  else if (verdict === 'not-eligible') mark('raft.vote-refused-not-eligible');
  else if (verdict === 'voted-for-other' && isVote) mark('raft.vote-refused-cast-already');
}

function whyCampaign(reason: CampaignReason, silentTicks: number): string {
  if (reason === 'transfer') return 'the leader asked for it';
  if (reason === 'leader-gone') return 'the leader closed its connection and refuses a new one';
  return `no word from a leader for ${silentTicks} ticks`;
}
