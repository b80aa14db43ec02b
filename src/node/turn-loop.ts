import { mark } from '../base/marks.ts';
import type { Clock, TimerHandle } from '../base/ports/clock.ts';

export interface TurnHandlers {
  /** Time passed: so many ticks. */
  onTicks(count: number): void;
  /** This process stood still for `gapMs`: it was stopped, or the machine was. Comes before the first input after it. */
  onPause(gapMs: number): void;
  /** End of a turn in which there was input: work on what has gathered. */
  onTurnEnd(): void;
}

const DELAY_SPAN_MS = 10_000;

/**
 * Divides time into turns. Everything that comes from outside (bytes, completions, timers) calls `enter` first; the
 * work that inputs cause is gathered and done once, at the end of the turn: one write to the log and one frame for
 * each follower, however many requests came.
 *
 * The monotonic clock is read before the first input of a turn, not after: a process that was stopped for a while
 * must know so before it believes the acknowledgements that lay in its socket buffers.
 */
export class TurnLoop {
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #pauseMs: number;
  readonly #handlers: TurnHandlers;
  #turnOpen = false;
  #nowMs: number;
  #lastTickMs: number;
  #timer: TimerHandle | null = null;
  #stopped = false;
  /** In this span of ten seconds, and in the one before. */
  #longestGapMs = 0;
  #longestGapBeforeMs = 0;
  #spanEndsMs = 0;
  #isStalled = false;

  /** @param pauseMs a gap between turns above this counts as a pause: half the shortest election timeout. */
  constructor(clock: Clock, tickMs: number, pauseMs: number, handlers: TurnHandlers) {
    this.#clock = clock;
    this.#tickMs = tickMs;
    this.#pauseMs = pauseMs;
    this.#handlers = handlers;
    this.#nowMs = clock.monotonicMs();
    this.#lastTickMs = this.#nowMs;
  }

  start(): void {
    this.#nowMs = this.#clock.monotonicMs();
    this.#lastTickMs = this.#nowMs;
    this.#armTimer();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Monotonic milliseconds at the start of this turn. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** How late the loop was at worst in the last ten to twenty seconds: the longest gap between turns beyond a tick. */
  get delayMs(): number {
    return Math.max(0, Math.max(this.#longestGapMs, this.#longestGapBeforeMs) - this.#tickMs);
  }

  /** To be called before any input is handled. */
  enter(): void {
    if (this.#turnOpen || this.#stopped) return;
    this.#turnOpen = true;
    this.#readClock();
    this.#clock.defer(() => this.#endTurn());
  }

  /** From now on what comes in is taken in and nothing is done about it: no ticks, no work, until `resume`. */
  stall(): void {
    this.#isStalled = true;
  }

  /** The gap is then found as that of a process that was stopped. */
  resume(): void {
    if (!this.#isStalled) return;
    this.#isStalled = false;
    if (this.#turnOpen) this.#clock.defer(() => this.#endTurn());
    else this.enter();
  }

  #readClock(): void {
    const now = this.#clock.monotonicMs();
    const gapMs = now - this.#nowMs;
    this.#nowMs = now;
    if (now >= this.#spanEndsMs) {
      this.#longestGapBeforeMs = this.#longestGapMs;
      this.#longestGapMs = 0;
      this.#spanEndsMs = now + DELAY_SPAN_MS;
    }
    if (gapMs > this.#longestGapMs) this.#longestGapMs = gapMs;
    if (gapMs > this.#pauseMs) {
      // The missed ticks are not made up for: what lies in the socket buffers may be heartbeats that came in time.
      this.#lastTickMs = now;
      mark('node.paused');
      this.#handlers.onPause(gapMs);
    }
  }

  #endTurn(): void {
    if (this.#stopped || this.#isStalled) return;
    // Read again: the process may have been stopped in the middle of the turn, before its acknowledgements leave.
    this.#readClock();
    // Ticks come after the input of the turn: a heartbeat that waited in a socket buffer while the loop was busy must
    // be heard before the election timer may run out.
    const ticks = Math.floor((this.#nowMs - this.#lastTickMs) / this.#tickMs);
    if (ticks > 0) {
      this.#lastTickMs += ticks * this.#tickMs;
      this.#handlers.onTicks(ticks);
    }
    this.#handlers.onTurnEnd();
    this.#turnOpen = false;
  }

  #armTimer(): void {
    const due = this.#lastTickMs + this.#tickMs - this.#clock.monotonicMs();
    this.#timer = this.#clock.setTimer(due > 0 ? due : this.#tickMs, () => this.#onTimer());
  }

  #onTimer(): void {
    if (this.#stopped) return;
    this.enter();
    this.#armTimer();
  }
}
