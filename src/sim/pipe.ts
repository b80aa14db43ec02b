import type { Clock } from '../base/ports/clock.ts';
import type { Prng } from '../base/prng.ts';

/** What travels, named after what TCP calls it. */
export type Segment =
  | { readonly type: 'syn' }
  | { readonly type: 'syn-ack' }
  | { readonly type: 'data'; readonly bytes: Uint8Array }
  | { readonly type: 'fin' }
  | { readonly type: 'rst' };

/** What all pipes of a network share. */
export interface Medium {
  readonly clock: Clock;
  readonly prng: Prng;
  latencyMs(from: string, to: string): number;
  isCut(from: string, to: string): boolean;
  /** The machine has no power: what comes there is gone, and nothing answers. */
  isDark(name: string): boolean;
  /** What arrives of these bytes: they themselves, or others where something on the way damaged them. */
  damaged(from: string, to: string, bytes: Uint8Array): Uint8Array;
  /** Told of what arrives. */
  readonly onArrival: ((from: string, to: string, bytes: Uint8Array) => void) | null;
  /** Pipes that hold something back until their way is healed. */
  readonly stalled: Set<Pipe>;
}

/**
 * One direction of a connection. Segments arrive in order, each after a latency of its own but never before the one
 * in front of it. While the way is cut they wait, as TCP repeats what was not acknowledged until it gets through;
 * only a reset is sent once and lost.
 */
export class Pipe {
  readonly from: string;
  readonly to: string;
  readonly #medium: Medium;
  readonly #receive: (segment: Segment) => void;
  #segments: { readonly atMs: number; readonly segment: Segment }[] = [];
  #head = 0;
  #isMoving = false;

  constructor(medium: Medium, from: string, to: string, receive: (segment: Segment) => void) {
    this.#medium = medium;
    this.from = from;
    this.to = to;
    this.#receive = receive;
  }

  send(segment: Segment): void {
    if (segment.type === 'rst' && this.#medium.isCut(this.from, this.to)) return;
    this.#segments.push({ atMs: this.#soon(), segment });
    if (!this.#isMoving && !this.#medium.stalled.has(this)) this.#move();
  }

  /** Forgets what is on its way. */
  clear(): void {
    this.#segments = [];
    this.#head = 0;
    this.#medium.stalled.delete(this);
  }

  /** The way is healed: what was held back goes on. */
  resume(): void {
    this.#medium.stalled.delete(this);
    const first = this.#segments[this.#head];
    if (first !== undefined) this.#segments[this.#head] = { ...first, atMs: this.#soon() };
    if (!this.#isMoving) this.#move();
  }

  #soon(): number {
    return this.#medium.clock.monotonicMs() + this.#medium.latencyMs(this.from, this.to);
  }

  /** Waits for the first segment; those behind it wait for it, however soon they would come by themselves. */
  #move(): void {
    const next = this.#segments[this.#head];
    if (next === undefined) return;
    this.#isMoving = true;
    const delayMs = Math.max(0, next.atMs - this.#medium.clock.monotonicMs());
    this.#medium.clock.setTimer(delayMs, () => {
      this.#isMoving = false;
      this.#arrive();
    });
  }

  #arrive(): void {
    const next = this.#segments[this.#head];
    if (next === undefined) return;
    if (next.atMs > this.#medium.clock.monotonicMs()) {
      // The segment that this moment was meant for is gone; another one came behind it.
      this.#move();
      return;
    }
    if (this.#medium.isCut(this.from, this.to)) {
      if (next.segment.type === 'rst') this.clear();
      else this.#medium.stalled.add(this);
      return;
    }
    this.#head += 1;
    if (this.#head * 2 >= this.#segments.length) {
      this.#segments = this.#segments.slice(this.#head);
      this.#head = 0;
    }
    const { segment } = next;
    if (segment.type === 'data') {
      const bytes = this.#medium.damaged(this.from, this.to, segment.bytes);
      this.#medium.onArrival?.(this.from, this.to, bytes);
      this.#receive({ type: 'data', bytes });
    } else {
      this.#receive(segment);
    }
    if (!this.#isMoving && !this.#medium.stalled.has(this)) this.#move();
  }
}
