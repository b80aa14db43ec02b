#!/usr/bin/env node
import os from 'node:os';
import { parseArgs } from 'node:util';
import { FAILOVERS, measureFailover, type FailoverResult, type Parts } from './failover.ts';
import { spread } from './histogram.ts';
import { BenchCluster } from './processes.ts';
import { SCENARIOS, measure, type Measured, type Scenario } from './scenarios.ts';

/**
 *     npm run bench                          every scenario, then failover
 *     npm run bench -- --scenario append-256 --duration 10 --repeat 5
 *     npm run bench -- --scenario failover-kill --rounds 50
 *     npm run bench -- -o json
 *
 * Three nodes and the client on this machine, over loopback; a majority syncs before each acknowledgement.
 */
const { values } = parseArgs({
  options: {
    scenario: { type: 'string' },
    duration: { type: 'string', default: '5' },
    repeat: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '20' },
    size: { type: 'string', default: '256' },
    data: { type: 'string', default: os.tmpdir() },
    output: { type: 'string', short: 'o', default: 'table' },
  },
});

const PARTS: readonly (keyof Parts)[] = ['notice', 'preVote', 'vote', 'firstAck'];

const wanted = values.scenario;
const known = [...SCENARIOS.map((scenario) => scenario.name), ...FAILOVERS.map((how) => `failover-${how}`)];
if (wanted !== undefined && !known.includes(wanted)) {
  process.stderr.write(`unknown scenario ${wanted}: choose one of ${known.join(', ')}\n`);
  process.exit(2);
}
const [durationMs, repeats, rounds, size] = [
  positive('duration', values.duration) * 1000,
  positive('repeat', values.repeat),
  positive('rounds', values.rounds),
  positive('size', values.size),
];

const scenarios = SCENARIOS.filter((scenario) => wanted === undefined || scenario.name === wanted);
const results: { scenario: Scenario; runs: Measured[] }[] = [];
const failovers: FailoverResult[] = [];
const cluster = await BenchCluster.start(3, values.data);
try {
  for (const scenario of scenarios) {
    const runs: Measured[] = [];
    for (let repeat = 1; repeat <= repeats; repeat += 1) {
      progress(`${scenario.name} ${repeat}/${repeats}`);
      runs.push(await measure(cluster, scenario, durationMs, size));
    }
    results.push({ scenario, runs });
  }
  for (const how of FAILOVERS) {
    if (wanted !== undefined && wanted !== `failover-${how}`) continue;
    failovers.push(
      await measureFailover(cluster, how, rounds, (done) => progress(`failover by ${how} ${done}/${rounds}`)),
    );
  }
} finally {
  progress('');
  await cluster.stop();
}

if (values.output === 'json') process.stdout.write(`${JSON.stringify(asJson(), null, 2)}\n`);
else printTables();

function asJson(): object {
  return {
    apiVersion: 'dledger/v1',
    kind: 'Benchmark',
    at: new Date().toISOString(),
    data: {
      machine: { cpus: os.cpus().length, model: os.cpus()[0]?.model ?? null, node: process.version },
      scenarios: results.map(({ scenario, runs }) => ({
        name: scenario.name,
        ackedPerSecond: spread(runs.map((run) => run.ackedPerSecond)),
        latencyMs: { p50: median(runs, 'p50'), p99: median(runs, 'p99'), p999: median(runs, 'p999') },
        cpuCores: median(runs, 'cpuCores'),
        clientCores: median(runs, 'clientCores'),
        rssMiB: median(runs, 'rssMiB'),
        bytesPerSecond: median(runs, 'bytesPerSecond'),
        syncsPerSecond: median(runs, 'syncsPerSecond'),
      })),
      failovers: failovers.map(({ how, gapsMs, parts }) => ({
        how,
        rounds: gapsMs.length,
        gapMs: { ...spread(gapsMs), p99: quantile(gapsMs, 0.99) },
        partsMs:
          parts.length === 0
            ? null
            : Object.fromEntries(PARTS.map((part) => [part, spread(parts.map((one) => one[part])).median])),
      })),
    },
  };
}

function printTables(): void {
  const lines = [
    'scenario       acked/s   (min - max)            p50 ms  p99 ms  p99.9 ms  nodes cores  client cores  node MiB',
  ];
  for (const { scenario, runs } of results) {
    const rate = spread(runs.map((run) => run.ackedPerSecond));
    lines.push(
      [
        scenario.name.padEnd(12),
        round(rate.median).padStart(9),
        `(${round(rate.min)} - ${round(rate.max)})`.padEnd(22),
        fixed(median(runs, 'p50')).padStart(7),
        fixed(median(runs, 'p99')).padStart(7),
        fixed(median(runs, 'p999')).padStart(9),
        fixed(median(runs, 'cpuCores')).padStart(12),
        fixed(median(runs, 'clientCores')).padStart(13),
        round(median(runs, 'rssMiB') ?? Number.NaN).padStart(9),
      ].join(' '),
    );
  }
  for (const { how, gapsMs, parts } of failovers) {
    const { median: middle, min, max } = spread(gapsMs);
    lines.push(
      `failover by ${how}: longest gap between acknowledgements, ${gapsMs.length} rounds: median ${fixed(middle)} ms, p99 ${fixed(quantile(gapsMs, 0.99))} ms (${fixed(min)} - ${fixed(max)})`,
    );
    if (parts.length === 0) continue;
    const shown = PARTS.map((part) => `${part} ${fixed(spread(parts.map((one) => one[part])).median)}`);
    lines.push(`  of which, medians in ms: ${shown.join(', ')}`);
  }
  process.stdout.write(`${lines.join('\n')}\n`);
}

function median(runs: readonly Measured[], key: keyof Measured): number | null {
  const values = runs.map((run) => run[key]).filter((value) => value !== null);
  return values.length === 0 ? null : spread(values).median;
}

function quantile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * fraction) - 1)] ?? Number.NaN;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (value > 0) return value;
  process.stderr.write(`--${name} ${text} is not a positive number\n`);
  return process.exit(2);
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
  else if (text !== '') process.stderr.write(`${text}\n`);
}

function round(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function fixed(value: number | null): string {
  return value === null ? '?' : value.toFixed(2);
}
