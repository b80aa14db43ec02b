import fs from 'node:fs';
import path from 'node:path';
import { mutationNames } from '../../src/base/mutations.ts';
import { formatScenario } from '../../src/sim/scenario-file.ts';
import { shrink, sizeOf, type ScenarioSize } from '../../src/sim/shrink.ts';
import { simulate, type SimulationResult } from '../../src/sim/simulation.ts';
import { count } from './report.ts';
import type { Variant } from './seeds.ts';

const DIRECTORY = '.cache/sim';

/** Shrinks what failed, writes the scenario to a file, and tells about it. @returns lines for people. */
export function shrinkToFile(
  failed: SimulationResult,
  variant: Variant,
  name: string,
  limitMs: number,
  progress: (line: string) => void,
): string[] {
  const startedMs = performance.now();
  const { scenario, result, runs, isMinimal } = shrink(failed, {
    run: (candidate) => simulate(candidate, { mutations: variant.mutations }),
    isOver: () => performance.now() - startedMs >= limitMs,
    onStep: (smaller, tried) => progress(`shrinking: ${tell(sizeOf(smaller))}, ${tried} runs`),
  });
  const file = path.join(DIRECTORY, `${name}.json`);
  const found = result.failures.map(({ rule, message }) => `${rule}: ${message}`).join('; ');
  fs.mkdirSync(DIRECTORY, { recursive: true });
  fs.writeFileSync(file, formatScenario(found, scenario));
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  return [
    `shrunk from ${tell(sizeOf(failed.scenario))}`,
    `       to   ${tell(sizeOf(scenario))}`,
    `       in   ${count(runs)} runs, ${seconds} s${isMinimal ? '' : '; more time might make it smaller (--shrink-seconds)'}`,
    `fails with  ${found}`,
    `repeat it   npm run sim -- --scenario ${file}${mutationsFlag(variant)}`,
    'keep it     move the file to test/sim/scenarios once it is mended',
  ];
}

/** A scenario holds the options of its nodes, and no wrong behaviours. */
export function mutationsFlag({ mutations }: Variant): string {
  const names = mutationNames(mutations);
  return names.length === 0 ? '' : ` --mutations ${names.join(',')}`;
}

function tell({ nodes, faults, clients, operations, safetyMs }: ScenarioSize): string {
  return `${nodes} nodes, ${faults} faults, ${operations} operations of ${clients} clients, ${count(safetyMs)} ms`;
}
