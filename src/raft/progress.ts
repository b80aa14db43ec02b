import { mark } from '../base/marks.ts';
import type { LogIndex, NodeId } from '../base/units.ts';
import { Inflights } from './inflights.ts';
import type { LogRead, ProgressState, ProgressStatus } from './ready.ts';

/**
 * What a leader knows about one follower. Three states, as in etcd-io/raft:
 *
 * - probe: it is not known where the logs agree. One message at a time, until one is accepted.
 * - replicate: they agree up to `matchIndex`; entries are sent ahead of acknowledgements, within a window.
 * - snapshot: what it needs next is no longer in this log. A snapshot is on its way; no entries are sent.
 */
export class Progress {
  readonly id: NodeId;
  readonly inflights: Inflights;
  #state: ProgressState = 'probe';
  /** Durable at the follower and equal to this log. */
  matchIndex = 0;
  nextIndex: number;
  /** Highest index ever sent under this leadership: what lies above the match index is owed. */
  sentIndex = 0;
  /** Highest commit index the follower was told of and could use. */
  commitSent = 0;
  /** Latest heartbeat round that it answered. */
  round = 0;
  /** A message should go out even if it carries no entry: to learn where the logs agree, or whether one was lost. */
  emptyDue = true;
  /** In probe: one is on its way since this round. */
  probeOutstanding = false;
  probeRound = 0;
  #probeEnd = 0;
  logRead: LogRead | null = null;
  /** The disk could not deliver; tried again with the next heartbeat that it answers. */
  logReadFailed = false;
  ticksSinceHeard = 0;
  /** Ticks for which it has owed acknowledgements and none moved. */
  stalledTicks = 0;
  /** Ticks for which it has been up to the job of leading. */
  healthyTicks = 0;
  controlUp = true;
  /** How long its syncs take lately, as it says. */
  syncMs = 0;
  /** By so much its disk is fuller than it should be, as it says. */
  surplusBytes = 0;
  #heardOnce = false;
  #snapshotOffset = 0;
  #matchAtHeartbeat = 0;

  constructor(id: NodeId, nextIndex: LogIndex, messagesMax: number, bytesMax: number) {
    this.id = id;
    this.nextIndex = nextIndex;
    this.inflights = new Inflights(messagesMax, bytesMax);
  }

  get state(): ProgressState {
    return this.#state;
  }

  get heardOnce(): boolean {
    return this.#heardOnce;
  }

  get owes(): boolean {
    return this.sentIndex > this.matchIndex;
  }

  becomeProbe(): void {
    this.#state = 'probe';
    this.nextIndex = this.matchIndex + 1;
    this.inflights.clear();
    this.probeOutstanding = false;
    this.emptyDue = true;
  }

  /** Keeps a probe back until the next answered heartbeat: there is no lane to send it on. */
  pauseProbe(round: number): void {
    this.probeOutstanding = true;
    this.probeRound = round;
    this.emptyDue = false;
  }

  becomeReplicate(): void {
    this.#state = 'replicate';
    this.nextIndex = Math.max(this.matchIndex, this.#probeEnd) + 1;
    this.inflights.clear();
    this.probeOutstanding = false;
    this.emptyDue = false;
  }

  becomeSnapshot(): void {
    this.#state = 'snapshot';
    this.inflights.clear();
    this.probeOutstanding = false;
    this.emptyDue = false;
    this.#snapshotOffset = 0;
  }

  /** It has everything up to `lastIndex` by a snapshot: where the logs agree is asked anew behind that. */
  installed(lastIndex: LogIndex): void {
    this.becomeProbe();
    this.nextIndex = Math.max(lastIndex, this.matchIndex) + 1;
    this.stalledTicks = 0;
  }

  /** It lacks the snapshot from here on. Who takes it in is alive, and only as long as it gets on. */
  snapshotStored(offset: number): void {
    if (offset <= this.#snapshotOffset) return;
    this.#snapshotOffset = offset;
    this.stalledTicks = 0;
  }

  /** Forgets what somebody of the same name acknowledged. */
  forget(lastIndex: LogIndex): void {
    this.matchIndex = 0;
    this.sentIndex = 0;
    this.commitSent = 0;
    this.becomeProbe();
    this.nextIndex = lastIndex + 1;
  }

  heard(): void {
    this.ticksSinceHeard = 0;
    this.#heardOnce = true;
  }

  sent(lastIndex: number, bytes: number, round: number): void {
    this.emptyDue = false;
    if (lastIndex > this.sentIndex) this.sentIndex = lastIndex;
    if (this.#state === 'probe') {
      this.probeOutstanding = true;
      this.probeRound = round;
      this.#probeEnd = lastIndex;
    } else if (bytes > 0) {
      this.inflights.add(lastIndex, bytes);
      this.nextIndex = lastIndex + 1;
    }
  }

  /** @returns true if the match index moved. */
  acknowledged(matchIndex: number): boolean {
    if (matchIndex <= this.matchIndex) return false;
    this.matchIndex = matchIndex;
    this.stalledTicks = 0;
    this.inflights.acknowledge(matchIndex);
    if (this.nextIndex <= matchIndex) this.nextIndex = matchIndex + 1;
    return true;
  }

  /**
   * Draws from an answered heartbeat whether something was lost on the bulk lane. A probe that left before the
   * heartbeat is given up; entries whose acknowledgements have not moved since the heartbeat before are asked after.
   */
  heardHeartbeat(round: number, matchIndex: number): void {
    if (round > this.round) this.round = round;
    this.logReadFailed = false;
    if (this.#state === 'probe') {
      if (this.probeOutstanding && round > this.probeRound) {
        mark('raft.probe-after-loss');
        this.probeOutstanding = false;
        this.emptyDue = true;
      }
    } else if (this.#state === 'replicate') {
      const stuck = this.owes && this.matchIndex === this.#matchAtHeartbeat;
      // It verified less than we know to match: it was started again and waits for a message to verify the rest.
      const restarted = matchIndex < this.matchIndex && this.inflights.count === 0;
      if (stuck || restarted) {
        mark('raft.acknowledgement-overdue');
        this.emptyDue = true;
      }
    }
    this.#matchAtHeartbeat = this.matchIndex;
  }

  tick(): void {
    this.ticksSinceHeard += 1;
    this.stalledTicks = this.owes || this.#state === 'snapshot' ? this.stalledTicks + 1 : 0;
  }

  /**
   * Whether it counts as alive. One that answers heartbeats on the control lane while its acknowledgements stand still
   * would keep a useless leader in office: so they must move, within twice the time, after which its lane was dialled
   * anew once.
   */
  isActive(ticksMax: number): boolean {
    return this.ticksSinceHeard < ticksMax && this.stalledTicks < 2 * ticksMax;
  }

  status(counts: boolean, ticksMax: number): ProgressStatus {
    return {
      id: this.id,
      state: this.#state,
      matchIndex: this.matchIndex as LogIndex,
      nextIndex: this.nextIndex as LogIndex,
      inflightMessages: this.#state === 'probe' && this.probeOutstanding ? 1 : this.inflights.count,
      inflightBytes: this.inflights.bytes,
      recentlyActive: this.#heardOnce && this.isActive(ticksMax),
      counts,
      ticksSinceHeard: this.ticksSinceHeard,
    };
  }
}
