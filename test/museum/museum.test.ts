import { describe, expect, test } from 'vitest';
import { mutationsOf } from '../../src/base/mutations.ts';
import { EXHIBITS } from '../../src/sim/museum.ts';
import { simulate } from '../../src/sim/simulation.ts';
import { drawWorld } from '../../src/sim/worlds.ts';

/** A change to what a run draws moves the seed that notices; so many are tried from the noted one on. */
const SEEDS_MAX = 40;

describe('the bug museum', () => {
  test.each(EXHIBITS)('$mutation is caught', ({ mutation, world, seed, rules }) => {
    for (let at = seed; at < seed + SEEDS_MAX; at += 1) {
      const { failures } = simulate(drawWorld(world, at), { mutations: mutationsOf([mutation]) });
      if (!failures.some(({ rule }) => rules.includes(rule))) continue;
      expect(simulate(drawWorld(world, at)).failures, `${world} ${at} without it`).toEqual([]);
      return;
    }
    expect.fail(`no ${world} from ${seed} to ${seed + SEEDS_MAX - 1} noticed it`);
  });
});
