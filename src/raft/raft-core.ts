import type { Entry, EntryDraft } from '../base/entry.ts';
import { mark } from '../base/marks.ts';
import { NO_ROOM_SYNC_MS, type InstallSnapshot, type PeerMessage } from '../base/peer-message.ts';
import type { Incarnation, LogIndex, NodeId, Term } from '../base/units.ts';
import { Appending } from './appending.ts';
import { CoreState } from './core-state.ts';
import { Election } from './election.ts';
import { Installing } from './installing.ts';
import { Leadership } from './leadership.ts';
import type { RaftOptions } from './options.ts';
import { Preference } from './preference.ts';
import type {
  HardState,
  LogRead,
  ProposeResult,
  RaftStatus,
  Ready,
  Role,
  SnapshotWanted,
  TermRun,
  TransferResult,
} from './ready.ts';
import { Transfer } from './transfer.ts';

/**
 * The consensus core of one group at one node: a function of its inputs. No I/O, no clock, no chance but `prng`.
 *
 * Feed it (`step`, `tick`, `propose`, ...), then take what it wants done (`ready`), do it, and report what is durable
 * (`persisted`). See `Ready` for what may leave when. Inputs never throw for anything a peer may send; an
 * InvariantViolation means that a rule of Raft itself is broken, and the process must end.
 */
export class RaftCore {
  readonly #state: CoreState;
  readonly #election: Election;
  readonly #appending: Appending;
  readonly #installing: Installing;
  readonly #transfer: Transfer;
  readonly #preference: Preference;
  #reportedCommit = 0;

  constructor(options: RaftOptions) {
    this.#state = new CoreState(options);
    this.#election = new Election(this.#state);
    this.#appending = new Appending(this.#state);
    this.#installing = new Installing(this.#state, this.#appending);
    this.#transfer = new Transfer(this.#state);
    this.#preference = new Preference(this.#state);
  }

  get id(): NodeId {
    return this.#state.id;
  }

  get role(): Role {
    return this.#state.role;
  }

  get term(): Term {
    return this.#state.term;
  }

  get votedFor(): NodeId | null {
    return this.#state.votedFor;
  }

  /** Who leads this term, as far as this node knows; itself included. */
  get leader(): NodeId | null {
    return this.#state.leader;
  }

  get commitIndex(): LogIndex {
    return this.#state.log.commitIndex;
  }

  get lastIndex(): LogIndex {
    return this.#state.log.lastIndex;
  }

  get firstIndex(): LogIndex {
    return this.#state.log.firstIndex;
  }

  get durableIndex(): LogIndex {
    return this.#state.log.durableIndex;
  }

  /** Leadership is being handed over: proposals would be refused. */
  get isTransferring(): boolean {
    return this.role === 'leader' && this.#transfer.target !== null;
  }

  /** It leads, and an entry of its term is committed: from now on it knows everything that is. */
  get termStartCommitted(): boolean {
    return this.#state.leadership?.termStartCommitted ?? false;
  }

  /** The wall clock of this turn, Unix milliseconds; stamps entries. */
  clock(unixMs: number): void {
    this.#state.clock(unixMs);
  }

  tick(): void {
    this.#preference.tick();
    this.#transfer.tick();
    const { leadership } = this.#state;
    if (leadership === null) {
      this.#election.tick();
      return;
    }
    const why = leadership.tick();
    if (why !== null) this.stepDown(why);
  }

