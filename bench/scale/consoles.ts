import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { connect } from '../../src/client/index.ts';
import { killedAtTheEnd } from '../leftovers.ts';
import { BenchCluster } from '../processes.ts';
import { point, ticksAt } from './figure.ts';
import { SLICES, type ScalePart } from './part.ts';
import { appends, slice } from './slices.ts';

const COUNTS = [0, 5, 10, 20];
const PROGRAM = path.join(import.meta.dirname, 'watchers.ts');

/** What it costs to be watched: each console has every node push its state four times a second, and its events. */
export const CONSOLES: ScalePart = {
  name: 'consoles',
  diskBytes: () => 8e9,
  run: async ({ parent, progress }) => {
    const cluster = await BenchCluster.start(3, parent);
    try {
      const client = await connect({ endpoints: cluster.endpoints });
      const producers = [client.createProducer()];
      const rates = new Map<number, number[]>(COUNTS.map((count) => [count, []]));
      const latencies = new Map<number, number[]>(COUNTS.map((count) => [count, []]));
      // Processes that were started a moment ago have to warm up.
      for (let repeat = 0; repeat < 2; repeat += 1) await slice(cluster, appends(producers, 256));
      for (let repeat = 1; repeat <= SLICES; repeat += 1) {
        for (const count of COUNTS) {
          progress(`consoles: ${count}, ${repeat}/${SLICES}`);
          const watchers = count === 0 ? null : await watch(count, cluster.endpoints);
          try {
            latencies.get(count)?.push((await slice(cluster, appends(producers, 1))).p50 ?? Number.NaN);
            rates.get(count)?.push((await slice(cluster, appends(producers, 256))).ackedPerSecond);
          } finally {
            if (watchers !== null) await end(watchers);
          }
        }
      }
      await client.close();
      const x = { label: 'consoles that look on', isLogarithmic: false, ticks: ticksAt(COUNTS) };
      const series = (name: string, all: ReadonlyMap<number, readonly number[]>) => [
        { name, points: [...all].map(([count, values]) => point(count, values)) },
      ];
      return [
        {
          name: 'consoles',
          title: 'Consoles that look on',
          panels: [
            { title: 'records/s', x, series: series('appends, 256 in flight', rates) },
            { title: 'ms, median', x, series: series('one append at a time', latencies) },
          ],
        },
      ];
    } finally {
      await cluster.stop();
    }
  },
};

/** Resolves when all of them have heard from every node. */
async function watch(count: number, endpoints: readonly string[]): Promise<ChildProcess> {
  const child = killedAtTheEnd(
    spawn(process.execPath, [PROGRAM, String(count), ...endpoints], {
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  );
  await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() => Promise.reject(new Error('the consoles ended at once'))),
  ]);
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}
