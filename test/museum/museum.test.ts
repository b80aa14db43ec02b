import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { MUTATION_NAMES } from '../../src/base/mutations.ts';
import { exhibitOf, isCaught, show, SHOWN } from '../../src/sim/museum.ts';
import { simulate } from '../../src/sim/simulation.ts';
import { drawWorld } from '../../src/sim/worlds.ts';

/** Whatever a run draws differently moves the seed that notices; so many are tried from the noted one on. */
const SEEDS_MAX = 150;

describe('the bug museum', () => {
  test.each(SHOWN)('%s is caught, and nothing is where it is off', (mutation) => {
    const { world, seed } = exhibitOf(mutation);
    const tried = Array.from({ length: SEEDS_MAX }, (_, at) => seed + at);
    const noticed = tried.find((each) => isCaught(mutation, show(mutation, each)));
    expect(noticed, `${world} ${seed} and the ${SEEDS_MAX - 1} behind it`).toBeDefined();
    expect(simulate(drawWorld(world, noticed ?? 0)).failures).toEqual([]);
  });

  test('is on a page, and nothing else is', () => {
    const page = fs.readFileSync(new URL('../../docs/museum.md', import.meta.url), 'utf8');
    const rows = [...page.matchAll(/^\| `(\w+)` \| .* \|$/gm)];
    expect(rows.map(([, name]) => name)).toEqual([...MUTATION_NAMES]);
    const worlds = rows.map(([row, name]) => [name, row.split(' | ').at(3)]);
    expect(worlds.filter(([name]) => SHOWN.some((shown) => shown === name))).toEqual(
      SHOWN.map((name) => [name, exhibitOf(name).world]),
    );
  });
});
