import type { PreVote, VoteVerdict } from '../base/peer-message.ts';
import type { NodeId } from '../base/units.ts';
import type { CoreState } from './core-state.ts';

const RANK_TICKS = 2;
const RETRY_TICKS = 2;
const POSTPONE_TICKS = 4;
const ATTEMPTS = 5;

/**
 * When to stand for election without waiting for a timeout, because the leader's process is known to be gone.
 *
 * Every voter gets that evidence within about a millisecond, so without an order among them they would all stand at
 * once, take a vote each, and wait for a timeout after all. The order: voters are ranked by priority, then name, and
 * rank r waits 2r ticks. On a tick of 10 ms that is several times what the one before needs (a round trip for the
 * pre-vote, a round trip and a sync for the vote), even where tick phases differ by most of a tick.
 *
 * Two candidates of one term need two pre-vote majorities at the same time. What keeps that rare:
 * - who grants a pre-vote or a vote steps back by four ticks and its rank: it has reason to expect a leader;
 * - who hears another's RequestVote before it sent its own adopts the term and votes: only a window of one way over the
 *   network between "won the pre-vote" and "heard of the other" is left;
 * - evidence comes to the nodes at different times. A voter that still trusts the leader refuses ("leader-alive"), and
 *   rank 0 would ask again at the very moment when that voter, by then convinced too, stands itself. So the voter
 *   remembers whom it refused and grants that pre-vote when its own evidence arrives.
 * If it happens all the same, the losers' next attempts are ranked again instead of drawn by lot.
 *
 * Where the most preferred cannot win, because its log is behind, waiting for it is idle: whoever refuses it for that
 * moves up one rank. With three voters the other one then stands at once.
 *
 * All this only asks earlier. A living leader is protected as ever: voters that still hear it refuse the pre-vote.
 */
export class EarlyCampaign {
  readonly #state: CoreState;
  #running = false;
  #rank = 0;
  #ticksLeft = 0;
  #attemptsLeft = 0;
  #leader: NodeId | null = null;
  /** A pre-vote that was refused because the leader seemed alive, and for how many ticks it may still be granted. */
  #refused: PreVote | null = null;
  #refusedTicksLeft = 0;

  constructor(state: CoreState) {
    this.#state = state;
  }

  /** Attempts go on. */
  get isRunning(): boolean {
    this.#check();
    return this.#running;
  }

  /** Takes this node's turn to ask for pre-votes, if it has come; the next one is then a while off. */
  takeTurn(): boolean {
    this.#check();
    if (!this.#running || this.#ticksLeft > 0 || this.#state.role === 'candidate') return false;
    if (this.#attemptsLeft === 0) {
      this.#running = false;
      return false;
    }
    this.#attemptsLeft -= 1;
    this.#ticksLeft = RETRY_TICKS + this.#rank * RANK_TICKS;
    return true;
  }

  /**
   * The leader is gone. @returns the pre-vote that was refused for its sake and is to be judged again, if there is one.
   */
  begin(leader: NodeId): PreVote | null {
    const { membership } = this.#state;
    const refused = this.#refusedTicksLeft > 0 ? this.#refused : null;
    this.#refused = null;
    if (this.#state.ineligibleWhy === null) {
      this.#running = true;
      this.#leader = leader;
      // Behind all others: who leads must sync, and so it would be slow for everybody.
      const behind = this.#state.hasSlowDisk ? membership.voters.length : 0;
      this.#rank = membership.rankOf(this.#state.id, leader) + behind;
      this.#ticksLeft = this.#rank * RANK_TICKS;
      this.#attemptsLeft = ATTEMPTS;
    }
    return refused;
  }

  /** The process stood still: what it knew may be stale, the normal timeout decides. */
  stop(): void {
    this.#running = false;
    this.#refused = null;
  }

  /** @returns true if it is time to stand. */
  tick(): boolean {
    if (this.#refusedTicksLeft > 0) this.#refusedTicksLeft -= 1;
    if (!this.isRunning) return false;
    if (this.#state.role !== 'candidate') this.#ticksLeft -= 1;
    return this.takeTurn();
  }

  voteGranted(): void {
    this.#ticksLeft = Math.max(this.#ticksLeft, POSTPONE_TICKS + this.#rank * RANK_TICKS);
  }

  preVoteJudged(message: PreVote, verdict: VoteVerdict): void {
    if (verdict === 'granted') this.voteGranted();
    if (message.reason !== 'leader-gone') return;
    if (verdict === 'leader-alive') {
      this.#refused = message;
      this.#refusedTicksLeft = this.#state.options.electionTimeoutTicksMin;
    }
    if (verdict === 'log-behind' && this.isRunning && this.#ranksAbove(message.from))
      this.#ticksLeft -= RANK_TICKS;
  }

  #ranksAbove(id: NodeId): boolean {
    return this.#leader !== null && this.#state.membership.rankOf(id, this.#leader) < this.#rank;
  }

  /** Over as soon as anybody leads. */
  #check(): void {
    if (this.#state.leader !== null) this.#running = false;
  }
}
