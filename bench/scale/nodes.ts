import { connect } from '../../src/client/index.ts';
import { BenchCluster } from '../processes.ts';
import { point, ticksAt, type Point } from './figure.ts';
import { SLICES, type ScalePart } from './part.ts';
import { appends, slice } from './slices.ts';

const SIZES = [3, 5, 7];

/** What each pair of nodes more costs: they share the cores of this machine. */
export const NODES: ScalePart = {
  name: 'nodes',
  diskBytes: () => 8e9,
  run: async ({ parent, progress }) => {
    const [many, one]: [Point[], Point[]] = [[], []];
    for (const size of SIZES) {
      progress(`nodes: ${size}`);
      const cluster = await BenchCluster.start(size, parent);
      try {
        const client = await connect({ endpoints: cluster.endpoints });
        const producers = [client.createProducer()];
        const [rates, latencies]: [number[], number[]] = [[], []];
        // Processes that were started a moment ago have to warm up.
        for (let repeat = 0; repeat < 2; repeat += 1) await slice(cluster, appends(producers, 256));
        for (let repeat = 0; repeat < SLICES; repeat += 1) {
          latencies.push((await slice(cluster, appends(producers, 1))).p50 ?? Number.NaN);
          rates.push((await slice(cluster, appends(producers, 256))).ackedPerSecond);
        }
        await client.close();
        many.push(point(size, rates));
        one.push(point(size, latencies));
      } finally {
        await cluster.stop();
      }
    }
    const x = { label: 'nodes', isLogarithmic: false, ticks: ticksAt(SIZES) };
    return [
      {
        name: 'nodes',
        title: 'More nodes on the same two cores',
        panels: [
          { title: 'records/s', x, series: [{ name: 'appends, 256 in flight', points: many }] },
          { title: 'ms, median', x, series: [{ name: 'one append at a time', points: one }] },
        ],
      },
    ];
  },
};
