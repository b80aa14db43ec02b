import type { HostPort } from '../base/host-port.ts';
import { mark } from '../base/marks.ts';
import type { Clock, TimerHandle } from '../base/ports/clock.ts';
import type { CloseReason, Connection, Network } from '../base/ports/network.ts';
import type { Prng } from '../base/prng.ts';
import type { NodeId } from '../base/units.ts';
import { FrameKind, encodeFrame } from '../wire/frame.ts';
import { FrameParser } from '../wire/frame-parser.ts';
import type { Frame } from '../wire/frame.ts';
import { decodeError, type ErrorInfo } from '../wire/errors.ts';
import { decodeHelloAck, encodeHello, type Hello, type HelloAck } from '../wire/handshake.ts';
import { LIMITS } from '../wire/limits.ts';

export type Lane = 'control' | 'bulk';

export interface PeerLinkHandlers {
  /** Before anything else of an input. */
  enter(): void;
  hello(lane: Lane): Hello;
  /** The other side said who it is. @returns false to refuse it: the link closes and tries again later. */
  identified(lane: Lane, ack: HelloAck): boolean;
  up(lane: Lane): void;
  down(lane: Lane, reason: CloseReason): void;
  /** Established, then closed by the other side, and an immediate attempt to reconnect met nobody or a new process. */
  processGone(how: 'refused' | 'restarted'): void;
  /** The other side refused the handshake. */
  refused(lane: Lane, error: ErrorInfo): void;
  roundTrip(ms: number): void;
}

const CONNECT_TIMEOUT_MS = 1000;
const BACKOFF_MS_MIN = 20;
const BACKOFF_MS_MAX = 500;
/** So often at most, and so soon, a sudden close is inquired into. */
const INQUIRIES_MAX = 20;
const INQUIRY_PAUSE_MS = 2;
const PING_EVERY_MS = 250;
/**
 * A lane that stayed silent for this many pings is half open (the other host vanished): dial anew. Counted in rounds
 * and not in milliseconds, so that a pause of this process does not look like silence of the other.
 */
const SILENT_ROUNDS_MAX = 8;
const SILENT_ROUNDS_DOUBTFUL = 2;
/** What may wait in one lane. Beyond it messages are dropped, which Raft takes as loss and repairs. */
const BUFFERED_BYTES_MAX = { control: 1024 * 1024, bulk: 32 * 1024 * 1024 } as const;

/**
 * One lane to one peer: an outgoing connection that is kept up. Messages go one way (ours to them); the peer's own
 * link brings theirs. Two lanes, so that a vote never waits behind a megabyte of log.
 */
export class PeerLink {
  readonly peer: NodeId;
  readonly lane: Lane;
  readonly #address: HostPort;
  readonly #network: Network;
  readonly #clock: Clock;
  readonly #prng: Prng;
  readonly #handlers: PeerLinkHandlers;
  #connection: Connection | null = null;
  #state: 'closed' | 'connecting' | 'greeting' | 'up' | 'waiting' = 'closed';
  #backoffMs = BACKOFF_MS_MIN;
  #retryTimer: TimerHandle | null = null;
  #pingTimer: TimerHandle | null = null;
  #pingSentAtMs: number | null = null;
  #heard = false;
  #silentRounds = 0;
  #queued: Uint8Array[] = [];
  #queuedBytes = 0;
  /** Boot id of the process that the last established connection led to. */
  #bootId: number | null = null;
  /** An established connection was just closed by the other side: the next attempt is evidence. */
  #suspicious = false;
  #inquiriesLeft = 0;
  #dropped = 0;

  constructor(
    peer: NodeId,
    lane: Lane,
    address: HostPort,
    ports: { network: Network; clock: Clock; prng: Prng },
    handlers: PeerLinkHandlers,
  ) {
    this.peer = peer;
    this.lane = lane;
    this.#address = address;
    this.#network = ports.network;
    this.#clock = ports.clock;
    this.#prng = ports.prng;
    this.#handlers = handlers;
  }

