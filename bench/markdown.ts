import os from 'node:os';
import type { Gaps } from './failover/measure-failover.ts';
import type { FailoverResult } from './failover/run-failovers.ts';
import { PARTS, type Failover } from './failover/system.ts';
import { spread } from './histogram.ts';
import type { Measured } from './measure.ts';
import { followerCores, median, quantile } from './report.ts';
import type { ScenarioResult } from './run-scenarios.ts';
import { short } from './scale/figure.ts';

// The tables of docs/benchmarks.md, ready to be put there.

const EVENTS: Record<Failover, string> = {
  kill: '`kill -9` of the leader',
  silent: 'the leader falls silent',
  transfer: 'planned transfer',
};

export function asMarkdown(
  results: readonly ScenarioResult[],
  failovers: readonly FailoverResult[],
  args: readonly string[],
): string {
  const model = os.cpus()[0]?.model ?? 'unknown';
  const command = ['npm run bench', ...(args.length > 0 ? ['--'] : []), ...args].join(' ');
  const date = new Date().toISOString().slice(0, 10);
  const parts = [
    `${date}; ${os.cpus().length} cores (${model}); Node ${process.versions.node}; \`${command}\``,
  ];
  if (results.length > 0) parts.push(ratesTable(results));
  if (failovers.length > 0) {
    parts.push(table(GAPS, failovers.flatMap(gapRows)));
    parts.push(table(['', ...PARTS], failovers.map(partsRow)));
  }
  return `${parts.join('\n\n')}\n`;
}

const RATES = [
  'scenario',
  'bytes',
  'system',
  'records/s',
  'of dledger',
  'p50 ms',
  'p99 ms',
  'cores: leader, followers, client',
  'MiB',
  'disk MB/s',
  'flushes/s',
];

function rateRows({ name, recordBytes, runs, peers }: ScenarioResult): string[][] {
  const own = spread(runs.map(({ ackedPerSecond }) => ackedPerSecond)).median;
  const row = (system: string, measured: readonly Measured[], isFirst: boolean): string[] => {
    const rate = spread(measured.map(({ ackedPerSecond }) => ackedPerSecond));
    const cores = [
      median(measured, 'leaderCores'),
      ...followerCores(measured),
      median(measured, 'clientCores'),
    ];
    const disk = median(measured, 'diskBytesPerSecond');
    return [
      isFirst ? `\`${name}\`` : '',
      isFirst ? whole(recordBytes) : '',
      system,
      `${whole(rate.median)} (${whole(rate.min)} – ${whole(rate.max)})`,
      isFirst ? '' : (rate.median / own).toFixed(2),
      known(median(measured, 'p50'), short),
      known(median(measured, 'p99'), short),
      cores.map((each) => known(each, (value) => value.toFixed(2))).join(', '),
      known(median(measured, 'rssMiB'), whole),
      known(disk, (bytes) => short(bytes / 1e6)),
      known(median(measured, 'flushesPerSecond'), whole),
    ];
  };
  return [
    row('dledger', runs, true),
    ...Object.entries(peers).map(([peer, theirs]) => row(peer, theirs, false)),
  ];
}

/** With nobody to compare with, the columns for that are left out. */
function ratesTable(results: readonly ScenarioResult[]): string {
  const isAlone = results.every(({ peers }) => Object.keys(peers).length === 0);
  const keep = (cells: readonly string[]): string[] =>
    cells.filter((_, at) => !isAlone || (RATES[at] !== 'system' && RATES[at] !== 'of dledger'));
  return table(keep(RATES), results.flatMap(rateRows).map(keep));
}

const GAPS = ['event', 'system', 'rounds', 'median', 'p99', 'range'];

function gapRows({ how, peers, ...own }: FailoverResult): string[][] {
  const row = (system: string, { gapsMs }: Gaps): string[] => {
    const { median: middle, min, max } = spread(gapsMs);
    const range = `${short(min)} – ${short(max)}`;
    return [system, String(gapsMs.length), short(middle), short(quantile(gapsMs, 0.99)), range];
  };
  return [
    [EVENTS[how], ...row('dledger', own)],
    ...Object.entries(peers).map(([peer, gaps]) => ['', ...row(peer, gaps)]),
  ];
}

/** Median and p99 of each. */
function partsRow({ how, parts }: FailoverResult): string[] {
  const shown = PARTS.map((part) => {
    const all = parts.map((one) => one[part]);
    return parts.length === 0 ? '–' : `${short(spread(all).median)}, ${short(quantile(all, 0.99))}`;
  });
  return [EVENTS[how], ...shown];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function known(value: number | null, show: (value: number) => string): string {
  return value === null ? '–' : show(value);
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}
