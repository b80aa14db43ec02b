import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as net from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { CloseReason, Connection, ConnectionHandler, Listener } from '../../src/base/ports/network.ts';
import { TcpNetwork } from '../../src/platform/tcp-network.ts';

const LINGER_MS = 200;
const network = new TcpNetwork(LINGER_MS);

const DEAF = `
  const server = require('node:net').createServer();
  server.listen(0, '127.0.0.1', 1, () => {
    require('node:fs').writeSync(1, String(server.address().port));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });
`;

/** One end. Each kind of callback can be awaited. */
class Side implements ConnectionHandler {
  connection!: Connection;
  readonly opened = Promise.withResolvers<void>();
  readonly closed = Promise.withResolvers<CloseReason>();
  readonly drained = Promise.withResolvers<void>();
  received = 0;
  chunks: Uint8Array[] = [];
  #wanted = Number.POSITIVE_INFINITY;
  #enough = Promise.withResolvers<void>();

  onOpen(): void {
    this.opened.resolve();
  }
  onData(bytes: Uint8Array): void {
    this.received += bytes.length;
    this.chunks.push(bytes);
    if (this.received >= this.#wanted) this.#enough.resolve();
  }
  onDrain(): void {
    this.drained.resolve();
  }
  onClose(reason: CloseReason): void {
    this.closed.resolve(reason);
  }
  async receive(count: number): Promise<Buffer> {
    this.#wanted = count;
    this.#enough = Promise.withResolvers();
    if (this.received >= count) this.#enough.resolve();
    await this.#enough.promise;
    return Buffer.concat(this.chunks);
  }
}

const listeners: Listener[] = [];
const sockets: { destroy(): void }[] = [];

afterEach(() => {
  for (const listener of listeners.splice(0)) listener.close();
  for (const socket of sockets.splice(0)) socket.destroy();
});

async function listen(accepted: (side: Side) => void): Promise<number> {
  const listening = Promise.withResolvers<Listener>();
  network.listen({
    host: '127.0.0.1',
    port: 0,
    onConnection: (connection) => {
      const side = new Side();
      side.connection = connection;
      sockets.push(connection);
      accepted(side);
      return side;
    },
    onListening: listening.resolve,
    onError: listening.reject,
  });
  const listener = await listening.promise;
  listeners.push(listener);
  return listener.port;
}

function dial(port: number, host = '127.0.0.1', timeoutMs = 5000): Side {
  const side = new Side();
  side.connection = network.connect({ host, port, timeoutMs, handler: side });
  sockets.push(side.connection);
  return side;
}

async function pair(): Promise<{ near: Side; far: Side }> {
  const accepted = Promise.withResolvers<Side>();
  const near = dial(await listen(accepted.resolve));
  const [far] = await Promise.all([accepted.promise, near.opened.promise]);
  return { near, far };
}

/** A bare server whose sockets the test handles itself. */
async function bareServer(options: net.ServerOpts, onSocket: (socket: net.Socket) => void): Promise<number> {
  const server = net.createServer(options, (socket) => {
    socket.on('error', () => undefined);
    sockets.push(socket);
    onSocket(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  listeners.push({ port: 0, close: () => server.close() });
  return (server.address() as net.AddressInfo).port;
}

describe('TCP', () => {
  test('what is given back is gone at once, unless it is too small to be worth it', async () => {
    const { near, far } = await pair();
    near.connection.write([new Uint8Array(16)]);
    await far.receive(16);
    near.connection.write([new Uint8Array(100_000)]);
    await far.receive(100_016);
    const [small, ...large] = far.chunks;
    for (const chunk of far.chunks) far.connection.release(chunk);
    expect(small?.length).toBe(16);
    expect(large.filter((chunk) => chunk.length >= 4096)).toEqual([]);
  });

  test('carries chunks in order, both ways, and names the other side', async () => {
    const { near, far } = await pair();
    expect(near.connection.write([Buffer.from('one '), Buffer.from('two '), Buffer.alloc(0)])).toBe(true);
    near.connection.write([Buffer.from('three')]);
    far.connection.write([Buffer.from('answer')]);
    expect((await far.receive(13)).toString()).toBe('one two three');
    expect((await near.receive(6)).toString()).toBe('answer');
    expect(near.connection.remoteAddress).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(far.connection.remoteAddress).toMatch(/^127\.0\.0\.1:\d+$/);
  });

  test('writes of before the connection is open are sent when it is', async () => {
    const accepted = Promise.withResolvers<Side>();
    const near = dial(await listen(accepted.resolve));
    near.connection.write([Buffer.from('early')]);
    expect((await (await accepted.promise).receive(5)).toString()).toBe('early');
  });

  test('several chunks arrive in one piece', async () => {
    const { near, far } = await pair();
    near.connection.write(Array.from({ length: 20 }, () => Buffer.alloc(100)));
    await far.receive(2000);
    expect(far.chunks.length).toBe(1);
  });

  test('a close delivers everything and tells the other side that it was the remote', async () => {
    const { near, far } = await pair();
    const large = Buffer.alloc(5_000_000, 7);
    near.connection.write([large]);
    near.connection.close();
    expect(near.connection.write([Buffer.from('too late')])).toBe(true);
    expect((await far.receive(large.length)).equals(large)).toBe(true);
    expect(await far.closed.promise).toEqual({ by: 'remote', code: 'end' });
    expect(await near.closed.promise).toEqual({ by: 'local' });
    expect(far.received).toBe(large.length);
    // After the end a write does nothing, and hurts nobody.
    expect(far.connection.write([Buffer.from('anybody?')])).toBe(true);
    far.connection.close();
    far.connection.destroy();
  });

  test('destroying resets', async () => {
    const { near, far } = await pair();
    near.connection.destroy();
    expect(await near.closed.promise).toEqual({ by: 'local' });
    expect(await far.closed.promise).toEqual({ by: 'remote', code: 'reset' });
  });

  test('a port where nobody listens is refused', async () => {
    const port = await listen(() => undefined);
    listeners.pop()?.close();
    const reason = await dial(port).closed.promise;
    expect(reason).toMatchObject({ by: 'connect', code: 'refused' });
    expect('message' in reason && reason.message).toContain(String(port));
    // A name may stand for several addresses: the message must not be lost with them.
    const named = await dial(port, 'localhost').closed.promise;
    expect(named).toMatchObject({ by: 'connect', code: 'refused' });
    expect('message' in named && named.message).toContain(String(port));
  });

  test('a name that does not exist is unreachable', async () => {
    expect(await dial(1, 'no-such-host.invalid').closed.promise).toMatchObject({
      by: 'connect',
      code: 'unreachable',
    });
  });

  test('a connection that is not answered is given up in time', async () => {
    // Listens, and never accepts: once its backlog is full the kernel leaves further calls without an answer.
    const deaf = spawn(process.execPath, ['-e', DEAF], { stdio: ['ignore', 'pipe', 'inherit'] });
    sockets.push({ destroy: () => deaf.kill('SIGKILL') });
    const [line] = (await once(deaf.stdout, 'data')) as [Buffer];
    const port = Number(line.toString());
    for (let at = 0; at < 8; at += 1) dial(port);
    expect(await dial(port, '127.0.0.1', 300).closed.promise).toEqual({
      by: 'connect',
      code: 'timeout',
      message: `no answer from 127.0.0.1:${port}`,
    });
  });

  test('closing or destroying while it is being established ends it as local', async () => {
    const port = await listen(() => undefined);
    for (const how of ['close', 'destroy'] as const) {
      const side = dial(port);
      side.connection[how]();
      expect(await side.closed.promise).toEqual({ by: 'local' });
    }
  });

  test('a port in use is reported by its name', async () => {
    const port = await listen(() => undefined);
    const failed = Promise.withResolvers<Error & { code?: string }>();
    network.listen({
      host: '127.0.0.1',
      port,
      onConnection: () => new Side(),
      onListening: () => failed.reject(new Error('listens twice')),
      onError: failed.resolve,
    });
    expect((await failed.promise).code).toBe('EADDRINUSE');
  });

  test('a reader that does not read makes the writer wait, and a reader that does lets it go on', async () => {
    const socket = Promise.withResolvers<net.Socket>();
    const near = dial(await bareServer({ pauseOnConnect: true }, socket.resolve));
    await near.opened.promise;
    const chunk = new Uint8Array(256 * 1024);
    let written = 0;
    let go = true;
    while (go && written < 64 * 1024 * 1024) {
      go = near.connection.write([chunk]);
      written += chunk.length;
    }
    expect(go).toBe(false);
    expect(near.connection.bufferedBytes).toBeGreaterThan(1024 * 1024);
    expect(near.connection.bufferedBytes).toBeLessThanOrEqual(1024 * 1024 + chunk.length);
    (await socket.promise).resume();
    await near.drained.promise;
    expect(near.connection.bufferedBytes).toBe(0);
  });

  test('a side that only ends its half is answered in full, then closed', async () => {
    const { promise, resolve } = Promise.withResolvers<Side>();
    const port = await listen(resolve);
    const bare = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    sockets.push(bare);
    bare.pause();
    const far = await promise;
    const answer = new Uint8Array(4 * 1024 * 1024);
    far.connection.write([answer]);
    bare.end('goodbye');
    await far.receive(7);
    let read = 0;
    bare.on('data', (bytes: Buffer) => {
      read += bytes.length;
    });
    bare.resume();
    await once(bare, 'end');
    expect(read).toBe(answer.length);
    expect(await far.closed.promise).toEqual({ by: 'remote', code: 'end' });
  });

  test('a side that never closes its half is not waited for for ever', async () => {
    const near = dial(await bareServer({ allowHalfOpen: true }, (socket) => socket.resume()));
    await near.opened.promise;
    near.connection.close();
    expect(await near.closed.promise).toEqual({ by: 'local' });
  });

  test('what the receiver got stays what it was', async () => {
    const { near, far } = await pair();
    near.connection.write([Buffer.alloc(1000, 1)]);
    await far.receive(1000);
    for (let at = 0; at < 50; at += 1) near.connection.write([Buffer.alloc(60_000, 2)]);
    await far.receive(1000 + 50 * 60_000);
    expect(far.chunks[0]?.subarray(0, 1000).every((byte) => byte === 1)).toBe(true);
  });
});
