import fs from 'node:fs';
import http2 from 'node:http2';
import path from 'node:path';
import { freePorts } from '../../test/support/free-ports.ts';
import type { Peer, PeerClient, RunningPeer } from './peer.ts';
import { eventually, Programs } from './programs.ts';

const CONNECTIONS = 4;
const KEYS = 10_000;

export const ETCD: Peer = {
  name: 'etcd',
  promise: 'a majority has synced it',
  program: 'etcd',
  debianPackage: 'etcd-server',
  async start(directory: string): Promise<RunningPeer> {
    const programs = new Programs(directory);
    const ports = await freePorts(6);
    const members = [0, 1, 2].map((at) => ({
      name: `e${at + 1}`,
      client: `http://127.0.0.1:${ports[at]}`,
      peer: `http://127.0.0.1:${ports[at + 3]}`,
    }));
    const cluster = members.map(({ name, peer }) => `${name}=${peer}`).join(',');
    for (const { name, client, peer } of members) {
      const data = path.join(directory, name);
      fs.mkdirSync(data, { mode: 0o700 });
      const flags = {
        name,
        'data-dir': data,
        'log-level': 'error',
        'listen-client-urls': client,
        'advertise-client-urls': client,
        'listen-peer-urls': peer,
        'initial-advertise-peer-urls': peer,
        'initial-cluster': cluster,
        'initial-cluster-state': 'new',
      };
      programs.run(
        'etcd',
        Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]),
      );
    }
    const endpoints = members.map(({ client }) => client);
    const leader = await eventually('etcd has no leader', () => leaderOf(endpoints));
    return {
      pids: programs.pids,
      connect: async (recordBytes) => new EtcdClient(leader, recordBytes),
      stop: () => programs.stop(),
    };
  },
};

/** To the leader directly: nothing has to be passed on. */
async function leaderOf(endpoints: readonly string[]): Promise<string> {
  for (const endpoint of endpoints) {
    const response = await fetch(`${endpoint}/v3/maintenance/status`, { method: 'POST', body: '{}' });
    const status = (await response.json()) as { leader?: string; header?: { member_id?: string } };
    if (status.leader !== undefined && status.leader === status.header?.member_id) return endpoint;
  }
  throw new Error('no member says that it leads');
}

/** gRPC on node:http2: a Put is two fields of bytes, and all that matters of its answer is the status. */
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
    const stream = session.request({
      ':method': 'POST',
      ':path': '/etcdserverpb.KV/Put',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let status = 'no status';
    stream.on('trailers', (trailers) => {
      status = String(trailers['grpc-status']);
    });
    stream.on('error', done);
    stream.on('end', () => done(status === '0' ? null : new Error(`etcd answers with status ${status}`)));
    stream.resume();
    stream.end(putRequest(Buffer.from(`key-${this.#count % KEYS}`), this.#value));
  };

  close(): void {
    for (const session of this.#sessions) session.close();
  }
}

/** A gRPC message: not compressed, its length, then PutRequest { bytes key = 1; bytes value = 2; }. */
function putRequest(key: Buffer, value: Buffer): Buffer {
  const fields = Buffer.concat([field(1, key), field(2, value)]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(fields.length, 1);
  return Buffer.concat([head, fields]);
}

function field(number: number, bytes: Buffer): Buffer {
  const head = [(number << 3) | 2];
  let length = bytes.length;
  for (; length >= 0x80; length >>>= 7) head.push((length & 0x7f) | 0x80);
  return Buffer.concat([Buffer.from([...head, length]), bytes]);
}
