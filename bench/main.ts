#!/usr/bin/env node
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { connect } from '../src/client/index.ts';
import { runAgainst, showComparison } from './against.ts';
import { closedLoop } from './closed-loop.ts';
import { runFailovers } from './failover/run-failovers.ts';
import { FAILOVERS } from './failover/system.ts';
import { measure, type Measured } from './measure.ts';
import { PEERS } from './peers/index.ts';
import type { Peer } from './peers/peer.ts';
import { isInstalled } from './peers/programs.ts';
import { BenchCluster } from './processes.ts';
import { asJson, asTables, scaleAsJson, type ScenarioResult } from './report.ts';
import { asText } from './scale/figure.ts';
import { runScale, SCALE_PARTS, writePlots } from './scale/run-scale.ts';
import type { Scenario } from './scenario.ts';
import { SCENARIOS } from './scenarios/index.ts';

/**
 *     npm run bench                          every scenario, then failover
 *     npm run bench -- --scenario append-256 --duration 10 --repeat 5 --size 1024
 *     npm run bench -- --scenario failover --rounds 100         100 kills, 100 silences, 200 transfers
 *     npm run bench -- --scenario failover-kill --peers         the same to etcd, in the same run
 *     npm run bench -- --peers               the same appends by etcd, NATS JetStream and Redis, in the same run
 *     npm run bench -- --against HEAD~20     this tree and that one in turns: ratios
 *     npm run bench -- --scale --plots docs/plots                how cost grows, each part as a plot
 *     npm run bench -- --scale nodes,consoles                    two of its parts
 *     npm run bench -- -o json
 *
 * Three nodes and the client on this machine, over loopback; a majority syncs before each acknowledgement.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    scenario: { type: 'string' },
    duration: { type: 'string', default: '5' },
    repeat: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '20' },
    size: { type: 'string', default: '256' },
    data: { type: 'string', default: os.tmpdir() },
    peers: { type: 'boolean', default: false },
    scale: { type: 'boolean', default: false },
    'log-mb': { type: 'string', default: '10000' },
    plots: { type: 'string' },
    against: { type: 'string' },
    output: { type: 'string', short: 'o', default: 'table' },
  },
});

/** A batch of a hundred such records still fits into one entry. */
const SIZE_MAX = 16_384;

const wanted = values.scenario;
const known = SCENARIOS.map(({ name }) => name).concat(
  'failover',
  FAILOVERS.map((how) => `failover-${how}`),
);
if (wanted !== undefined && !known.includes(wanted))
  refuse(`unknown scenario ${wanted}: choose one of ${known.join(', ')}`);
if (values.output !== 'table' && values.output !== 'json')
  refuse(`-o ${values.output} is not known: choose table or json`);
const [durationMs, repeats, rounds, size] = [
  positive('duration', values.duration) * 1000,
  whole('repeat', values.repeat),
  whole('rounds', values.rounds),
  whole('size', values.size, SIZE_MAX),
];
const scenarios = SCENARIOS.filter(
  (scenario) =>
    (wanted === undefined || scenario.name === wanted) && (!values.peers || scenario.inFlight !== null),
);
const failovers = FAILOVERS.filter((how) =>
  wanted === undefined ? !values.peers : wanted === 'failover' || wanted === `failover-${how}`,
);
if (values.peers && scenarios.length + failovers.length === 0)
  refuse(`the peers cannot do ${wanted}: it is no append of single records`);

if (!values.scale && positionals.length > 0) refuse(`${positionals.join(' ')} is not understood`);

if (values.scale) await scale(positionals.flatMap((text) => text.split(',')));
else if (values.against === undefined) await bench();
else {
  const durationSeconds = durationMs / 1000;
  const names = scenarios.map(({ name }) => name);
  for (const comparison of runAgainst(values.against, names, { durationSeconds, repeats, size }, progress)) {
    progress('');
    process.stdout.write(`${showComparison(comparison)}\n`);
  }
}

