import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { CliError } from '../../src/cli/cli-error.ts';
import { endpointsOf } from '../../src/cli/cluster-client.ts';
import type { Call } from '../../src/cli/command.ts';
import { ControlServer, giveOrder, isUp, type Order, type OrderResult } from '../../src/cli/control.ts';
import { privateDirectory, rememberLastUp, writeLocalCluster } from '../../src/cli/local-cluster.ts';
import { useDirectory } from './support/directory.ts';

const home = useDirectory();
let server: ControlServer | null = null;

afterEach(() => {
  server?.close();
  server = null;
});

/** As `up` does it. */
async function open(
  directory: string,
  carryOut: (order: Order) => Promise<OrderResult> = async () => ({ ok: true, message: 'done' }),
): Promise<ControlServer> {
  fs.mkdirSync(privateDirectory(directory), { recursive: true });
  server = await ControlServer.open(directory, carryOut);
  writeLocalCluster(directory, {
    nodes: [
      { id: 'n1', address: '127.0.0.1:7101' },
      { id: 'n2', address: '127.0.0.1:7102' },
    ],
    control: server.path,
  });
  rememberLastUp(directory);
  return server;
}

async function refusalOf(attempt: Promise<unknown>): Promise<CliError> {
  const error = await attempt.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof CliError)) throw new Error(`not refused: ${String(error)}`);
  return error;
}

function callWith(endpoints?: string): Call {
  return {
    values: new Map(endpoints === undefined ? [] : [['endpoints', endpoints]]),
    positionals: new Map(),
    format: 'table',
    isFormatChosen: false,
    now: () => new Date(0),
  };
}

describe('an order', () => {
  test('is carried out by the up that runs here, or in the directory that is named', async () => {
    const orders: Order[] = [];
    await open(home.path, async (order) => {
      orders.push(order);
      return { ok: true, message: `order ${orders.length}` };
    });
    expect(await giveOrder({ do: 'restart', node: 'n2' }, null)).toEqual({ ok: true, message: 'order 1' });
    expect(await giveOrder({ do: 'down' }, home.path)).toEqual({ ok: true, message: 'order 2' });
    expect(orders).toEqual([{ do: 'restart', node: 'n2' }, { do: 'down' }]);
  });

  test('is answered when it is done, not when it is heard', async () => {
    const done = Promise.withResolvers<OrderResult>();
    const heard = Promise.withResolvers<void>();
    await open(home.path, async () => {
      heard.resolve();
      return done.promise;
    });
    let isAnswered = false;
    const answer = giveOrder({ do: 'down' }, home.path).finally(() => {
      isAnswered = true;
    });
    await heard.promise;
    expect(isAnswered).toBe(false);
    done.resolve({ ok: false, message: 'no' });
    expect(await answer).toEqual({ ok: false, message: 'no' });
  });

  test('that fails says why', async () => {
    await open(home.path, async () => Promise.reject(new Error('it broke')));
    expect(await giveOrder({ do: 'down' }, home.path)).toEqual({ ok: false, message: 'Error: it broke' });
  });

  test('is refused where nobody runs, and where nobody ever ran', async () => {
    expect(await refusalOf(giveOrder({ do: 'down' }, null))).toMatchObject({ exitCode: 2 });
    const control = await open(home.path);
    control.close();
    expect(await refusalOf(giveOrder({ do: 'down' }, null))).toMatchObject({ code: 'NOT_UP', exitCode: 8 });
    expect(await refusalOf(giveOrder({ do: 'down' }, path.join(home.path, 'none')))).toMatchObject({
      code: 'NOT_UP',
    });
  });

  test('has an unknown outcome where up ends before it answers', async () => {
    const heard = Promise.withResolvers<void>();
    const sockets: net.Socket[] = [];
    const socketPath = path.join(home.path, 'dying.sock');
    const dying = net.createServer((socket) => {
      sockets.push(socket);
      socket.on('data', () => heard.resolve());
    });
    dying.listen(socketPath);
    await once(dying, 'listening');
    writeLocalCluster(home.path, { nodes: [{ id: 'n1', address: '127.0.0.1:1' }], control: socketPath });
    const answer = refusalOf(giveOrder({ do: 'down' }, home.path));
    await heard.promise;
    for (const socket of sockets) socket.end();
    expect(await answer).toMatchObject({ exitCode: 6, outcome: 'unknown' });
    dying.close();
  });

  test.each(['garbage\n', '{"do":"explode"}\n', '{"do":"restart"}\n', '[]\n'])(
    'is none, and harms nobody: %j',
    async (text) => {
      const orders: Order[] = [];
      const { path: socketPath } = await open(home.path, async (order) => {
        orders.push(order);
        return { ok: true, message: 'done' };
      });
      const socket = net.connect(socketPath);
      socket.setEncoding('utf8').write(text);
      let answer = '';
      for await (const part of socket) answer += String(part);
      expect(JSON.parse(answer)).toEqual({ ok: false, message: 'that is no order' });
      expect(orders).toEqual([]);
    },
  );

  test('without an end is cut off', async () => {
    const { path: socketPath } = await open(home.path);
    const socket = net.connect(socketPath);
    const closed = Promise.withResolvers<void>();
    socket.on('error', () => undefined);
    socket.on('close', () => closed.resolve());
    socket.write('x'.repeat(100_000));
    await closed.promise;
    expect(await isUp(socketPath)).toBe(true);
  });
});

describe('the socket', () => {
  test('is for this user only, and gone afterwards', async () => {
    const control = await open(home.path);
    expect(fs.statSync(control.path).mode & 0o777).toBe(0o600);
    expect(await isUp(control.path)).toBe(true);
    control.close();
    expect(fs.existsSync(control.path)).toBe(false);
    expect(await isUp(control.path)).toBe(false);
  });

  test('takes the place of one that was left by a process that was killed', async () => {
    fs.mkdirSync(privateDirectory(home.path));
    fs.writeFileSync(path.join(privateDirectory(home.path), 'control.sock'), '');
    const control = await open(home.path);
    expect(await isUp(control.path)).toBe(true);
  });

  test('lies elsewhere where the path would be too long for one', async () => {
    const deep = path.join(home.path, 'x'.repeat(100));
    const control = await open(deep);
    expect(control.path.startsWith(deep)).toBe(false);
    expect(await giveOrder({ do: 'down' }, deep)).toEqual({ ok: true, message: 'done' });
    control.close();
    expect(fs.existsSync(path.dirname(control.path))).toBe(false);
  });
});

describe('a client without endpoints', () => {
  test('asks the cluster that is up from here', async () => {
    await open(home.path);
    expect(await endpointsOf(callWith())).toEqual(['127.0.0.1:7101', '127.0.0.1:7102']);
  });

  test('asks those it is given first of all', async () => {
    await open(home.path);
    expect(await endpointsOf(callWith('10.0.0.1:1, [::1]:2'))).toEqual(['10.0.0.1:1', '[::1]:2']);
  });

  test('is told what to do where there is no cluster, where it does not run, and where it is gone', async () => {
    expect(await refusalOf(endpointsOf(callWith()))).toMatchObject({ code: 'USAGE', exitCode: 2 });
    const control = await open(path.join(home.path, 'c'));
    control.close();
    const resting = await refusalOf(endpointsOf(callWith()));
    expect(resting).toMatchObject({ code: 'NOT_UP', exitCode: 3 });
    expect(resting.next).toContain(`dledger up --data ${path.join(home.path, 'c')}`);
    fs.rmSync(path.join(home.path, 'c'), { recursive: true });
    expect((await refusalOf(endpointsOf(callWith()))).message).toContain('is gone');
  });
});
