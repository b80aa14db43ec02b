import { assert } from '../base/assert.ts';
import { mark } from '../base/marks.ts';
import {
  NO_ROOM_SYNC_MS,
  type AppendEntriesResponse,
  type HeartbeatResponse,
  type InstallSnapshot,
  type InstallSnapshotResponse,
} from '../base/peer-message.ts';
import { EntryKind, sealEntries, type Entry, type EntryDraft } from '../base/entry.ts';
import type { LogIndex, NodeId } from '../base/units.ts';
import { committedByCounting } from './commit.ts';
import type { CoreState } from './core-state.ts';
import { LeaderHealth } from './leader-health.ts';
import type { Preference } from './preference.ts';
import type { Progress } from './progress.ts';
import { ReadIndex } from './read-index.ts';
import { Replication } from './replication.ts';
import type { LogRead, ProgressStatus, ProposeResult, TransferResult } from './ready.ts';
import type { Transfer } from './transfer.ts';

const NOOP: EntryDraft = {
  kind: EntryKind.noop,
  version: 1,
  queue: 0,
  recordCount: 0,
  body: new Uint8Array(0),
  bodyChecksum: 0,
};

/** What a node does and knows because it leads one term; gone when it does not lead any more. */
export class Leadership {
  readonly #state: CoreState;
  readonly #transfer: Transfer;
  readonly #preference: Preference;
  readonly #replication: Replication;
  readonly #reads: ReadIndex;
  readonly #health: LeaderHealth;
  readonly #matchOf: (id: NodeId) => number;
  readonly #roundOf: (id: NodeId) => number;
  #termStartIndex: LogIndex = 0 as LogIndex;
  #round = 0;
  #heartbeatElapsed = 0;
  #ticks = 0;
  #commitAtLastTick = 0;

  constructor(state: CoreState, transfer: Transfer, preference: Preference) {
    this.#state = state;
    this.#transfer = transfer;
    this.#preference = preference;
    this.#replication = new Replication(state);
    this.#reads = new ReadIndex(state.outbox);
    this.#health = new LeaderHealth(state, this.#replication);
    this.#matchOf = (id) => this.#replication.matchOf(id);
    this.#roundOf = (id) => (id === state.id ? this.#round : (this.#replication.find(id)?.round ?? 0));
  }

