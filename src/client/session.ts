import { mark } from '../base/marks.ts';
import type { Clock, TimerHandle } from '../base/ports/clock.ts';
import { NO_MUTATIONS, type Mutations } from '../base/mutations.ts';
import type { CloseReason, Connection, Network } from '../base/ports/network.ts';
import { UNKNOWN_INCARNATION } from '../base/units.ts';
import { decodeError, errorInfo, type ErrorInfo } from '../wire/errors.ts';
import { FrameKind, encodeFrame, type Frame } from '../wire/frame.ts';
import { FrameParser } from '../wire/frame-parser.ts';
import { decodeHelloAck, encodeHello, type HelloAck } from '../wire/handshake.ts';
import { LIMITS } from '../wire/limits.ts';
import { WireError } from '../wire/wire-error.ts';
import { formatEndpoint, type Endpoint } from './endpoint.ts';

export interface SessionHandlers {
  /** The node greeted back. */
  onGreeted(ack: HelloAck): void;
  /** An answer, after the greeting. A WireError thrown from here ends the session. */
  onFrame(frame: Frame): void;
  /**
   * The last call. `refusal` is what the node said, if the greeting failed on that; `wasSilent`: nobody closed it, there was
   * no word from the other side for too long.
   */
  onClosed(why: string, refusal: ErrorInfo | null, wasSilent: boolean): void;
}

export interface SessionPorts {
  readonly network: Network;
  readonly clock: Clock;
  readonly mutations?: Mutations;
}

const SOFTWARE_VERSION = '0.1.0';
const CONNECT_TIMEOUT_MS = 1000;
const GREETING_TIMEOUT_MS = 500;
/**
 * A leader that hangs or is cut off closes no connection: this is how its clients notice, and so a part of every silent
 * failover. Leaving a leader that was only slow costs no more than finding it again. Who waits for an answer looks twice
 * as often: about as long as the nodes themselves take to replace a leader.
 */
const PING_EVERY_MS = 100;
const PING_EVERY_MS_WAITING = 50;
/** Rounds of silence, not milliseconds: a pause of this process must not look like silence of the node. */
const SILENT_ROUNDS_MAX = 3;

/** One greeted connection to one node. What is sent in one turn leaves in one write. */
export class Session {
  readonly address: string;
  readonly #clusterId: string | null;
  readonly #clock: Clock;
  readonly #handlers: SessionHandlers;
  readonly #connection: Connection;
  readonly #parser: FrameParser;
  #isGreeted = false;
  #isClosed = false;
  #queued: Uint8Array[] = [];
  #isFlushDue = false;
  #timer: TimerHandle | null = null;
  #wasHeard = false;
  /** Something was asked since the last word of the node. */
  #isWaiting = false;
  #silentRounds = 0;
  #silentMs = 0;

