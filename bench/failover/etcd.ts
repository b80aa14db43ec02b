import http2 from 'node:http2';
import type { Send } from '../closed-loop.ts';
import type { EtcdCluster, EtcdMember } from '../peers/etcd-cluster.ts';
import { put, putRequest } from '../peers/etcd-put.ts';
import { eventually } from '../peers/programs.ts';
import type { Failover, FailoverSystem, Parts } from './system.ts';

const KEYS = 10_000;
const BEHIND_MAX = 64;
/** A Put that is not answered goes to the next member as well: soon at first, then at this pace. */
const HEDGE_MS_MIN = 5;
const HEDGE_MS_MAX = 25;

/**
 * etcd under a client that makes the best of it: a Put changes nothing when it comes twice, so one that is not answered
 * soon is sent to the next member too, while the ones before still wait; the first answer counts.
 */
export class EtcdFailover implements FailoverSystem {
  readonly #cluster: EtcdCluster;
  readonly #endpoints: readonly string[];
  readonly #value: Buffer;
  readonly #sessions = new Map<string, http2.ClientHttp2Session>();
  #leader: EtcdMember | null = null;
  /** Of the endpoints, the one that answered last. */
  #answering = 0;
  #count = 0;
  #isClosed = false;

  constructor(cluster: EtcdCluster, recordBytes: number) {
    this.#cluster = cluster;
    this.#endpoints = cluster.endpoints;
    this.#value = Buffer.alloc(recordBytes, 120);
  }

  readonly send: Send = (done) => {
    this.#count += 1;
    const request = putRequest(Buffer.from(`key-${this.#count % KEYS}`), this.#value);
    let isDone = false;
    const attempt = (at: number, hedgeMs: number): void => {
      if (isDone || this.#isClosed) return;
      put(this.#sessionTo(this.#endpoints[at] ?? ''), request, (error) => {
        if (error !== null || isDone) return;
        isDone = true;
        this.#answering = at;
        clearTimeout(timer);
        done(null);
      });
      const timer = setTimeout(
        () => attempt((at + 1) % this.#endpoints.length, Math.min(hedgeMs * 2, HEDGE_MS_MAX)),
        hedgeMs,
      );
    };
    attempt(this.#answering, HEDGE_MS_MIN);
  };

  async settled(): Promise<void> {
    const leader = await eventually('etcd is not whole again', () => this.#cluster.wholeLeader(BEHIND_MAX));
    this.#leader = leader;
    // As a client of the other system would: at the leader, while there is one.
    this.#answering = this.#endpoints.indexOf(leader.client);
  }

  async end(how: Failover): Promise<() => void> {
    const leader = this.#leader;
    if (leader === null) throw new Error('nobody knows who leads');
    switch (how) {
      case 'kill':
        await this.#cluster.kill(leader);
        return () => this.#cluster.startMember(leader);
      case 'silent':
        this.#cluster.signal(leader, 'SIGSTOP');
        return () => this.#cluster.signal(leader, 'SIGCONT');
      case 'transfer':
        await this.#cluster.moveLeader(leader);
        return () => undefined;
    }
  }

  /** It tells none. */
  partsSince(): Parts | null {
    return null;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const session of this.#sessions.values()) session.destroy();
  }

  #sessionTo(endpoint: string): http2.ClientHttp2Session {
    const open = this.#sessions.get(endpoint);
    if (open !== undefined && !open.closed && !open.destroyed) return open;
    const session = http2.connect(endpoint);
    // Its requests are told too; here it is only forgotten.
    session.on('error', () => undefined);
    this.#sessions.set(endpoint, session);
    return session;
  }
}
