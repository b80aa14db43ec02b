import type { HostPort } from '../base/host-port.ts';
import type { Connection, Network } from '../base/ports/network.ts';
import { decodeError } from '../wire/errors.ts';
import { FrameKind, encodeFrame, type Frame } from '../wire/frame.ts';
import { FrameParser } from '../wire/frame-parser.ts';
import { encodeHello, type Hello } from '../wire/handshake.ts';
import { LIMITS } from '../wire/limits.ts';

export interface NodeConnectionHandlers {
  enter(): void;
  /** Greeted: what is sent from now on is read. */
  onUp(): void;
  onFrame(frame: Frame): void;
  /** The last call. */
  onDown(why: string): void;
}

const CONNECT_TIMEOUT_MS = 1000;

/** One connection to another node, on which this one asks like a client. */
export class NodeConnection {
  readonly #connection: Connection;
  readonly #handlers: NodeConnectionHandlers;
  #isUp = false;
  #isClosed = false;
  #queued: Uint8Array[] = [];

  constructor(address: HostPort, network: Network, hello: Hello, handlers: NodeConnectionHandlers) {
    this.#handlers = handlers;
    const parser = new FrameParser({ bodyBytesMax: LIMITS.handshakeBytesMax }, (frame) =>
      this.#onFrame(frame, parser),
    );
    this.#connection = network.connect({
      host: address.host,
      port: address.port,
      timeoutMs: CONNECT_TIMEOUT_MS,
      handler: {
        onOpen: () => {
          if (!this.#isClosed) this.#connection.write(encodeFrame(FrameKind.HELLO, 0, [encodeHello(hello)]));
        },
        onData: (bytes) => {
          if (this.#isClosed) return;
          handlers.enter();
          try {
            parser.push(bytes);
          } catch (error) {
            this.#fail(error instanceof Error ? error.message : String(error));
          }
        },
        onClose: () => {
          if (this.#isClosed) return;
          handlers.enter();
          this.#isClosed = true;
          handlers.onDown('the connection was lost');
        },
      },
    });
  }

  get isUp(): boolean {
    return this.#isUp && !this.#isClosed;
  }

  send(chunks: readonly Uint8Array[]): void {
    for (const chunk of chunks) this.#queued.push(chunk);
  }

  /** End of the turn. */
  flush(): void {
    if (!this.isUp || this.#queued.length === 0) return;
    const chunks = this.#queued;
    this.#queued = [];
    this.#connection.write(chunks);
  }

  /** No handler is called any more. */
  close(): void {
    this.#isClosed = true;
    this.#connection.destroy();
  }

  #onFrame(frame: Frame, parser: FrameParser): void {
    if (this.#isClosed) return;
    if (this.#isUp) {
      if (frame.kind !== FrameKind.PONG) this.#handlers.onFrame(frame);
      return;
    }
    if (frame.kind !== FrameKind.HELLO_ACK) {
      this.#fail(frame.kind === FrameKind.ERROR ? decodeError(frame.body).message : 'no greeting');
      return;
    }
    parser.setLimit(LIMITS.clientResponseBytesMax);
    this.#isUp = true;
    this.#handlers.onUp();
  }

  #fail(why: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#connection.destroy();
    this.#handlers.onDown(why);
  }
}
