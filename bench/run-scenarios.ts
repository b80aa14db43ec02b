import { connect, type Client } from '../src/client/index.ts';
import { closedLoop } from './closed-loop.ts';
import { removeDirectory, temporaryDirectory } from './leftovers.ts';
import { measure, type Measured, type Written } from './measure.ts';
import type { Peer, RunningPeer } from './peers/peer.ts';
import { BenchCluster } from './processes.ts';
import type { Operation, Scenario } from './scenario.ts';

export interface ScenarioOptions {
  readonly durationMs: number;
  readonly repeats: number;
  /** Each scenario is done with records of each size. */
  readonly sizes: readonly number[];
  /** Where the data of all servers goes. */
  readonly parent: string;
}

export interface ScenarioResult {
  readonly name: string;
  readonly recordBytes: number;
  readonly runs: readonly Measured[];
  /** By the name of the peer: the same work. */
  readonly peers: Readonly<Record<string, readonly Measured[]>>;
}

/** A scenario with records of one size, and what came of it so far. */
interface Job {
  readonly scenario: Scenario;
  readonly recordBytes: number;
  readonly runs: Measured[];
  readonly peers: Record<string, Measured[]>;
}

/** In turns, one system at a time: whatever else the machine does meets them all. */
export async function runScenarios(
  scenarios: readonly Scenario[],
  peers: readonly Peer[],
  options: ScenarioOptions,
  progress: (text: string) => void,
): Promise<ScenarioResult[]> {
  const { sizes, repeats } = options;
  const jobs = scenarios.flatMap((scenario) =>
    sizes.map((recordBytes): Job => ({ scenario, recordBytes, runs: [], peers: {} })),
  );
  for (let repeat = 1; repeat <= repeats && jobs.length > 0; repeat += 1) {
    const say = (system: string) => (job: Job) =>
      progress(`${system}: ${job.scenario.name} of ${job.recordBytes} bytes ${repeat}/${repeats}`);
    await withCluster(jobs, options, say('dledger'));
    for (const peer of peers) await withPeer(peer, jobs, options, say(peer.name));
  }
  return jobs.map(({ scenario: { name }, recordBytes, runs, peers: theirs }) => ({
    name,
    recordBytes,
    runs,
    peers: theirs,
  }));
}

async function withCluster(
  jobs: readonly Job[],
  { durationMs, parent }: ScenarioOptions,
  progress: (job: Job) => void,
): Promise<void> {
  const cluster = await BenchCluster.start(3, parent);
  const client = await connect({ endpoints: cluster.endpoints });
  try {
    for (const job of jobs) {
      progress(job);
      job.runs.push(await measureOwn(cluster, client, job, durationMs));
    }
  } finally {
    await client.close();
    await cluster.stop();
  }
}

async function measureOwn(
  cluster: BenchCluster,
  observer: Client,
  { scenario, recordBytes }: Job,
  durationMs: number,
): Promise<Measured> {
  const client = await connect({ endpoints: cluster.endpoints });
  const written = async (): Promise<Written> => {
    const { nodes } = await observer.status();
    const sum = (counter: string): number =>
      nodes.reduce((total, { status }) => total + (status?.counters[counter] ?? 0), 0);
    return { bytes: sum('walBytesWritten'), syncs: sum('walSyncs') };
  };
  try {
    const operation = await scenario.setUp(client, recordBytes);
    try {
      const { leaderId } = await observer.status();
      const leaderPid = leaderId === null ? null : cluster.pid(leaderId);
      return await measure(
        { pids: cluster.pids, leaderPid, directory: cluster.directory, written },
        operation,
        durationMs,
      );
    } finally {
      await operation.close();
    }
  } finally {
    await client.close();
  }
}

async function withPeer(
  peer: Peer,
  jobs: readonly Job[],
  { durationMs, parent }: ScenarioOptions,
  progress: (job: Job) => void,
): Promise<void> {
  const directory = temporaryDirectory(parent, `dledger-bench-${peer.name}-`);
  const running = await peer.start(directory);
  try {
    for (const job of jobs) {
      progress(job);
      (job.peers[peer.name] ??= []).push(await measurePeer(running, job, durationMs));
    }
  } finally {
    await running.stop();
    removeDirectory(directory);
  }
}

async function measurePeer(
  running: RunningPeer,
  { scenario: { inFlight }, recordBytes }: Job,
  durationMs: number,
): Promise<Measured> {
  const client = await running.connect(recordBytes);
  const operation: Operation = {
    run: (ms, latencies) => closedLoop(client.send, inFlight ?? 1, ms, latencies),
    close: () => client.close(),
  };
  const written = async (): Promise<Written> => ({ bytes: null, syncs: (await running.syncs?.()) ?? null });
  try {
    const { pids, leaderPid, directory } = running;
    return await measure({ pids, leaderPid, directory, written }, operation, durationMs);
  } finally {
    await operation.close();
  }
}
