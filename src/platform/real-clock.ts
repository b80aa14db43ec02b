import type { Clock, TimerHandle } from '../base/ports/clock.ts';

/** The machine's clock. */
export class RealClock implements Clock {
  monotonicMs(): number {
    return performance.now();
  }

  unixMs(): number {
    return Date.now();
  }

  setTimer(delayMs: number, callback: () => void): TimerHandle {
    const timer = setTimeout(callback, Math.max(1, Math.ceil(delayMs)));
    return { cancel: () => clearTimeout(timer) };
  }

  /** After the poll phase, in which all sockets that have something are read: the end of the turn. */
  defer(callback: () => void): void {
    setImmediate(callback);
  }
}
