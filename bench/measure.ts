import { diskUseOf } from './disk-use.ts';
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
  /** Null where nobody knows who leads. */
  readonly leaderCores: number | null;
  /** Of each other server, the busiest first. */
  readonly followerCores: readonly number[];
  readonly clientCores: number;
  /** Of the largest server. */
  readonly rssMiB: number;
  /** What the disk of the servers wrote meanwhile, and how often it was flushed; null where the kernel does not tell. */
  readonly diskBytesPerSecond: number | null;
  readonly flushesPerSecond: number | null;
  /** Written to the logs, and syncs of the logs, by all servers together; null where they do not tell. */
  readonly bytesPerSecond: number | null;
  readonly syncsPerSecond: number | null;
}

/** By the servers' own count, since they started. */
export interface Written {
  readonly bytes: number | null;
  readonly syncs: number | null;
}

/** What is looked at beside the client. */
export interface Servers {
  readonly pids: readonly number[];
  readonly leaderPid: number | null;
  /** Where their data is. */
  readonly directory: string;
  readonly written: () => Promise<Written>;
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
  const diskBefore = diskUseOf(servers.directory);
  const clientBefore = process.cpuUsage();
  const startedMs = performance.now();
  const records = await operation.run(durationMs, latencies);
  const seconds = (performance.now() - startedMs) / 1000;
  const clientUsed = process.cpuUsage(clientBefore);
  const diskAfter = diskUseOf(servers.directory);
  const writtenAfter = await servers.written();
  const after = servers.pids.map(usageOf);
  const perSecond = (later: number | null | undefined, earlier: number | null | undefined): number | null =>
    typeof later === 'number' && typeof earlier === 'number' ? (later - earlier) / seconds : null;
  const cores = after.map(({ cpuSeconds }, at) => (cpuSeconds - (before[at]?.cpuSeconds ?? 0)) / seconds);
  const leaderAt = servers.leaderPid === null ? -1 : servers.pids.indexOf(servers.leaderPid);
  return {
    ackedPerSecond: records / seconds,
    p50: latencies.quantileMs(0.5),
    p99: latencies.quantileMs(0.99),
    p999: latencies.quantileMs(0.999),
    cpuCores: cores.reduce((sum, each) => sum + each, 0),
    busiestCores: Math.max(...cores),
    leaderCores: cores[leaderAt] ?? null,
    followerCores: cores.filter((_, at) => at !== leaderAt).sort((a, b) => b - a),
    clientCores: (clientUsed.user + clientUsed.system) / 1e6 / seconds,
    rssMiB: Math.max(...after.map((usage) => usage.rssMiB)),
    diskBytesPerSecond: perSecond(diskAfter?.writtenBytes, diskBefore?.writtenBytes),
    flushesPerSecond: perSecond(diskAfter?.flushes, diskBefore?.flushes),
    bytesPerSecond: perSecond(writtenAfter.bytes, writtenBefore.bytes),
    syncsPerSecond: perSecond(writtenAfter.syncs, writtenBefore.syncs),
  };
}
