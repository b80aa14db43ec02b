import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { CliError, usageError } from './cli-error.ts';
import { ExitCode } from './exit-code.ts';
import { parseJson } from './json.ts';
import { defaultDirectory, lastUp, privateDirectory, readLocalCluster } from './local-cluster.ts';

/** What a running `up` can be asked to do: one line of JSON in, one out when it is done. */
export type Order =
  | { readonly do: 'down' }
  | { readonly do: 'restart' | 'pause' | 'resume' | 'kill'; readonly node: string };

export interface OrderResult {
  readonly ok: boolean;
  readonly message: string;
}

const ORDER: z.ZodType<Order> = z.union([
  z.object({ do: z.literal('down') }),
  z.object({ do: z.enum(['restart', 'pause', 'resume', 'kill']), node: z.string() }),
]);
const ORDER_RESULT: z.ZodType<OrderResult> = z.object({ ok: z.boolean(), message: z.string() });

/** The path of a Unix socket has 108 bytes on Linux and 104 on macOS, the ending zero included. */
const SOCKET_PATH_BYTES_MAX = 103;
const ORDER_BYTES_MAX = 4096;

/** Takes orders for a cluster on a socket that only this user can reach. Whoever opens it holds the cluster's lock. */
export class ControlServer {
  readonly path: string;
  readonly #temporary: string | null;
  readonly #server: net.Server;

  private constructor(socketPath: string, temporary: string | null, server: net.Server) {
    this.path = socketPath;
    this.#temporary = temporary;
    this.#server = server;
  }

  static async open(
    clusterDirectory: string,
    carryOut: (order: Order) => Promise<OrderResult>,
  ): Promise<ControlServer> {
    let socketPath = path.join(privateDirectory(clusterDirectory), 'control.sock');
    let temporary: string | null = null;
    if (Buffer.byteLength(socketPath) > SOCKET_PATH_BYTES_MAX) {
      temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'dledger-'));
      socketPath = path.join(temporary, 'control.sock');
    }
    // Left behind by one that was killed: the lock says that nobody listens there.
    fs.rmSync(socketPath, { force: true });
    const server = net.createServer((socket) => {
      answer(socket, carryOut);
    });
    server.listen(socketPath);
    await once(server, 'listening');
    fs.chmodSync(socketPath, 0o600);
    return new ControlServer(socketPath, temporary, server);
  }

  /** Takes no more orders; answers on their way still leave. */
  close(): void {
    this.#server.close();
    fs.rmSync(this.#temporary ?? this.path, { recursive: true, force: true });
  }
}

function answer(socket: net.Socket, carryOut: (order: Order) => Promise<OrderResult>): void {
  const reply = (result: OrderResult): void => {
    socket.end(`${JSON.stringify(result)}\n`);
  };
  socket.setEncoding('utf8');
  // Whoever gave the order may have left.
  socket.on('error', () => undefined);
  let received = '';
  socket.on('data', (text: string) => {
    received += text;
    if (received.length > ORDER_BYTES_MAX) socket.destroy();
    const end = received.indexOf('\n');
    if (end === -1) return;
    socket.removeAllListeners('data');
    const order = ORDER.safeParse(parseJson(received.slice(0, end)));
    if (!order.success) {
      reply({ ok: false, message: 'that is no order' });
      return;
    }
    carryOut(order.data).then(reply, (error: unknown) => reply({ ok: false, message: String(error) }));
  });
}

/** Whether an `up` listens there. */
export async function isUp(control: string): Promise<boolean> {
  const socket = net.connect(control);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/**
 * Gives an order to the `up` that runs this node, if one was started from this directory (or in `clusterDirectory`).
 * @returns null where none runs, or where that cluster has no such node at that address.
 */
export async function orderIfManaged(
  order: Extract<Order, { node: string }>,
  address: string | null,
  clusterDirectory: string | null,
): Promise<OrderResult | null> {
  const directory = clusterDirectory ?? lastUp();
  const cluster = directory === null ? null : readLocalCluster(directory);
  if (cluster === null || cluster.control === null || !(await isUp(cluster.control))) return null;
  const known = cluster.nodes.find((node) => node.id === order.node);
  if (known === undefined || (address !== null && known.address !== address)) return null;
  return giveOrder(order, directory);
}

/**
 * Gives an order to the `up` that runs on this directory, by default the last one from here, and waits until it is
 * carried out.
 * @throws CliError if none runs, or if it refuses.
 */
export async function giveOrder(order: Order, clusterDirectory: string | null): Promise<OrderResult> {
  const directory = clusterDirectory ?? lastUp();
  if (directory === null) {
    throw usageError('no cluster was started from this directory', 'say which with --data DIR');
  }
  const control = readLocalCluster(directory)?.control ?? null;
  const socket = net.connect(control ?? path.join(privateDirectory(directory), 'control.sock'));
  try {
    await once(socket, 'connect');
  } catch (error) {
    throw new CliError('NOT_UP', ExitCode.notFound, `no \`dledger up\` runs on ${directory}`, {
      next: `start it with \`dledger up${directory === defaultDirectory() ? '' : ` --data ${directory}`}\``,
      cause: error,
    });
  }
  const result = ORDER_RESULT.safeParse(parseJson(await converse(socket, JSON.stringify(order))));
  if (result.success) return result.data;
  throw new CliError('NOT_UP', ExitCode.unknown, '`dledger up` ended before it answered', {
    next: 'see with `dledger cluster status` what became of it',
    outcome: 'unknown',
  });
}

/** Sends a line. @returns all that comes back, up to the end, good or bad. */
async function converse(socket: net.Socket, line: string): Promise<string> {
  socket.setEncoding('utf8');
  socket.write(`${line}\n`);
  let received = '';
  try {
    for await (const text of socket) received += String(text);
  } catch {
    // A connection that breaks is one that ended early: what came tells.
  }
  return received;
}