  get majorityHasRoom(): boolean {
    const { id, membership, syncMs } = this.#state;
    const hasRoom = (voter: NodeId): boolean =>
      (voter === id ? syncMs : (this.#replication.find(voter)?.syncMs ?? 0)) < NO_ROOM_SYNC_MS;
    return membership.voters.filter(hasRoom).length >= membership.quorum;
  }

  /** Of the disk that is most too full, here or at a follower that was heard of lately. */
  get surplusBytes(): number {
    const ticksMax = this.#state.options.electionTimeoutTicksMax;
    let most = this.#state.surplusBytes;
    for (const peer of this.#replication.peers)
      if (peer.isActive(ticksMax)) most = Math.max(most, peer.surplusBytes);
    return most;
  }

  /** An entry of its own term is committed: it knows how far the log is, and may serve. */
  get termStartCommitted(): boolean {
    return this.#state.log.commitIndex >= this.#termStartIndex;
  }

  get isDue(): boolean {
    return (this.#reads.hasFresh && this.#mayRead) || this.#replication.isDue;
  }

  /**
   * Begins the term: an entry of its own, since only that lets it commit what its predecessors left (section 8), and
   * heartbeats at once, so that nobody stands against it meanwhile.
   */
  start(): void {
    const { log, membership, options } = this.#state;
    this.#termStartIndex = (log.lastIndex + 1) as LogIndex;
    const founding = membership.foundingDraft(log.lastIndex === 0);
    if (founding !== null || !options.mutations.skipsNoop) this.#append([founding ?? NOOP]);
    this.#beginRound();
  }

  /** Leadership is lost. Reads that were not confirmed may have missed another leader's writes. */
  end(): void {
    this.#reads.refuseAll();
  }

  /** @returns why to step down, or null. */
  tick(): string | null {
    this.#ticks += 1;
    const { log, options } = this.#state;
    for (const peer of this.#replication.peers) {
      peer.tick();
      const steady = peer.isActive(options.electionTimeoutTicksMin) && peer.state === 'replicate';
      peer.healthyTicks = steady && peer.matchIndex >= this.#commitAtLastTick ? peer.healthyTicks + 1 : 0;
    }
    const why = this.#health.tick();
    if (why !== null) return why;
    this.#heartbeatElapsed += 1;
    if (this.#heartbeatElapsed >= options.heartbeatTicks) this.#beginRound();
    else this.#tellCommit();
    this.#commitAtLastTick = log.commitIndex;
    this.#readmit();
    const preferred =
      this.#transfer.target === null ? this.#preference.choose(this.#replication, this.#ticks) : null;
    if (preferred !== null) this.transferTo(preferred);
    return null;
  }

  propose(drafts: readonly EntryDraft[]): ProposeResult {
    const { log, options, term } = this.#state;
    assert(drafts.length > 0, 'nothing proposed');
    if (this.#transfer.isActive) return { ok: false, refusal: 'transferring' };
    const { uncommittedBytes } = log;
    if (uncommittedBytes > 0) {
      let bytes = uncommittedBytes;
      for (const draft of drafts) bytes += draft.body.length;
      if (bytes > options.uncommittedBytesMax) return { ok: false, refusal: 'uncommitted-limit' };
    }
    const firstIndex = (log.lastIndex + 1) as LogIndex;
    this.#append(drafts);
    return { ok: true, firstIndex, term };
  }

  transferTo(target: NodeId | null): TransferResult {
    return this.#transfer.begin(target, this.#replication);
  }

  nameSuccessor(): void {
    this.#transfer.nameSuccessor(this.#replication);
  }

  read(token: number): void {
    if (!this.termStartCommitted) mark('raft.read-waited-for-term');
    this.#reads.add(token);
  }

  onAppendEntriesResponse(message: AppendEntriesResponse): void {
    const peer = this.#replication.find(message.from);
    if (peer === null) return;
    peer.heard();
    if (message.rejection !== null) this.#replication.rejected(peer, message.rejection);
    else this.#acknowledged(peer, message.matchIndex);
  }

  onHeartbeatResponse(message: HeartbeatResponse): void {
    const peer = this.#replication.find(message.from);
    if (peer === null || message.round > this.#round) return;
    peer.heard();
    peer.syncMs = message.syncMs;
    peer.surplusBytes = message.surplusBytes;
    if (message.matchIndex > peer.matchIndex) this.#acknowledged(peer, message.matchIndex);
    peer.heardHeartbeat(message.round, message.matchIndex);
    this.#confirmReads();
  }

  onInstallSnapshotResponse(message: InstallSnapshotResponse): void {
    const peer = this.#replication.find(message.from);
    if (peer === null) return;
    peer.heard();
    if (peer.state !== 'snapshot') return;
    if (message.installed) this.#replication.snapshotInstalled(peer, message.snapshot.lastIncludedIndex);
    else peer.snapshotStored(message.offset);
    this.#state.outbox.answerSnapshot(message);
  }

  sendSnapshot(to: NodeId, piece: Pick<InstallSnapshot, 'snapshot' | 'offset' | 'data'>): boolean {
    if (this.#replication.find(to)?.state !== 'snapshot') return false;
    const { id, term } = this.#state;
    this.#state.send({ type: 'InstallSnapshot', from: id, to, term, ...piece });
    return true;
  }

  snapshotFailed(to: NodeId): void {
    const peer = this.#replication.find(to);
    if (peer !== null) this.#replication.snapshotFailed(peer, this.#round);
  }

  /** Its own disk is done with something: only now does the leader count itself. */
  persisted(): void {
    this.#advanceCommit();
  }

  identified(id: NodeId, isSomebodyElse: boolean): void {
    const peer = this.#replication.find(id);
    if (isSomebodyElse && peer !== null) {
      mark('raft.member-forgotten');
      peer.forget(this.#state.log.lastIndex);
    }
    this.#advanceCommit();
    this.#confirmReads();
    this.#readmit();
  }

  laneChanged(id: NodeId, lane: 'control' | 'bulk', up: boolean): void {
    const peer = this.#replication.find(id);
    if (peer === null) return;
    if (lane === 'control') {
      peer.controlUp = up;
      return;
    }
    this.#replication.probe(peer, up ? 'its bulk lane is new' : 'its bulk lane is down');
    if (!up) peer.pauseProbe(this.#round);
  }

  logRead(request: LogRead, entries: readonly Entry[], prevChecksum: number): void {
    this.#replication.logRead(request, entries, prevChecksum, this.#round);
  }

  /** A fresh round of heartbeats: proves leadership to whoever needs it proven. */
  confirmLeadership(): void {
    mark('raft.leader-paused');
    this.#beginRound();
  }

  /** Puts what is due into the outbox: everything gathered since the last Ready leaves in as few messages as possible. */
  flush(): void {
    if (this.#reads.hasFresh && this.#mayRead) this.#beginRound();
    this.#replication.flush(this.#round);
  }

  status(): ProgressStatus[] {
    return this.#replication.status(this.#state.options.electionTimeoutTicksMax);
  }

  #append(drafts: readonly EntryDraft[]): void {
    const { log, membership, options, term } = this.#state;
    const entries = sealEntries(drafts, {
      group: options.group,
      firstIndex: (log.lastIndex + 1) as LogIndex,
      term,
      time: this.#state.stampMs,
      previousChecksum: log.lastChecksum,
    });
    log.append(entries);
    membership.appended(entries);
    this.#state.stamped();
  }

  #acknowledged(peer: Progress, matchIndex: number): void {
    if (this.#replication.acknowledged(peer, matchIndex)) this.#advanceCommit();
    this.#transfer.progressed(peer);
  }

  #advanceCommit(): void {
    const { log, membership, options, term } = this.#state;
    const majorityIndex = membership.majorityMatch(this.#matchOf);
    const commitIndex = committedByCounting(log, term, majorityIndex, options.mutations);
    if (commitIndex === log.commitIndex) return;
    const readmissionPossible = !this.termStartCommitted || membership.hasPending;
    const reconfigured = this.#state.commitTo(commitIndex);
    this.#health.committed();
    if (reconfigured) this.#replication.syncMembers();
    if (readmissionPossible) this.#readmit();
  }

  /** Proposes the configuration that readmits who came back as somebody else. */
  #readmit(): void {
    if (!this.termStartCommitted || this.#transfer.isActive) return;
    const draft = this.#state.membership.readmissionDraft();
    if (draft === null) return;
    mark('raft.member-readmitted');
    this.#append([draft]);
  }

  #beginRound(): void {
    this.#round += 1;
    this.#heartbeatElapsed = 0;
    if (this.#mayRead) this.#reads.beginRound(this.#round, this.#state.log.commitIndex);
    for (const peer of this.#replication.peers) this.#heartbeat(peer);
    this.#confirmReads();
  }

  /**
   * News of the commit index ride on the next append. Where none followed for a whole tick they get a heartbeat of
   * their own: a follower's readers lag by two ticks at most, and a busy log costs no message more.
   */
  #tellCommit(): void {
    for (const peer of this.#replication.peers) {
      if (peer.commitSent < Math.min(this.#commitAtLastTick, peer.matchIndex)) this.#heartbeat(peer);
    }
  }

  #heartbeat(peer: Progress): void {
    // Beyond its match index the follower may hold another leader's entries: it must not take those for committed.
    const { log, options } = this.#state;
    const known = options.mutations.commitsWhatHeartbeatsSay ? log.commitIndex : peer.matchIndex;
    const commitIndex = Math.min(log.commitIndex, known) as LogIndex;
    peer.commitSent = Math.max(peer.commitSent, commitIndex);
    const { id, term } = this.#state;
    this.#state.send({ type: 'Heartbeat', from: id, to: peer.id, term, commitIndex, round: this.#round });
  }

  get #mayRead(): boolean {
    return this.termStartCommitted || this.#state.options.mutations.readsBeforeTermStart;
  }

  #confirmReads(): void {
    if (!this.#reads.hasPending) return;
    const { membership, options } = this.#state;
    const round = membership.majorityRound(this.#roundOf);
    this.#reads.confirmed(options.mutations.readsWithoutQuorum ? this.#round : round);
  }
}
