import { setTimeout } from 'node:timers/promises';
import { Client, connect } from '../../src/client/index.ts';
import { parseEndpoint } from '../../src/client/endpoint.ts';
import { queryStatus } from '../../src/client/node-query.ts';
import { realPorts } from '../../src/client/real-ports.ts';
import { BenchCluster } from '../processes.ts';
import { leaderOfAll } from '../whole-cluster.ts';
import { point, ticksOfBytes, type Figure, type Point } from './figure.ts';
import { fill } from './fill.ts';
import { SLICES, type ScaleOptions, type ScalePart } from './part.ts';
import { appends, reads, slice } from './slices.ts';

const FIRST_BYTES = 10e6;
/** Entries of one small record each, the first 9 MB of the log: what is read at every size. */
const OLD_ENTRIES = 36_000;
const POLL_MS = 5;
const START_WITHIN_MS = 60_000;

interface AtSize {
  readonly records: Point;
  readonly oneAppend: Point;
  readonly oneRead: Point;
  readonly nodeStart: Point;
  readonly clusterStart: Point;
  readonly memory: Point;
}

/** Throughput, latency, memory and start-up while the log grows tenfold again and again: nothing may grow with it. */
export const LOG_SIZE: ScalePart = {
  name: 'log-size',
  diskBytes: ({ logBytesMax }) => 3 * (logBytesMax * 1.15 + 1e9),
  run: async (options) => {
    // Else a disk that is fairly full already would trim the log that is to become long.
    const cluster = await BenchCluster.start(3, options.parent, ['--retention-disk', 'none']);
    try {
      return figures(await grow(cluster, options));
    } finally {
      await cluster.stop();
    }
  },
};

async function grow(cluster: BenchCluster, { logBytesMax, progress }: ScaleOptions): Promise<AtSize[]> {
  const found: AtSize[] = [];
  const old = await oldEntries(cluster);
  let bytes = OLD_ENTRIES * 256;
  for (let goal = FIRST_BYTES; goal <= logBytesMax; goal *= 10) {
    const say = (text: string): void => progress(`log-size: ${goal / 1e6} MB: ${text}`);
    if (goal > bytes)
      bytes += await fill(cluster.endpoints, goal - bytes, (done) =>
        say(`written ${Math.round((100 * (bytes + done)) / goal)} %`),
      );
    const client = await connect({ endpoints: cluster.endpoints });
    await whole(client);
    say('appends and reads');
    const bytesBefore = bytes;
    const producers = [client.createProducer()];
    const [many, one, read, memory]: [number[], number[], number[], number[]] = [[], [], [], []];
    // The first time is for warming up: these processes were started a moment ago.
    for (let repeat = 0; repeat <= SLICES; repeat += 1) {
      const single = await slice(cluster, appends(producers, 1));
      const reading = await slice(cluster, reads(client, old.from, old.to));
      const full = await slice(cluster, appends(producers, 256));
      bytes += full.ackedPerSecond * 256;
      if (repeat === 0) continue;
      one.push(single.p50 ?? Number.NaN);
      read.push(reading.p50 ?? Number.NaN);
      many.push(full.ackedPerSecond);
      memory.push(full.rssMiB);
    }
    // Measuring writes too: half of that was there on average.
    const x = (bytesBefore + bytes) / 2;
    say('starts');
    const [nodeSeconds, clusterSeconds]: [number[], number[]] = [[], []];
    for (let repeat = 0; repeat < SLICES; repeat += 1) {
      const leader = await whole(client);
      nodeSeconds.push(await startOne(cluster, cluster.ids.find((id) => id !== leader) ?? ''));
      clusterSeconds.push(await startAll(cluster));
    }
    await whole(client);
    await client.close();
    found.push({
      records: point(x, many),
      oneAppend: point(x, one),
      oneRead: point(x, read),
      nodeStart: point(bytes, nodeSeconds),
      clusterStart: point(bytes, clusterSeconds),
      memory: point(x, memory),
    });
  }
  return found;
}

async function oldEntries(cluster: BenchCluster): Promise<{ from: number; to: number }> {
  const client = await connect({ endpoints: cluster.endpoints });
  const record = new Uint8Array(256).fill(120);
  const appended = await Promise.all(Array.from({ length: OLD_ENTRIES }, () => client.append(record)));
  await client.close();
  return { from: appended[0]?.index ?? 1, to: appended.at(-1)?.index ?? 1 };
}

async function whole(client: Client): Promise<string> {
  for (;;) {
    const leader = await leaderOfAll(client, 3);
    if (leader !== null) return leader;
    await setTimeout(POLL_MS);
  }
}

/** @returns seconds from the start of its process until it answers. */
async function startOne(cluster: BenchCluster, id: string): Promise<number> {
  await cluster.kill(id);
  const endpoint = parseEndpoint(cluster.addresses.get(id) ?? '');
  if (endpoint === null) throw new Error(`${id} has no address`);
  const startedMs = performance.now();
  cluster.startNode(id);
  while (performance.now() - startedMs < START_WITHIN_MS) {
    const answers = await new Promise<boolean>((resolve) => {
      queryStatus(endpoint, null, START_WITHIN_MS, realPorts(), (status) => resolve(status !== null));
    });
    if (answers) return (performance.now() - startedMs) / 1000;
    await setTimeout(POLL_MS);
  }
  throw new Error(`${id} does not answer within ${START_WITHIN_MS / 1000} s`);
}

/** @returns seconds from the start of all three until one has acknowledged a record. */
async function startAll(cluster: BenchCluster): Promise<number> {
  for (const id of cluster.ids) await cluster.kill(id);
  const client = new Client({ endpoints: cluster.endpoints });
  const startedMs = performance.now();
  for (const id of cluster.ids) cluster.startNode(id);
  await client.append('here');
  const seconds = (performance.now() - startedMs) / 1000;
  await client.close();
  return seconds;
}

function figures(found: readonly AtSize[]): Figure[] {
  const x = {
    label: 'records in the log',
    isLogarithmic: true,
    isBytes: true,
    ticks: ticksOfBytes(found.map((_, at) => FIRST_BYTES * 10 ** at)),
  };
  const series = (name: string, key: keyof AtSize): Figure['panels'][number]['series'][number] => ({
    name,
    points: found.map((at) => at[key]),
  });
  return [
    {
      name: 'log-size',
      title: 'A log that grows: appends and reads',
      panels: [
        { title: 'records/s', x, series: [series('appends, 256 in flight', 'records')] },
        {
          title: 'ms, median of one request at a time',
          x,
          series: [
            series('append', 'oneAppend'),
            series('linearizable read of one of the oldest entries', 'oneRead'),
          ],
        },
      ],
    },
    {
      name: 'start-up',
      title: 'A log that grows: start after kill -9, and memory',
      panels: [
        {
          title: 'seconds',
          x,
          series: [
            series('one node, until it answers', 'nodeStart'),
            series('all three, until the next acknowledgement', 'clusterStart'),
          ],
        },
        { title: 'MiB resident', x, series: [series('largest node, 256 appends in flight', 'memory')] },
      ],
    },
  ];
}
