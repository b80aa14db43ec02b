import { fork, type ChildProcess } from 'node:child_process';
import { NO_MUTATIONS } from '../../src/base/mutations.ts';
import { outcomeOf, type SeedOutcome } from '../../src/sim/campaign-tally.ts';
import { simulate, type SimulationOptions, type SimulationResult } from '../../src/sim/simulation.ts';
import { drawWorld, WORLD_NAMES, type WorldName } from '../../src/sim/worlds.ts';

/** In what all runs of a campaign differ from what their seeds draw. */
export interface Variant extends Required<Pick<SimulationOptions, 'node' | 'mutations'>> {
  /** Where the worlds are drawn from; `all` = from one after the other. */
  readonly world: WorldName | 'all';
}

export const PLAIN: Variant = { world: 'swarm', node: {}, mutations: NO_MUTATIONS };

/** The world that a seed draws. */
export function worldOf({ world }: Variant, seed: number): WorldName {
  return world === 'all' ? (WORLD_NAMES[seed % WORLD_NAMES.length] ?? 'swarm') : world;
}

export function simulateSeed(
  seed: number,
  variant: Variant,
  onLine?: (line: string) => void,
): SimulationResult {
  const { node, mutations } = variant;
  return simulate(drawWorld(worldOf(variant, seed), seed), {
    node,
    mutations,
    ...(onLine === undefined ? {} : { onLine }),
  });
}

/** What a worker is told to run. */
export interface SeedJob {
  readonly seed: number;
  readonly variant: Variant;
}

export interface SeedRange {
  readonly from: number;
  readonly variant: Variant;
  /** Processes; 1 = this one. */
  readonly workers: number;
  /** Asked before a seed is begun. @param begun seeds that were. */
  readonly isOver: (begun: number) => boolean;
}

/** Runs seed after seed, and yields what came of each, in their order. */
export async function* runSeeds(range: SeedRange): AsyncGenerator<SeedOutcome> {
  if (range.workers > 1) {
    yield* runInWorkers(range);
    return;
  }
  for (let begun = 0; !range.isOver(begun); begun += 1) {
    // Signals are heard between seeds.
    await new Promise((resolve) => setImmediate(resolve));
    yield runSeed({ seed: range.from + begun, variant: range.variant });
  }
}

export function runSeed({ seed, variant }: SeedJob): SeedOutcome {
  return outcomeOf(seed, simulateSeed(seed, variant));
}

/** A worker that waits for a message waits for this process, not for the next seed: so each has one in hand. */
const JOBS_PER_WORKER = 2;

async function* runInWorkers({ from, variant, workers, isOver }: SeedRange): AsyncGenerator<SeedOutcome> {
  const done = new Map<number, SeedOutcome>();
  let begun = 0;
  const failures: Error[] = [];
  let wake: () => void = () => undefined;
  const give = (worker: ChildProcess): void => {
    if (isOver(begun)) return;
    worker.send({ seed: from + begun, variant } satisfies SeedJob);
    begun += 1;
  };
  const children = Array.from({ length: workers }, () => {
    const worker = fork(new URL('worker.ts', import.meta.url), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: [],
    });
    worker.on('message', (outcome: SeedOutcome) => {
      done.set(outcome.seed, outcome);
      give(worker);
      wake();
    });
    worker.on('exit', (code, signal) => {
      failures.push(new Error(`a worker ended by itself: ${signal ?? `exit code ${code}`}`));
      wake();
    });
    for (let job = 0; job < JOBS_PER_WORKER; job += 1) give(worker);
    return worker;
  });
  try {
    for (let next = 0; next < begun; next += 1) {
      let outcome = done.get(from + next);
      while (outcome === undefined) {
        const [failure] = failures;
        if (failure !== undefined) throw failure;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        outcome = done.get(from + next);
      }
      done.delete(from + next);
      yield outcome;
    }
  } finally {
    for (const worker of children) {
      worker.removeAllListeners('exit');
      worker.kill();
    }
  }
}
