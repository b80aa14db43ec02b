import { describe, expect, test } from 'vitest';
import { mutationsOf } from '../../src/base/mutations.ts';
import { EXHIBITS } from '../../src/sim/museum.ts';
import { simulate } from '../../src/sim/simulation.ts';

/** A change to what a run draws moves the seed that notices; so many are tried from the noted one on. */
const SEEDS_MAX = 20;

describe('the bug museum', () => {
  test.each(EXHIBITS)('$mutation is caught', ({ mutation, seed, rules }) => {
    for (let at = seed; at < seed + SEEDS_MAX; at += 1) {
      const { failures } = simulate(at, { mutations: mutationsOf([mutation]) });
      if (!failures.some(({ rule }) => rules.includes(rule))) continue;
      expect(simulate(at).failures, `seed ${at} without it`).toEqual([]);
      return;
    }
    expect.fail(`no seed from ${seed} to ${seed + SEEDS_MAX - 1} noticed it`);
  });
});
