import * as net from 'node:net';
import type {
  CloseReason,
  ConnectRequest,
  Connection,
  ConnectionHandler,
  ListenRequest,
  Network,
} from '../base/ports/network.ts';
import { SmallChunks } from './small-chunks.ts';

/** Above this `write` asks its caller to wait for `onDrain`. */
const HIGH_WATER_BYTES = 1024 * 1024;
/** Less is left to the collector: to release it would cost more. */
const RELEASE_BYTES_MIN = 4096;
const KEEP_ALIVE_DELAY_MS = 10_000;
const LINGER_MS = 2000;

/** Small frames leave at once, and a host that vanished is noticed in the end. */
const SOCKET_OPTIONS = {
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
  // Above this the stream says "drain" when it is empty again.
  highWaterMark: HIGH_WATER_BYTES,
} as const;

const smallChunks = new SmallChunks();

/** TCP as the machine has it. */
export class TcpNetwork implements Network {
  readonly #lingerMs: number;

  /** @param lingerMs once one side has closed, the other gets so long to take what is buffered and to close too. */
  constructor(lingerMs: number = LINGER_MS) {
    this.#lingerMs = lingerMs;
  }

  listen(request: ListenRequest): void {
    const server = net.createServer(SOCKET_OPTIONS);
    server.on('connection', (socket) => {
      const connection = new TcpConnection(
        socket,
        addressOf(socket.remoteAddress, socket.remotePort),
        this.#lingerMs,
      );
      connection.adopt(request.onConnection(connection));
    });
    server.on('error', (error) => {
      // Once it listens, an error is about one connection that could not be taken (no file descriptor left, say):
      // the caller of that one is told by its own side, and this side goes on listening.
      if (!server.listening) request.onError(error);
    });
    server.listen({ host: request.host, port: request.port }, () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : request.port;
      request.onListening({ port, close: () => server.close() });
    });
  }

  connect(request: ConnectRequest): Connection {
    const socket = net.connect({ ...SOCKET_OPTIONS, host: request.host, port: request.port });
    const connection = new TcpConnection(socket, addressOf(request.host, request.port), this.#lingerMs);
    connection.dial(request.handler, request.timeoutMs);
    return connection;
  }
}

class TcpConnection implements Connection {
  readonly remoteAddress: string;
  readonly #socket: net.Socket;
  readonly #lingerMs: number;
  #handler: ConnectionHandler | null = null;
  #established = true;
  #closedHere = false;
  #timedOut = false;
  #remoteEnded = false;
  #error: (Error & { code?: string }) | null = null;
  /** Until the connection is established: gives up. Once one side has closed: does not wait for ever. */
  #timer: NodeJS.Timeout | null = null;

  constructor(socket: net.Socket, remoteAddress: string, lingerMs: number) {
    this.#socket = socket;
    this.#lingerMs = lingerMs;
    this.remoteAddress = remoteAddress;
    socket.on('data', (bytes: Uint8Array) => this.#handler?.onData(bytes));
    socket.on('drain', () => this.#handler?.onDrain?.());
    socket.on('end', () => {
      this.#remoteEnded = true;
      this.#linger();
    });
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('close', () => {
      if (this.#timer !== null) clearTimeout(this.#timer);
      this.#handler?.onClose(this.#reason());
      this.#handler = null;
    });
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  /** For accepted connections. */
  adopt(handler: ConnectionHandler): void {
    this.#handler = handler;
  }

  /** For outgoing ones. */
  dial(handler: ConnectionHandler, timeoutMs: number): void {
    this.#handler = handler;
    this.#established = false;
    this.#timer = setTimeout(() => {
      this.#timedOut = true;
      this.#socket.destroy();
    }, timeoutMs);
    this.#socket.once('connect', () => {
      this.#established = true;
      if (this.#timer !== null) clearTimeout(this.#timer);
      this.#timer = null;
      handler.onOpen?.();
    });
  }

  write(chunks: readonly Uint8Array[]): boolean {
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded) return true;
    // Corked chunks leave in one system call.
    socket.cork();
    smallChunks.send(chunks, (bytes, sent) => socket.write(bytes, sent));
    socket.uncork();
    return socket.writableLength <= HIGH_WATER_BYTES;
  }

  release({ buffer, byteLength }: Uint8Array): void {
    // Each read of a socket has a buffer of its own. Detached, its memory is free without a garbage collection.
    const isWhole = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
    if (isWhole && byteLength >= RELEASE_BYTES_MIN) buffer.transfer(0);
  }

  close(): void {
    this.#closedHere = true;
    if (!this.#established) {
      this.#socket.destroy();
      return;
    }
    this.#socket.end();
    this.#linger();
  }

  destroy(): void {
    this.#closedHere = true;
    if (this.#established) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  #linger(): void {
    this.#timer ??= setTimeout(() => this.#socket.resetAndDestroy(), this.#lingerMs);
  }

  #reason(): CloseReason {
    const error = this.#error;
    if (this.#timedOut)
      return { by: 'connect', code: 'timeout', message: `no answer from ${this.remoteAddress}` };
    if (this.#closedHere) return { by: 'local' };
    if (!this.#established) {
      const message = error === null ? `no connection to ${this.remoteAddress}` : messageOf(error);
      return { by: 'connect', code: connectCode(error?.code), message };
    }
    if (this.#remoteEnded || error === null) return { by: 'remote', code: 'end' };
    if (error.code === 'ECONNRESET' || error.code === 'EPIPE') return { by: 'remote', code: 'reset' };
    return { by: 'error', message: messageOf(error) };
  }
}

function connectCode(code: string | undefined): 'refused' | 'timeout' | 'unreachable' {
  if (code === 'ECONNREFUSED') return 'refused';
  return code === 'ETIMEDOUT' ? 'timeout' : 'unreachable';
}

/** A name with several addresses fails once for each, and the whole of it has no message of its own. */
function messageOf(error: Error): string {
  if (!(error instanceof AggregateError)) return error.message;
  return error.errors.map((one: unknown) => (one instanceof Error ? one.message : String(one))).join('; ');
}

function addressOf(host: string | undefined, port: number | undefined): string {
  const name = host?.includes(':') === true ? `[${host}]` : (host ?? '?');
  return `${name}:${port ?? '?'}`;
}
