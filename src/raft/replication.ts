import { assert } from '../base/assert.ts';
import { mark } from '../base/marks.ts';
import type { AppendRejection } from '../base/peer-message.ts';
import type { Entry } from '../base/entry.ts';
import type { LogIndex, NodeId, Term } from '../base/units.ts';
import type { CoreState } from './core-state.ts';
import { Progress } from './progress.ts';
import type { LogRead, ProgressStatus } from './ready.ts';

const NOTHING: readonly Entry[] = [];

/** The leader's side of replication (section 5.3): brings the followers' logs to equal its own. */
export class Replication {
  readonly #state: CoreState;
  readonly #followers = new Map<NodeId, Progress>();
  #peers: Progress[] = [];
  /** The slice sent last: followers that are level with each other share it. */
  #shared: { first: number; roomBytes: number; lastIndex: number; entries: Entry[] } | null = null;

  constructor(state: CoreState) {
    this.#state = state;
    this.syncMembers();
  }

  get peers(): readonly Progress[] {
    return this.#peers;
  }

  find(id: NodeId): Progress | null {
    return this.#followers.get(id) ?? null;
  }

  matchOf(id: NodeId): number {
    const { id: self, log, options } = this.#state;
    if (id === self) return options.mutations.leaderCountsItselfBeforeSync ? log.lastIndex : log.durableIndex;
    return this.#followers.get(id)?.matchIndex ?? 0;
  }