  step(message: PeerMessage): void {
    const { id, membership } = this.#state;
    if (message.to !== id || message.from === id || !membership.isKnown(message.from)) return;
    switch (message.type) {
      case 'PreVote':
        this.#election.onPreVote(message);
        break;
      case 'RequestVote':
        this.#election.onRequestVote(message);
        break;
      case 'PreVoteResponse':
        this.#election.onPreVoteResponse(message);
        break;
      case 'RequestVoteResponse':
        if (this.#election.onRequestVoteResponse(message)) this.#lead();
        break;
      case 'AppendEntries':
        this.#appending.onAppendEntries(message);
        break;
      case 'Heartbeat':
        this.#appending.onHeartbeat(message);
        break;
      case 'InstallSnapshot':
        this.#installing.onInstallSnapshot(message);
        break;
      case 'AppendEntriesResponse':
        if (this.#isAnswerToLeader(message)) this.#state.leadership?.onAppendEntriesResponse(message);
        break;
      case 'HeartbeatResponse':
        if (this.#isAnswerToLeader(message)) this.#state.leadership?.onHeartbeatResponse(message);
        break;
      case 'InstallSnapshotResponse':
        if (this.#isAnswerToLeader(message)) this.#state.leadership?.onInstallSnapshotResponse(message);
        break;
      case 'TimeoutNow':
        if (message.term === this.#state.term && message.from === this.#state.leader)
          this.#election.onTimeoutNow();
        else mark('raft.timeout-now-ignored');
        break;
    }
    this.#transfer.observe();
  }

  /** Seals the drafts and appends them consecutively, at the leader. */
  propose(drafts: readonly EntryDraft[]): ProposeResult {
    return this.#state.leadership?.propose(drafts) ?? { ok: false, refusal: 'not-leader' };
  }

  /** @param target null for the most up-to-date follower that could take over. */
  transferLeadership(target: NodeId | null): TransferResult {
    return this.#state.leadership?.transferTo(target) ?? { ok: false, refusal: 'not-leader' };
  }

  /** A leader whose process is about to end gives up, and asks the best follower to stand at once. */
  resign(why: string): void {
    this.#state.leadership?.nameSuccessor();
    this.stepDown(why);
  }

  /** A leader gives up, without a successor in mind. */
  stepDown(why: string): void {
    if (this.#state.leadership !== null) this.#state.follow(this.#state.term, null, why);
  }

  /** Answered by `Ready.reads` or `Ready.readsRefused`. */
  readIndex(token: number): void {
    const { leadership, outbox } = this.#state;
    if (leadership === null) outbox.refuseRead(token);
    else leadership.read(token);
  }

  /** A handshake told who a peer is. */
  peerIdentified(id: NodeId, incarnation: Incarnation, priority: number): void {
    const isSomebodyElse = this.#state.membership.identify(id, incarnation, priority);
    this.#state.leadership?.identified(id, isSomebodyElse);
    if (this.#election.recount()) this.#lead();
  }

  /**
   * How long syncs take here lately. A node with a slow disk tells the leader, stands for election late, and is not handed
   * leadership while somebody else can have it.
   * @param ms 0 where they take none to speak of, infinite where there is no room on the disk.
   */
  syncPace(ms: number): void {
    this.#state.syncMs = Math.max(0, Math.min(Math.round(ms), NO_ROOM_SYNC_MS));
  }

  /** Entries wait for room on the disk, or have found it. */
  logWaits(isWaiting: boolean): void {
    this.#state.logWaits = isWaiting;
  }

  /** By how much the disk here is fuller than it should be; 0 if it is not. A follower tells the leader. */
  diskSurplus(bytes: number): void {
    this.#state.surplusBytes = bytes;
  }

  /** At a leader: by how much the fullest disk is fuller than it should be, of its own and those of followers that it hears. */
  get surplusBytes(): number {
    return this.#state.leadership?.surplusBytes ?? 0;
  }

  /** At a leader: whether there is room on the disks of a majority, as far as it was told. What others commit needs it. */
  get majorityHasRoom(): boolean {
    return this.#state.leadership?.majorityHasRoom ?? true;
  }

  /** A peer says that it belongs to a cluster. */
  clusterHeard(): void {
    this.#state.clusterHeard();
    this.#election.clusterHeard();
  }

  peerReachable(id: NodeId, lane: 'control' | 'bulk', up: boolean): void {
    this.#state.leadership?.laneChanged(id, lane, up);
  }

  /** Evidence that the leader's process is gone: the remote side closed this node's connection and refused a new one. */
  leaderGone(id: NodeId): void {
    if (id !== this.#state.leader || id === this.#state.id) return;
    this.#state.loseLeader(`${id} closed its connection and refuses a new one`);
    this.#election.leaderGone(id);
  }

  /** The loop of this process stood still for over half an election timeout. To be called before the input that waited. */
  pauseDetected(): void {
    const { leadership } = this.#state;
    if (leadership === null) this.#election.pauseDetected();
    else leadership.confirmLeadership();
  }

  /** Everything in this Ready and in all before it is durable. In order, never for a failed sync. */
  persisted(readyNumber: number): void {
    const { log, outbox, persistence, term } = this.#state;
    const durableIndex = persistence.persisted(readyNumber);
    if (durableIndex === null) return;
    log.durableTo(durableIndex);
    outbox.releaseVotes(persistence, term);
    if (this.#election.persisted()) this.#lead();
    this.#appending.persisted();
    this.#state.leadership?.persisted();
  }

  /**
   * Term and vote of this Ready and of all before it are durable, while entries wait for room on the disk. Votes may leave.
   * A candidate's own does not count before its log is there too.
   */
  hardStatePersisted(readyNumber: number): void {
    const { outbox, persistence, term } = this.#state;
    persistence.hardStatePersisted(readyNumber);
    outbox.releaseVotes(persistence, term);
    this.#appending.persisted();
  }

  /** The state machine has applied up to here: what is also durable and committed may leave the cache. */
  applied(index: LogIndex): void {
    this.#state.log.evict(index, this.#state.options.cacheBytesMax);
  }

  /** The log on disk begins here now. What lies before must be applied; followers that need it get a snapshot. */
  trimmed(firstIndex: LogIndex): void {
    this.#state.log.beginAt(firstIndex);
  }

  /**
   * Answers `Ready.logReads`. @param entries empty where they could not be read.
   * @param prevChecksum of the entry before the first; 0 before index 1.
   */
  logRead(request: LogRead, entries: readonly Entry[], prevChecksum: number): void {
    this.#state.leadership?.logRead(request, entries, prevChecksum);
  }

  /**
   * Sends a piece of the snapshot that a follower needs (`Ready.snapshotsWanted`).
   * @returns false if it is not wanted any more: another leads, or the follower needs none.
   */
  sendSnapshot(
    { to, term }: SnapshotWanted,
    piece: Pick<InstallSnapshot, 'snapshot' | 'offset' | 'data'>,
  ): boolean {
    return term === this.term && (this.#state.leadership?.sendSnapshot(to, piece) ?? false);
  }

  /** There is no snapshot to send, or it cannot be read. It is asked for again. */
  snapshotFailed({ to, term }: SnapshotWanted): void {
    if (term === this.term) this.#state.leadership?.snapshotFailed(to);
  }

  /** Answers `Ready.snapshotPieces`. @param offset from where on the snapshot of this piece is lacking now. */
  snapshotStored(piece: InstallSnapshot, offset: number): void {
    this.#installing.stored(piece, offset);
  }

  /** Whether the leader's log has to begin anew with this snapshot, as far as is known by now. */
  needsSnapshot(piece: InstallSnapshot): boolean {
    return this.#installing.needs(piece);
  }

  hasReady(): boolean {
    const { log, outbox, persistence, leadership } = this.#state;
    return (
      log.hasUntaken ||
      persistence.hardStateUntaken ||
      log.commitIndex > this.#reportedCommit ||
      this.#appending.ackDue ||
      !outbox.isEmpty ||
      (leadership?.isDue ?? false)
    );
  }

  /** Takes all that is to be done; asking again gives only what came since. */
  ready(): Ready {
    const { log, outbox, persistence } = this.#state;
    this.#state.leadership?.flush();
    this.#appending.flush();
    const hardState = persistence.hardStateUntaken ? this.#hardState : null;
    const { truncateFrom, truncateChecksum, entries } = log.take();
    const mustPersist = hardState !== null || truncateFrom !== null || entries.length > 0;
    const number = persistence.take(mustPersist ? log.takenIndex : null);
    this.#reportedCommit = log.commitIndex;
    return {
      number,
      hardState,
      truncateFrom,
      truncateChecksum,
      entries,
      commitIndex: log.commitIndex,
      mustPersist,
      ...outbox.take(),
    };
  }

  status(): RaftStatus {
    const { log, membership, counters, leadership } = this.#state;
    const { ineligibleWhy } = this.#state;
    return {
      id: this.id,
      role: this.role,
      term: this.term,
      votedFor: this.votedFor,
      leader: this.leader,
      firstIndex: log.firstIndex,
      lastIndex: log.lastIndex,
      lastTerm: log.lastTerm,
      durableIndex: log.durableIndex,
      commitIndex: log.commitIndex,
      configuration: membership.founded ? membership.active : null,
      eligible: ineligibleWhy === null,
      ineligibleWhy,
      transferTarget: this.#transfer.target,
      progress: leadership?.status() ?? [],
      counters: { ...counters },
    };
  }

  /**
   * Entries from memory, `first` to at most `last`, within `bytesMax` but at least one. Null if `first` is not in
   * memory: then it is on disk, or does not exist.
   */
  cachedEntries(first: LogIndex, last: LogIndex, bytesMax: number): Entry[] | null {
    return this.#state.log.slice(first, last, bytesMax);
  }

  /** Null where it is not known: beyond the log's end, or before its first entry's predecessor. */
  termAt(index: LogIndex): Term | null {
    return this.#state.log.termAt(index);
  }

  /** Chained header checksum of an entry in memory; null for others. */
  checksumAt(index: LogIndex): number | null {
    return this.#state.log.checksumAt(index);
  }

  /** The terms of all entries, as runs. */
  get termRuns(): readonly TermRun[] {
    return this.#state.log.termRuns;
  }

  get #hardState(): HardState {
    return { term: this.#state.term, votedFor: this.#state.votedFor };
  }

  #lead(): void {
    const { membership, term } = this.#state;
    const votes = this.#election.supporters;
    const leadership = new Leadership(this.#state, this.#transfer, this.#preference);
    this.#state.emit({ type: 'election-won', term, votes, voters: membership.voters.length });
    this.#state.lead(leadership, `${votes.length} of ${membership.voters.length} votes in term ${term}`);
    leadership.start();
    this.#transfer.observe();
  }

  /** A response of a later term ends this one; of an earlier term it says nothing about this one. */
  #isAnswerToLeader(message: { readonly term: Term; readonly from: NodeId }): boolean {
    const { term } = this.#state;
    if (message.term > term)
      this.#state.follow(message.term, null, `${message.from} is in term ${message.term}`);
    return message.term === term;
  }
}
