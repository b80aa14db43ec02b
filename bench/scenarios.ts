import { connect, type Client, type Producer } from '../src/client/index.ts';
import { Histogram } from './histogram.ts';
import { usageOf, type BenchCluster } from './processes.ts';

export interface Scenario {
  readonly name: string;
  /** Requests sent and not answered. */
  readonly inFlight: number;
  readonly recordsPerRequest: number;
}

export const SCENARIOS: readonly Scenario[] = [
  { name: 'append-1', inFlight: 1, recordsPerRequest: 1 },
  { name: 'append-16', inFlight: 16, recordsPerRequest: 1 },
  { name: 'append-256', inFlight: 256, recordsPerRequest: 1 },
  { name: 'append-1024', inFlight: 1024, recordsPerRequest: 1 },
  { name: 'append-batch', inFlight: 64, recordsPerRequest: 100 },
];

export interface Measured {
  readonly ackedPerSecond: number;
  readonly p50: number | null;
  readonly p99: number | null;
  readonly p999: number | null;
  /** Of the three nodes together, in cores. */
  readonly cpuCores: number;
  readonly clientCores: number;
  /** Of the largest node. */
  readonly rssMiB: number;
  /** Written to the logs, and synced, by the three nodes together. */
  readonly bytesPerSecond: number;
  readonly syncsPerSecond: number;
}

const WARM_UP_MS = 1000;

/** Appends in a closed loop: as soon as one request is answered the next is sent. */
export async function measure(
  cluster: BenchCluster,
  scenario: Scenario,
  durationMs: number,
  recordBytes: number,
): Promise<Measured> {
  const client = await connect({ endpoints: cluster.endpoints });
  const producer = client.createProducer({ inFlightMax: scenario.inFlight });
  const records = Array.from({ length: scenario.recordsPerRequest }, () =>
    new Uint8Array(recordBytes).fill(120),
  );
  try {
    await loop(producer, records, scenario.inFlight, WARM_UP_MS, new Histogram());
    const latencies = new Histogram();
    const before = cluster.ids.map((id) => usageOf(cluster.pid(id)));
    const writtenBefore = await written(client);
    const clientBefore = process.cpuUsage();
    const startedMs = performance.now();
    const requests = await loop(producer, records, scenario.inFlight, durationMs, latencies);
    const seconds = (performance.now() - startedMs) / 1000;
    const clientUsed = process.cpuUsage(clientBefore);
    const writtenAfter = await written(client);
    const after = cluster.ids.map((id) => usageOf(cluster.pid(id)));
    const sum = (of: (at: number) => number): number => after.reduce((total, _, at) => total + of(at), 0);
    return {
      ackedPerSecond: (requests * scenario.recordsPerRequest) / seconds,
      p50: latencies.quantileMs(0.5),
      p99: latencies.quantileMs(0.99),
      p999: latencies.quantileMs(0.999),
      cpuCores: sum((at) => (after[at]?.cpuSeconds ?? 0) - (before[at]?.cpuSeconds ?? 0)) / seconds,
      clientCores: (clientUsed.user + clientUsed.system) / 1e6 / seconds,
      rssMiB: Math.max(...after.map((usage) => usage.rssMiB)),
      bytesPerSecond: (writtenAfter.bytes - writtenBefore.bytes) / seconds,
      syncsPerSecond: (writtenAfter.syncs - writtenBefore.syncs) / seconds,
    };
  } finally {
    producer.close();
    await client.close();
  }
}

/** What all nodes have written and synced since they started. */
async function written(client: Client): Promise<{ bytes: number; syncs: number }> {
  const { nodes } = await client.status();
  const sum = (counter: string): number =>
    nodes.reduce((total, { status }) => total + (status?.counters[counter] ?? 0), 0);
  return { bytes: sum('walBytesWritten'), syncs: sum('walSyncs') };
}

/** @returns requests answered within the time. */
async function loop(
  producer: Producer,
  records: readonly Uint8Array[],
  inFlight: number,
  durationMs: number,
  latencies: Histogram,
): Promise<number> {
  const endMs = performance.now() + durationMs;
  let answered = 0;
  let open = 0;
  return new Promise<number>((resolve, reject) => {
    const next = (): void => {
      open += 1;
      const sentMs = performance.now();
      producer.send(records, (error) => {
        open -= 1;
        if (error !== null) {
          reject(error);
          return;
        }
        const now = performance.now();
        latencies.record((now - sentMs) * 1000);
        if (now < endMs) {
          answered += 1;
          next();
        } else if (open === 0) {
          resolve(answered);
        }
      });
    };
    for (let lane = 0; lane < inFlight; lane += 1) next();
  });
}
