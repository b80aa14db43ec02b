import type { Prng } from '../base/prng.ts';

/** Section 5.2: timeouts are drawn anew each time, so that candidates who collided once do not collide again. */
export class ElectionTimer {
  readonly #prng: Prng;
  readonly #ticksMin: number;
  readonly #ticksMax: number;
  #elapsed = 0;
  #timeout: number;

  constructor(prng: Prng, ticksMin: number, ticksMax: number) {
    this.#prng = prng;
    this.#ticksMin = ticksMin;
    this.#ticksMax = ticksMax;
    this.#timeout = prng.between(ticksMin, ticksMax);
  }

  /** @returns true if the timeout ran out with this tick. `handicapTicks` is waited in addition. */
  tick(handicapTicks: number): boolean {
    this.#elapsed += 1;
    return this.#elapsed >= this.#timeout + handicapTicks;
  }

  restart(): void {
    this.#elapsed = 0;
    this.#timeout = this.#prng.between(this.#ticksMin, this.#ticksMax);
  }
}
