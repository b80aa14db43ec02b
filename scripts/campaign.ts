#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { BenchCluster, usageOf } from '../bench/processes.ts';
import { Client, connect } from '../src/client/index.ts';

/**
 * Checks that take too long for the tests:
 *
 *     npm run campaign -- long-log [--gib 2]     a long log: memory, start-up, reading old and new
 *     npm run campaign -- console-soak [--frames 20000]   the console draws so many frames: its heap stays flat
 *     npm run campaign -- bit-flips [--flips 2000] [--seed 1]     single bits flip at rest, of every kind of byte: none is served, none loses a record
 *     npm run campaign -- real-bit-flips [--flips 20] [--seed 1]     the same on real processes under load
 *     npm run campaign -- power-cuts [--rounds 60] [--seed 1] [--unsafe]     real nodes on loop images of ext4 lose power: one, the leader, all
 *     npm run campaign -- crash-states [--states 1000000] [--seed 1]     a log is opened from so many different states of a crashed disk
 *     npm run campaign -- retention [--minutes 60]   ten times what is kept of a log goes through it: disk, memory and recovery stay flat
 *     npm run campaign -- redis-sink [--seconds 90] [--seed 1]   sinks, Redis and leaders die: the stream is the log
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    gib: { type: 'string', default: '2' },
    frames: { type: 'string', default: '20000' },
    flips: { type: 'string' },
    rounds: { type: 'string', default: '60' },
    unsafe: { type: 'boolean', default: false },
    states: { type: 'string', default: '1000000' },
    seconds: { type: 'string', default: '90' },
    minutes: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
  },
});

const RSS_MIB_MAX = 256;
const RECORD_BYTES = 4096;
const RECORDS_PER_BATCH = 16;

const campaigns: Record<string, () => Promise<boolean>> = {
  'long-log': async () => longLog(Number(values.gib)),
  'console-soak': async () =>
    (await import('./campaigns/console-soak.ts')).consoleSoak(Number(values.frames)),
  'bit-flips': async () =>
    (await import('./campaigns/bit-flips.ts')).bitFlips(Number(values.flips ?? '2000'), Number(values.seed)),
  'real-bit-flips': async () =>
    (await import('./campaigns/real-bit-flips.ts')).flipRealBits(
      Number(values.flips ?? '20'),
      Number(values.seed),
    ),
  'power-cuts': async () =>
    (await import('./campaigns/power-cuts.ts')).powerCuts(
      Number(values.rounds),
      Number(values.seed),
      values.unsafe,
    ),
  'crash-states': async () =>
    (await import('./campaigns/crash-states.ts')).countCrashStates(
      Number(values.states),
      Number(values.seed),
    ),
  retention: async () => (await import('./campaigns/retention.ts')).retention(Number(values.minutes)),
  'redis-sink': async () =>
    (await import('./campaigns/redis-sink.ts')).redisSink(Number(values.seconds), Number(values.seed)),
};

const campaign = campaigns[positionals[0] ?? ''];
if (campaign === undefined) {
  process.stderr.write(`choose a campaign: ${Object.keys(campaigns).join(', ')}\n`);
  process.exit(2);
}
process.exitCode = (await campaign()) ? 0 : 1;

/** A node with a log of many GiB stays small, starts without reading it all, and serves its tail from memory. */
async function longLog(gib: number): Promise<boolean> {
  const cluster = await BenchCluster.start(3, process.env['TMPDIR'] ?? '/tmp');
  try {
    const records = await fill(cluster, gib * 2 ** 30);
    const full = memory(cluster);
    say(`${records} records of ${RECORD_BYTES} bytes; resident while writing: ${full.join(', ')} MiB`);
    for (const id of cluster.ids) await cluster.kill(id);
    const startMs = performance.now();
    for (const id of cluster.ids) cluster.startNode(id);
    await leads(cluster);
    const startedMs = performance.now() - startMs;
    say(
      `all nodes killed and started: a leader after ${Math.round(startedMs)} ms; resident: ${memory(cluster).join(', ')} MiB`,
    );
    const client = await connect({ endpoints: cluster.endpoints });
    const { index: last } = await client.append('the end');
    const old = await readRate(client, 1, 50_000);
    const recent = await readRate(client, last - 2000, 50_000);
    await client.close();
    const reading = memory(cluster);
    say(
      `reading from the start: ${old} MiB/s; the newest: ${recent} MiB/s; resident: ${reading.join(', ')} MiB`,
    );
    const largest = Math.max(...full, ...reading);
    const good = largest <= RSS_MIB_MAX;
    say(`${good ? 'good' : 'BAD'}: largest ${largest} MiB, limit ${RSS_MIB_MAX} MiB`);
    return good;
  } finally {
    await cluster.stop();
  }
}

async function fill(cluster: BenchCluster, bytes: number): Promise<number> {
  const client = await connect({ endpoints: cluster.endpoints });
  const producer = client.createProducer({ inFlightMax: 32 });
  const batch = Array.from({ length: RECORDS_PER_BATCH }, () => new Uint8Array(RECORD_BYTES).fill(120));
  const batches = Math.ceil(bytes / (RECORD_BYTES * RECORDS_PER_BATCH));
  let sent = 0;
  let stored = 0;
  await new Promise<void>((resolve, reject) => {
    const next = (): void => {
      if (sent === batches) return;
      sent += 1;
      producer.send(batch, (error) => {
        if (error !== null) {
          reject(error);
          return;
        }
        stored += 1;
        if (stored % 4096 === 0)
          say(`  ${Math.round((100 * stored) / batches)} %, resident ${memory(cluster).join(', ')} MiB`);
        if (stored === batches) resolve();
        else next();
      });
    };
    for (let lane = 0; lane < 32; lane += 1) next();
  });
  producer.close();
  await client.close();
  return batches * RECORDS_PER_BATCH;
}

async function leads(cluster: BenchCluster): Promise<void> {
  const client = new Client({ endpoints: cluster.endpoints });
  for (;;) {
    const status = await client.status({ timeoutMs: 500 });
    const leader = status.nodes.find((node) => node.status?.nodeId === status.leaderId)?.status?.groups[0];
    if (leader !== undefined && leader.commitIndex === leader.lastIndex) break;
  }
  await client.close();
}

async function readRate(client: Client, from: number, count: number): Promise<number> {
  const startMs = performance.now();
  let bytes = 0;
  for await (const record of client.read({ from, count })) bytes += record.data.length;
  return Math.round(bytes / 2 ** 20 / ((performance.now() - startMs) / 1000));
}

function memory(cluster: BenchCluster): number[] {
  return cluster.ids.map((id) => Math.round(usageOf(cluster.pid(id)).rssMiB));
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
