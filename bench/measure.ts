import { Histogram } from './histogram.ts';
import { usageOf } from './processes.ts';
import type { Operation } from './scenario.ts';

export interface Measured {
  /** Acknowledged, or read. */
  readonly ackedPerSecond: number;
  /** Milliseconds of a request; null where there are none. */
  readonly p50: number | null;
  readonly p99: number | null;
  readonly p999: number | null;
  /** Of all servers together, in cores. */
  readonly cpuCores: number;
  /** Of the busiest server: near 1 for a server of one thread, it is the limit. */
  readonly busiestCores: number;
  readonly clientCores: number;
  /** Of the largest server. */
  readonly rssMiB: number;
  /** Written to the logs, and synced, by all servers together; null where they do not tell. */
  readonly bytesPerSecond: number | null;
  readonly syncsPerSecond: number | null;
}

/** What is looked at beside the client. */
export interface Servers {
  readonly pids: readonly number[];
  /** What all have written and synced since they started. */
  readonly written: () => Promise<{ bytes: number; syncs: number } | null>;
}

const WARM_UP_MS = 1000;

export async function measure(
  servers: Servers,
  operation: Operation,
  durationMs: number,
  warmUpMs: number = WARM_UP_MS,
): Promise<Measured> {
  await operation.run(warmUpMs, new Histogram());
  const latencies = new Histogram();
  const before = servers.pids.map(usageOf);
  const writtenBefore = await servers.written();
  const clientBefore = process.cpuUsage();
  const startedMs = performance.now();
  const records = await operation.run(durationMs, latencies);
  const seconds = (performance.now() - startedMs) / 1000;
  const clientUsed = process.cpuUsage(clientBefore);
  const writtenAfter = await servers.written();
  const after = servers.pids.map(usageOf);
  const cores = after.map(({ cpuSeconds }, at) => (cpuSeconds - (before[at]?.cpuSeconds ?? 0)) / seconds);
  const rate = (key: 'bytes' | 'syncs'): number | null =>
    writtenAfter === null || writtenBefore === null
      ? null
      : (writtenAfter[key] - writtenBefore[key]) / seconds;
  return {
    ackedPerSecond: records / seconds,
    p50: latencies.quantileMs(0.5),
    p99: latencies.quantileMs(0.99),
    p999: latencies.quantileMs(0.999),
    cpuCores: cores.reduce((sum, each) => sum + each, 0),
    busiestCores: Math.max(...cores),
    clientCores: (clientUsed.user + clientUsed.system) / 1e6 / seconds,
    rssMiB: Math.max(...after.map((usage) => usage.rssMiB)),
    bytesPerSecond: rate('bytes'),
    syncsPerSecond: rate('syncs'),
  };
}
