import { assert } from '../base/assert.ts';
import { entryTime, type Entry } from '../base/entry.ts';
import { NO_ROOM_SYNC_MS, type PeerMessage } from '../base/peer-message.ts';
import type { LogIndex, NodeId, Term } from '../base/units.ts';
import { ElectionTimer } from './election-timer.ts';
import type { Leadership } from './leadership.ts';
import { LeaderLease } from './lease.ts';
import { Membership } from './membership.ts';
import type { RaftOptions } from './options.ts';
import { Outbox } from './outbox.ts';
import { Persistence } from './persistence.ts';
import { RaftLog } from './raft-log.ts';
import type { RaftEvent, RaftStatus, Role } from './ready.ts';

/**
 * What all parts of a core share: figure 2's state, and the few transitions that everything else is made of. Nothing
 * outside of this class writes term, vote, role, leader or commit index.
 */
export class CoreState {
  readonly options: RaftOptions;
  readonly id: NodeId;
  readonly log: RaftLog;
  readonly membership: Membership;
  readonly persistence: Persistence = new Persistence();
  readonly outbox: Outbox = new Outbox();
  readonly lease: LeaderLease;
  readonly timer: ElectionTimer;
  readonly counters: { -readonly [name in keyof RaftStatus['counters']]: number } = {
    electionsStarted: 0,
    preVotesStarted: 0,
    stepDowns: 0,
    votesGranted: 0,
    votesRefused: 0,
  };
  #role: Role;
  #term: Term;
  #hasHeardOfCluster = false;
  #votedFor: NodeId | null;
  #leader: NodeId | null = null;
  #leadership: Leadership | null = null;
  #clockMs = 0;
  #stampMs = 0;

  constructor(options: RaftOptions) {
    const { hardState, hardStateTrusted } = options.recovered;
    this.options = options;
    this.id = options.id;
    this.log = new RaftLog(options.recovered);
    this.membership = new Membership(options);
    this.lease = new LeaderLease(options.electionTimeoutTicksMin);
    this.timer = new ElectionTimer(
      options.prng,
      options.electionTimeoutTicksMin,
      options.electionTimeoutTicksMax,
    );
    assert(
      !hardStateTrusted || hardState.term >= this.log.lastTerm,
      () => `trusted hard state has term ${hardState.term}, the log ends in term ${this.log.lastTerm}`,
    );
    this.#term = hardState.term;
    this.#votedFor = options.mutations.forgetsVoteAtStart ? null : hardState.votedFor;
    if (hardState.term < this.log.lastTerm) {
      // At least the log proves that this term was entered: no leader of an older one may be followed again.
      this.#term = this.log.lastTerm;
      this.#votedFor = null;
      this.persistence.hardStateChanged();
    }
    this.#role = this.membership.selfVotes ? 'follower' : 'learner';
    this.#stampMs = options.recovered.lastTimeMs;
    this.noteStamp(options.recovered.tail.at(-1));
  }

  get role(): Role {
    return this.#role;
  }

  get term(): Term {
    return this.#term;
  }

  get votedFor(): NodeId | null {
    return this.#votedFor;
  }

  get leader(): NodeId | null {
    return this.#leader;
  }

  /** Set while this node leads. */
  get leadership(): Leadership | null {
    return this.#leadership;
  }

  /**
   * What founded its cluster was committed without this node's disk. It must not take itself for one of those who could
   * found it: with a member whose disk was lost it would make a majority of the empty.
   */
  get lacksItsCluster(): boolean {
    return this.options.recovered.belongsToCluster && this.#isEmpty;
  }

  /**
   * It has nothing, and somebody has a cluster: those who have nothing must not found another one. A member that has just
   * lost its disk looks like one that was never there, and together they would be a majority. Heard of in this life only:
   * who has not been told cannot know, and a name that a stranger said is not kept.
   */
  get mustNotFound(): boolean {
    return this.lacksItsCluster || (this.#hasHeardOfCluster && this.#isEmpty);
  }

  /** How long syncs take here lately, in milliseconds; 0 where they take none to speak of. */
  syncMs = 0;

  /** By so much the disk here is fuller than it should be. */
  surplusBytes = 0;

  /** Entries wait for room on the disk, and nobody knows for how long. */
  logWaits = false;

  /** No room for records: a follower without it still votes, and takes what it can. */
  get hasNoRoom(): boolean {
    return this.syncMs >= NO_ROOM_SYNC_MS;
  }

  /** A slow disk is no reason to follow worse, but one not to lead. */
  get hasSlowDisk(): boolean {
    return this.syncMs >= this.options.slowSyncMs;
  }

  clusterHeard(): void {
    this.#hasHeardOfCluster = true;
  }

  get #isEmpty(): boolean {
    return !this.membership.founded && this.log.lastIndex === 0;
  }

