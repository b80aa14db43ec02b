import type { NodeId } from '../base/units.ts';
import type { CoreState } from './core-state.ts';
import type { Progress } from './progress.ts';
import type { Replication } from './replication.ts';
import { refuseTarget } from './transfer.ts';

/** In longest election timeouts. */
const SETTLED_TIMEOUTS = 2;
const PAUSE_TIMEOUTS = 10;

/**
 * Hands leadership to a follower of higher priority, once both have been steady for a while, and seldom: a preferred
 * node that is elected and dies again and again must not take the cluster with it each time.
 */
export class Preference {
  readonly #state: CoreState;
  /** Outlives a term of office: a node that gets leadership back at once shall not pass it on at once. */
  #pauseTicksLeft = 0;

  constructor(state: CoreState) {
    this.#state = state;
  }

  /** To be called with every tick, whoever leads. */
  tick(): void {
    if (this.#pauseTicksLeft > 0) this.#pauseTicksLeft -= 1;
  }

  /** Whom to hand over to now; null for nobody. */
  choose(replication: Replication, leaderTicks: number): NodeId | null {
    const { membership, options } = this.#state;
    const settledTicks = SETTLED_TIMEOUTS * options.electionTimeoutTicksMax;
    if (this.#pauseTicksLeft > 0 || leaderTicks < settledTicks || membership.preferredVoters === 0)
      return null;
    let best: Progress | null = null;
    for (const peer of replication.peers) {
      const priority = membership.priorityOf(peer.id);
      if (priority <= options.priority || peer.healthyTicks < settledTicks) continue;
      if (refuseTarget(this.#state, peer) !== null || peer.syncMs >= options.slowSyncMs) continue;
      if (best === null || priority > membership.priorityOf(best.id)) best = peer;
    }
    if (best === null) return null;
    this.#pauseTicksLeft = PAUSE_TIMEOUTS * options.electionTimeoutTicksMax;
    return best.id;
  }
}
