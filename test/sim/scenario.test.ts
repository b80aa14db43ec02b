import { describe, expect, test } from 'vitest';
import type { Scenario } from '../../src/sim/scenario.ts';
import { simulate } from '../../src/sim/simulation.ts';
import { drawScenario } from '../../src/sim/swarm.ts';

function linesOf(scenario: Scenario, of: RegExp): string[] {
  const lines: string[] = [];
  simulate(scenario, { onLine: (line) => of.test(line) && lines.push(line) });
  return lines;
}

describe('a scenario', () => {
  test('is all that a run depends on, and survives being written down', () => {
    const scenario = drawScenario(2);
    expect(scenario.faults.length).toBeGreaterThan(0);
    const copy = JSON.parse(JSON.stringify(scenario)) as Scenario;
    expect(copy).toEqual(scenario);
    expect(simulate(copy).hash).toBe(simulate(2).hash);
  });

  test('keeps its other operations when one is left out', () => {
    const drawn = drawScenario(3);
    const [client] = drawn.clients;
    expect(client?.operations.length).toBeGreaterThan(20);
    const without = drawn.clients.map((each) =>
      each === client ? { ...each, operations: each.operations.filter((_, at) => at !== 10) } : each,
    );
    const invoked = /p1 +append \d+: \d+ records/;
    const all = linesOf(drawn, invoked);
    const rest = linesOf({ ...drawn, clients: without }, invoked);
    expect(rest).toEqual(all.filter((line) => !line.includes('append 11:')));
  });

  test('keeps its other faults when one is left out', () => {
    const drawn = drawScenario(4);
    const kind = 'slow-disk';
    const faults = [1, 2, 3, 4].map((at) => ({ atMs: at * 500, kind, seed: at }) as const);
    const scenario = { ...drawn, size: 1, faults };
    const slow = /nemesis +the disk of n1/;
    const all = linesOf(scenario, slow);
    expect(all.length).toBe(4);
    const rest = linesOf({ ...scenario, faults: faults.filter((_, at) => at !== 1) }, slow);
    expect(rest).toEqual(all.filter((_, at) => at !== 1));
  });

  test('begins nothing once all is healed', () => {
    const scenario = { ...drawScenario(3), safetyMs: 1000 };
    const begun = linesOf(scenario, /append \d+: \d+ records/).map((line) => Number.parseFloat(line));
    expect(begun.length).toBeGreaterThan(0);
    expect(Math.max(...begun)).toBeLessThan(1000);
  });
});
