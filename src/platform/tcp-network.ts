import * as net from 'node:net';
import type {
  CloseReason,
  ConnectRequest,
  Connection,
  ConnectionHandler,
  ListenRequest,
  Network,
} from '../base/ports/network.ts';

/** Above this `write` asks its caller to wait for `onDrain`. */
const HIGH_WATER_BYTES = 1024 * 1024;
const KEEP_ALIVE_DELAY_MS = 10_000;
const LINGER_MS = 2000;

/** TCP as the machine has it. */
export class TcpNetwork implements Network {
  listen(request: ListenRequest): void {
    const server = net.createServer({
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
    });
    server.on('connection', (socket) => {
      const connection = new TcpConnection(socket);
      connection.attach(request.onConnection(connection));
    });
    server.on('error', (error) => request.onError(error));
    server.listen({ host: request.host, port: request.port }, () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : request.port;
      request.onListening({ port, close: () => server.close() });
    });
  }

  connect(request: ConnectRequest): Connection {
    const socket = net.connect({
      host: request.host,
      port: request.port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
    });
    const connection = new TcpConnection(socket, `${request.host}:${request.port}`);
    connection.dial(request.handler, request.timeoutMs);
    return connection;
  }
}

class TcpConnection implements Connection {
  readonly remoteAddress: string;
  readonly #socket: net.Socket;
  #handler: ConnectionHandler | null = null;
  #established = true;
  #closedHere = false;
  #timedOut = false;
  #ended = false;
  #error: (Error & { code?: string }) | null = null;

  constructor(socket: net.Socket, remoteAddress?: string) {
    this.#socket = socket;
    this.remoteAddress = remoteAddress ?? `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? '?'}`;
    socket.on('data', (bytes: Uint8Array) => this.#handler?.onData(bytes));
    socket.on('drain', () => this.#handler?.onDrain?.());
    socket.on('end', () => {
      this.#ended = true;
    });
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('close', () => this.#handler?.onClose(this.#reason()));
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  attach(handler: ConnectionHandler): void {
    this.#handler = handler;
  }

  dial(handler: ConnectionHandler, timeoutMs: number): void {
    this.#handler = handler;
    this.#established = false;
    this.#socket.setTimeout(timeoutMs, () => {
      if (this.#established) return;
      this.#timedOut = true;
      this.#socket.destroy();
    });
    this.#socket.once('connect', () => {
      this.#established = true;
      this.#socket.setTimeout(0);
      handler.onOpen?.();
    });
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (this.#socket.destroyed || this.#socket.writableEnded) return true;
    // Corked chunks leave in one writev.
    if (chunks.length > 1) this.#socket.cork();
    for (const chunk of chunks) this.#socket.write(chunk);
    if (chunks.length > 1) this.#socket.uncork();
    return this.#socket.writableLength <= HIGH_WATER_BYTES;
  }

  close(): void {
    this.#closedHere = true;
    this.#socket.end();
    // The other side may never end its half: it gets this long.
    this.#socket.setTimeout(LINGER_MS, () => this.#socket.destroy());
  }

  destroy(): void {
    this.#closedHere = true;
    if (this.#established) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  #reason(): CloseReason {
    if (this.#timedOut) return { by: 'connect', code: 'timeout', message: 'no answer' };
    if (this.#closedHere) return { by: 'local' };
    const error = this.#error;
    if (!this.#established) {
      const code =
        error?.code === 'ECONNREFUSED' ? 'refused' : error?.code === 'ETIMEDOUT' ? 'timeout' : 'unreachable';
      return { by: 'connect', code, message: error?.message ?? 'not connected' };
    }
    if (error === null || this.#ended) return { by: 'remote', code: 'end' };
    if (error.code === 'ECONNRESET' || error.code === 'EPIPE') return { by: 'remote', code: 'reset' };
    return { by: 'error', message: error.message };
  }
}
