import fs from 'node:fs';
import type net from 'node:net';
import path from 'node:path';
import { freePorts } from '../../test/support/free-ports.ts';
import type { Peer, PeerClient, RunningPeer } from './peer.ts';
import { dial, eventually, Programs } from './programs.ts';

const STREAM = 'BENCH';
const ANSWER_WITHIN_MS = 2000;

export const NATS: Peer = {
  name: 'nats',
  promise: 'a majority has it; synced every two minutes (its default, which 2.9 cannot set to always)',
  program: 'nats-server',
  debianPackage: 'nats-server',
  async start(directory: string): Promise<RunningPeer> {
    const programs = new Programs(directory);
    const ports = await freePorts(6);
    const servers = [0, 1, 2].map((at) => ({
      name: `s${at + 1}`,
      client: ports[at] ?? 0,
      route: ports[at + 3] ?? 0,
    }));
    const routes = servers.map(({ route }) => `nats-route://127.0.0.1:${route}`).join(', ');
    for (const { name, client, route } of servers) {
      const file = path.join(directory, `${name}.conf`);
      fs.writeFileSync(
        file,
        `server_name: ${name}\nlisten: 127.0.0.1:${client}\n` +
          `jetstream { store_dir: "${path.join(directory, name)}" }\n` +
          `cluster { name: bench, listen: 127.0.0.1:${route}, routes: [ ${routes} ] }\n`,
      );
      programs.run('nats-server', ['-c', file]);
    }
    const anybody = servers[0]?.client ?? 0;
    const leader = await eventually('nats has no stream', () => makeStream(anybody));
    const port = servers.find(({ name }) => name === leader)?.client ?? anybody;
    return {
      pids: programs.pids,
      directory,
      leaderPid: programs.pids[servers.findIndex(({ name }) => name === leader)] ?? null,
      connect: async (recordBytes) => {
        const socket = await dial(port);
        return new NatsClient(socket, recordBytes);
      },
      stop: () => programs.stop(),
    };
  },
};

/** @returns the name of the server that leads the stream. */
async function makeStream(port: number): Promise<string> {
  const socket = await dial(port);
  const connection = new NatsConnection(socket);
  try {
    const config = { name: STREAM, subjects: ['bench'], num_replicas: 3, storage: 'file' };
    const made = await connection.request(`$JS.API.STREAM.CREATE.${STREAM}`, JSON.stringify(config));
    const answer = JSON.parse(made) as { error?: { description: string }; cluster?: { leader?: string } };
    if (answer.error !== undefined) throw new Error(answer.error.description);
    const leader = answer.cluster?.leader;
    if (leader === undefined) throw new Error('the stream has no leader');
    return leader;
  } finally {
    socket.destroy();
  }
}

/** The line protocol: publishes, and the answers that come to an inbox. What is published in one turn goes in one write. */
class NatsConnection {
  readonly #socket: net.Socket;
  readonly #waiting = new Map<number, (payload: string) => void>();
  #buffer: Buffer = Buffer.alloc(0);
  #out: Buffer[] = [];
  #count = 0;

  constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.on('data', (bytes) => this.#read(bytes));
    socket.on('error', () => undefined);
    socket.write(
      'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}\r\nSUB _INBOX.b.* 1\r\n',
    );
  }

  publish(subject: string, payload: Buffer, done: (answer: string) => void): void {
    this.#count += 1;
    this.#waiting.set(this.#count, done);
    if (this.#out.length === 0) setImmediate(() => this.#flush());
    this.#out.push(
      Buffer.from(`PUB ${subject} _INBOX.b.${this.#count} ${payload.length}\r\n`),
      payload,
      CRLF,
    );
  }

  /** @throws where nobody answers: servers that have no leader yet say nothing. */
  async request(subject: string, payload: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${subject} is not answered`)), ANSWER_WITHIN_MS);
      this.publish(subject, Buffer.from(payload), (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
    });
  }

  #flush(): void {
    this.#socket.write(Buffer.concat(this.#out));
    this.#out = [];
  }

  #read(bytes: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? bytes : Buffer.concat([this.#buffer, bytes]);
    let at = 0;
    for (;;) {
      const end = this.#buffer.indexOf(CRLF, at);
      if (end === -1) break;
      const words = this.#buffer.toString('latin1', at, end).split(' ');
      if (words[0] !== 'MSG' && words[0] !== 'HMSG') {
        if (words[0] === 'PING') this.#socket.write('PONG\r\n');
        at = end + 2;
        continue;
      }
      const length = Number(words.at(-1));
      if (this.#buffer.length < end + 2 + length + 2) break;
      const payload = this.#buffer.toString('latin1', end + 2, end + 2 + length);
      at = end + 2 + length + 2;
      this.#answer(Number(words[1]?.slice('_INBOX.b.'.length)), payload);
    }
    this.#buffer = this.#buffer.subarray(at);
  }

  #answer(number: number, payload: string): void {
    const done = this.#waiting.get(number);
    this.#waiting.delete(number);
    done?.(payload);
  }
}

class NatsClient implements PeerClient {
  readonly #socket: net.Socket;
  readonly #connection: NatsConnection;
  readonly #payload: Buffer;

  constructor(socket: net.Socket, recordBytes: number) {
    this.#socket = socket;
    this.#connection = new NatsConnection(socket);
    this.#payload = Buffer.alloc(recordBytes, 120);
  }

  send = (done: (error: Error | null) => void): void => {
    this.#connection.publish('bench', this.#payload, (answer) => {
      done(answer.includes('"seq"') ? null : new Error(`nats answers ${answer}`));
    });
  };

  close(): void {
    this.#socket.destroy();
  }
}

const CRLF = Buffer.from('\r\n');
