import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { simulate } from '../../src/sim/simulation.ts';
import { drawWorld, WORLD_NAMES } from '../../src/sim/worlds.ts';

const SEEDS = 70;
const SLICE = 10;
const SEEDS_TWICE = 5;
const ROT_SEEDS = 10;

describe('simulated clusters', () => {
  const slices = Array.from({ length: SEEDS / SLICE }, (_, at) => at * SLICE + 1);
  let acknowledged = 0;
  let faults = 0;
  let rotten = 0;

  // In slices, so that a busy machine is not taken for a slow simulator.
  test.each(slices)(`keep their promises over ${SLICE} seeds from %i on`, (from) => {
    for (let seed = from; seed < from + SLICE; seed += 1) {
      const result = simulate(seed);
      expect(result.failures, `npm run sim -- --seed ${seed}`).toEqual([]);
      acknowledged += result.check?.acknowledged ?? 0;
      faults += Object.values(result.faults).reduce((sum, count) => sum + count, 0);
    }
  });

  test('do enough: a run that does little proves little', () => {
    expect(acknowledged).toBeGreaterThan(SEEDS * 100);
    expect(faults).toBeGreaterThan(SEEDS * 5);
  });

  test('keep them over the seeds that once failed', () => {
    const kept = fs
      .readFileSync(new URL('seeds.txt', import.meta.url), 'utf8')
      .split('\n')
      .map((line) => /^(\d+)(?: (\w+):)? /.exec(line))
      .filter((found) => found !== null);
    expect(kept.length).toBeGreaterThan(0);
    for (const [, seed = '', world] of kept) {
      const name = WORLD_NAMES.find((each) => each === world) ?? null;
      const result = simulate(name === null ? Number(seed) : drawWorld(name, Number(seed)));
      const again = `npm run sim -- --seed ${seed}${name === null ? '' : ` --world ${name}`}`;
      expect(result.failures, again).toEqual([]);
    }
  });

  test('get back what rots in their logs', () => {
    for (let seed = 1; seed <= ROT_SEEDS; seed += 1) {
      const result = simulate(drawWorld('rot', seed));
      expect(result.failures, `npm run sim -- --seed ${seed} --world rot`).toEqual([]);
      rotten += result.faults['record-rot'];
    }
    expect(rotten).toBeGreaterThan(ROT_SEEDS * 5);
  });

  test('do the same again with the same seed, and something else with another', () => {
    const hashes = new Set<string>();
    for (let seed = 1; seed <= SEEDS_TWICE; seed += 1) {
      const [one, other] = [simulate(seed), simulate(seed)];
      expect(one.hash).toBe(other.hash);
      expect(one.events).toBe(other.events);
      hashes.add(one.hash);
    }
    expect(hashes.size).toBe(SEEDS_TWICE);
  });

  test('are caught when nodes acknowledge what they did not sync', () => {
    const results = Array.from({ length: 10 }, (_, at) =>
      simulate(at + 1, { node: { durability: 'unsafe-no-sync' } }),
    );
    expect(results.filter(({ failures }) => failures.length > 0).length).toBeGreaterThan(0);
  });
});
