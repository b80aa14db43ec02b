import { parseHostPort } from '../../base/host-port.ts';
import { mark } from '../../base/marks.ts';
import type { Clock, TimerHandle } from '../../base/ports/clock.ts';
import type { Network } from '../../base/ports/network.ts';
import type { LogIndex, Term } from '../../base/units.ts';
import { decodeProduceResults } from '../../wire/broker-codec.ts';
import { decodeAppendResults } from '../../wire/client-codec.ts';
import { decodeError, errorInfo, type ErrorInfo } from '../../wire/errors.ts';
import { FrameKind, type Frame } from '../../wire/frame.ts';
import type { Hello } from '../../wire/handshake.ts';
import { asForwardable, frameOf, type Forwardable } from './forwardable.ts';
import { NodeConnection } from '../node-connection.ts';

/** Whose request it is. */
export interface ForwardingClient {
  readonly isOpen: boolean;
  /** It goes to the leader itself, or its requests came from another node already: one hop is enough. */
  readonly goesItself: boolean;
  /** Carries a request out here. */
  carryOut(frame: Frame): void;
  appended(requestId: number, index: LogIndex, term: Term, baseOffset: number | null): void;
  failed(requestId: number, error: ErrorInfo): void;
  /** An answer as it came from the leader. */
  relay(kind: Frame['kind'], requestId: number, body: Uint8Array): void;
}

export interface ForwarderParts {
  readonly network: Network;
  readonly clock: Clock;
  readonly enter: () => void;
  readonly leads: () => boolean;
  /** Where the leader is; null where nobody is known to lead, or this node does. */
  readonly leaderAddress: () => string | null;
  readonly hello: () => Hello;
}

interface Request {
  readonly client: ForwardingClient;
  readonly frame: Frame;
  readonly what: Forwardable;
  /** Monotonic. */
  readonly deadlineAtMs: number;
  /** In which order they came. */
  readonly arrival: number;
}

/** Requests that wait for a leader, and those that are with it: together. */
const REQUESTS_MAX = 16_384;
const BYTES_MAX = 16 * 1024 * 1024;
/** So long before its time is up a request that waits is answered: the answer has to arrive. */
const MARGIN_MS = 20;
/** Whoever was taken for the leader and says that it is not may be so in a moment. */
const RETRY_MS = 20;

/**
 * What clients ask that only the leader does, at a node that is not: passed on to it over one connection, or parked while
 * nobody leads, until just before its time is up. Requests of one client keep the order in which they came, and one that
 * came from another node goes no further.
 *
 * A client that follows redirects is told who leads instead, or that nobody does: it looks for the leader itself, which is
 * faster, and works too where this node is the one that is cut off.
 *
 * When the leader dies with requests, those that can be repeated safely wait for the next one; of the others nobody knows
 * what became.
 */
export class Forwarder {
  readonly #parts: ForwarderParts;
  /** In the order of their arrival. */
  #parked: Request[] = [];
  readonly #parkedOf = new Map<ForwardingClient, number>();
  #arrivals = 0;
  /** With the leader, by request id on the present connection. */
  readonly #sent = new Map<number, Request>();
  #nextRequestId = 1;
  #connection: NodeConnection | null = null;
  #address: string | null = null;
  #bytes = 0;
  #timer: TimerHandle | null = null;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #isReleaseDue = false;
  #isStopped = false;
  #forwarded = 0;

  constructor(parts: ForwarderParts) {
    this.#parts = parts;
  }