  /** Follows the active configuration: everybody in it is sent the log, whether it counts or not. */
  syncMembers(): void {
    const { id: self, options, membership, log } = this.#state;
    const members = new Set(membership.active.members.map((member) => member.id));
    for (const id of this.#followers.keys()) if (!members.has(id)) this.#followers.delete(id);
    for (const id of members) {
      if (id === self || this.#followers.has(id)) continue;
      const nextIndex = (log.lastIndex + 1) as LogIndex;
      this.#followers.set(
        id,
        new Progress(id, nextIndex, options.inflightMessagesMax, options.inflightBytesMax),
      );
    }
    this.#peers = [...this.#followers.values()];
  }

  /** Sends each follower what its window allows. */
  flush(round: number): void {
    for (const peer of this.#peers) {
      while (this.#maySend(peer) && this.#sendNext(peer, round));
    }
    this.#shared = null;
  }

  /** Whether `flush` would send something. */
  get isDue(): boolean {
    return this.#peers.some((peer) => this.#maySend(peer));
  }

  acknowledged(peer: Progress, matchIndex: number): boolean {
    // Beyond the end of the log nothing can match: no correct follower says so.
    if (matchIndex > this.#state.log.lastIndex) return false;
    const moved = peer.acknowledged(matchIndex);
    if (peer.state === 'probe' && matchIndex >= peer.matchIndex) {
      peer.becomeReplicate();
      this.#tell(peer, `its log matches up to ${peer.matchIndex}`);
    } else if (peer.state === 'snapshot' && peer.matchIndex >= this.#state.log.firstIndex - 1) {
      // An acknowledgement that was long on its way: it has what it was believed to lack.
      this.probe(peer, `its log matches up to ${peer.matchIndex}`);
    }
    return moved;
  }

  /** The snapshot, or what this follower had all along, reaches up to `lastIndex`. */
  snapshotInstalled(peer: Progress, lastIndex: LogIndex): void {
    if (peer.state !== 'snapshot') return;
    mark('raft.snapshot-installed');
    peer.installed(lastIndex);
    this.#tell(peer, `it has the snapshot at ${lastIndex}`);
  }

  /** No snapshot can be sent now. Tried again when it answers the next heartbeat. */
  snapshotFailed(peer: Progress, round: number): void {
    if (peer.state !== 'snapshot') return;
    mark('raft.snapshot-failed');
    this.probe(peer, 'the snapshot for it could not be sent');
    peer.pauseProbe(round);
  }

  /** Goes back past a whole conflicting term at once (end of section 5.3). */
  rejected(peer: Progress, rejection: AppendRejection): void {
    const { prevIndex } = rejection;
    // What was acknowledged in this term stays so, and a probe has one question open: all else is an old answer.
    if (peer.state === 'snapshot' || prevIndex <= peer.matchIndex || prevIndex >= peer.nextIndex) return;
    if (peer.state === 'probe' && prevIndex !== peer.nextIndex - 1) return;
    const retryIndex = Math.min(this.#retryIndex(rejection), prevIndex);
    this.probe(peer, `it has no entry that matches ours at ${prevIndex}`);
    peer.stalledTicks = 0;
    peer.nextIndex = Math.max(retryIndex, peer.matchIndex + 1);
  }

  /** Whatever was sent may be lost: asks again where the logs agree. */
  probe(peer: Progress, why: string): void {
    const told = peer.state === 'probe';
    peer.becomeProbe();
    // Of one that has acknowledged nothing yet the end of the log is as good a guess as at the beginning of the term, and
    // its answer says where to go on; from the beginning of the log it would be sent all that it has.
    if (peer.matchIndex === 0) peer.nextIndex = this.#state.log.lastIndex + 1;
    if (!told) this.#tell(peer, why);
  }

  logRead(request: LogRead, entries: readonly Entry[], prevChecksum: number, round: number): void {
    const peer = this.#followers.get(request.to);
    if (peer?.logRead?.firstIndex !== request.firstIndex || request.term !== this.#state.term) {
      mark('raft.entries-read-in-vain');
      return;
    }
    peer.logRead = null;
    const first = entries[0];
    if (first === undefined) {
      peer.logReadFailed = true;
      return;
    }
    if (peer.state === 'snapshot' || first.index !== peer.nextIndex) {
      mark('raft.entries-read-in-vain');
      return;
    }
    const prevTerm = this.#state.log.termAt(first.index - 1);
    if (prevTerm === null || (peer.state === 'probe' && peer.probeOutstanding)) return;
    this.#send(peer, prevTerm, prevChecksum, entries, round);
  }

  status(ticksMax: number): ProgressStatus[] {
    return this.#peers.map((peer) => peer.status(this.#state.membership.counts(peer.id), ticksMax));
  }

  #maySend(peer: Progress): boolean {
    if (peer.logRead !== null || peer.logReadFailed || peer.state === 'snapshot') return false;
    if (peer.emptyDue) return true;
    if (peer.nextIndex > this.#state.log.lastIndex) return false;
    if (peer.state === 'probe') return !peer.probeOutstanding;
    const room = peer.inflights.roomBytes;
    if (room === 0 || peer.inflights.count === 0) return room > 0;
    // The next entry must fit; one that is not in memory is asked for when nothing else is on its way.
    const next = this.#state.log.cached(peer.nextIndex as LogIndex);
    return next === null || next.bytes.length <= room;
  }

  /** @returns true if there may be more to send. */
  #sendNext(peer: Progress, round: number): boolean {
    const { log, options } = this.#state;
    const prevIndex = peer.nextIndex - 1;
    const prevTerm = log.termAt(prevIndex);
    if (prevTerm === null || (peer.nextIndex < log.firstIndex && peer.nextIndex <= log.lastIndex)) {
      peer.becomeSnapshot();
      this.#state.outbox.wantSnapshot({ to: peer.id, term: this.#state.term });
      this.#tell(peer, `it needs index ${peer.nextIndex}, this log begins at ${log.firstIndex}`);
      return false;
    }
    const roomBytes = Math.min(options.appendBytesMax, peer.inflights.roomBytes);
    const prevChecksum = log.checksumAt(prevIndex);
    const wanted = peer.nextIndex <= log.lastIndex && roomBytes > 0;
    const entries = wanted ? this.#slice(peer.nextIndex, roomBytes) : NOTHING;
    if (prevChecksum === null && peer.emptyDue && peer.state === 'replicate') {
      // Asking after what was sent needs a checksum that left the cache: begin again where the logs agree.
      this.probe(peer, 'its acknowledgements stand still');
      return true;
    }
    if (prevChecksum === null || entries === null) {
      this.#readLog(peer, roomBytes);
      return false;
    }
    this.#send(peer, prevTerm, prevChecksum, entries, round);
    return entries.length > 0;
  }

  #slice(first: number, roomBytes: number): Entry[] | null {
    const { log, options } = this.#state;
    const shared = this.#shared;
    if (shared?.first === first && shared.roomBytes === roomBytes && shared.lastIndex === log.lastIndex)
      return shared.entries;
    const entries = log.slice(first as LogIndex, first + options.appendEntriesMax - 1, roomBytes);
    if (entries !== null) this.#shared = { first, roomBytes, lastIndex: log.lastIndex, entries };
    return entries;
  }

  #send(
    peer: Progress,
    prevTerm: Term,
    prevChecksum: number,
    entries: readonly Entry[],
    round: number,
  ): void {
    const { id, term, log } = this.#state;
    const prevIndex = (peer.nextIndex - 1) as LogIndex;
    this.#state.send({
      type: 'AppendEntries',
      from: id,
      to: peer.id,
      term,
      prevIndex,
      prevTerm,
      prevChecksum,
      commitIndex: log.commitIndex,
      entries,
    });
    const end = prevIndex + entries.length;
    let bytes = 0;
    for (const entry of entries) bytes += entry.bytes.length;
    peer.sent(end, bytes, round);
    peer.commitSent = Math.max(peer.commitSent, Math.min(log.commitIndex, end));
  }

  /**
   * Entries, or the checksum before them, left the cache: the disk has them. Its answer may exceed the window by one
   * entry, whose size is not known before.
   */
  #readLog(peer: Progress, roomBytes: number): void {
    const { term, log, options, outbox } = this.#state;
    const firstIndex = peer.nextIndex as LogIndex;
    assert(firstIndex <= log.durableIndex, () => `entry ${firstIndex} is neither in memory nor on disk`);
    peer.logRead = {
      to: peer.id,
      term,
      firstIndex,
      entriesMax: Math.min(options.appendEntriesMax, log.durableIndex - firstIndex + 1),
      bytesMax: Math.max(1, Math.min(options.appendBytesMax, roomBytes)),
    };
    mark('raft.entries-read-for-follower');
    outbox.readLog(peer.logRead);
  }

  #retryIndex({ prevIndex, conflictTerm, conflictIndex }: AppendRejection): number {
    if (conflictTerm === 0) return conflictIndex;
    const shared = this.#state.log.lastIndexOfTerm(conflictTerm, prevIndex);
    return shared === null ? conflictIndex : shared + 1;
  }

  #tell(peer: Progress, why: string): void {
    this.#state.emit({
      type: 'follower-state',
      term: this.#state.term,
      follower: peer.id,
      state: peer.state,
      why,
    });
  }
}
