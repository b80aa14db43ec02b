import { setTimeout } from 'node:timers/promises';
import { Client, connect } from '../../src/client/index.ts';
import { parseEndpoint } from '../../src/client/endpoint.ts';
import { queryStatus } from '../../src/client/node-query.ts';
import { realPorts } from '../../src/client/real-ports.ts';
import { BenchCluster } from '../processes.ts';
import { untilWhole } from '../whole-cluster.ts';
import { point, ticksOfBytes, type Figure, type Point } from './figure.ts';
import { fill } from './fill.ts';
import { SLICE_MS, SLICE_WARM_UP_MS, SLICES, type ScaleOptions, type ScalePart } from './part.ts';
import { appends, reads, slice } from './slices.ts';

const FIRST_BYTES = 10e6;
/** Entries of one small record each, the first 9 MB of the log: what is read at every size. */
const OLD_ENTRIES = 36_000;
const RECORD_BYTES = 256;
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
  const client = await connect({ endpoints: cluster.endpoints });
  const old = await oldEntries(client);
  let bytes = OLD_ENTRIES * RECORD_BYTES;
  for (let goal = FIRST_BYTES; goal <= logBytesMax; goal *= 10) {
    const say = (text: string): void => progress(`log-size: ${goal / 1e6} MB: ${text}`);
    if (goal > bytes)
      bytes += await fill(cluster.endpoints, goal - bytes, (done) =>
        say(`written ${Math.round((100 * (bytes + done)) / goal)} %`),
      );
    await untilWhole(client, 3);
    say('one request at a time');
    const single = await oneAtATime(cluster, client, old, bytes);
    say('starts');
    const starts = await restarts(cluster, client, bytes);
    say('256 in flight');
    const full = await manyAtOnce(cluster, client, bytes);
    bytes += full.writtenBytes;
    found.push({ ...single, ...starts, ...full });
  }
  await client.close();
  return found;
}

async function oneAtATime(
  cluster: BenchCluster,
  client: Client,
  old: { readonly from: number; readonly to: number },
  bytes: number,
): Promise<Pick<AtSize, 'oneAppend' | 'oneRead'>> {
  const producer = client.createProducer();
  const [append, read]: [number[], number[]] = [[], []];
  // The first time is for warming up, here and below: these processes were started a moment ago.
  for (let repeat = 0; repeat <= SLICES; repeat += 1) {
    const [appended, found] = [
      await slice(cluster, appends([producer], 1)),
      await slice(cluster, reads(client, old.from, old.to)),
    ];
    if (repeat === 0) continue;
    append.push(appended.p50 ?? Number.NaN);
    read.push(found.p50 ?? Number.NaN);
  }
  producer.close();
  return { oneAppend: point(bytes, append), oneRead: point(bytes, read) };
}

async function restarts(
  cluster: BenchCluster,
  client: Client,
  bytes: number,
): Promise<Pick<AtSize, 'nodeStart' | 'clusterStart'>> {
  const [node, all]: [number[], number[]] = [[], []];
  for (let repeat = 0; repeat < SLICES; repeat += 1) {
    const leader = await untilWhole(client, 3);
    node.push(await startOne(cluster, cluster.ids.find((id) => id !== leader) ?? ''));
    all.push(await startAll(cluster));
  }
  await untilWhole(client, 3);
  return { nodeStart: point(bytes, node), clusterStart: point(bytes, all) };
}

async function manyAtOnce(
  cluster: BenchCluster,
  client: Client,
  bytes: number,
): Promise<Pick<AtSize, 'records' | 'memory'> & { writtenBytes: number }> {
  const producer = client.createProducer();
  const [rates, memory]: [number[], number[]] = [[], []];
  let writtenBytes = 0;
  for (let repeat = 0; repeat <= SLICES; repeat += 1) {
    const { ackedPerSecond, rssMiB } = await slice(cluster, appends([producer], 256));
    writtenBytes += (ackedPerSecond * RECORD_BYTES * (SLICE_MS + SLICE_WARM_UP_MS)) / 1000;
    if (repeat === 0) continue;
    rates.push(ackedPerSecond);
    memory.push(rssMiB);
  }
  producer.close();
  // Measuring makes the log longer: half of that was there on average.
  const x = bytes + writtenBytes / 2;
  return { records: point(x, rates), memory: point(x, memory), writtenBytes };
}

async function oldEntries(client: Client): Promise<{ from: number; to: number }> {
  const record = new Uint8Array(RECORD_BYTES).fill(120);
  const appended = await Promise.all(Array.from({ length: OLD_ENTRIES }, () => client.append(record)));
  return { from: appended[0]?.index ?? 1, to: appended.at(-1)?.index ?? 1 };
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
