import type { TimerHandle } from '../base/ports/clock.ts';
import type { Incarnation } from '../base/units.ts';
import { decodeStatusResult } from '../wire/client-codec.ts';
import { decodeError } from '../wire/errors.ts';
import { FrameKind, encodeFrame } from '../wire/frame.ts';
import type { NodeStatus } from '../wire/status-schema.ts';
import { decodeEvents, encodeWatch, type NodeEvent } from '../wire/watch-schema.ts';
import type { Endpoint } from './endpoint.ts';
import type { ClientPorts } from './leader-link.ts';
import { Session } from './session.ts';

export interface NodeWatchOptions {
  readonly clusterId: string | null;
  /** 100..60,000. */
  readonly statusEveryMs: number;
  /** Whether what happened before is wanted too, as far as the node keeps it. */
  readonly wantsPast: boolean;
}

export interface NodeWatchHandlers {
  onStatus(status: NodeStatus): void;
  onEvents(events: readonly NodeEvent[]): void;
  /** Not connected, or not any more; the watch tries again by itself. */
  onDown(why: string): void;
}

const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 1000;

/** Looks on at one node for as long as it is wanted, through its deaths and restarts. No event is told twice. */
export class NodeWatch {
  readonly #endpoint: Endpoint;
  readonly #options: NodeWatchOptions;
  readonly #ports: ClientPorts;
  readonly #handlers: NodeWatchHandlers;
  #session: Session | null = null;
  #retry: TimerHandle | null = null;
  #backoffMs = BACKOFF_MS_MIN;
  #lastSequence: number | null;
  #incarnation: Incarnation | null = null;
  #isClosed = false;

  constructor(
    endpoint: Endpoint,
    options: NodeWatchOptions,
    ports: ClientPorts,
    handlers: NodeWatchHandlers,
  ) {
    this.#endpoint = endpoint;
    this.#options = options;
    this.#ports = ports;
    this.#handlers = handlers;
    this.#lastSequence = options.wantsPast ? 0 : null;
    this.#dial();
  }

  close(): void {
    this.#isClosed = true;
    this.#retry?.cancel();
    this.#session?.close();
  }

  #dial(): void {
    const session: Session = new Session(this.#endpoint, this.#options.clusterId, this.#ports, {
      onGreeted: ({ incarnation }) => {
        this.#backoffMs = BACKOFF_MS_MIN;
        // A node that lost its disk numbers its events anew: all of them are to come.
        if (this.#incarnation !== null && this.#incarnation !== incarnation) this.#lastSequence = 0;
        this.#incarnation = incarnation;
        const { statusEveryMs } = this.#options;
        const watch = { statusEveryMs, eventsAfter: this.#lastSequence };
        session.send(encodeFrame(FrameKind.WATCH, 1, [encodeWatch(watch)]));
      },
      onFrame: (frame) => {
        if (frame.kind === FrameKind.STATUS_RESULT) this.#handlers.onStatus(decodeStatusResult(frame.body));
        else if (frame.kind === FrameKind.EVENTS) this.#onEvents(decodeEvents(frame.body).events);
        else if (frame.kind === FrameKind.ERROR) session.fail(decodeError(frame.body).message);
      },
      onClosed: (why) => this.#onClosed(why),
    });
    this.#session = session;
  }

  #onEvents(events: readonly NodeEvent[]): void {
    this.#lastSequence = events.at(-1)?.sequence ?? this.#lastSequence;
    this.#handlers.onEvents(events);
  }

  #onClosed(why: string): void {
    if (this.#isClosed) return;
    this.#session = null;
    this.#handlers.onDown(why);
    const delayMs = this.#backoffMs * (0.5 + this.#ports.prng.fraction() / 2);
    this.#backoffMs = Math.min(this.#backoffMs * 2, BACKOFF_MS_MAX);
    this.#retry = this.#ports.clock.setTimer(delayMs, () => this.#dial());
  }
}
