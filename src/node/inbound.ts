import { mark } from '../base/marks.ts';
import type { Clock, TimerHandle } from '../base/ports/clock.ts';
import type { Mutations } from '../base/mutations.ts';
import type { CloseReason, Connection, ConnectionHandler } from '../base/ports/network.ts';
import { encodeError, type ErrorInfo } from '../wire/errors.ts';
import { FrameKind, encodeFrame, type Frame } from '../wire/frame.ts';
import { FrameParser, WireError } from '../wire/frame-parser.ts';
import { decodeHello, encodeHelloAck, type Hello, type HelloAck } from '../wire/handshake.ts';
import { LIMITS } from '../wire/limits.ts';
import type { BodyUse, TurnMemory } from './turn-memory.ts';

/** What a greeted connection is for. */
export interface InboundOwner {
  readonly bodyBytesMax: number;
  /** @returns how long it refers into the frame's body. */
  onFrame(frame: Frame): BodyUse;
  onDrain(): void;
  onClose(reason: CloseReason): void;
}

export interface InboundHandlers {
  readonly mutations: Mutations;
  readonly turnMemory: TurnMemory;
  enter(): void;
  /** Decides about a newcomer: who takes its frames, or why it is refused. */
  admit(
    hello: Hello,
    connection: InboundConnection,
  ): { owner: InboundOwner; ack: HelloAck } | { refusal: ErrorInfo };
  /** Bytes that are not our protocol, or a handshake that never came: for the counters and the curious. */
  onBadPeer(remoteAddress: string, code: string, message: string): void;
  onGone(connection: InboundConnection): void;
}

const HANDSHAKE_TIMEOUT_MS = 5000;
/** A side that reads nothing while we answer is cut at this: its answers would fill our memory. */
const UNREAD_BYTES_MAX = 64 * 1024 * 1024;

/**
 * One accepted connection. Until its greeting was accepted it may send one small frame and has five seconds to do it;
 * afterwards its frames go to its owner. Whatever is not our protocol closes it and harms nobody else.
 */
export class InboundConnection implements ConnectionHandler {
  readonly remoteAddress: string;
  readonly #connection: Connection;
  readonly #handlers: InboundHandlers;
  readonly #parser: FrameParser;
  readonly #deadline: TimerHandle;
  #owner: InboundOwner | null = null;
  /** What is being taken in, and whether a frame in it is kept by its receiver. */
  #received: Uint8Array | null = null;
  #isKept = false;
  #closed = false;
  #queued: Uint8Array[] = [];
  #queuedBytes = 0;

  constructor(connection: Connection, clock: Clock, handlers: InboundHandlers) {
    this.#connection = connection;
    this.remoteAddress = connection.remoteAddress;
    this.#handlers = handlers;
    const options = { bodyBytesMax: LIMITS.handshakeBytesMax, mutations: handlers.mutations };
    this.#parser = new FrameParser(options, (frame) => this.#onFrame(frame));
    this.#deadline = clock.setTimer(HANDSHAKE_TIMEOUT_MS, () => {
      handlers.enter();
      mark('node.handshake-overdue');
      this.#reject('HANDSHAKE_TIMEOUT', `no greeting within ${HANDSHAKE_TIMEOUT_MS} ms`);
    });
  }

  get isOpen(): boolean {
    return !this.#closed;
  }

  /** Bytes that the other side has not taken yet. */
  get unreadBytes(): number {
    return this.#connection.bufferedBytes + this.#queuedBytes;
  }

  /** Queues chunks of whole frames for `flush`. */
  send(chunks: readonly Uint8Array[]): void {
    if (this.#closed) return;
    for (const chunk of chunks) {
      this.#queued.push(chunk);
      this.#queuedBytes += chunk.length;
    }
    if (this.unreadBytes > UNREAD_BYTES_MAX) {
      this.#reject('SLOW_READER', `${this.unreadBytes} bytes unread`);
    }
  }

  /** Writes what was queued in this turn, in one operation. */
  flush(): void {
    if (this.#queued.length === 0 || this.#closed) return;
    const chunks = this.#queued;
    this.#queued = [];
    this.#queuedBytes = 0;
    this.#connection.write(chunks);
  }

  /** Flushes, then ends the connection. */
  close(): void {
    if (this.#closed) return;
    this.flush();
    this.#connection.close();
    this.#finish({ by: 'local' });
  }

  onData(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#handlers.enter();
    this.#received = bytes;
    this.#isKept = false;
    try {
      this.#parser.push(bytes);
      if (!this.#isKept) this.#handlers.turnMemory.received(this.#connection, bytes);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      if (!isProtocolError(error)) throw error;
      this.#reject(error.code, error.message);
    } finally {
      this.#received = null;
    }
  }

  onDrain(): void {
    if (this.#closed) return;
    this.#handlers.enter();
    this.#owner?.onDrain();
  }

  onClose(reason: CloseReason): void {
    if (this.#closed) return;
    this.#handlers.enter();
    if (this.#parser.isMidFrame) mark('node.half-frame-dropped');
    this.#finish(reason);
  }

  #onFrame(frame: Frame): void {
    if (this.#closed) return;
    if (this.#owner !== null) {
      if (frame.kind === FrameKind.PING) {
        this.send(encodeFrame(FrameKind.PONG, frame.requestId, []));
        this.flush();
        return;
      }
      this.#note(frame.body, this.#owner.onFrame(frame));
      return;
    }
    if (frame.kind !== FrameKind.HELLO) {
      this.#reject('NO_GREETING', `the first frame has kind ${frame.kind}`);
      return;
    }
    const answer = this.#handlers.admit(decodeHello(frame.body), this);
    if ('refusal' in answer) {
      this.send(encodeFrame(FrameKind.ERROR, frame.requestId, [encodeError(answer.refusal)]));
      this.close();
      return;
    }
    this.#deadline.cancel();
    this.#owner = answer.owner;
    this.#parser.setLimit(answer.owner.bodyBytesMax);
    this.send(encodeFrame(FrameKind.HELLO_ACK, frame.requestId, [encodeHelloAck(answer.ack)]));
    this.flush();
  }

  /** A body lies in what was received, or was put together in memory of its own. */
  #note(body: Uint8Array, use: BodyUse): void {
    if (body.buffer !== this.#received?.buffer) {
      if (use === 'this-turn') this.#handlers.turnMemory.assembled(body);
    } else if (use === 'kept') this.#isKept = true;
  }

  #reject(code: string, message: string): void {
    if (this.#closed) return;
    this.#handlers.onBadPeer(this.remoteAddress, code, message);
    this.#connection.destroy();
    this.#finish({ by: 'error', message });
  }

  #finish(reason: CloseReason): void {
    this.#closed = true;
    this.#deadline.cancel();
    this.#queued = [];
    this.#queuedBytes = 0;
    this.#owner?.onClose(reason);
    this.#handlers.onGone(this);
  }
}

/** Errors that bytes from outside may cause, told from bugs of ours. */
function isProtocolError(error: Error): error is Error & { code: string } {
  return (
    error instanceof WireError ||
    ('code' in error && typeof error.code === 'string' && PROTOCOL_CODES.has(error.code))
  );
}

const PROTOCOL_CODES: ReadonlySet<string> = new Set([
  'ENTRY_TRUNCATED',
  'ENTRY_LENGTH',
  'ENTRY_FIELD',
  'ENTRY_HEADER_CHECKSUM',
  'ENTRY_BODY_CHECKSUM',
  'BATCH_FORMAT',
  'CONFIGURATION_FORMAT',
]);
