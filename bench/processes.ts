import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Client } from '../src/client/index.ts';
import { freePorts } from '../test/support/free-ports.ts';
import { killedAtTheEnd, removeDirectory, temporaryDirectory } from './leftovers.ts';

const binary = path.resolve(import.meta.dirname, '../bin/dledger');

export interface Usage {
  /** Seconds of processor time, user and system. */
  readonly cpuSeconds: number;
  readonly rssMiB: number;
}

/** What the kernel has counted for a process so far. */
export function usageOf(pid: number): Usage {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  return {
    cpuSeconds: ticks / 100,
    rssMiB: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN) / 1024,
  };
}

/** Three nodes as processes of their own, on free ports of the loopback, in a temporary directory. */
export class BenchCluster {
  readonly directory: string;
  readonly addresses: Map<string, string>;
  readonly #nodes = new Map<string, ChildProcess>();
  readonly #extra: readonly string[];

  private constructor(directory: string, addresses: Map<string, string>, extra: readonly string[]) {
    this.directory = directory;
    this.addresses = addresses;
    this.#extra = extra;
  }

  static async start(size: number, parent: string, extra: readonly string[] = []): Promise<BenchCluster> {
    const directory = temporaryDirectory(parent, 'dledger-bench-');
    const addresses = new Map<string, string>();
    for (const [at, port] of (await freePorts(size)).entries())
      addresses.set(`n${at + 1}`, `127.0.0.1:${port}`);
    const cluster = new BenchCluster(directory, addresses, extra);
    for (const id of addresses.keys()) cluster.startNode(id);
    const client = new Client({ endpoints: cluster.endpoints });
    while ((await client.status()).leaderId === null) cluster.#assertAlive();
    await client.close();
    return cluster;
  }

  get endpoints(): string[] {
    return [...this.addresses.values()];
  }

  get ids(): string[] {
    return [...this.addresses.keys()];
  }

  get pids(): number[] {
    return this.ids.map((id) => this.pid(id));
  }

  pid(id: string): number {
    const pid = this.#nodes.get(id)?.pid;
    if (pid === undefined) throw new Error(`${id} does not run`);
    return pid;
  }

  startNode(id: string): void {
    const peers = [...this.addresses].map(([peer, address]) => `${peer}=${address}`).join(',');
    const log = fs.openSync(path.join(this.directory, `${id}.log`), 'a');
    const child = spawn(
      binary,
      ['start', '--id', id, '--peers', peers, '--data', path.join(this.directory, id), ...this.#extra],
      { stdio: ['ignore', log, log], cwd: os.tmpdir() },
    );
    fs.closeSync(log);
    this.#nodes.set(id, killedAtTheEnd(child));
  }

  /** A node that cannot start would be waited for in vain: say what it said. */
  #assertAlive(): void {
    for (const [id, child] of this.#nodes) {
      if (child.exitCode === null && child.signalCode === null) continue;
      const log = fs.readFileSync(path.join(this.directory, `${id}.log`), 'utf8');
      throw new Error(`${id} ended at once: ${log.slice(-2000)}`);
    }
  }

  async kill(id: string): Promise<void> {
    const child = this.#nodes.get(id);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** SIGSTOP: it keeps its connections and says nothing any more. */
  stopProcess(id: string): void {
    process.kill(this.pid(id), 'SIGSTOP');
  }

  resumeProcess(id: string): void {
    process.kill(this.pid(id), 'SIGCONT');
  }

  async stop(): Promise<void> {
    for (const id of this.#nodes.keys()) await this.kill(id);
    removeDirectory(this.directory);
  }
}
