import type { Clock, TimerHandle } from '../base/ports/clock.ts';

/** Node turns a longer delay into 1 ms. */
const DELAY_MS_MAX = 2 ** 31 - 1;

/** The machine's clock. A timer keeps the process alive: whoever sets one cancels it when it is done with. */
export class RealClock implements Clock {
  monotonicMs(): number {
    return performance.now();
  }

  unixMs(): number {
    return Date.now();
  }

  setTimer(delayMs: number, callback: () => void): TimerHandle {
    const dueMs = performance.now() + delayMs;
    let timer: NodeJS.Timeout;
    const arm = (): void => {
      const leftMs = dueMs - performance.now();
      timer = setTimeout(fire, Math.min(DELAY_MS_MAX, Math.max(1, Math.ceil(leftMs))));
    };
    const fire = (): void => {
      // Node counts whole milliseconds from the start of the turn, so it may come early by a part of one.
      if (performance.now() < dueMs) arm();
      else callback();
    };
    arm();
    return { cancel: () => clearTimeout(timer) };
  }

  /** After the poll phase, in which all sockets that have something are read: the end of the turn. */
  defer(callback: () => void): void {
    setImmediate(callback);
  }
}
