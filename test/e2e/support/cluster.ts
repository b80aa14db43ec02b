import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Client } from '../../../src/client/index.ts';
import { freePorts } from '../../support/free-ports.ts';

/** Real processes on loopback: what a user starts, stops and kills. */

const root = path.resolve(import.meta.dirname, '../../..');
const binary = path.join(root, 'bin/dledger');

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running command of the binary, with what it printed so far. */
export class Command {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  stdout = '';
  stderr = '';
  readonly #watchers = new Set<() => void>();

  constructor(
    args: readonly string[],
    options: { cwd?: string; env?: Record<string, string>; input?: string } = {},
  ) {
    this.child = spawn(binary, args, {
      cwd: options.cwd ?? os.tmpdir(),
      env: { ...process.env, NO_COLOR: '1', ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.child.stdin?.on('error', () => undefined);
    this.child.stdin?.end(options.input ?? '');
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#notify();
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#notify();
    });
    this.finished = once(this.child, 'close').then(([code, signal]) => {
      this.#notify();
      return {
        code: code as number | null,
        signal: signal as NodeJS.Signals | null,
        stdout: this.stdout,
        stderr: this.stderr,
      };
    });
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error('the process did not start');
    return this.child.pid;
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Resolves as soon as what was printed satisfies the condition; fails if the process ends before. */
  async untilPrinted(condition: (stdout: string, stderr: string) => boolean): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const check = (): void => {
        if (condition(this.stdout, this.stderr)) {
          this.#watchers.delete(check);
          resolve();
        } else if (!this.isRunning) {
          this.#watchers.delete(check);
          reject(
            new Error(
              `ended before it printed what was awaited\nstdout: ${this.stdout}\nstderr: ${this.stderr}`,
            ),
          );
        }
      };
      this.#watchers.add(check);
      check();
    });
  }

  #notify(): void {
    for (const watcher of this.#watchers) watcher();
  }
}

/** Runs a command of the binary to its end. */
export async function run(
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string>; input?: string } = {},
): Promise<Finished> {
  return new Command(args, options).finished;
}

export interface StatusNode {
  readonly id: string;
  readonly reachable: boolean;
  readonly role: string | null;
  readonly term: number | null;
  readonly lastIndex: number | null;
  readonly commitIndex: number | null;
  readonly appliedIndex: number | null;
}

export interface Status {
  readonly clusterId: string | null;
  readonly leaderId: string | null;
  readonly term: number | null;
  /** Members whose identity the leader's committed configuration knows. */
  readonly boundMembers: number;
  readonly nodes: readonly StatusNode[];
}

/** `dledger start` processes on free ports in a directory of their own. */
export class Cluster {
  readonly directory: string;
  readonly ids: readonly string[];
  readonly addresses: ReadonlyMap<string, string>;
  readonly nodes = new Map<string, Command>();
  readonly #extra: readonly string[];
  readonly #client: Client;

  private constructor(directory: string, addresses: Map<string, string>, extra: readonly string[]) {
    this.directory = directory;
    this.addresses = addresses;
    this.ids = [...addresses.keys()];
    this.#extra = extra;
    this.#client = new Client({ endpoints: [...addresses.values()] });
  }

  /** @param prepare may put file systems of their own where the data directories will be. */
  static async start(
    size: number,
    extra: readonly string[] = [],
    prepare: (cluster: Cluster) => void = () => undefined,
  ): Promise<Cluster> {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dledger-e2e-'));
    const ports = await freePorts(size);
    const addresses = new Map(ports.map((port, at) => [`n${at + 1}`, `127.0.0.1:${port}`]));
    const cluster = new Cluster(directory, addresses, extra);
    prepare(cluster);
    for (const id of cluster.ids) cluster.startNode(id);
    // Founded completely: what the first moments of a cluster are like is tested elsewhere.
    await cluster.untilStatus(
      (status) =>
        status.leaderId !== null &&
        status.boundMembers === size &&
        status.nodes.every((node) => (node.commitIndex ?? 0) > 0),
    );
    return cluster;
  }

  get endpoints(): string {
    return [...this.addresses.values()].join(',');
  }

  get peers(): string {
    return [...this.addresses].map(([id, address]) => `${id}=${address}`).join(',');
  }

  dataDirectory(id: string): string {
    return path.join(this.directory, id);
  }

  node(id: string): Command {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`${id} was never started`);
    return node;
  }

  startNode(id: string, extra: readonly string[] = this.#extra): Command {
    const node = new Command([
      'start',
      '--id',
      id,
      '--peers',
      this.peers,
      '--data',
      this.dataDirectory(id),
      ...extra,
    ]);
    this.nodes.set(id, node);
    return node;
  }

  /** SIGKILL, and waits until the process is gone. */
  async kill(id: string): Promise<void> {
    const node = this.node(id);
    node.signal('SIGKILL');
    await node.finished;
  }

  async command(...args: string[]): Promise<Finished> {
    return run([...args, '--endpoints', this.endpoints]);
  }

  /** What `cluster status` would show, asked without a process for each question. */
  async status(): Promise<Status> {
    const { clusterId, leaderId, term, nodes } = await this.#client.status({ timeoutMs: 500 });
    return {
      clusterId,
      leaderId,
      term,
      boundMembers:
        nodes
          .find(({ status }) => status?.nodeId === leaderId)
          ?.status?.groups[0]?.members.filter((member) => member.incarnation !== null).length ?? 0,
      nodes: nodes.map(({ address, status }) => {
        const group = status?.groups[0];
        return {
          id: [...this.addresses].find(([, known]) => known === address)?.[0] ?? address,
          reachable: status !== null,
          role: group?.role ?? null,
          term: group?.term ?? null,
          lastIndex: group?.lastIndex ?? null,
          commitIndex: group?.commitIndex ?? null,
          appliedIndex: group?.appliedIndex ?? null,
        };
      }),
    };
  }

  /** Asks until the status satisfies the condition. Each question waits for the network, so this does not spin. */
  async untilStatus(condition: (status: Status) => boolean): Promise<Status> {
    for (;;) {
      const status = await this.status();
      if (condition(status)) return status;
    }
  }

  /** Waits until somebody leads and says who. */
  async leader(): Promise<string> {
    const status = await this.untilStatus((seen) => seen.leaderId !== null);
    return status.leaderId as string;
  }

  /** Every node is up and has applied what the leader has. */
  async converged(): Promise<Status> {
    return this.untilStatus(
      (status) =>
        status.leaderId !== null &&
        status.nodes.length === this.ids.length &&
        status.nodes.every(
          (node) =>
            node.reachable &&
            node.appliedIndex === status.nodes[0]?.appliedIndex &&
            node.commitIndex === node.lastIndex,
        ),
    );
  }

  async stop(): Promise<void> {
    await this.#client.close();
    for (const node of this.nodes.values()) {
      if (!node.isRunning) continue;
      node.signal('SIGCONT');
      node.signal('SIGKILL');
      await node.finished;
    }
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}
