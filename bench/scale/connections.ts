import { connect } from '../../src/client/index.ts';
import type { Measured } from '../measure.ts';
import { BenchCluster } from '../processes.ts';
import { point, ticksAt, type Point } from './figure.ts';
import { SLICES, type ScalePart } from './part.ts';
import { appends, slice } from './slices.ts';

const COUNTS = [1, 10, 100, 1000];
const IN_FLIGHT_MAX = 1000;

/** What a connection costs: each with one request under way, and a thousand requests over all of them. */
export const CONNECTIONS: ScalePart = {
  name: 'connections',
  diskBytes: () => 8e9,
  run: async ({ parent, progress }) => {
    const cluster = await BenchCluster.start(3, parent);
    try {
      const client = await connect({ endpoints: cluster.endpoints });
      const { leaderId } = await client.status();
      const single = new Map<number, Measured[]>(COUNTS.map((count) => [count, []]));
      const full = new Map<number, Measured[]>(COUNTS.map((count) => [count, []]));
      for (let repeat = 1; repeat <= SLICES; repeat += 1) {
        for (const count of COUNTS) {
          progress(`connections: ${count}, ${repeat}/${SLICES}`);
          const producers = Array.from({ length: count }, () => client.createProducer());
          single.get(count)?.push(await slice(cluster, appends(producers, 1), leaderId));
          full.get(count)?.push(await slice(cluster, appends(producers, IN_FLIGHT_MAX / count), leaderId));
          for (const producer of producers) producer.close();
        }
      }
      await client.close();
      return figures(single, full);
    } finally {
      await cluster.stop();
    }
  },
};

type ByCount = ReadonlyMap<number, readonly Measured[]>;

function figures(single: ByCount, full: ByCount): Awaited<ReturnType<ScalePart['run']>> {
  const points = (all: ByCount, of: (measured: Measured) => number | null): Point[] =>
    [...all].map(([count, runs]) =>
      point(
        count,
        runs.map((run) => of(run) ?? Number.NaN),
      ),
    );
  const x = { label: 'connections', isLogarithmic: true, ticks: ticksAt(COUNTS) };
  const inFlight = IN_FLIGHT_MAX.toLocaleString('en');
  const both = (of: (measured: Measured) => number | null): { name: string; points: Point[] }[] => [
    { name: 'one request in flight on each', points: points(single, of) },
    { name: `${inFlight} in flight over all`, points: points(full, of) },
  ];
  return [
    {
      name: 'connections',
      title: 'More connections of one client process',
      panels: [
        { title: 'records/s', x, series: both(({ ackedPerSecond }) => ackedPerSecond) },
        { title: 'ms, median', x, isLogarithmic: true, series: both(({ p50 }) => p50) },
        {
          title: 'microseconds of processor time a record',
          x,
          series: [
            {
              name: `leader, ${inFlight} in flight over all`,
              points: points(full, (run) => cost(run, run.leaderCores)),
            },
            {
              name: `both followers, ${inFlight} in flight over all`,
              points: points(full, (run) => cost(run, sum(run.followerCores))),
            },
            {
              name: `client, ${inFlight} in flight over all`,
              points: points(full, (run) => cost(run, run.clientCores)),
            },
          ],
        },
        { title: 'MiB resident, largest node', x, series: both(({ rssMiB }) => rssMiB) },
      ],
    },
  ];
}

function cost({ ackedPerSecond }: Measured, cores: number | null): number | null {
  return cores === null ? null : (cores * 1e6) / ackedPerSecond;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
