import fs from 'node:fs';
import net from 'node:net';
import { once } from 'node:events';
import { CliError, usageError } from './cli-error.ts';
import { ExitCode } from './exit-code.ts';
import { controlSocket, lastUp } from './local-cluster.ts';
import type { Supervisor } from './supervisor.ts';

/** Orders to a running `up`: one line in, one line of JSON out. */
export type Order = { readonly do: 'down' } | { readonly do: 'restart'; readonly node: string };

export interface OrderResult {
  readonly ok: boolean;
  readonly message: string;
}

/** Takes orders for the nodes of this `up` on a socket that only this user can reach. */
export function serveControl(socketPath: string, supervisor: Supervisor, onDown: () => void): net.Server {
  fs.rmSync(socketPath, { force: true });
  const server = net.createServer((socket) => {
    socket.setEncoding('utf8');
    socket.on('error', () => undefined);
    let received = '';
    socket.on('data', (text: string) => {
      received += text;
      if (!received.includes('\n')) return;
      carryOut(received.trim(), supervisor).then(
        (result) => {
          socket.end(`${JSON.stringify(result)}\n`, () => {
            if (result.ok && result.message === 'stopping') onDown();
          });
        },
        (error: unknown) => socket.end(`${JSON.stringify({ ok: false, message: String(error) })}\n`),
      );
    });
  });
  server.listen(socketPath, () => fs.chmodSync(socketPath, 0o600));
  server.on('close', () => fs.rmSync(socketPath, { force: true }));
  return server;
}

async function carryOut(line: string, supervisor: Supervisor): Promise<OrderResult> {
  const order = JSON.parse(line) as Order;
  if (order.do === 'down') return { ok: true, message: 'stopping' };
  if (!supervisor.ids.includes(order.node)) {
    return { ok: false, message: `there is no ${order.node}; there are ${supervisor.ids.join(', ')}` };
  }
  const wasRunning = supervisor.isRunning(order.node);
  await supervisor.restart(order.node);
  return {
    ok: true,
    message: `${order.node} ${wasRunning ? 'restarted' : 'started'} (pid ${supervisor.pid(order.node) ?? '?'})`,
  };
}

/** Gives an order to the `up` that runs on this data directory (default: the last one from here). */
export async function giveOrder(order: Order, dataDirectory: string | null): Promise<OrderResult> {
  const directory = dataDirectory ?? lastUp();
  if (directory === null) throw usageError('no cluster was started from this directory', 'give its --data');
  const socket = net.connect(controlSocket(directory));
  try {
    await once(socket, 'connect');
  } catch {
    throw new CliError('NOT_UP', ExitCode.notFound, `no \`dledger up\` runs on ${directory}`, {
      next: 'start it with `dledger up`',
    });
  }
  socket.setEncoding('utf8');
  socket.write(`${JSON.stringify(order)}\n`);
  let answer = '';
  for await (const text of socket) answer += String(text);
  return JSON.parse(answer) as OrderResult;
}
