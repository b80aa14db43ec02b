import fs from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { connect } from '../../src/client/index.ts';
import { Histogram } from '../histogram.ts';
import { BenchCluster } from '../processes.ts';
import { appendScenario } from '../scenarios/append.ts';
import { untilWhole } from '../whole-cluster.ts';
import type { Seen } from './areas.ts';
import { Probe } from './probe.mjs';
import { since, threadTimes, type ThreadTimes } from './threads.ts';

export interface ProfileOptions {
  /** Requests under way, one profile for each number. */
  readonly inFlight: readonly number[];
  readonly durationMs: number;
  readonly recordBytes: number;
  readonly parent: string;
}

/** Where the time of one process went while it served, or sent, so many records. */
export interface ProcessProfile {
  readonly role: 'leader' | 'follower' | 'client';
  readonly seen: Seen;
  readonly threads: ThreadTimes;
  readonly rssMiB: number;
}

export interface LoadProfile {
  readonly inFlight: number;
  readonly records: number;
  readonly seconds: number;
  readonly processes: readonly ProcessProfile[];
}

const WARM_UP_MS = 1500;
const FILE_WAIT_MS = 30_000;

/** Looks at the leader, one follower and the client under each load. Looking itself takes time: only shares mean something. */
export async function runProfiles(
  { inFlight, durationMs, recordBytes, parent }: ProfileOptions,
  progress: (text: string) => void,
): Promise<LoadProfile[]> {
  const profiles: LoadProfile[] = [];
  for (const count of inFlight) {
    progress(`${count} in flight`);
    profiles.push(await profile(count, { durationMs, recordBytes, parent }));
  }
  return profiles;
}

async function profile(
  inFlight: number,
  { durationMs, recordBytes, parent }: Omit<ProfileOptions, 'inFlight'>,
): Promise<LoadProfile> {
  const directory = fs.mkdtempSync(path.join(parent, 'dledger-profile-'));
  const nodeOptions = process.env['NODE_OPTIONS'];
  process.env['NODE_OPTIONS'] = `--import=${pathToFileURL(path.join(import.meta.dirname, 'probe.mjs')).href}`;
  process.env['DLEDGER_PROFILE_DIRECTORY'] = directory;
  const cluster = await BenchCluster.start(3, parent);
  if (nodeOptions === undefined) delete process.env['NODE_OPTIONS'];
  else process.env['NODE_OPTIONS'] = nodeOptions;
  const client = await connect({ endpoints: cluster.endpoints });
  try {
    const leader = await untilWhole(client, 3);
    const follower = cluster.ids.find((id) => id !== leader) ?? leader;
    const nodes = [
      { role: 'leader' as const, pid: cluster.pid(leader) },
      { role: 'follower' as const, pid: cluster.pid(follower) },
    ];
    const operation = await appendScenario('profiled', inFlight, 1).setUp(client, recordBytes);
    await operation.run(WARM_UP_MS, new Histogram());
    const all = [...nodes, { role: 'client' as const, pid: process.pid }];
    const probe = new Probe();
    for (const { pid } of nodes) process.kill(pid, 'SIGUSR2');
    await probe.begin();
    const startedMs = performance.now();
    const looks = all.map((each) => ({ ...each, before: threadTimes(each.pid) }));
    const records = await operation.run(durationMs, new Histogram());
    const taken = looks.map(({ before, ...each }) => ({
      ...each,
      threads: since(threadTimes(each.pid), before),
    }));
    const seconds = (performance.now() - startedMs) / 1000;
    const own = await probe.end();
    for (const { pid } of nodes) process.kill(pid, 'SIGUSR2');
    const processes = await Promise.all(
      taken.map(async ({ role, pid, threads }) => {
        const seen = pid === process.pid ? own : await readSeen(directory, pid);
        return { role, seen, threads, rssMiB: residentMiB(pid) };
      }),
    );
    await operation.close();
    return { inFlight, records, seconds, processes };
  } finally {
    await client.close();
    await cluster.stop();
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

async function readSeen(directory: string, pid: number): Promise<Seen> {
  const file = path.join(directory, `${pid}.json`);
  const endMs = performance.now() + FILE_WAIT_MS;
  while (!fs.existsSync(file)) {
    if (performance.now() > endMs) throw new Error(`process ${pid} has not written its profile`);
    await setTimeout(50);
  }
  return JSON.parse(fs.readFileSync(file, 'utf8')) as Seen;
}

function residentMiB(pid: number): number {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN) / 1024;
}
