import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { NodeOptions } from '../../src/node/index.ts';
import { PLAIN, runSeed, runSeeds, type Variant } from '../../scripts/sim/seeds.ts';
import { mutationsOf } from '../../src/base/mutations.ts';
import { CampaignTally, type SeedOutcome } from '../../src/sim/campaign-tally.ts';

const root = path.join(import.meta.dirname, '../..');
const run = promisify(execFile);

async function collect(workers: number, seeds: number): Promise<SeedOutcome[]> {
  const outcomes: SeedOutcome[] = [];
  for await (const outcome of runSeeds({
    from: 1,
    variant: PLAIN,
    workers,
    isOver: (begun) => begun >= seeds,
  })) {
    outcomes.push(outcome);
  }
  return outcomes;
}

/** @returns what it printed, and its exit code. */
async function sim(...args: string[]): Promise<{ stdout: string; stderr: string; code: number }> {
  try {
    const { stdout, stderr } = await run(process.execPath, ['scripts/sim.ts', ...args], { cwd: root });
    return { stdout, stderr, code: 0 };
  } catch (error) {
    return error as { stdout: string; stderr: string; code: number };
  }
}

/** Which seed notices does not matter here. */
function failingSeed(variant: Variant): number {
  for (let seed = 1; ; seed += 1) if (runSeed({ seed, variant }).failures.length > 0) return seed;
}

describe('a campaign', () => {
  test('does the same in whatever process, twice: every event, message and disk write', async () => {
    const seeds = 6;
    const [one, other] = [await collect(2, seeds), await collect(3, seeds)];
    expect(one.map(({ seed }) => seed)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(new Set(one.map(({ hash }) => hash)).size).toBe(seeds);
    expect(other).toEqual(one);
    expect(one[3]).toEqual(runSeed({ seed: 4, variant: PLAIN }));
  });

  test('may draw from directed worlds', async () => {
    const { stdout, code } = await sim('--seed', '3', '--world', 'split');
    expect(code).toBe(0);
    expect(stdout).toContain(runSeed({ seed: 3, variant: { ...PLAIN, world: 'split' } }).hash);
    expect(stdout).not.toContain(runSeed({ seed: 3, variant: PLAIN }).hash);
  });

  test('adds up what its seeds did', () => {
    const outcome = runSeed({ seed: 1, variant: PLAIN });
    const tally = new CampaignTally();
    tally.add(outcome);
    tally.add({ ...outcome, seed: 2, failures: [{ rule: 'stale-read', message: 'old', evidence: [] }] });
    expect(tally).toMatchObject({
      seeds: 2,
      events: 2 * outcome.events,
      failed: [{ seed: 2, rules: ['stale-read'] }],
    });
    expect(tally.marks['wal.segment-rolled']).toBe(2 * outcome.marks['wal.segment-rolled']);
    expect(tally.missed.every((name) => outcome.marks[name] === 0)).toBe(true);
  });

  test('tells a program what it did', async () => {
    const { stdout, code } = await sim('--seeds', '2', '-o', 'json');
    const { kind, data } = JSON.parse(stdout) as { kind: string; data: Record<string, unknown> };
    expect(code).toBe(0);
    expect(kind).toBe('SimulationCampaign');
    expect(data).toMatchObject({ seeds: 2, failed: [] });
    expect(data['neverTaken']).not.toEqual([]);
  });

  test('fails if a rare path was never taken, where that was asked for', async () => {
    const { stdout, code } = await sim('--seeds', '1', '--require-marks');
    expect(code).toBe(1);
    expect(stdout).toMatch(/never +[a-z]+\.[a-z-]+: /);
  });

  test('shrinks what fails, and what is left fails again', async () => {
    const node = '{"durability":"unsafe-no-sync"}';
    const seed = String(failingSeed({ ...PLAIN, node: JSON.parse(node) as Partial<NodeOptions> }));
    const { stderr, code } = await sim(
      '--from',
      seed,
      '--seeds',
      '1',
      '--node',
      node,
      '--shrink-seconds',
      '2',
    );
    expect(code).toBe(1);
    expect(stderr).toContain(`npm run sim -- --seed ${seed} --node '${node}'`);
    const [, file = ''] = /--scenario (\S+)/.exec(stderr) ?? [];
    const again = await sim('--scenario', file);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain('node-ended');
    const mended = await sim('--scenario', file, '--node', '{"durability":"quorum-sync"}');
    expect(mended.code).toBe(0);
  });

  test('shrinks what a wrong behaviour leads to, too', async () => {
    const args = ['--mutations', 'reportsTimeoutAsRefused', '--shrink-seconds', '2'];
    const seed = failingSeed({ ...PLAIN, mutations: mutationsOf(['reportsTimeoutAsRefused']) });
    const { stderr, code } = await sim('--seeds', '1', '--from', String(seed), '--workers', '2', ...args);
    expect(code).toBe(1);
    const [, file = ''] = /--scenario (\S+) --mutations reportsTimeoutAsRefused/.exec(stderr) ?? [];
    const again = await sim('--scenario', file, '--mutations', 'reportsTimeoutAsRefused');
    expect(again.code).toBe(1);
    expect((await sim('--scenario', file)).code).toBe(0);
  });

  test('says how it is used', async () => {
    const { stderr, code } = await sim('--seeds', 'many');
    expect(code).toBe(2);
    expect(stderr).toContain('--seeds is a whole number');
    expect(stderr).toContain('usage: npm run sim');
  });
});
