/** Stands for one pending timer. */
export interface TimerHandle {
  cancel(): void;
}

/**
 * Time as this system sees it. Real nodes run on the machine's clock, simulated ones on a virtual one; nothing below
 * the command line asks for time in any other way.
 */
export interface Clock {
  /** Milliseconds since an arbitrary start, with a fraction; never goes back. For every time-out and lease. */
  monotonicMs(): number;
  /** Unix milliseconds, an integer; may jump. Only for stamps that people and retention read. */
  unixMs(): number;
  /** Calls back once, no sooner than in `delayMs`. */
  setTimer(delayMs: number, callback: () => void): TimerHandle;
  /** Calls back at the end of this turn of the loop: after the input that has already arrived. */
  defer(callback: () => void): void;
}
