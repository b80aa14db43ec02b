#!/usr/bin/env node
import os from 'node:os';
import { parseArgs } from 'node:util';
import { runAgainst, showComparison } from './against.ts';
import { runFailovers } from './failover/run-failovers.ts';
import { FAILOVERS, type Failover } from './failover/system.ts';
import { asMarkdown } from './markdown.ts';
import { PEERS } from './peers/index.ts';
import type { Peer } from './peers/peer.ts';
import { isInstalled } from './peers/programs.ts';
import { runProfiles } from './profile/run-profiles.ts';
import { showProfiles } from './profile/show-profiles.ts';
import { asJson, asTables, scaleAsJson } from './report.ts';
import { runScenarios } from './run-scenarios.ts';
import { asText } from './scale/figure.ts';
import { lackOfRoom, runScale, SCALE_PARTS, writePlots } from './scale/run-scale.ts';
import type { Scenario } from './scenario.ts';
import { SCENARIOS } from './scenarios/index.ts';

/**
 *     npm run bench                          every scenario, then failover
 *     npm run bench -- --scenario append-1,append-256 --duration 10 --repeat 5 --size 64,1024,16384
 *     npm run bench -- --scenario failover --rounds 100         100 kills, 100 silences, 200 transfers
 *     npm run bench -- --scenario failover-kill --peers         the same to etcd, in the same run
 *     npm run bench -- --peers               the same appends by etcd, NATS JetStream and Redis, in the same run
 *     npm run bench -- --against HEAD~20     this tree and that one in turns: ratios
 *     npm run bench -- --scale --plots docs/plots                how cost grows, each part as a plot
 *     npm run bench -- --scale nodes,consoles                    two of its parts
 *     npm run bench -- --profile 1,256,8192  where the time of leader, follower and client goes, with so many requests under way
 *     npm run bench -- -o json               or `-o markdown`: the tables of docs/benchmarks.md
 *
 * Three nodes and the client on this machine, over loopback; a majority syncs before each acknowledgement.
 */
const OPTIONS = {
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
  profile: { type: 'string' },
  output: { type: 'string', short: 'o', default: 'table' },
} as const;

const { values, positionals } = parsed();

/** Of such records a batch still has sixty. */
const SIZE_MAX = 16_384;
/** A producer has no more batches under way. */
const IN_FLIGHT_MAX = 8192;

if (!['table', 'json', 'markdown'].includes(values.output))
  refuse(`-o ${values.output} is not known: choose table, json or markdown`);
if (!values.scale && positionals.length > 0) refuse(`${positionals.join(' ')} is not understood`);
const [durationMs, repeats, rounds] = [
  positive('duration', values.duration) * 1000,
  whole('repeat', values.repeat),
  whole('rounds', values.rounds),
];
const sizes = values.size.split(',').map((text) => whole('size', text, { max: SIZE_MAX }));
const { scenarios, failovers } = chosen(values.scenario?.split(',') ?? null);

if (values.profile !== undefined) await profile(values.profile.split(','));
else if (values.scale) await scale(positionals.flatMap((text) => text.split(',')));
else if (values.against === undefined) await bench();
else against(values.against);

function parsed(): ReturnType<typeof parseArgs<{ allowPositionals: true; options: typeof OPTIONS }>> {
  try {
    return parseArgs({ allowPositionals: true, options: OPTIONS });
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

function chosen(names: readonly string[] | null): {
  scenarios: readonly Scenario[];
  failovers: readonly Failover[];
} {
  const known = SCENARIOS.map(({ name }) => name).concat(
    'failover',
    FAILOVERS.map((how) => `failover-${how}`),
  );
  const unknown = names?.filter((name) => !known.includes(name)) ?? [];
  if (unknown.length > 0) refuse(`unknown scenario ${unknown.join(', ')}: choose of ${known.join(', ')}`);
  const isWanted = (name: string): boolean => names === null || names.includes(name);
  const found = {
    scenarios: SCENARIOS.filter(
      ({ name, inFlight }) => isWanted(name) && !(values.peers && inFlight === null),
    ),
    failovers: FAILOVERS.filter((how) =>
      names === null ? !values.peers : isWanted('failover') || isWanted(`failover-${how}`),
    ),
  };
  if (found.scenarios.length + found.failovers.length === 0)
    refuse(`the peers cannot do ${names?.join(', ')}: it is no append of single records`);
  return found;
}

async function bench(): Promise<void> {
  const peers = values.peers ? installedPeers() : [];
  const { data: parent, output } = values;
  const results = await runScenarios(scenarios, peers, { durationMs, repeats, sizes, parent }, progress);
  const withEtcd = peers.some(({ name }) => name === 'etcd');
  const recordBytes = sizes[0] ?? 256;
  const gaps = await runFailovers(failovers, { rounds, recordBytes, parent, withEtcd }, progress);
  progress('');
  if (output === 'json') {
    process.stdout.write(`${JSON.stringify(asJson(results, gaps), null, 2)}\n`);
    return;
  }
  if (output === 'markdown') {
    process.stdout.write(asMarkdown(results, gaps, process.argv.slice(2)));
    return;
  }
  process.stdout.write(asTables(results, gaps));
  if (scenarios.length === 0) return;
  for (const peer of peers) process.stdout.write(`acknowledged by ${peer.name}: ${peer.promise}\n`);
}

function against(reference: string): void {
  const [size] = sizes;
  if (size === undefined || sizes.length > 1) refuse('--against compares with records of one --size');
  const names = scenarios.map(({ name }) => name);
  const options = { durationSeconds: durationMs / 1000, repeats, size };
  for (const comparison of runAgainst(reference, names, options, progress)) {
    progress('');
    process.stdout.write(`${showComparison(comparison)}\n`);
  }
}

async function scale(names: readonly string[]): Promise<void> {
  const unknown = names.filter((name) => !SCALE_PARTS.some((part) => part.name === name));
  if (unknown.length > 0)
    refuse(`unknown ${unknown.join(', ')}: choose of ${SCALE_PARTS.map(({ name }) => name).join(', ')}`);
  const parts = SCALE_PARTS.filter(({ name }) => names.length === 0 || names.includes(name));
  const options = {
    parent: values.data,
    logBytesMax: whole('log-mb', values['log-mb'], { min: 10 }) * 1e6,
    progress,
  };
  const lack = lackOfRoom(parts, options);
  if (lack !== null) refuse(lack);
  const figures = await runScale(parts, options);
  progress('');
  if (values.plots !== undefined) writePlots(figures, values.plots);
  const text =
    values.output === 'json'
      ? `${JSON.stringify(scaleAsJson(figures), null, 2)}\n`
      : figures.map(asText).join('\n');
  process.stdout.write(text);
}

async function profile(texts: readonly string[]): Promise<void> {
  const inFlight = texts.map((text) => whole('profile', text, { max: IN_FLIGHT_MAX }));
  const options = { inFlight, durationMs, recordBytes: sizes[0] ?? 256, parent: values.data };
  const profiles = await runProfiles(options, progress);
  progress('');
  process.stdout.write(showProfiles(profiles));
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

function whole(name: string, text: string, { min = 1, max = 1_000_000 } = {}): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  return refuse(`--${name} ${text} is not a whole number from ${min} to ${max}`);
}

function refuse(why: string): never {
  process.stderr.write(`${why}\n`);
  process.exit(2);
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
  else if (text !== '') process.stderr.write(`${text}\n`);
}
