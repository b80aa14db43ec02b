import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BenchCluster, usageOf } from '../../bench/processes.ts';
import { Client, connect } from '../../src/client/index.ts';

const MIB = 2 ** 20;
const SEGMENT_MIB = 8;
const RETENTION_MIB = 64;
/** So many times what is kept goes through the log. */
const TIMES = 10;
const RECORD_BYTES = 1024;
const RECORDS_PER_BATCH = 16;
const LOOKS = 20;
/** What the last third of all looks may have more than the first third after the log was full, and a little more for chance. */
const GROWTH_MAX = 1.2;
const SLACK: Measured = { diskMiB: 2 * SEGMENT_MIB, rssMiB: 24, recoveryMs: 1000 };
const PATIENCE_MS = 30_000;

interface Measured {
  /** Of the largest data directory. */
  readonly diskMiB: number;
  /** Of the largest node that was not just started. */
  readonly rssMiB: number;
  /** Of one node that was killed: until it has applied what the leader had when it was started. */
  readonly recoveryMs: number;
}

/**
 * Real processes under a steady rate, until the log was ten times what is kept of it. Now and then one node is killed and
 * started. Disk, memory and the time to recover must not grow once the log is full.
 */
export async function retention(minutes: number): Promise<boolean> {
  const flags = ['--segment-mib', String(SEGMENT_MIB), '--retention-size', String(RETENTION_MIB)];
  const cluster = await BenchCluster.start(3, process.env['TMPDIR'] ?? '/tmp', flags);
  const bytesPerSecond = (TIMES * RETENTION_MIB * MIB) / (minutes * 60);
  const load = new SteadyLoad(cluster, bytesPerSecond);
  try {
    await load.start();
    const looks: Measured[] = [];
    for (let look = 1; look <= LOOKS; look += 1) {
      await delay((minutes * 60_000) / LOOKS);
      const id = cluster.ids[look % cluster.ids.length] ?? '';
      const found = { ...sizes(cluster), recoveryMs: await recover(cluster, id) };
      looks.push(found);
      const { diskMiB, rssMiB, recoveryMs } = found;
      say(
        `${Math.round(load.writtenBytes / MIB)} MiB written; disk ${diskMiB} MiB, resident ${rssMiB} MiB, ${id} back after ${recoveryMs} ms`,
      );
    }
    await load.stop();
    const first = await firstIndex(cluster);
    const isTrimmed = first > 1;
    say(`${Math.round(load.writtenBytes / MIB)} MiB acknowledged; the log begins at ${first}`);
    const flat = (['diskMiB', 'rssMiB', 'recoveryMs'] as const).map((what) => isFlat(what, looks));
    return isTrimmed && flat.every(Boolean);
  } finally {
    await load.stop();
    await cluster.stop();
  }
}

/** Compares medians: of the first third after twice as much was written as is kept, and of the last third. */
function isFlat(what: keyof Measured, looks: readonly Measured[]): boolean {
  const full = looks.slice(Math.ceil((2 * LOOKS) / TIMES)).map((look) => look[what]);
  const third = Math.floor(full.length / 3);
  const [early, late] = [median(full.slice(0, third)), median(full.slice(-third))];
  const isGood = late <= early * GROWTH_MAX + SLACK[what];
  say(`${isGood ? 'good' : 'BAD'}: ${what} ${early} at first, ${late} in the end`);
  return isGood;
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0;
}

function sizes(cluster: BenchCluster): { diskMiB: number; rssMiB: number } {
  const disks = cluster.ids.map((id) => directoryBytes(path.join(cluster.directory, id)));
  const resident = cluster.ids.map((id) => usageOf(cluster.pid(id)).rssMiB);
  return { diskMiB: Math.round(Math.max(...disks) / MIB), rssMiB: Math.round(Math.max(...resident)) };
}

/** As the file system counts it: what was never written takes no room. */
function directoryBytes(directory: string): number {
  let bytes = 0;
  for (const name of fs.readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    // Files come and go meanwhile.
    const stat = fs.statSync(path.join(directory, name), { throwIfNoEntry: false });
    if (stat?.isFile() === true) bytes += stat.blocks * 512;
  }
  return bytes;
}

async function recover(cluster: BenchCluster, id: string): Promise<number> {
  const client = new Client({ endpoints: cluster.endpoints });
  try {
    await cluster.kill(id);
    const startMs = performance.now();
    cluster.startNode(id);
    let goal = Number.POSITIVE_INFINITY;
    while (performance.now() - startMs < PATIENCE_MS) {
      const { nodes, leaderId } = await client.status({ timeoutMs: 500 });
      const groupOf = (node: string | null): { commitIndex: number; appliedIndex: number } | undefined =>
        nodes.find(({ status }) => status !== null && status.nodeId === node)?.status?.groups[0];
      const leader = leaderId === id ? undefined : groupOf(leaderId);
      if (leader !== undefined) goal = Math.min(goal, leader.commitIndex);
      if ((groupOf(id)?.appliedIndex ?? -1) >= goal) return Math.round(performance.now() - startMs);
      await delay(10);
    }
    throw new Error(`${id} is not back after ${PATIENCE_MS} ms`);
  } finally {
    await client.close();
  }
}

async function firstIndex(cluster: BenchCluster): Promise<number> {
  const client = await connect({ endpoints: cluster.endpoints });
  const { nodes } = await client.status();
  await client.close();
  return Math.min(...nodes.map(({ status }) => status?.groups[0]?.firstIndex ?? 0));
}

/** Appends at a rate, whoever leads; falls behind rather than piling up. */
class SteadyLoad {
  readonly #cluster: BenchCluster;
  readonly #batchEveryMs: number;
  #client: Client | null = null;
  #running: Promise<void> | null = null;
  #isStopped = false;
  writtenBytes = 0;

  constructor(cluster: BenchCluster, bytesPerSecond: number) {
    this.#cluster = cluster;
    this.#batchEveryMs = (RECORD_BYTES * RECORDS_PER_BATCH * 1000) / bytesPerSecond;
  }

  async start(): Promise<void> {
    this.#client = await connect({ endpoints: this.#cluster.endpoints });
    this.#running = this.#run(this.#client);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
    this.#running = null;
    await this.#client?.close();
    this.#client = null;
  }

  async #run(client: Client): Promise<void> {
    const producer = client.createProducer({ inFlightMax: 32 });
    const batch = Array.from({ length: RECORDS_PER_BATCH }, () => new Uint8Array(RECORD_BYTES).fill(120));
    const startMs = performance.now();
    let sent = 0;
    let pending = 0;
    while (!this.#isStopped) {
      const due = (performance.now() - startMs) / this.#batchEveryMs;
      for (; sent < due && pending < 32; sent += 1) {
        pending += 1;
        producer.send(batch, (error) => {
          pending -= 1;
          if (error === null) this.writtenBytes += RECORD_BYTES * RECORDS_PER_BATCH;
        });
      }
      await delay(5);
    }
    producer.close();
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
