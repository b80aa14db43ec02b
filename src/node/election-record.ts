import type { Clock } from '../base/ports/clock.ts';
import type { NodeId, Term } from '../base/units.ts';
import type { RaftEvent } from '../raft/index.ts';

export interface LastElection {
  readonly term: Term;
  readonly leaderId: NodeId;
  readonly why: string;
  /** Unix milliseconds. */
  readonly atMs: number;
  /** How long this node knew no leader before; null if it had known none since it started. */
  readonly durationMs: number | null;
}

/** Remembers how the present leader came to lead, as this node saw it: the first question after every failover. */
export class ElectionRecord {
  readonly #clock: Clock;
  #last: LastElection | null = null;
  #leaderlessSinceMs: number | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get last(): LastElection | null {
    return this.#last;
  }

  observe(event: RaftEvent): void {
    if (event.type !== 'leader-changed') return;
    const now = this.#clock.monotonicMs();
    if (event.leader === null) {
      this.#leaderlessSinceMs ??= now;
      return;
    }
    this.#last = {
      term: event.term,
      leaderId: event.leader,
      why: event.why,
      atMs: this.#clock.unixMs(),
      durationMs: this.#leaderlessSinceMs === null ? null : Math.round(now - this.#leaderlessSinceMs),
    };
    this.#leaderlessSinceMs = null;
  }
}