  /** @param clusterId nodes of another cluster are refused; null: any. */
  constructor(endpoint: Endpoint, clusterId: string | null, ports: SessionPorts, handlers: SessionHandlers) {
    this.address = formatEndpoint(endpoint);
    this.#clusterId = clusterId;
    this.#clock = ports.clock;
    this.#handlers = handlers;
    const { mutations = NO_MUTATIONS } = ports;
    const options = { bodyBytesMax: LIMITS.handshakeBytesMax, mutations };
    this.#parser = new FrameParser(options, (frame) => this.#onFrame(frame));
    this.#connection = ports.network.connect({
      host: endpoint.host,
      port: endpoint.port,
      timeoutMs: CONNECT_TIMEOUT_MS,
      handler: {
        onOpen: () => this.#greet(),
        onData: (bytes) => this.#onData(bytes),
        onClose: (reason) =>
          this.#end(describe(reason), null, reason.by === 'connect' && reason.code === 'timeout'),
      },
    });
  }

  /** Queues chunks of whole frames; they leave at the end of this turn. */
  send(chunks: readonly Uint8Array[]): void {
    if (this.#isClosed) return;
    this.#isWaiting = true;
    this.#queue(chunks);
  }

  #queue(chunks: readonly Uint8Array[]): void {
    for (const chunk of chunks) this.#queued.push(chunk);
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    this.#clock.defer(() => {
      this.#isFlushDue = false;
      this.flush();
    });
  }

  /** Writes what is queued: for whoever is at the end of a turn already. */
  flush(): void {
    if (this.#isClosed || this.#queued.length === 0) return;
    const chunks = this.#queued;
    this.#queued = [];
    this.#connection.write(chunks);
  }

  /** Ends the session because something on it is not right. */
  fail(why: string): void {
    this.#fail(why, false);
  }

  #fail(why: string, wasSilent: boolean): void {
    if (this.#isClosed) return;
    this.#connection.destroy();
    this.#end(why, null, wasSilent);
  }

  /** Ends the session in good order; no handler is called any more. */
  close(): void {
    if (this.#isClosed) return;
    this.flush();
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#connection.close();
  }

  #greet(): void {
    if (this.#isClosed) return;
    this.#connection.write(encodeFrame(FrameKind.HELLO, 0, [encodeHello(hello(this.#clusterId))]));
    // A stopped process still accepts connections, by its kernel; only a greeting shows that somebody is there.
    this.#timer = this.#clock.setTimer(GREETING_TIMEOUT_MS, () => {
      mark('client.greeting-overdue');
      this.#fail('does not greet back', true);
    });
  }

  #onData(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    this.#wasHeard = true;
    this.#isWaiting = false;
    try {
      this.#parser.push(bytes);
    } catch (error) {
      // Bytes that are not our protocol, or an answer that makes no sense: nothing on this connection can be trusted.
      this.fail(`spoke nonsense: ${error instanceof Error ? error.message : String(error)}`);
      if (!(error instanceof WireError)) throw error;
    }
  }

  #onFrame(frame: Frame): void {
    if (this.#isClosed) return;
    if (!this.#isGreeted) this.#onGreeting(frame);
    else if (frame.kind !== FrameKind.PONG) this.#handlers.onFrame(frame);
  }

  #onGreeting(frame: Frame): void {
    if (frame.kind === FrameKind.ERROR) {
      this.#refuse(decodeError(frame.body));
      return;
    }
    if (frame.kind !== FrameKind.HELLO_ACK) {
      this.fail(`greeted back with a frame of kind ${frame.kind}`);
      return;
    }
    const ack = decodeHelloAck(frame.body);
    if (this.#clusterId !== null && ack.clusterId !== null && ack.clusterId !== this.#clusterId) {
      const text = `${ack.nodeId} belongs to cluster ${ack.clusterId}, not to ${this.#clusterId}`;
      this.#refuse(errorInfo('WRONG_CLUSTER', text));
      return;
    }
    this.#parser.setLimit(LIMITS.clientResponseBytesMax);
    this.#isGreeted = true;
    this.#timer?.cancel();
    this.#armPing();
    this.#handlers.onGreeted(ack);
  }

  #armPing(): void {
    const roundMs = this.#isWaiting ? PING_EVERY_MS_WAITING : PING_EVERY_MS;
    this.#timer = this.#clock.setTimer(roundMs, () => {
      this.#silentRounds = this.#wasHeard ? 0 : this.#silentRounds + 1;
      this.#silentMs = this.#wasHeard ? 0 : this.#silentMs + roundMs;
      if (this.#silentRounds > SILENT_ROUNDS_MAX) {
        mark('client.silent-connection-dropped');
        this.#fail(`silent for ${this.#silentMs} ms`, true);
        return;
      }
      if (!this.#wasHeard) this.#queue(encodeFrame(FrameKind.PING, 0, []));
      this.#wasHeard = false;
      this.#armPing();
    });
  }

  #refuse(refusal: ErrorInfo): void {
    this.#connection.destroy();
    this.#end(`refused: ${refusal.message}`, refusal, false);
  }

  #end(why: string, refusal: ErrorInfo | null, wasSilent: boolean): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#queued = [];
    this.#handlers.onClosed(why, refusal, wasSilent);
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
    redirects: true,
    forwarded: false,
    softwareVersion: SOFTWARE_VERSION,
    credentials: null,
  };
}

function describe(reason: CloseReason): string {
  switch (reason.by) {
    case 'remote':
      return reason.code === 'end' ? 'closed the connection' : 'reset the connection';
    case 'connect':
      if (reason.code === 'refused') return 'connection refused';
      return reason.code === 'timeout' ? 'does not answer' : reason.message;
    case 'error':
      return reason.message;
    case 'local':
      return 'closed';
  }
}