  counters(): Record<string, number> {
    return { requestsForwarded: this.#forwarded, requestsParked: this.#parked.length };
  }

  /** @returns whether the request is in good hands; if not, whoever asks carries it out. @throws WireError */
  takes(client: ForwardingClient, frame: Frame): boolean {
    const { leads, leaderAddress, clock } = this.#parts;
    if (client.goesItself) return false;
    // Behind its own that wait, also at a node that has just become the leader.
    const mustWait = this.#parkedOf.has(client);
    if (!mustWait && leads()) return false;
    const what = asForwardable(frame);
    if (what === null) return false;
    const held = this.#parked.length + this.#sent.size;
    if (held >= REQUESTS_MAX || this.#bytes + frame.body.length > BYTES_MAX) {
      mark('node.forwarding-full');
      client.failed(frame.requestId, errorInfo('OVERLOADED', `${held} requests wait for the leader already`));
      return true;
    }
    this.#arrivals += 1;
    this.#bytes += frame.body.length;
    const deadlineAtMs = clock.monotonicMs() + what.deadlineMs;
    const request: Request = { client, frame, what, deadlineAtMs, arrival: this.#arrivals };
    if (!mustWait && leaderAddress() !== null) this.#send(request);
    else {
      mark('node.request-parked');
      this.#park(request, deadlineAtMs - MARGIN_MS);
    }
    return true;
  }

  /** End of the turn. */
  flush(): void {
    this.#connection?.flush();
  }

  onLeaderChanged(): void {
    if (this.#connection !== null && this.#address !== this.#parts.leaderAddress())
      this.#lost('leadership has moved');
    this.#releaseSoon();
  }

  /** The client's connection is gone: nobody waits for its requests. */
  forget(client: ForwardingClient): void {
    if (!this.#parkedOf.delete(client)) return;
    for (const request of this.#parked) if (request.client === client) this.#done(request);
    this.#parked = this.#parked.filter((request) => request.client !== client);
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#connection?.close();
    this.#connection = null;
  }

  #send(request: Request): void {
    const connection = this.#connect();
    if (connection === null) {
      this.#park(request, this.#parts.clock.monotonicMs() + RETRY_MS);
      return;
    }
    mark('node.request-forwarded');
    const requestId = this.#nextRequestId;
    this.#nextRequestId += 1;
    this.#sent.set(requestId, request);
    this.#forwarded += 1;
    connection.send(request.what.encode(requestId, this.#leftMs(request)));
  }

  #connect(): NodeConnection | null {
    const { network, enter, leaderAddress, hello } = this.#parts;
    const address = leaderAddress();
    if (this.#connection !== null && this.#address === address) return this.#connection;
    const place = address === null ? null : parseHostPort(address);
    if (place === null) return null;
    this.#connection?.close();
    this.#address = address;
    this.#nextRequestId = 1;
    const connection = new NodeConnection(place, network, hello(), {
      enter,
      onUp: () => connection.flush(),
      onFrame: (frame) => this.#onFrame(frame),
      onDown: (why) => {
        if (this.#connection === connection) this.#lost(why);
      },
    });
    this.#connection = connection;
    return connection;
  }

  #onFrame(frame: Frame): void {
    switch (frame.kind) {
      case FrameKind.APPEND_RESULTS:
        for (const { firstRequestId, count, firstIndex, term } of decodeAppendResults(frame.body)) {
          for (let at = 0; at < count; at += 1)
            this.#appended(firstRequestId + at, (firstIndex + at) as LogIndex, term, null);
        }
        return;
      case FrameKind.PRODUCE_RESULTS:
        for (const { requestId, index, term, baseOffset } of decodeProduceResults(frame.body))
          this.#appended(requestId, index, term, baseOffset);
        return;
      case FrameKind.ERROR:
        this.#onError(frame.requestId, decodeError(frame.body));
        return;
      default: {
        const request = this.#answered(frame.requestId);
        request?.client.relay(frame.kind, request.frame.requestId, frame.body);
      }
    }
  }

  #appended(requestId: number, index: LogIndex, term: Term, baseOffset: number | null): void {
    const request = this.#answered(requestId);
    request?.client.appended(request.frame.requestId, index, term, baseOffset);
  }

  #onError(requestId: number, info: ErrorInfo): void {
    const request = this.#sent.get(requestId);
    if (request === undefined) return;
    switch (info.code) {
      case 'NOT_LEADER':
      case 'NO_LEADER':
      case 'SHUTTING_DOWN':
      case 'LEADERSHIP_LOST':
        if (info.outcome !== 'none' && !request.what.isRepeatable) break;
        this.#sent.delete(requestId);
        this.#park(request, this.#parts.clock.monotonicMs() + RETRY_MS);
        return;
      default:
    }
    this.#answered(requestId);
    request.client.failed(request.frame.requestId, info);
  }

  #answered(requestId: number): Request | null {
    const request = this.#sent.get(requestId);
    if (request === undefined) return null;
    this.#sent.delete(requestId);
    this.#done(request);
    return request.client.isOpen ? request : null;
  }

  /** The leader has what was sent, or not. What may be asked again waits in front of what came later. */
  #lost(why: string): void {
    const sent = [...this.#sent.values()];
    this.#sent.clear();
    this.#connection?.close();
    this.#connection = null;
    this.#address = null;
    const retryAtMs = this.#parts.clock.monotonicMs() + RETRY_MS;
    for (const request of sent) {
      if (request.what.isRepeatable) {
        mark('node.forwarded-again');
        this.#park(request, retryAtMs);
        continue;
      }
      mark('node.forwarded-outcome-lost');
      this.#done(request);
      const unknown = errorInfo('TIMEOUT_UNKNOWN', `${why} before the answer was known`);
      request.client.failed(request.frame.requestId, unknown);
    }
  }

  /** Where it belongs by its arrival: what comes back from a leader that died was there before what came since. */
  #park(request: Request, wakeAtMs: number): void {
    const { client } = request;
    let at = this.#parked.length;
    while (at > 0 && (this.#parked[at - 1] as Request).arrival > request.arrival) at -= 1;
    this.#parked.splice(at, 0, request);
    this.#parkedOf.set(client, (this.#parkedOf.get(client) ?? 0) + 1);
    this.#arm(wakeAtMs);
  }

  /** Not now: the core is in the middle of something. */
  #releaseSoon(): void {
    if (this.#isReleaseDue || this.#parked.length === 0) return;
    this.#isReleaseDue = true;
    this.#parts.clock.defer(() => {
      this.#isReleaseDue = false;
      if (this.#isStopped) return;
      this.#parts.enter();
      this.#release();
    });
  }

  /** In the order in which they came. */
  #release(): void {
    const { leads, leaderAddress, clock } = this.#parts;
    const waiting = this.#parked;
    this.#parked = [];
    this.#parkedOf.clear();
    const now = clock.monotonicMs();
    for (const request of waiting) {
      const { client, frame, what, deadlineAtMs } = request;
      if (!client.isOpen) this.#done(request);
      else if (deadlineAtMs - MARGIN_MS <= now) {
        mark('node.parked-until-its-deadline');
        this.#done(request);
        client.failed(frame.requestId, errorInfo('TIMEOUT', 'nobody led before the time was up'));
      } else if (leads()) {
        this.#done(request);
        client.carryOut(frameOf(frame, what.encode(frame.requestId, this.#leftMs(request))));
      } else if (leaderAddress() !== null) this.#send(request);
      else this.#park(request, deadlineAtMs - MARGIN_MS);
    }
    this.#connection?.flush();
  }

  #arm(atMs: number): void {
    if (atMs >= this.#timerAtMs || this.#isStopped) return;
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    const { clock, enter } = this.#parts;
    this.#timer = clock.setTimer(Math.max(0, atMs - clock.monotonicMs()), () => {
      this.#timer = null;
      this.#timerAtMs = Number.POSITIVE_INFINITY;
      enter();
      this.#release();
    });
  }

  #leftMs({ deadlineAtMs }: Request): number {
    return Math.max(0, Math.ceil(deadlineAtMs - this.#parts.clock.monotonicMs()));
  }

  #done({ frame }: Request): void {
    this.#bytes -= frame.body.length;
  }
}
