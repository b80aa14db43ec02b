import { simulate } from '../../src/sim/simulation.ts';
import { standardScenario } from '../../src/sim/standard-world.ts';
import { count } from './report.ts';

export interface Speed {
  readonly world: 'no faults' | 'faults';
  /** Simulated seconds for each second of processor time, median of the runs and their spread. */
  readonly simulatedPerSecond: { readonly median: number; readonly min: number; readonly max: number };
  readonly eventsPerSecond: number;
  readonly eventsPerSimulatedSecond: number;
}

const SECONDS = 60;
const RUNS = 9;

/** How fast the standard world is, with and without faults, run in turn so that both see the same machine. */
export function measureSpeed(progress: (line: string) => void): Speed[] {
  const worlds = [false, true].map((withFaults) => ({
    withFaults,
    scenario: standardScenario(SECONDS, withFaults),
    runs: [] as { readonly perSecond: number; readonly events: number; readonly simulatedSeconds: number }[],
  }));
  // The first runs warm the compiler up.
  for (let run = -2; run < RUNS; run += 1) {
    for (const { scenario, runs, withFaults } of worlds) {
      progress(`run ${Math.max(1, run + 1)} of ${RUNS}${withFaults ? ', with faults' : ''}`);
      const before = process.cpuUsage();
      const { simulatedMs, events, failures } = simulate(scenario);
      const { user, system } = process.cpuUsage(before);
      const [failure] = failures;
      if (failure !== undefined)
        throw new Error(`the standard world fails: ${failure.rule}: ${failure.message}`);
      const seconds = (user + system) / 1e6;
      const simulatedSeconds = simulatedMs / 1000;
      if (run >= 0) runs.push({ perSecond: simulatedSeconds / seconds, events, simulatedSeconds });
    }
  }
  return worlds.map(({ withFaults, runs }) => {
    const sorted = runs.map(({ perSecond }) => perSecond).sort((one, other) => one - other);
    const at = (place: number): number => Math.round(sorted[place] ?? 0);
    const [first = { events: 0, simulatedSeconds: 1 }] = runs;
    const eventsPerSimulatedSecond = first.events / first.simulatedSeconds;
    const median = at(Math.floor(sorted.length / 2));
    return {
      world: withFaults ? 'faults' : 'no faults',
      simulatedPerSecond: { median, min: at(0), max: at(sorted.length - 1) },
      eventsPerSecond: Math.round(eventsPerSimulatedSecond * median),
      eventsPerSimulatedSecond: Math.round(eventsPerSimulatedSecond),
    };
  });
}

export function speedLines(speeds: readonly Speed[]): string[] {
  return [
    `three nodes, 50 client operations a second, ${SECONDS} s; ${RUNS} runs each, by processor time`,
    ...speeds.map(({ world, simulatedPerSecond, eventsPerSecond, eventsPerSimulatedSecond }) => {
      const { median, min, max } = simulatedPerSecond;
      return `${world.padEnd(9)}  ${count(median)} simulated seconds a second (${count(min)} to ${count(max)}), ${count(eventsPerSecond)} events a second, ${count(eventsPerSimulatedSecond)} a simulated second`;
    }),
  ];
}
