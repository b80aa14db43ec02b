import fs from 'node:fs';
import path from 'node:path';
import { Redis } from 'ioredis';
import { freePorts } from '../../test/support/free-ports.ts';
import type { Peer, PeerClient, RunningPeer } from './peer.ts';
import { dial, eventually, Programs } from './programs.ts';

const WAIT_MS = 1000;

export const REDIS: Peer = {
  name: 'redis',
  promise: 'the primary has synced it, and one of two replicas has it in memory (WAIT 1)',
  program: 'redis-server',
  debianPackage: 'redis-server',
  async start(directory: string): Promise<RunningPeer> {
    const programs = new Programs(directory);
    const ports = await freePorts(3);
    for (const [at, port] of ports.entries()) {
      const data = path.join(directory, `r${at + 1}`);
      fs.mkdirSync(data);
      const flags = ['--port', String(port), '--bind', '127.0.0.1', '--dir', data, '--save', ''];
      const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--repl-diskless-sync-delay', '0'];
      const following = at === 0 ? [] : ['--replicaof', '127.0.0.1', String(ports[0])];
      programs.run('redis-server', flags.concat(durable, following));
    }
    const primary = ports[0] ?? 0;
    await eventually('redis has no replicas', () => hasReplicas(primary));
    return {
      pids: programs.pids,
      directory,
      leaderPid: programs.pids[0] ?? null,
      connect: async (recordBytes) => new RedisClient(primary, recordBytes),
      stop: () => programs.stop(),
    };
  },
};

async function hasReplicas(port: number): Promise<void> {
  (await dial(port)).destroy();
  const redis = new Redis({ host: '127.0.0.1', port, lazyConnect: true });
  try {
    const info = await redis.info('replication');
    const online = info.match(/state=online/g)?.length ?? 0;
    if (online < 2) throw new Error(`${online} of 2 replicas are online`);
  } finally {
    redis.disconnect();
  }
}

/**
 * WAIT holds up its connection, so what comes meanwhile gathers: then all of it goes in one pipeline, with one WAIT for
 * all. Two connections, so that one gathers while the other waits.
 */
class RedisClient implements PeerClient {
  readonly #connections: { readonly redis: Redis; isBusy: boolean }[];
  readonly #value: Buffer;
  #gathered: ((error: Error | null) => void)[] = [];
  #isScheduled = false;

  constructor(port: number, recordBytes: number) {
    this.#connections = [0, 1].map(() => ({ redis: new Redis({ host: '127.0.0.1', port }), isBusy: false }));
    this.#value = Buffer.alloc(recordBytes, 120);
  }

  send = (done: (error: Error | null) => void): void => {
    this.#gathered.push(done);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#flush();
    });
  };

  #flush(): void {
    const free = this.#connections.find(({ isBusy }) => !isBusy);
    if (free === undefined || this.#gathered.length === 0) return;
    const waiters = this.#gathered;
    this.#gathered = [];
    free.isBusy = true;
    const pipeline = free.redis.pipeline();
    for (let at = 0; at < waiters.length; at += 1) pipeline.xadd('bench', '*', 'v', this.#value);
    pipeline.wait(1, WAIT_MS);
    const end = (error: Error | null): void => {
      free.isBusy = false;
      for (const waiter of waiters) waiter(error);
      this.#flush();
    };
    pipeline.exec().then((answers) => {
      const failed = answers?.find(([error]) => error !== null)?.[0] ?? null;
      const replicas = Number(answers?.at(-1)?.[1] ?? 0);
      end(failed ?? (replicas >= 1 ? null : new Error(`${replicas} replicas have it within ${WAIT_MS} ms`)));
    }, end);
  }

  close(): void {
    for (const { redis } of this.#connections) redis.disconnect();
  }
}
