import type { Configuration } from '../../../src/base/configuration.ts';
import type { Entry } from '../../../src/base/entry.ts';
import type { InstallSnapshot, PeerMessage } from '../../../src/base/peer-message.ts';
import { Prng } from '../../../src/base/prng.ts';
import { FIRST_GROUP, type Incarnation, type NodeId, term } from '../../../src/base/units.ts';
import { RAFT_DEFAULTS } from '../../../src/raft/options.ts';
import { RaftCore } from '../../../src/raft/raft-core.ts';
import type { RaftOptions } from '../../../src/raft/options.ts';
import type { LogRead, RaftEvent, ReadGrant, Ready, SnapshotWanted } from '../../../src/raft/ready.ts';
import { bootstrapOf, firstIncarnationOf, trio } from './logs.ts';
import { TestDisk } from './test-disk.ts';

/** Chance that always comes out the same: elections time out at the latest moment, unless told otherwise. */
export class ConstantPrng extends Prng {
  readonly #value: number;

  constructor(value = 0xffff_ffff) {
    super(0);
    this.#value = value;
  }

  // Called by the base constructor too, when there is no value yet.
  override uint32(): number {
    return #value in this ? this.#value : 0;
  }
}

export interface ReplicaOptions {
  readonly id?: NodeId;
  readonly members?: readonly NodeId[];
  /** Durable at the start. */
  readonly log?: readonly Entry[];
  /** Index of the last entry of it that is not kept any more. Default 0. */
  readonly base?: number;
  readonly lastTimeMs?: number;
  /** Hard state at the start. Default: the term of the last entry, no vote. */
  readonly term?: number;
  readonly votedFor?: NodeId | null;
  /** Known to be committed at the start. Default: entry 1, so that the configuration holds. */
  readonly commit?: number;
  readonly incarnation?: Incarnation;
  /** Whether handshakes with all members have happened. Default true. */
  readonly acquainted?: boolean;
  readonly bootstrap?: Configuration;
  readonly tailEntriesMax?: number;
  readonly hardStateTrusted?: boolean;
  readonly belongsToCluster?: boolean;
  readonly raft?: Partial<RaftOptions>;
}

/** One core with its disk, and nothing that happens by itself: the test plays the disk, the clock and the peers. */
export class Replica {
  readonly id: NodeId;
  readonly members: readonly NodeId[];
  disk: TestDisk;
  core: RaftCore;
  readonly events: RaftEvent[] = [];
  readonly reads: ReadGrant[] = [];
  readonly readsRefused: number[] = [];
  /** Not answered yet; `settle` answers them. */
  logReads: LogRead[] = [];
  /** Followers that need a snapshot, and pieces of one that were not stored yet. */
  snapshotsWanted: SnapshotWanted[] = [];
  pieces: InstallSnapshot[] = [];
  /** Watches every Ready before anything else happens to it. */
  onReady: (ready: Ready) => void = () => {};
  #options: ReplicaOptions;

  constructor(options: ReplicaOptions = {}) {
    this.#options = options;
    this.id = options.id ?? trio[0]!;
    this.members = options.members ?? trio;
    const log = options.log ?? [];
    const hardState = {
      term: term(options.term ?? log.at(-1)?.term ?? 0),
      votedFor: options.votedFor ?? null,
    };
    this.disk = TestDisk.holding(log, hardState, options.base);
    this.disk.commitHint = options.commit ?? Math.min(1, log.length);
    this.core = this.#startCore();
  }

  /** A new process on the same disk. What the disk had not synced is gone if it crashed before. */
  restart(): void {
    this.logReads = [];
    this.snapshotsWanted = [];
    this.pieces = [];
    this.core = this.#startCore();
  }

  /** The disk is replaced by an empty one, on which the next process makes itself a new incarnation. */
  wipe(next: Incarnation): void {
    this.disk = new TestDisk();
    this.#options = { ...this.#options, incarnation: next };
  }

  tick(count = 1): void {
    for (let one = 0; one < count; one += 1) this.core.tick();
  }

  step(...messages: readonly PeerMessage[]): void {
    for (const message of messages) this.core.step(message);
  }

  /** Takes one Ready and hands its writes to the disk, which does not sync by itself. */
  take(): Ready {
    const ready = this.core.ready();
    this.disk.write(ready);
    this.events.push(...ready.events);
    this.reads.push(...ready.reads);
    this.readsRefused.push(...ready.readsRefused);
    this.logReads.push(...ready.logReads);
    this.snapshotsWanted.push(...ready.snapshotsWanted);
    this.pieces.push(...ready.snapshotPieces);
    this.onReady(ready);
    return ready;
  }

  /** Takes Readys until there is none, and syncs nothing. @returns their messages. */
  drain(): PeerMessage[] {
    const messages: PeerMessage[] = [];
    while (this.core.hasReady()) messages.push(...this.take().messages);
    return messages;
  }

  /** Makes the oldest `count` writes durable and says so. */
  sync(count?: number): void {
    const number = this.disk.sync(count);
    if (number !== null) this.core.persisted(number);
  }

  /** A good disk: everything is synced and every log read answered until the core wants nothing more. */
  settle(): PeerMessage[] {
    const messages: PeerMessage[] = [];
    do {
      messages.push(...this.drain());
      this.answerLogReads();
      this.sync();
    } while (this.core.hasReady());
    return messages;
  }

  answerLogReads(): void {
    for (const request of this.logReads.splice(0)) {
      const { entries, previousChecksum } = this.disk.read(request.firstIndex, request.entriesMax);
      this.core.logRead(request, entries, previousChecksum);
    }
  }

  /** Steps messages one by one, settling after each. @returns all that was said. */
  hear(...messages: readonly PeerMessage[]): PeerMessage[] {
    return messages.flatMap((message) => {
      this.core.step(message);
      return this.settle();
    });
  }

  /** Ticks until something is said to others (a campaign, a heartbeat), at most `limit` ticks. */
  tickUntilHeard(limit = 200): PeerMessage[] {
    for (let count = 0; count < limit; count += 1) {
      this.core.tick();
      const messages = this.settle();
      if (messages.length > 0) return messages;
    }
    return [];
  }

  #startCore(): RaftCore {
    const { acquainted = true, hardStateTrusted = true, belongsToCluster = false } = this.#options;
    const { lastTimeMs = 0, raft = {} } = this.#options;
    const core = new RaftCore({
      ...RAFT_DEFAULTS,
      id: this.id,
      incarnation: this.#options.incarnation ?? firstIncarnationOf(this.id),
      group: FIRST_GROUP,
      prng: new ConstantPrng(),
      bootstrap: { configuration: this.#options.bootstrap ?? bootstrapOf(this.members) },
      ...raft,
      recovered: {
        ...this.disk.recovered(this.#options.tailEntriesMax),
        hardStateTrusted,
        lastTimeMs,
        belongsToCluster,
      },
    });
    for (const peer of this.members) {
      if (peer === this.id) continue;
      if (acquainted) core.peerIdentified(peer, firstIncarnationOf(peer), 0);
      core.peerReachable(peer, 'control', true);
      core.peerReachable(peer, 'bulk', true);
    }
    core.clock(1_700_000_000_000);
    return core;
  }
}