  get isUp(): boolean {
    return this.#state === 'up';
  }

  /** It is up and was heard lately: a half-open link of a vanished process is up for a while, but silent. */
  get isAnswering(): boolean {
    return this.#state === 'up' && this.#silentRounds < SILENT_ROUNDS_DOUBTFUL;
  }

  /** Messages dropped because the lane was down or full. */
  get dropped(): number {
    return this.#dropped;
  }

  open(): void {
    if (this.#state === 'closed') this.#dial();
  }

  /** For good. */
  close(): void {
    this.#state = 'closed';
    this.#cancelTimers();
    this.#connection?.destroy();
    this.#connection = null;
    this.#clearQueue();
  }

  /** Drops the connection and dials anew at once: what was on its way on this lane is forgotten. */
  reset(): void {
    if (this.#state !== 'up') return;
    const connection = this.#connection;
    this.#afterClose({ by: 'local' });
    connection?.destroy();
  }

  /** The peer has just called: whoever it is answers now, so there is no use in waiting out a pause. */
  hasten(): void {
    if (this.#state !== 'waiting') return;
    mark('node.link-hastened');
    this.#backoffMs = BACKOFF_MS_MIN;
    this.#retryTimer?.cancel();
    this.#retryTimer = null;
    this.#dial();
  }

  /** Queues chunks of whole frames for `flush`. Dropped if the lane is down or full. */
  send(chunks: readonly Uint8Array[]): void {
    if (this.#state !== 'up' || this.#connection === null) {
      this.#dropped += 1;
      return;
    }
    let bytes = 0;
    for (const chunk of chunks) bytes += chunk.length;
    if (this.#connection.bufferedBytes + this.#queuedBytes + bytes > BUFFERED_BYTES_MAX[this.lane]) {
      this.#dropped += 1;
      return;
    }
    for (const chunk of chunks) this.#queued.push(chunk);
    this.#queuedBytes += bytes;
  }

  /** Writes what was queued in this turn, in one operation. */
  flush(): void {
    if (this.#queued.length === 0 || this.#connection === null) return;
    const chunks = this.#queued;
    this.#queued = [];
    this.#queuedBytes = 0;
    this.#connection.write(chunks);
  }

  #dial(): void {
    this.#state = 'connecting';
    const parser = new FrameParser({ bodyBytesMax: LIMITS.handshakeBytesMax }, (frame) =>
      this.#onFrame(frame),
    );
    const connection: Connection = this.#network.connect({
      host: this.#address.host,
      port: this.#address.port,
      timeoutMs: CONNECT_TIMEOUT_MS,
      handler: {
        onOpen: () => {
          if (this.#connection !== connection) return;
          this.#handlers.enter();
          this.#state = 'greeting';
          connection.write(encodeFrame(FrameKind.HELLO, 0, [encodeHello(this.#handlers.hello(this.lane))]));
          this.#silentRounds = 0;
          this.#armPing();
        },
        onData: (bytes) => {
          if (this.#connection !== connection) return;
          this.#handlers.enter();
          this.#heard = true;
          try {
            parser.push(bytes);
          } catch (error) {
            this.#fail(error instanceof Error ? error.message : String(error));
          }
        },
        onClose: (reason) => {
          if (this.#connection !== connection) return;
          this.#handlers.enter();
          this.#afterClose(reason);
        },
      },
    });
    this.#connection = connection;
  }

  #onFrame(frame: Frame): void {
    if (this.#connection === null) return;
    switch (frame.kind) {
      case FrameKind.HELLO_ACK:
        this.#onHelloAck(decodeHelloAck(frame.body));
        return;
      case FrameKind.PONG:
        if (this.#pingSentAtMs !== null) {
          this.#handlers.roundTrip(this.#clock.monotonicMs() - this.#pingSentAtMs);
          this.#pingSentAtMs = null;
        }
        return;
      case FrameKind.ERROR:
        this.#handlers.refused(this.lane, decodeError(frame.body));
        this.#fail('the other side refused');
        return;
      default:
        this.#fail(`frame of kind ${frame.kind} does not belong here`);
    }
  }

  #onHelloAck(ack: HelloAck): void {
    if (this.#state !== 'greeting') {
      this.#fail('a second greeting');
      return;
    }
    const restarted = this.#suspicious && this.#bootId !== null && ack.bootId !== this.#bootId;
    this.#suspicious = false;
    if (!this.#handlers.identified(this.lane, ack)) {
      this.#fail('not who it should be');
      return;
    }
    this.#bootId = ack.bootId;
    this.#backoffMs = BACKOFF_MS_MIN;
    this.#state = 'up';
    if (restarted) {
      mark('node.peer-process-restarted');
      this.#handlers.processGone('restarted');
    }
    this.#handlers.up(this.lane);
  }

  #fail(message: string): void {
    const connection = this.#connection;
    this.#afterClose({ by: 'error', message });
    connection?.destroy();
  }

  /**
   * A connection that the other side closed although it was established may mean that its process died, or only that
   * a reset was sent by something between. The proof is an attempt to reconnect, made at once: a live process accepts
   * it and shows the same boot id; where nobody listens it is refused. A close by this side, a time-out or a bad frame
   * prove nothing.
   */
  #afterClose(reason: CloseReason): void {
    const wasUp = this.#state === 'up';
    const wasSuspicious = this.#suspicious;
    const isRefused = reason.by === 'connect' && reason.code === 'refused';
    this.#suspicious = wasUp && reason.by === 'remote';
    if (this.#suspicious) this.#inquiriesLeft = INQUIRIES_MAX;
    this.#connection = null;
    this.#cancelTimers();
    this.#clearQueue();
    this.#state = 'waiting';
    if (wasUp) this.#handlers.down(this.lane, reason);
    if (wasSuspicious && isRefused) {
      mark('node.leader-process-gone');
      this.#handlers.processGone('refused');
    }
    if (this.#suspicious || (wasUp && reason.by === 'local')) {
      this.#dial();
      return;
    }
    // A dying process closes its sockets one by one: the attempt may still be taken in by the listening one and be
    // reset a moment later. That is no answer yet; ask again until there is one.
    if (wasSuspicious && !isRefused && this.#inquiriesLeft > 0) {
      mark('node.inquiry-repeated');
      this.#inquiriesLeft -= 1;
      this.#suspicious = true;
      this.#dialIn(INQUIRY_PAUSE_MS);
      return;
    }
    const delayMs = this.#backoffMs * (0.5 + this.#prng.fraction() / 2);
    this.#backoffMs = Math.min(this.#backoffMs * 2, BACKOFF_MS_MAX);
    this.#dialIn(delayMs);
  }

  #dialIn(delayMs: number): void {
    this.#retryTimer = this.#clock.setTimer(delayMs, () => {
      this.#retryTimer = null;
      this.#handlers.enter();
      if (this.#state === 'waiting') this.#dial();
    });
  }

  #armPing(): void {
    this.#pingTimer = this.#clock.setTimer(PING_EVERY_MS, () => {
      this.#handlers.enter();
      this.#silentRounds = this.#heard ? 0 : this.#silentRounds + 1;
      this.#heard = false;
      if (this.#silentRounds > SILENT_ROUNDS_MAX) {
        mark('node.half-open-link-dropped');
        this.#fail(`silent for ${this.#silentRounds} pings`);
        return;
      }
      if (this.#state === 'up' && this.#pingSentAtMs === null) {
        this.#pingSentAtMs = this.#clock.monotonicMs();
        this.#connection?.write(encodeFrame(FrameKind.PING, 0, []));
      }
      this.#armPing();
    });
  }

  #cancelTimers(): void {
    this.#retryTimer?.cancel();
    this.#retryTimer = null;
    this.#pingTimer?.cancel();
    this.#pingTimer = null;
    this.#pingSentAtMs = null;
  }

  #clearQueue(): void {
    this.#queued = [];
    this.#queuedBytes = 0;
  }
}
