import type { Clock, TimerHandle } from '../base/ports/clock.ts';
import type { CloseReason, Connection, Network } from '../base/ports/network.ts';
import { UNKNOWN_INCARNATION } from '../base/units.ts';
import { decodeError, type ErrorInfo } from '../wire/errors.ts';
import { FrameKind, encodeFrame, type Frame } from '../wire/frame.ts';
import { FrameParser } from '../wire/frame-parser.ts';
import { decodeHelloAck, encodeHello, type HelloAck } from '../wire/handshake.ts';
import { LIMITS } from '../wire/limits.ts';

export interface SessionHandlers {
  /** The node greeted back. */
  onGreeted(ack: HelloAck): void;
  /** An answer or a message, after the greeting. */
  onFrame(frame: Frame): void;
  /** The last call. `refusal` is what the node said, if it refused the greeting. */
  onClosed(why: string, refusal: ErrorInfo | null): void;
}

export interface SessionPorts {
  readonly network: Network;
  readonly clock: Clock;
}

const CONNECT_TIMEOUT_MS = 1000;
const GREETING_TIMEOUT_MS = 2000;
const PING_EVERY_MS = 1000;
/** Rounds of silence, not milliseconds: a pause of this process must not look like silence of the node. */
const SILENT_ROUNDS_MAX = 5;

/** One greeted connection to one node. What is sent in one turn leaves in one write. */
export class Session {
  readonly address: string;
  readonly #clock: Clock;
  readonly #handlers: SessionHandlers;
  readonly #connection: Connection;
  #isGreeted = false;
  #isClosed = false;
  #queued: Uint8Array[] = [];
  #isFlushDue = false;
  #timer: TimerHandle;
  #heard = false;
  #silentRounds = 0;

  constructor(
    address: { readonly host: string; readonly port: number },
    clusterId: string | null,
    ports: SessionPorts,
    handlers: SessionHandlers,
  ) {
    this.address = `${address.host}:${address.port}`;
    this.#clock = ports.clock;
    this.#handlers = handlers;
    const parser = new FrameParser({ bodyBytesMax: LIMITS.handshakeBytesMax }, (frame) =>
      this.#onFrame(frame, parser),
    );
    this.#timer = ports.clock.setTimer(CONNECT_TIMEOUT_MS + GREETING_TIMEOUT_MS, () =>
      this.fail('did not greet back in time'),
    );
    this.#connection = ports.network.connect({
      ...address,
      timeoutMs: CONNECT_TIMEOUT_MS,
      handler: {
        onOpen: () => {
          if (!this.#isClosed)
            this.#connection.write(encodeFrame(FrameKind.HELLO, 0, [encodeHello(hello(clusterId))]));
        },
        onData: (bytes) => this.#onData(parser, bytes),
        onClose: (reason) => this.#end(describe(reason), null),
      },
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get bufferedBytes(): number {
    return this.#connection.bufferedBytes;
  }

  /** Queues chunks of whole frames; they leave at the end of this turn. */
  send(chunks: readonly Uint8Array[]): void {
    if (this.#isClosed) return;
    for (const chunk of chunks) this.#queued.push(chunk);
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    this.#clock.defer(() => this.#flush());
  }

  /** Ends the session because something on it is not right. */
  fail(why: string): void {
    if (this.#isClosed) return;
    this.#connection.destroy();
    this.#end(why, null);
  }

  /** Ends the session in good order; no handler is called any more. */
  close(): void {
    if (this.#isClosed) return;
    this.#flush();
    this.#isClosed = true;
    this.#timer.cancel();
    this.#connection.close();
  }

  #flush(): void {
    this.#isFlushDue = false;
    if (this.#isClosed || this.#queued.length === 0) return;
    const chunks = this.#queued;
    this.#queued = [];
    this.#connection.write(chunks);
  }

  #onData(parser: FrameParser, bytes: Uint8Array): void {
    if (this.#isClosed) return;
    this.#heard = true;
    try {
      parser.push(bytes);
    } catch (error) {
      // Bytes that are not our protocol, or an answer that makes no sense: nothing on this connection can be trusted.
      if (!(error instanceof Error) || !('code' in error) || error.name === 'InvariantViolation') throw error;
      this.fail(`spoke nonsense: ${error.message}`);
    }
  }

  #onFrame(frame: Frame, parser: FrameParser): void {
    if (this.#isClosed) return;
    if (this.#isGreeted) {
      if (frame.kind !== FrameKind.PONG) this.#handlers.onFrame(frame);
      return;
    }
    if (frame.kind === FrameKind.ERROR) {
      const refusal = decodeError(frame.body);
      this.#connection.destroy();
      this.#end(`refused: ${refusal.message}`, refusal);
      return;
    }
    if (frame.kind !== FrameKind.HELLO_ACK) {
      this.fail(`greeted back with frame kind ${frame.kind}`);
      return;
    }
    const ack = decodeHelloAck(frame.body);
    parser.setLimit(LIMITS.clientResponseBytesMax);
    this.#isGreeted = true;
    this.#timer.cancel();
    this.#armPing();
    this.#handlers.onGreeted(ack);
  }

  #armPing(): void {
    this.#timer = this.#clock.setTimer(PING_EVERY_MS, () => {
      this.#silentRounds = this.#heard ? 0 : this.#silentRounds + 1;
      this.#heard = false;
      if (this.#silentRounds > SILENT_ROUNDS_MAX) {
        this.fail(`silent for ${this.#silentRounds} s`);
        return;
      }
      this.send(encodeFrame(FrameKind.PING, 0, []));
      this.#armPing();
    });
  }

  #end(why: string, refusal: ErrorInfo | null): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer.cancel();
    this.#queued = [];
    this.#handlers.onClosed(why, refusal);
  }
}

function hello(clusterId: string | null): Parameters<typeof encodeHello>[0] {
  return {
    protocolVersion: LIMITS.protocolVersion,
    role: 'client',
    lane: 'none',
    clusterId,
    nodeId: null,
    incarnation: UNKNOWN_INCARNATION,
    bootId: 0,
    priority: 0,
    softwareVersion: '0.1.0',
    credentials: null,
  };
}

function describe(reason: CloseReason): string {
  switch (reason.by) {
    case 'remote':
      return reason.code === 'end' ? 'the node closed the connection' : 'the connection was reset';
    case 'connect':
      return reason.code === 'refused'
        ? 'connection refused'
        : reason.code === 'timeout'
          ? 'no answer'
          : reason.message;
    case 'error':
      return reason.message;
    case 'local':
      return 'closed';
  }
}
