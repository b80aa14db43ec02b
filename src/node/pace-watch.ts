export interface Pace {
  /** p99.9 of the syncs since the last look; null if there were none. */
  readonly syncMs: number | null;
  /** How late the loop was at worst since the last look. */
  readonly loopDelayMs: number;
}

const LOOK_EVERY_MS = 10_000;

/**
 * Warns when this machine is too slow for its time-outs: when a sync and the delay of the loop together take more than
 * a third of the shortest election timeout, a follower may miss heartbeats that came in time, and elections happen for
 * no better reason than that.
 */
export class PaceWatch {
  readonly #limitMs: number;
  readonly #look: () => Pace;
  readonly #warn: (pace: Pace, limitMs: number) => void;
  #nextLookMs: number | null = null;

  constructor(electionTimeoutMsMin: number, look: () => Pace, warn: (pace: Pace, limitMs: number) => void) {
    this.#limitMs = electionTimeoutMsMin / 3;
    this.#look = look;
    this.#warn = warn;
  }

  /** To be called now and then. */
  passed(nowMs: number): void {
    this.#nextLookMs ??= nowMs + LOOK_EVERY_MS;
    if (nowMs < this.#nextLookMs) return;
    this.#nextLookMs = nowMs + LOOK_EVERY_MS;
    const pace = this.#look();
    if ((pace.syncMs ?? 0) + pace.loopDelayMs > this.#limitMs) this.#warn(pace, this.#limitMs);
  }
}