  /** Null if this node may campaign. */
  get ineligibleWhy(): string | null {
    if (this.lacksItsCluster) return 'it belongs to a cluster and has nothing of its log yet';
    if (this.mustNotFound) return 'the others have a cluster, and it has nothing of its log yet';
    if (this.logWaits) return 'its disk is full, and a part of its log waits for room';
    return this.membership.ineligibleWhy;
  }

  /**
   * The log's end by which a vote is judged. What waits for room was promised to nobody: a node that dies forgets it, and one
   * that lives must not keep those from leading who have all that counts.
   */
  get promisedEnd(): { lastIndex: LogIndex; lastTerm: Term } {
    if (!this.logWaits) return this.logEnd;
    const { durableIndex } = this.log;
    return { lastIndex: durableIndex, lastTerm: this.log.termAt(durableIndex) ?? (0 as Term) };
  }

  /** What the next own entry is stamped with: the wall clock may go back, the log's time does not. */
  get stampMs(): number {
    return Math.max(this.#clockMs, this.#stampMs);
  }

  /** This log's end, as figure 2 puts it into votes. */
  get logEnd(): { lastIndex: LogIndex; lastTerm: Term } {
    return { lastIndex: this.log.lastIndex, lastTerm: this.log.lastTerm };
  }

  clock(unixMs: number): void {
    this.#clockMs = unixMs;
  }

  /** An entry was sealed with the current stamp. */
  stamped(): void {
    this.#stampMs = this.stampMs;
  }

  noteStamp(newest: Entry | undefined): void {
    if (newest !== undefined) this.#stampMs = Math.max(this.#stampMs, entryTime(newest));
  }

  send(message: PeerMessage): void {
    this.outbox.send(message);
  }

  emit(event: RaftEvent): void {
    this.outbox.emit(event);
  }

  enterTerm(term: Term, why: string): void {
    const from = this.#term;
    assert(term > from, () => `term ${from} cannot become ${term}`);
    this.#term = term;
    this.#votedFor = null;
    this.persistence.hardStateChanged();
    this.emit({ type: 'term-changed', from, term, why });
  }

  /** At most one vote a term. */
  castVote(candidate: NodeId): void {
    assert(
      this.#votedFor === null || this.#votedFor === candidate,
      () => `in term ${this.#term} ${this.id} voted for ${this.#votedFor}, not for ${candidate}`,
    );
    if (this.#votedFor === candidate) return;
    this.#votedFor = candidate;
    this.persistence.hardStateChanged();
  }

  /** Follows whoever leads `term`, or nobody yet; from any role. A learner stays one. */
  follow(term: Term, leader: NodeId | null, why: string): void {
    if (term > this.#term) this.enterTerm(term, why);
    this.#changeRole(this.membership.selfVotes ? 'follower' : 'learner', why);
    this.#setLeader(leader, why);
  }

  stand(role: 'preCandidate' | 'candidate', why: string): void {
    this.#changeRole(role, why);
    this.#setLeader(null, why);
  }

  lead(leadership: Leadership, why: string): void {
    assert(this.#role === 'candidate', () => `a ${this.#role} cannot become leader`);
    this.#changeRole('leader', why);
    this.#setLeader(this.id, why);
    this.#leadership = leadership;
  }

  /** Believes the leader gone, whatever its lease. */
  loseLeader(why: string): void {
    this.lease.drop();
    this.#setLeader(null, why);
  }

  /** @returns true if a configuration was among what this commits. */
  commitTo(index: LogIndex): boolean {
    this.log.commitTo(index);
    const committed = this.membership.commitTo(index);
    for (const { index: at, configuration } of committed) {
      this.emit({ type: 'configuration-committed', term: this.#term, index: at, configuration });
    }
    if (committed.length > 0 && (this.#role === 'follower' || this.#role === 'learner')) {
      this.#changeRole(
        this.membership.selfVotes ? 'follower' : 'learner',
        `configuration at ${index} committed`,
      );
    }
    return committed.length > 0;
  }

  #changeRole(to: Role, why: string): void {
    const from = this.#role;
    if (from === to) return;
    this.#role = to;
    this.emit({ type: 'role-changed', term: this.#term, from, to, why });
    if (from !== 'leader') return;
    this.#leadership?.end();
    this.#leadership = null;
    this.counters.stepDowns += 1;
    this.timer.restart();
    this.lease.renew();
  }

  #setLeader(leader: NodeId | null, why: string): void {
    if (this.#leader === leader) return;
    this.#leader = leader;
    this.emit({ type: 'leader-changed', term: this.#term, leader, why });
  }
}

/** A log's end for people: the numbers that section 5.4.1 compares. */
export function showLogEnd(term: number, index: number): string {
  return `(term ${term}, index ${index})`;
}
