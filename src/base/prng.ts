import { assert } from './assert.ts';

/**
 * The only source of chance below the command line: seeded, so that a simulated run with the same seed is the same
 * run. The algorithm is sfc32 (Chris Doty-Humphrey, PractRand), seeded through splitmix32.
 */
export class Prng {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** @param seed any finite number; its low 53 bits count. */
  constructor(seed: number) {
    const low = seed >>> 0;
    const high = Math.floor(Math.abs(seed) / 2 ** 32) >>> 0;
    this.#a = mix(low);
    this.#b = mix(high ^ 0x9e3779b9);
    this.#c = mix(low ^ high ^ 0x85ebca6b);
    for (let round = 0; round < 12; round += 1) this.uint32();
  }

  uint32(): number {
    const result = (this.#a + this.#b + this.#counter) >>> 0;
    this.#counter = (this.#counter + 1) >>> 0;
    this.#a = (this.#b ^ (this.#b >>> 9)) >>> 0;
    this.#b = (this.#c + (this.#c << 3)) >>> 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) >>> 0;
    return result;
  }

  /** Uniform in [0, 1). */
  fraction(): number {
    return this.uint32() / 2 ** 32;
  }

  /** Uniform integer in [0, bound). */
  below(bound: number): number {
    assert(
      Number.isInteger(bound) && bound > 0 && bound <= 2 ** 32,
      () => `prng bound ${bound} not in 1..2^32`,
    );
    return Math.floor(this.fraction() * bound);
  }

  /** Uniform integer in [low, high], both ends included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** Uniform in 1..2^53-1: for ids that must not repeat. */
  safeInteger(): number {
    return Math.max(1, (this.uint32() & 0x1fffff) * 2 ** 32 + this.uint32());
  }

  /** A generator of its own, so that drawing more from one part of a run does not shift another's numbers. */
  fork(): Prng {
    return new Prng(this.safeInteger());
  }
}

function mix(value: number): number {
  let z = (value + 0x9e3779b9) | 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}
