import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { freePorts } from '../../support/free-ports.ts';

/** Why there is no real Redis to test against; null where there is one. */
export const noRedis: string | null = reason();

if (noRedis !== null) process.stderr.write(`tests on a real Redis are skipped: ${noRedis}\n`);

function reason(): string | null {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' });
    return null;
  } catch (error) {
    return `redis-server is not installed (${(error as Error).message}); apt-get install redis-server`;
  }
}

/** A redis-server of its own, on a free port and in a directory of its own. */
export class RedisServer {
  readonly port: number;
  readonly #directory: string;
  readonly #flags: readonly string[];
  #child: ChildProcess;

  private constructor(port: number, directory: string, flags: readonly string[]) {
    this.port = port;
    this.#directory = directory;
    this.#flags = flags;
    this.#child = this.#spawn();
  }

  static async start(flags: readonly string[] = []): Promise<RedisServer> {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dledger-redis-'));
    const [port] = (await freePorts(1)) as [number];
    const server = new RedisServer(port, directory, flags);
    await server.#ready();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  client(): Redis {
    return new Redis(this.port, '127.0.0.1', { maxRetriesPerRequest: null });
  }

  /** SIGKILL: what was not saved is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
  }

  async restart(): Promise<void> {
    this.#child = this.#spawn();
    await this.#ready();
  }

  /** Forgets what was saved. */
  wipe(): void {
    fs.rmSync(path.join(this.#directory, 'dump.rdb'), { force: true });
  }

  async stop(): Promise<void> {
    await this.kill();
    fs.rmSync(this.#directory, { recursive: true, force: true });
  }

  #spawn(): ChildProcess {
    const flags = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.#directory];
    return spawn('redis-server', [...flags, '--save', '', ...this.#flags], { stdio: 'ignore' });
  }

  async #ready(): Promise<void> {
    const client = this.client();
    client.on('error', () => undefined);
    // With a password it says that one is needed: it is up, then, too.
    await client.ping().catch(() => undefined);
    client.disconnect();
  }
}
