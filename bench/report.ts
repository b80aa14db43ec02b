import os from 'node:os';
import type { Gaps } from './failover/measure-failover.ts';
import type { FailoverResult } from './failover/run-failovers.ts';
import { PARTS } from './failover/system.ts';
import { spread } from './histogram.ts';
import type { Measured } from './measure.ts';
import type { ScenarioResult } from './run-scenarios.ts';
import type { Figure } from './scale/figure.ts';

export function asJson(results: readonly ScenarioResult[], failovers: readonly FailoverResult[]): object {
  return document({
    scenarios: results.map(({ name, recordBytes, runs, peers }) => ({
      name,
      recordBytes,
      ...figures(runs),
      peers: Object.fromEntries(Object.entries(peers).map(([peer, own]) => [peer, figures(own)])),
    })),
    failovers: failovers.map(({ how, peers, ...own }) => ({
      how,
      ...gapFigures(own),
      peers: Object.fromEntries(Object.entries(peers).map(([peer, gaps]) => [peer, gapFigures(gaps)])),
    })),
  });
}

export function scaleAsJson(figures: readonly Figure[]): object {
  return document({ figures });
}

function document(data: object): object {
  const machine = { cpus: os.cpus().length, model: os.cpus()[0]?.model ?? null, node: process.version };
  return {
    apiVersion: 'dledger/v1',
    kind: 'Benchmark',
    at: new Date().toISOString(),
    data: { machine, ...data },
  };
}

function gapFigures({ gapsMs, parts }: Gaps): object {
  const partsMs = PARTS.map((part) => {
    const all = parts.map((one) => one[part]);
    return [part, { median: spread(all).median, p99: quantile(all, 0.99) }];
  });
  return {
    rounds: gapsMs.length,
    gapMs: { ...spread(gapsMs), p99: quantile(gapsMs, 0.99) },
    partsMs: parts.length === 0 ? null : Object.fromEntries(partsMs),
  };
}

function figures(runs: readonly Measured[]): object {
  return {
    ackedPerSecond: spread(runs.map((run) => run.ackedPerSecond)),
    latencyMs: { p50: median(runs, 'p50'), p99: median(runs, 'p99'), p999: median(runs, 'p999') },
    cpuCores: median(runs, 'cpuCores'),
    busiestCores: median(runs, 'busiestCores'),
    leaderCores: median(runs, 'leaderCores'),
    followerCores: followerCores(runs),
    clientCores: median(runs, 'clientCores'),
    rssMiB: median(runs, 'rssMiB'),
    diskBytesPerSecond: median(runs, 'diskBytesPerSecond'),
    flushesPerSecond: median(runs, 'flushesPerSecond'),
    bytesPerSecond: median(runs, 'bytesPerSecond'),
    syncsPerSecond: median(runs, 'syncsPerSecond'),
  };
}

export function asTables(results: readonly ScenarioResult[], failovers: readonly FailoverResult[]): string {
  const lines = results.length === 0 ? [] : [RATES_HEAD];
  for (const { name, recordBytes, runs, peers } of results) {
    const own = spread(runs.map((run) => run.ackedPerSecond)).median;
    lines.push(row(name, String(recordBytes), 'dledger', runs, own));
    for (const [peer, theirs] of Object.entries(peers)) lines.push(row('', '', peer, theirs, own));
  }
  if (failovers.length > 0) lines.push(GAPS_HEAD);
  for (const { how, peers, ...own } of failovers) {
    lines.push(gapRow(how, 'dledger', own));
    for (const [peer, gaps] of Object.entries(peers)) lines.push(gapRow('', peer, gaps));
  }
  return `${lines.join('\n')}\n`;
}

/** Milliseconds: the longest time between two acknowledgements around the event, and of which parts it is made. */
const GAPS_HEAD = `failover      system   rounds    median       p99      (min - max)      of which median/p99: ${PARTS.join(', ')}`;

function gapRow(how: string, system: string, { gapsMs, parts }: Gaps): string {
  const { median: middle, min, max } = spread(gapsMs);
  const shown = PARTS.map((part) => {
    const all = parts.map((one) => one[part]);
    return `${tenths(spread(all).median)}/${tenths(quantile(all, 0.99))}`;
  });
  return [
    how.padEnd(13),
    system.padEnd(8),
    String(gapsMs.length).padStart(6),
    tenths(middle).padStart(9),
    tenths(quantile(gapsMs, 0.99)).padStart(9),
    ` (${tenths(min)} - ${tenths(max)})`.padEnd(20),
    parts.length === 0 ? '' : shown.join(', '),
  ]
    .join(' ')
    .trimEnd();
}

/**
 * `ratio`: how many times as much dledger does. Then cores: of the leader, of each other server, of the client. MiB are resident in
 * the largest server; syncs/s are those of the logs, where the servers count them; MB/s and flushes/s are what the disk did.
 */
const RATES_HEAD =
  'scenario      bytes system    records/s  (min - max)            ratio   p50 ms   p99 ms p99.9 ms  leader   followers  client  MiB syncs/s  MB/s flushes/s';

function row(
  scenario: string,
  recordBytes: string,
  system: string,
  runs: readonly Measured[],
  own: number,
): string {
  const rate = spread(runs.map((run) => run.ackedPerSecond));
  const disk = median(runs, 'diskBytesPerSecond');
  return [
    scenario.padEnd(13),
    recordBytes.padStart(5),
    system.padEnd(8),
    round(rate.median).padStart(10),
    ` (${round(rate.min)} - ${round(rate.max)})`.padEnd(23),
    (system === 'dledger' ? '' : fixed(own / rate.median)).padStart(6),
    fixed(median(runs, 'p50')).padStart(8),
    fixed(median(runs, 'p99')).padStart(8),
    fixed(median(runs, 'p999')).padStart(8),
    fixed(median(runs, 'leaderCores')).padStart(7),
    followerCores(runs).map(fixed).join(' + ').padStart(11),
    fixed(median(runs, 'clientCores')).padStart(7),
    round(median(runs, 'rssMiB')).padStart(4),
    round(median(runs, 'syncsPerSecond')).padStart(7),
    round(disk === null ? null : disk / 1e6).padStart(5),
    round(median(runs, 'flushesPerSecond')).padStart(9),
  ].join(' ');
}

export function median(
  runs: readonly Measured[],
  key: Exclude<keyof Measured, 'followerCores'>,
): number | null {
  const values = runs.map((run) => run[key]).filter((value) => value !== null);
  return values.length === 0 ? null : spread(values).median;
}

/** Each the median of the runs: of the busiest follower, then of the next. */
export function followerCores(runs: readonly Measured[]): number[] {
  const count = runs[0]?.followerCores.length ?? 0;
  return Array.from(
    { length: count },
    (_, at) => spread(runs.map((run) => run.followerCores[at] ?? 0)).median,
  );
}

export function quantile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * fraction) - 1)] ?? Number.NaN;
}

function round(value: number | null): string {
  return value === null ? '?' : Math.round(value).toLocaleString('en');
}

function tenths(value: number): string {
  return value.toFixed(1);
}

export function fixed(value: number | null): string {
  return value === null ? '?' : value.toFixed(2);
}
