import { mark } from '../base/marks.ts';
import type { CoreState } from './core-state.ts';
import type { Replication } from './replication.ts';

/**
 * When a leader must give up by itself. A lease at the followers protects it from candidates, so it must not sit there
 * protected and useless:
 *
 * - CheckQuorum (dissertation 6.2): a leader that hears no majority for an election timeout may have been replaced
 *   without knowing it, and its clients should look elsewhere.
 * - Its commit index stands still though entries wait, while heartbeats are answered: the bulk lanes may be dead where
 *   the control lanes live. They are dialled anew once; if that did not help, somebody else should try. Nobody else could
 *   do better while a voter is on its way through a snapshot.
 */
export class LeaderHealth {
  readonly #state: CoreState;
  readonly #replication: Replication;
  #stalledTicks = 0;

  constructor(state: CoreState, replication: Replication) {
    this.#state = state;
    this.#replication = replication;
  }

  committed(): void {
    this.#stalledTicks = 0;
  }

  /** @returns why to step down, or null. */
  tick(): string | null {
    const { log, membership, options } = this.#state;
    // Alone, it waits for its own disk: nobody else could do better.
    const waits = log.lastIndex > log.commitIndex && membership.voters.length > 1;
    this.#stalledTicks = waits && !this.#awaitsSnapshot ? this.#stalledTicks + 1 : 0;
    if (this.#stalledTicks >= 2 * options.electionTimeoutTicksMax) {
      mark('raft.stalled-step-down');
      return `commit index ${log.commitIndex} stood still for ${this.#stalledTicks} ticks with ${log.lastIndex - log.commitIndex} entries waiting`;
    }
    const why = this.#checkQuorum();
    if (why === null && this.#stalledTicks === options.electionTimeoutTicksMax) this.#resetLanes();
    return why;
  }

  /** Not for ever: a snapshot that does not get on counts as nothing. */
  get #awaitsSnapshot(): boolean {
    const { membership, options } = this.#state;
    return this.#replication.peers.some(
      (peer) =>
        peer.state === 'snapshot' &&
        membership.counts(peer.id) &&
        peer.isActive(options.electionTimeoutTicksMax),
    );
  }

  #checkQuorum(): string | null {
    const { membership, options, id } = this.#state;
    const ticksMax = options.electionTimeoutTicksMax;
    let active = membership.counts(id) ? 1 : 0;
    for (const peer of this.#replication.peers) {
      if (membership.counts(peer.id) && peer.isActive(ticksMax)) active += 1;
    }
    if (active >= membership.quorum || membership.voters.length === 1) return null;
    mark('raft.check-quorum-step-down');
    return `heard ${active} of ${membership.voters.length} voters within ${ticksMax} ticks, needs ${membership.quorum}`;
  }

  #resetLanes(): void {
    const { options, outbox } = this.#state;
    for (const peer of this.#replication.peers) {
      if (peer.stalledTicks < options.electionTimeoutTicksMin) continue;
      mark('raft.bulk-lane-reset');
      outbox.resetBulkLane(peer.id);
      this.#replication.probe(peer, `no acknowledgement moved for ${peer.stalledTicks} ticks`);
    }
  }
}
