import http2 from 'node:http2';
import { EtcdCluster } from './etcd-cluster.ts';
import { put, putRequest } from './etcd-put.ts';
import type { Peer, PeerClient, RunningPeer } from './peer.ts';

const CONNECTIONS = 4;
const KEYS = 10_000;

export const ETCD: Peer = {
  name: 'etcd',
  promise: 'a majority has synced it',
  program: 'etcd',
  debianPackage: 'etcd-server',
  async start(directory: string): Promise<RunningPeer> {
    const cluster = await EtcdCluster.start(directory);
    // To the leader directly: nothing has to be passed on.
    const leader = await cluster.leader();
    return {
      pids: cluster.pids,
      directory,
      leaderPid: cluster.pidOf(leader),
      syncs: () => cluster.syncs(),
      connect: async (recordBytes) => new EtcdClient(leader.client, recordBytes),
      stop: () => cluster.stop(),
    };
  },
};

class EtcdClient implements PeerClient {
  readonly #sessions: http2.ClientHttp2Session[];
  readonly #value: Buffer;
  #count = 0;

  constructor(endpoint: string, recordBytes: number) {
    this.#sessions = Array.from({ length: CONNECTIONS }, () => http2.connect(endpoint));
    this.#value = Buffer.alloc(recordBytes, 120);
  }

  send = (done: (error: Error | null) => void): void => {
    this.#count += 1;
    const session = this.#sessions[this.#count % CONNECTIONS];
    if (session === undefined) throw new Error('there is no connection');
    put(session, putRequest(Buffer.from(`key-${this.#count % KEYS}`), this.#value), done);
  };

  close(): void {
    for (const session of this.#sessions) session.close();
  }
}
