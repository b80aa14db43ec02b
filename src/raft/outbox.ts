import type {
  InstallSnapshot,
  InstallSnapshotResponse,
  PeerMessage,
  RequestVoteResponse,
} from '../base/peer-message.ts';
import type { LogIndex, NodeId, Term } from '../base/units.ts';
import type { Persistence } from './persistence.ts';
import type { LogRead, RaftEvent, ReadGrant, Ready, SnapshotWanted } from './ready.ts';

interface HeldVote {
  readonly response: RequestVoteResponse;
  /** Hard state that must be on disk before it leaves. */
  readonly version: number;
}

/** What was decided since the last Ready and waits to leave with the next. */
export class Outbox {
  #messages: PeerMessage[] = [];
  #events: RaftEvent[] = [];
  #reads: ReadGrant[] = [];
  #readsRefused: number[] = [];
  #logReads: LogRead[] = [];
  #resetBulkLanes: NodeId[] = [];
  #snapshotsWanted: SnapshotWanted[] = [];
  #snapshotAnswers: InstallSnapshotResponse[] = [];
  #snapshotPieces: InstallSnapshot[] = [];
  #heldVotes: HeldVote[] = [];

  get isEmpty(): boolean {
    return (
      this.#messages.length === 0 &&
      this.#events.length === 0 &&
      this.#reads.length === 0 &&
      this.#readsRefused.length === 0 &&
      this.#logReads.length === 0 &&
      this.#resetBulkLanes.length === 0 &&
      this.#snapshotsWanted.length === 0 &&
      this.#snapshotAnswers.length === 0 &&
      this.#snapshotPieces.length === 0
    );
  }

  send(message: PeerMessage): void {
    this.#messages.push(message);
  }

  /** Keeps a granted vote back until term and vote are on disk: a voter that forgets its vote may vote twice. */
  sendVote(response: RequestVoteResponse, persistence: Persistence): void {
    if (persistence.hardStateDurable) this.#messages.push(response);
    else this.#heldVotes.push({ response, version: persistence.hardStateVersion });
  }

  /** Lets go of held votes that are durable now. A vote of an older term helps nobody any more. */
  releaseVotes(persistence: Persistence, term: Term): void {
    if (this.#heldVotes.length === 0) return;
    const held = this.#heldVotes;
    this.#heldVotes = [];
    for (const vote of held) {
      if (vote.response.term !== term) continue;
      if (persistence.isDurable(vote.version)) this.#messages.push(vote.response);
      else this.#heldVotes.push(vote);
    }
  }

  emit(event: RaftEvent): void {
    this.#events.push(event);
  }

  grantRead(token: number, index: LogIndex): void {
    this.#reads.push({ token, index });
  }

  refuseRead(token: number): void {
    this.#readsRefused.push(token);
  }

  readLog(request: LogRead): void {
    this.#logReads.push(request);
  }

  resetBulkLane(id: NodeId): void {
    this.#resetBulkLanes.push(id);
  }

  wantSnapshot(wanted: SnapshotWanted): void {
    this.#snapshotsWanted.push(wanted);
  }

  answerSnapshot(answer: InstallSnapshotResponse): void {
    this.#snapshotAnswers.push(answer);
  }

  storeSnapshot(piece: InstallSnapshot): void {
    this.#snapshotPieces.push(piece);
  }

  take(): Omit<
    Ready,
    'number' | 'hardState' | 'truncateFrom' | 'truncateChecksum' | 'entries' | 'commitIndex' | 'mustPersist'
  > {
    const taken = {
      messages: this.#messages,
      events: this.#events,
      reads: this.#reads,
      readsRefused: this.#readsRefused,
      logReads: this.#logReads,
      resetBulkLanes: this.#resetBulkLanes,
      snapshotsWanted: this.#snapshotsWanted,
      snapshotAnswers: this.#snapshotAnswers,
      snapshotPieces: this.#snapshotPieces,
    };
    this.#messages = [];
    this.#events = [];
    this.#reads = [];
    this.#readsRefused = [];
    this.#logReads = [];
    this.#resetBulkLanes = [];
    this.#snapshotsWanted = [];
    this.#snapshotAnswers = [];
    this.#snapshotPieces = [];
    return taken;
  }
}
