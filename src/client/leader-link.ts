import { mark } from '../base/marks.ts';
import type { Clock, TimerHandle } from '../base/ports/clock.ts';
import type { Mutations } from '../base/mutations.ts';
import type { Network } from '../base/ports/network.ts';
import type { Prng } from '../base/prng.ts';
import type { ErrorInfo } from '../wire/errors.ts';
import type { Frame } from '../wire/frame.ts';
import type { HelloAck } from '../wire/handshake.ts';
import { formatEndpoint, parseEndpoint, type Endpoint } from './endpoint.ts';
import { Session } from './session.ts';

export interface ClientPorts {
  readonly network: Network;
  readonly clock: Clock;
  readonly prng: Prng;
  /** Wrong behaviours that a simulation must notice. Default none. */
  readonly mutations?: Mutations;
}

export interface LeaderLinkOptions {
  readonly endpoints: readonly Endpoint[];
  /** Nodes of another cluster are refused; null: any. */
  readonly clusterId: string | null;
  /** Whether any node will do, or only the one that leads. */
  readonly wants: 'leader' | 'anyNode';
}

export interface LeaderLinkHandlers {
  /** Connected to a node that says it leads (or to any, if that was wanted). */
  onUp(session: Session, ack: HelloAck): void;
  onFrame(frame: Frame): void;
  /** Not connected any more; the link looks for the leader by itself. */
  onDown(why: string): void;
  /** Every endpoint refuses this client for what it is: the link has given up until `open`. */
  onRefused(refusal: ErrorInfo): void;
}

const BACKOFF_MS_MIN = 10;
const BACKOFF_MS_MAX = 500;
/** Who was not there is not asked again on hearsay for so long: after a crash the hints lag behind. */
const ABSENT_MS = 300;
/** Who said nothing costs a long wait each time: the others come first for so long, unless one of them names it. */
const SILENT_MS = 2000;
/** Who was there and did not lead may have been elected since; two nodes that name each other are no busy loop. */
const NOT_LEADING_MS = 20;
const ADDRESSES_MAX = 16;

interface Attempt {
  /** How it ended. */
  readonly why: string;
  /** When a hint that names this address is worth following again. */
  readonly hintableAtMs: number;
  /** Until then others are asked first. */
  readonly avoidUntilMs: number;
}

/**
 * A session with whoever leads, found from any endpoint and found anew after every failover. Nodes say who they think
 * leads when they greet and when they refuse; where nobody knows, the addresses are asked in turn, with pauses that
 * grow after each full round.
 */
export class LeaderLink {
  readonly #options: LeaderLinkOptions;
  readonly #ports: ClientPorts;
  readonly #handlers: LeaderLinkHandlers;
  /** The endpoints, and leaders that were met by way of hints: the endpoints may all be gone one day. */
  readonly #addresses: Endpoint[];
  #session: Session | null = null;
  #isUp = false;
  #isClosed = false;
  #retryTimer: TimerHandle | null = null;
  #nextAddress: number;
  /** Where somebody said the leader is. */
  #hint: Endpoint | null = null;
  /** Attempts in a row that led to nothing. */
  #failures = 0;
  readonly #lastTried = new Map<string, Attempt>();
  /** Addresses whose last word was that this client is not welcome. */
  readonly #refusals = new Map<string, ErrorInfo>();

  constructor(options: LeaderLinkOptions, ports: ClientPorts, handlers: LeaderLinkHandlers) {
    this.#options = options;
    this.#ports = ports;
    this.#handlers = handlers;
    this.#addresses = [...options.endpoints];
    // Many clients that start together should not all ask the same node.
    this.#nextAddress = ports.prng.below(options.endpoints.length);
  }

  /** The session, while there is one with a node as it was wanted. */
  get session(): Session | null {
    return this.#isUp ? this.#session : null;
  }

