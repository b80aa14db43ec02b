import type { Clock, TimerHandle } from '../base/ports/clock.ts';
import type { Batch } from './work.ts';

/** The entries of a batch from one on, and its truncation if that is the first. */
export interface WaitingBlock {
  readonly batch: Batch;
  readonly from: number;
}

/** How often it is looked whether there is room for what waits. */
const RETRY_MS = 200;

/** What found no room on the disk, and when to try again. */
export class RoomWait {
  readonly #clock: Clock;
  readonly #onRetry: () => void;
  #waiting: WaitingBlock | null = null;
  #isRetryDue = false;
  #timer: TimerHandle | null = null;
  #hasRoom = true;

  constructor(clock: Clock, onRetry: () => void) {
    this.#clock = clock;
    this.#onRetry = onRetry;
  }

  get waiting(): WaitingBlock | null {
    return this.#waiting;
  }

  get isRetryDue(): boolean {
    return this.#isRetryDue;
  }

  /** @returns whether there was room until now. */
  begin(block: WaitingBlock): boolean {
    this.#waiting = block;
    this.#timer = this.#clock.setTimer(RETRY_MS, () => {
      this.#isRetryDue = true;
      this.#onRetry();
    });
    const isNews = this.#hasRoom;
    this.#hasRoom = false;
    return isNews;
  }

  /** Nothing waits any more: it is tried again, or given up. */
  end(): void {
    this.#waiting = null;
    this.#isRetryDue = false;
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** A batch was written. @returns whether there was no room before. */
  found(): boolean {
    const isNews = !this.#hasRoom;
    this.#hasRoom = true;
    return isNews;
  }
}
