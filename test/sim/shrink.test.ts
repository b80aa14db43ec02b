import { describe, expect, test } from 'vitest';
import type { PlannedFault, Scenario } from '../../src/sim/scenario.ts';
import { shrink, signatureOf, sizeOf } from '../../src/sim/shrink.ts';
import {
  simulate,
  type Failure,
  type SimulationOptions,
  type SimulationResult,
} from '../../src/sim/simulation.ts';
import { mutationsOf } from '../../src/base/mutations.ts';
import { drawScenario } from '../../src/sim/swarm.ts';

const UNSYNCED = { durability: 'unsafe-no-sync' } as const;

function firstFailing(
  options: SimulationOptions,
  isFit: (scenario: Scenario) => boolean = () => true,
): SimulationResult {
  for (let seed = 1; seed <= 40; seed += 1) {
    if (!isFit(drawScenario(seed))) continue;
    const result = simulate(seed, options);
    if (result.failures.length > 0) return result;
  }
  throw new Error('none of 40 seeds fails');
}

/** A world that fails where the given test says so, without being run. */
function pretend(fails: (scenario: Scenario) => boolean): (scenario: Scenario) => SimulationResult {
  const model = simulate({ ...drawScenario(1), safetyMs: 100, faults: [], clients: [] });
  const failure: Failure = { rule: 'acknowledged-lost', message: 'gone', evidence: [] };
  return (scenario) => ({
    ...model,
    scenario,
    simulatedMs: scenario.safetyMs,
    failures: fails(scenario) ? [failure] : [],
  });
}

describe('shrinking', () => {
  test('leaves out all that a failure does not need', () => {
    const failed = firstFailing({ node: UNSYNCED }, ({ faults }) => faults.length > 20);
    const { scenario, result, isMinimal } = shrink(failed, {
      run: (candidate) => simulate(candidate),
      isOver: () => false,
    });
    const [before, after] = [sizeOf(failed.scenario), sizeOf(scenario)];
    expect(isMinimal).toBe(true);
    expect(after.faults).toBeLessThan(before.faults / 5);
    expect(after.operations).toBeLessThan(before.operations / 5);
    expect(after.safetyMs).toBeLessThan(before.safetyMs);
    // It says the same, and says it again.
    const signatures = failed.failures.map(signatureOf);
    expect(result.failures.some((failure) => signatures.includes(signatureOf(failure)))).toBe(true);
    expect(simulate(scenario).hash).toBe(result.hash);
    // And it is the variant that fails, not the world.
    expect(simulate(scenario, { node: { durability: 'quorum-sync' } }).failures).toEqual([]);
  });

  test.each(['storesRetriesAgain', 'countsReadsByRecords'] as const)(
    'leaves little of what %s leads to',
    (mutation) => {
      const mutations = mutationsOf([mutation]);
      const failed = firstFailing({ mutations });
      const { scenario, result } = shrink(failed, {
        run: (candidate) => simulate(candidate, { mutations }),
        isOver: () => false,
      });
      const [before, after] = [sizeOf(failed.scenario), sizeOf(scenario)];
      expect(after.faults).toBeLessThanOrEqual(Math.min(5, before.faults));
      expect(after.operations).toBeLessThan(before.operations / 5);
      const signatures = failed.failures.map(signatureOf);
      expect(result.failures.some((failure) => signatures.includes(signatureOf(failure)))).toBe(true);
      expect(simulate(scenario).failures).toEqual([]);
    },
  );

  test('finds the few among many that are needed together', () => {
    const faults = Array.from(
      { length: 100 },
      (_, at): PlannedFault => ({ atMs: at, kind: 'kill', seed: at }),
    );
    const needed = [13, 14, 77];
    const run = pretend(({ faults: kept }) =>
      needed.every((seed) => kept.some((fault) => fault.seed === seed)),
    );
    const failed = run({ ...drawScenario(1), faults });
    const { scenario, runs } = shrink(failed, { run, isOver: () => false });
    expect(scenario.faults.map(({ seed }) => seed)).toEqual(needed);
    expect(sizeOf(scenario)).toMatchObject({ nodes: 1, operations: 0 });
    expect(scenario.node).toEqual({});
    expect(runs).toBeLessThan(2000);
  });

  test('tries other chances before it gives a candidate up', () => {
    const run = pretend(({ seed, faults }) => faults.length > 10 || seed % 3 === 0);
    const failed = run({ ...drawScenario(1), seed: 1, faults: [...drawScenario(2).faults].slice(0, 20) });
    expect(failed.failures.length).toBe(1);
    const { scenario } = shrink(failed, { run, isOver: () => false });
    expect(scenario.faults.length).toBeLessThan(10);
    expect(scenario.seed % 3).toBe(0);
  });

  test('gives what it has when time is up', () => {
    const failed = firstFailing({ node: UNSYNCED });
    let left = 12;
    const { scenario, runs, isMinimal } = shrink(failed, {
      run: (candidate) => {
        left -= 1;
        return simulate(candidate);
      },
      isOver: () => left <= 0,
    });
    expect(runs).toBe(12);
    expect(isMinimal).toBe(false);
    expect(simulate(scenario).failures.length).toBeGreaterThan(0);
  });

  test('tells one invariant from another, whatever the numbers in it', () => {
    const of = (rule: Failure['rule'], message: string): string =>
      signatureOf({ rule, message, evidence: [] });
    expect(of('invariant', 'two leaders in term 3: n1 and n2')).toBe(
      of('invariant', 'two leaders in term 12: n2'),
    );
    expect(of('invariant', 'two leaders in term 3: n1')).not.toBe(of('invariant', 'commit 3 after 4'));
    expect(of('node-ended', 'n1 ended by itself: LOG_ROT x')).not.toBe(
      of('node-ended', 'n1 ended by itself: INVARIANT'),
    );
    expect(of('stale-read', 'one')).toBe(of('stale-read', 'other'));
  });
});
