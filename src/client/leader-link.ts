import type { Clock, TimerHandle } from '../base/ports/clock.ts';
import type { Network } from '../base/ports/network.ts';
import type { Prng } from '../base/prng.ts';
import type { ErrorInfo } from '../wire/errors.ts';
import type { Frame } from '../wire/frame.ts';
import type { HelloAck } from '../wire/handshake.ts';
import { parseEndpoint, type Endpoint } from './endpoint.ts';
import { Session } from './session.ts';

export interface ClientPorts {
  readonly network: Network;
  readonly clock: Clock;
  readonly prng: Prng;
}

export interface LeaderLinkHandlers {
  /** Connected to a node that says it leads. */
  onUp(session: Session, ack: HelloAck): void;
  onFrame(frame: Frame): void;
  /** Not connected any more; the link looks for the leader by itself. */
  onDown(why: string): void;
  /** It makes no sense to go on: a node refuses this client for what it is. */
  onRefused(refusal: ErrorInfo): void;
}

const BACKOFF_MS_MIN = 5;
const BACKOFF_MS_MAX = 250;

/**
 * A session with whoever leads, found from any endpoint and found anew after every failover. Nodes say who they think
 * leads when they greet and when they refuse; where nobody knows, the endpoints are asked in turn, with growing,
 * jittered pauses after each full round.
 */
export class LeaderLink {
  readonly #endpoints: readonly Endpoint[];
  readonly #clusterId: string | null;
  readonly #ports: ClientPorts;
  readonly #handlers: LeaderLinkHandlers;
  #session: Session | null = null;
  #isUp = false;
  #isClosed = false;
  #retryTimer: TimerHandle | null = null;
  #nextEndpoint = 0;
  /** Where somebody said the leader is: asked first, once. */
  #hint: string | null = null;
  #attempts = 0;
  readonly #lastTried = new Map<string, string>();

  constructor(
    endpoints: readonly Endpoint[],
    clusterId: string | null,
    ports: ClientPorts,
    handlers: LeaderLinkHandlers,
  ) {
    this.#endpoints = endpoints;
    this.#clusterId = clusterId;
    this.#ports = ports;
    this.#handlers = handlers;
    // Many clients that start together should not all ask the same node.
    this.#nextEndpoint = ports.prng.below(endpoints.length);
  }

  /** The session with the leader, while there is one. */
  get session(): Session | null {
    return this.#isUp ? this.#session : null;
  }

  /** What each address answered last, for messages to people. */
  get tried(): string {
    return [...this.#lastTried].map(([address, why]) => `${address} ${why}`).join(', ');
  }

  open(): void {
    if (this.#session === null && this.#retryTimer === null && !this.#isClosed) this.#tryNext();
  }

  close(): void {
    this.#isClosed = true;
    this.#retryTimer?.cancel();
    this.#session?.close();
    this.#session = null;
    this.#isUp = false;
  }

  /** The node on this session does not lead (any more). */
  redirect(info: ErrorInfo): void {
    this.#hint = info.leaderAddress;
    const session = this.#session;
    if (session === null) return;
    this.#lastTried.set(session.address, info.code);
    session.close();
    this.#lost(info.message);
  }

  #tryNext(): void {
    const endpoint = this.#choose();
    const session = new Session(endpoint, this.#clusterId, this.#ports, {
      onGreeted: (ack) => {
        if (this.#session === session) this.#onGreeted(session, ack);
      },
      onFrame: (frame) => {
        if (this.#session === session) this.#handlers.onFrame(frame);
      },
      onClosed: (why, refusal) => {
        if (this.#session !== session) return;
        this.#lastTried.set(session.address, why);
        if (refusal !== null && !refusal.retryable) this.#handlers.onRefused(refusal);
        this.#lost(why);
      },
    });
    this.#session = session;
  }

  #onGreeted(session: Session, ack: HelloAck): void {
    if (ack.leaderId === ack.nodeId) {
      this.#isUp = true;
      this.#attempts = 0;
      this.#lastTried.clear();
      this.#handlers.onUp(session, ack);
      return;
    }
    this.#lastTried.set(
      session.address,
      ack.leaderId === null ? 'knows no leader' : `says ${ack.leaderId} leads`,
    );
    this.#hint = ack.leaderAddress;
    session.close();
    this.#lost('does not lead');
  }

  #lost(why: string): void {
    const wasUp = this.#isUp;
    this.#isUp = false;
    this.#session = null;
    if (wasUp) this.#handlers.onDown(why);
    if (this.#isClosed) return;
    this.#attempts += 1;
    // The first round goes without a pause: after a failover somebody else leads already, or will in a moment.
    const round = Math.floor(this.#attempts / (this.#endpoints.length + 1));
    const delayMs = round === 0 ? 0 : Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(round - 1, 10));
    this.#retryTimer = this.#ports.clock.setTimer(delayMs * (0.5 + this.#ports.prng.fraction() / 2), () => {
      this.#retryTimer = null;
      if (!this.#isClosed) this.#tryNext();
    });
  }

  #choose(): Endpoint {
    const hinted = this.#hint === null ? null : parseEndpoint(this.#hint);
    this.#hint = null;
    if (hinted !== null) return hinted;
    const endpoint = this.#endpoints[this.#nextEndpoint % this.#endpoints.length] as Endpoint;
    this.#nextEndpoint += 1;
    return endpoint;
  }
}