  /** What each address answered last, for messages to people; empty before the first failure. */
  get tried(): string {
    return [...this.#lastTried].map(([address, { why }]) => `${address} ${why}`).join('; ');
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

  /** The node did what was asked: it is the right one, and the next search begins without pauses. */
  confirm(): void {
    this.#failures = 0;
  }

  /** The node does not lead (any more), or is on its way out. */
  redirect(info: ErrorInfo): void {
    const session = this.#session;
    if (session === null) return;
    mark('client.redirected');
    this.#hint = info.leaderAddress === null ? null : parseEndpoint(info.leaderAddress);
    session.close();
    this.#lost(session, `says ${info.code}`, NOT_LEADING_MS);
  }

  #tryNext(): void {
    const endpoint = this.#choose();
    const session: Session = new Session(endpoint, this.#options.clusterId, this.#ports, {
      onGreeted: (ack) => {
        if (this.#session === session) this.#onGreeted(session, endpoint, ack);
      },
      onFrame: (frame) => {
        if (this.#session === session) this.#handlers.onFrame(frame);
      },
      onClosed: (why, refusal, wasSilent) => {
        if (this.#session !== session) return;
        if (refusal !== null && !refusal.retryable) this.#refusals.set(session.address, refusal);
        this.#lost(session, why, ABSENT_MS, wasSilent ? SILENT_MS : 0);
      },
    });
    this.#session = session;
  }

  #onGreeted(session: Session, endpoint: Endpoint, ack: HelloAck): void {
    this.#refusals.delete(session.address);
    if (this.#options.wants === 'anyNode' || ack.leaderId === ack.nodeId) {
      this.#isUp = true;
      this.#remember(endpoint);
      this.#handlers.onUp(session, ack);
      return;
    }
    this.#hint = ack.leaderAddress === null ? null : parseEndpoint(ack.leaderAddress);
    session.close();
    const why = ack.leaderId === null ? 'knows no leader' : `says that ${ack.leaderId} leads`;
    this.#lost(session, why, NOT_LEADING_MS);
  }

  #lost(session: Session, why: string, hintableInMs: number, avoidMs = 0): void {
    const wasUp = this.#isUp;
    this.#isUp = false;
    this.#session = null;
    this.#failures += 1;
    const now = this.#ports.clock.monotonicMs();
    const attempt = { why, hintableAtMs: now + hintableInMs, avoidUntilMs: now + avoidMs };
    this.#lastTried.set(session.address, attempt);
    const refusal = this.#refusals.get(session.address);
    if (refusal !== undefined && this.#addresses.every((each) => this.#refusals.has(formatEndpoint(each)))) {
      this.#refusals.clear();
      this.#handlers.onRefused(refusal);
      return;
    }
    this.#retryTimer = this.#ports.clock.setTimer(this.#pauseMs(), () => {
      this.#retryTimer = null;
      this.#tryNext();
    });
    if (wasUp) this.#handlers.onDown(why);
  }

  /** The first round goes without a pause: after a failover somebody else leads already, or will in a moment. */
  #pauseMs(): number {
    // Decided now, not after the pause: two nodes that name each other would keep us from asking the third.
    if (!this.#isHintFresh()) {
      if (this.#hint !== null) mark('client.hint-was-stale');
      this.#hint = null;
    }
    if (this.#hint !== null) return 0;
    const round = Math.floor(this.#failures / (this.#addresses.length + 1));
    if (round === 0) return 0;
    const pauseMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(round - 1, 10));
    return pauseMs * (0.5 + this.#ports.prng.fraction() / 2);
  }

  #isHintFresh(): boolean {
    if (this.#hint === null) return false;
    const last = this.#lastTried.get(formatEndpoint(this.#hint));
    return last === undefined || this.#ports.clock.monotonicMs() >= last.hintableAtMs;
  }

  #choose(): Endpoint {
    const hint = this.#hint;
    this.#hint = null;
    if (hint !== null) return hint;
    const count = this.#addresses.length;
    for (let skipped = 0; skipped < count; skipped += 1) {
      const endpoint = this.#addresses[(this.#nextAddress + skipped) % count] as Endpoint;
      if (this.#isAvoided(endpoint)) continue;
      this.#nextAddress += skipped + 1;
      return endpoint;
    }
    const endpoint = this.#addresses[this.#nextAddress % count] as Endpoint;
    this.#nextAddress += 1;
    return endpoint;
  }

  #isAvoided(endpoint: Endpoint): boolean {
    const last = this.#lastTried.get(formatEndpoint(endpoint));
    return last !== undefined && this.#ports.clock.monotonicMs() < last.avoidUntilMs;
  }

  #remember(endpoint: Endpoint): void {
    const isKnown = this.#addresses.some(
      (other) => other.host === endpoint.host && other.port === endpoint.port,
    );
    if (!isKnown && this.#addresses.length < ADDRESSES_MAX) this.#addresses.push(endpoint);
  }
}