async function bench(): Promise<void> {
  const own = new Map<Scenario, Measured[]>(scenarios.map((scenario) => [scenario, []]));
  const theirs = new Map<Scenario, Record<string, Measured[]>>(scenarios.map((scenario) => [scenario, {}]));
  const peers = values.peers ? installedPeers() : [];
  // In turns, one system at a time: whatever else the machine does meets them all.
  for (let repeat = 1; repeat <= repeats && scenarios.length > 0; repeat += 1) {
    await withCluster(async (cluster) => {
      for (const scenario of scenarios) {
        progress(`${scenario.name} ${repeat}/${repeats}`);
        own.get(scenario)?.push(await measureOwn(cluster, scenario));
      }
    });
    for (const peer of peers)
      await withPeer(peer, repeat, (scenario, measured) => {
        const all = theirs.get(scenario);
        if (all !== undefined) (all[peer.name] ??= []).push(measured);
      });
  }
  const withEtcd = peers.some(({ name }) => name === 'etcd');
  const gaps = await runFailovers(
    failovers,
    { rounds, recordBytes: size, parent: values.data, withEtcd },
    progress,
  );
  progress('');
  const results: ScenarioResult[] = scenarios.map((scenario) => ({
    name: scenario.name,
    runs: own.get(scenario) ?? [],
    peers: theirs.get(scenario) ?? {},
  }));
  if (values.output === 'json') {
    process.stdout.write(`${JSON.stringify(asJson(results, gaps), null, 2)}\n`);
    return;
  }
  process.stdout.write(asTables(results, gaps));
  if (scenarios.length === 0) return;
  for (const peer of peers) process.stdout.write(`acknowledged by ${peer.name}: ${peer.promise}\n`);
}

async function scale(names: readonly string[]): Promise<void> {
  const unknown = names.filter((name) => !SCALE_PARTS.some((part) => part.name === name));
  if (unknown.length > 0)
    refuse(`unknown ${unknown.join(', ')}: choose of ${SCALE_PARTS.map(({ name }) => name).join(', ')}`);
  const parts = SCALE_PARTS.filter(({ name }) => names.length === 0 || names.includes(name));
  const logBytesMax = whole('log-mb', values['log-mb']) * 1e6;
  const figures = await runScale(parts, { parent: values.data, logBytesMax, progress });
  progress('');
  if (values.plots !== undefined) writePlots(figures, values.plots);
  const text =
    values.output === 'json'
      ? `${JSON.stringify(scaleAsJson(figures), null, 2)}\n`
      : figures.map(asText).join('\n');
  process.stdout.write(text);
}

async function withCluster(act: (cluster: BenchCluster) => Promise<void>): Promise<void> {
  const cluster = await BenchCluster.start(3, values.data);
  try {
    await act(cluster);
  } finally {
    await cluster.stop();
  }
}

async function measureOwn(cluster: BenchCluster, scenario: Scenario): Promise<Measured> {
  const client = await connect({ endpoints: cluster.endpoints });
  const written = async (): Promise<{ bytes: number; syncs: number }> => {
    const { nodes } = await client.status();
    const sum = (counter: string): number =>
      nodes.reduce((total, { status }) => total + (status?.counters[counter] ?? 0), 0);
    return { bytes: sum('walBytesWritten'), syncs: sum('walSyncs') };
  };
  try {
    const operation = await scenario.setUp(client, size);
    try {
      return await measure({ pids: cluster.pids, written }, operation, durationMs);
    } finally {
      await operation.close();
    }
  } finally {
    await client.close();
  }
}

async function withPeer(
  peer: Peer,
  repeat: number,
  onMeasured: (scenario: Scenario, measured: Measured) => void,
): Promise<void> {
  const directory = fs.mkdtempSync(path.join(values.data, `dledger-bench-${peer.name}-`));
  const running = await peer.start(directory);
  try {
    for (const scenario of scenarios) {
      progress(`${peer.name} ${scenario.name} ${repeat}/${repeats}`);
      const client = await running.connect(size);
      const { inFlight } = scenario;
      const operation = {
        run: (ms: number, latencies: Parameters<typeof closedLoop>[3]) =>
          closedLoop(client.send, inFlight ?? 1, ms, latencies),
        close: () => client.close(),
      };
      try {
        onMeasured(
          scenario,
          await measure({ pids: running.pids, written: () => Promise.resolve(null) }, operation, durationMs),
        );
      } finally {
        operation.close();
      }
    }
  } finally {
    await running.stop();
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

function installedPeers(): Peer[] {
  return PEERS.filter(({ name, program, debianPackage }) => {
    if (isInstalled(program)) return true;
    process.stderr.write(
      `${name} is left out: ${program} is not installed; on Debian: apt-get install ${debianPackage}\n`,
    );
    return false;
  });
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (value > 0) return value;
  return refuse(`--${name} ${text} is not a positive number`);
}

function whole(name: string, text: string, max = 1_000_000): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  return refuse(`--${name} ${text} is not a whole number from 1 to ${max}`);
}

function refuse(why: string): never {
  process.stderr.write(`${why}\n`);
  process.exit(2);
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
  else if (text !== '') process.stderr.write(`${text}\n`);
}
