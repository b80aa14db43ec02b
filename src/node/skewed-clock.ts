import type { Clock, TimerHandle } from '../base/ports/clock.ts';

/** By how much the time of day is wrong on request. */
export interface ClockFaults {
  wallOffsetMs(): number;
}

/** A clock whose time of day can be set wrong. How long something takes it tells rightly, as real machines do. */
export class SkewedClock implements Clock {
  /** Nothing is wrong before somebody can say so. */
  faults: ClockFaults | null = null;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  unixMs(): number {
    return Math.max(0, this.#clock.unixMs() + (this.faults?.wallOffsetMs() ?? 0));
  }

  setTimer(delayMs: number, callback: () => void): TimerHandle {
    return this.#clock.setTimer(delayMs, callback);
  }

  defer(callback: () => void): void {
    this.#clock.defer(callback);
  }
}
