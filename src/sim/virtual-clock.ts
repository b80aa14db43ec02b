import { assert } from '../base/assert.ts';
import type { Clock, TimerHandle } from '../base/ports/clock.ts';

/** A timer that has not fired. Cancelled ones stay in the heap, without a callback, until they surface. */
class Timer implements TimerHandle {
  readonly atMs: number;
  /** Order of setting: timers for the same moment fire in it. */
  readonly order: number;
  callback: (() => void) | null;
  readonly #onCancelled: () => void;

  constructor(atMs: number, order: number, callback: () => void, onCancelled: () => void) {
    this.atMs = atMs;
    this.order = order;
    this.callback = callback;
    this.#onCancelled = onCancelled;
  }

  cancel(): void {
    if (this.callback === null) return;
    this.callback = null;
    this.#onCancelled();
  }
}

/** So many callbacks without any time passing are a loop, not a load. */
const CALLBACKS_PER_MOMENT_MAX = 1_000_000;
const SWEEP_ABOVE = 1024;
/** 2024-01-01, so that stamps look like stamps. */
const UNIX_START_MS = 1_704_067_200_000;

/**
 * Time that passes only when it is told to, and jumps from one event to the next. Everything that happens is a
 * callback run from here, one after the other, in an order that depends on nothing but what was scheduled: the same
 * schedule is the same run.
 *
 * What is due at one moment counts as having arrived together: deferred work comes after all of it and before time
 * goes on, as on a real loop the end of a turn comes after the sockets have been read.
 */
export class VirtualClock implements Clock {
  #nowMs = 0;
  #order = 0;
  /** A binary heap, earliest first. */
  #heap: Timer[] = [];
  #cancelled = 0;
  #deferred: (() => void)[] = [];
  #deferredHead = 0;
  #callbacksRun = 0;
  #callbacksThisMoment = 0;

  monotonicMs(): number {
    return this.#nowMs;
  }

  unixMs(): number {
    return UNIX_START_MS + Math.floor(this.#nowMs);
  }

  setTimer(delayMs: number, callback: () => void): TimerHandle {
    assert(delayMs >= 0 && delayMs < Number.POSITIVE_INFINITY, () => `timer in ${delayMs} ms`);
    const timer = new Timer(this.#nowMs + delayMs, this.#order, callback, this.#onCancelled);
    this.#order += 1;
    this.#push(timer);
    return timer;
  }

  defer(callback: () => void): void {
    this.#deferred.push(callback);
  }

  /** Callbacks run since the beginning. */
  get callbacksRun(): number {
    return this.#callbacksRun;
  }

  /** Timers that are set and callbacks that are deferred. */
  get pendingCount(): number {
    return this.#heap.length - this.#cancelled + this.#deferred.length - this.#deferredHead;
  }

  /** Runs the next callback, letting time pass if there is nothing left to do now. @returns false if there is none. */
  step(): boolean {
    return this.#stepUntil(Number.POSITIVE_INFINITY);
  }

  /** Runs what is due until then, and then it is then. */
  advanceTo(atMs: number): void {
    assert(atMs >= this.#nowMs, () => `back from ${this.#nowMs} to ${atMs} ms`);
    while (this.#stepUntil(atMs));
    this.#moveTo(atMs);
  }

  advanceBy(durationMs: number): void {
    this.advanceTo(this.#nowMs + durationMs);
  }

  /** Runs until nothing is left to run. What sets timers for ever never is: the limit ends it. */
  runUntilIdle(callbacksMax = 1_000_000): void {
    const end = this.#callbacksRun + callbacksMax;
    while (this.step()) {
      assert(this.#callbacksRun <= end, () => `not idle after ${callbacksMax} callbacks`);
    }
  }

  /** Runs until `condition` holds, asked after each callback. @returns false if it does not within `withinMs`. */
  runUntil(condition: () => boolean, withinMs: number): boolean {
    const atMs = this.#nowMs + withinMs;
    while (!condition()) {
      if (this.#stepUntil(atMs)) continue;
      this.#moveTo(atMs);
      return false;
    }
    return true;
  }

  #stepUntil(limitMs: number): boolean {
    const timer = this.#earliest();
    if (timer !== null && timer.atMs <= this.#nowMs) {
      this.#run(this.#take());
      return true;
    }
    const deferred = this.#shiftDeferred();
    if (deferred !== null) {
      this.#run(deferred);
      return true;
    }
    if (timer === null || timer.atMs > limitMs) return false;
    this.#moveTo(timer.atMs);
    this.#run(this.#take());
    return true;
  }

  #run(callback: () => void): void {
    this.#callbacksRun += 1;
    this.#callbacksThisMoment += 1;
    assert(
      this.#callbacksThisMoment <= CALLBACKS_PER_MOMENT_MAX,
      () => `${this.#callbacksThisMoment} callbacks at ${this.#nowMs} ms and time stands still`,
    );
    callback();
  }

  #moveTo(atMs: number): void {
    if (atMs <= this.#nowMs) return;
    this.#nowMs = atMs;
    this.#callbacksThisMoment = 0;
  }

  #shiftDeferred(): (() => void) | null {
    const callback = this.#deferred[this.#deferredHead];
    if (callback === undefined) return null;
    this.#deferredHead += 1;
    if (this.#deferredHead === this.#deferred.length) {
      this.#deferred = [];
      this.#deferredHead = 0;
    }
    return callback;
  }

  readonly #onCancelled = (): void => {
    this.#cancelled += 1;
    // Long time-outs that are set and cancelled for every request must not pile up until they would have fired.
    if (this.#cancelled > SWEEP_ABOVE && this.#cancelled * 2 > this.#heap.length) this.#sweep();
  };

  #sweep(): void {
    const live = this.#heap.filter((timer) => timer.callback !== null);
    this.#heap = [];
    this.#cancelled = 0;
    for (const timer of live) this.#push(timer);
  }

  /** The first timer that was not cancelled. */
  #earliest(): Timer | null {
    for (;;) {
      const timer = this.#heap[0];
      if (timer === undefined) return null;
      if (timer.callback !== null) return timer;
      this.#removeTop();
      this.#cancelled -= 1;
    }
  }

  /** Removes the timer that `#earliest` found; cancelling it does nothing from now on. */
  #take(): () => void {
    const timer = this.#removeTop();
    const callback = timer.callback as () => void;
    timer.callback = null;
    return callback;
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(timer);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      const above = heap[parent] as Timer;
      if (!isBefore(timer, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = timer;
  }

  #removeTop(): Timer {
    const heap = this.#heap;
    const top = heap[0] as Timer;
    const last = heap.pop() as Timer;
    if (heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Timer, heap[child] as Timer)) child += 1;
      if (!isBefore(heap[child] as Timer, last)) break;
      heap[at] = heap[child] as Timer;
      at = child;
    }
    heap[at] = last;
    return top;
  }
}

function isBefore(one: Timer, other: Timer): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
}
