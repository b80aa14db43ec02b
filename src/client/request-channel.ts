import type { TimerHandle } from '../base/ports/clock.ts';
import { decodeError, type ErrorInfo } from '../wire/errors.ts';
import { encodeFrame, type Frame, type FrameKind, FrameKind as Kind } from '../wire/frame.ts';
import type { Endpoint } from './endpoint.ts';
import {
  ClosedError,
  RefusedError,
  TimeoutError,
  TimeoutUnknownError,
  UnreachableError,
  type DledgerError,
} from './errors.ts';
import { LeaderLink, type ClientPorts } from './leader-link.ts';

export interface Request {
  readonly kind: FrameKind;
  /** Laid out when it is sent, so that it can carry what is left of the time. */
  readonly body: (remainingMs: number) => Uint8Array;
  readonly answerKind: FrameKind;
  /** Whether it may be sent again after the connection was lost with no answer: true for reads. */
  readonly isRepeatable: boolean;
  readonly timeoutMs: number;
}

interface Pending {
  readonly request: Request;
  readonly deadlineMs: number;
  readonly done: (error: DledgerError | null, body: Uint8Array) => void;
  timer: TimerHandle;
  wasSent: boolean;
}

const NOTHING = new Uint8Array(0);
const OVERLOAD_PAUSE_MS = 20;

/** Requests to the leader that stand alone (reads, transfers), followed across redirects and failovers. */
export class RequestChannel {
  readonly #ports: ClientPorts;
  readonly #link: LeaderLink;
  readonly #waiting = new Set<Pending>();
  readonly #sent = new Map<number, Pending>();
  #nextRequestId = 1;
  #isClosed = false;

  constructor(endpoints: readonly Endpoint[], clusterId: string | null, ports: ClientPorts) {
    this.#ports = ports;
    this.#link = new LeaderLink(endpoints, clusterId, ports, {
      onUp: () => this.#sendWaiting(),
      onFrame: (frame) => this.#onFrame(frame),
      onDown: (why) => this.#onDown(why),
      onRefused: (refusal) => this.#failAll(new RefusedError(refusal)),
    });
  }

  ask(request: Request, done: (error: DledgerError | null, body: Uint8Array) => void): void {
    if (this.#isClosed) {
      this.#ports.clock.defer(() => done(new ClosedError(), NOTHING));
      return;
    }
    const deadlineMs = this.#ports.clock.monotonicMs() + request.timeoutMs;
    const timer = this.#ports.clock.setTimer(request.timeoutMs, () => this.#expire(pending));
    const pending: Pending = { request, deadlineMs, done, timer, wasSent: false };
    this.#waiting.add(pending);
    this.#link.open();
    this.#sendWaiting();
  }

  close(): void {
    this.#isClosed = true;
    this.#link.close();
    this.#failAll(new ClosedError());
  }

  #sendWaiting(): void {
    const session = this.#link.session;
    if (session === null) return;
    for (const pending of this.#waiting) {
      const requestId = this.#nextRequestId;
      this.#nextRequestId = requestId === 0xffffffff ? 1 : requestId + 1;
      const remainingMs = Math.max(0, Math.ceil(pending.deadlineMs - this.#ports.clock.monotonicMs()));
      pending.wasSent = true;
      this.#sent.set(requestId, pending);
      session.send(encodeFrame(pending.request.kind, requestId, [pending.request.body(remainingMs)]));
    }
    this.#waiting.clear();
  }

  #onFrame(frame: Frame): void {
    const pending = this.#sent.get(frame.requestId);
    if (pending === undefined) return;
    this.#sent.delete(frame.requestId);
    if (frame.kind === Kind.ERROR) this.#onError(pending, decodeError(frame.body));
    else if (frame.kind === pending.request.answerKind) this.#finish(pending, null, frame.body);
    else
      this.#link.session?.fail(
        `frame of kind ${frame.kind} answers a request of kind ${pending.request.kind}`,
      );
  }

  #onError(pending: Pending, info: ErrorInfo): void {
    switch (info.code) {
      case 'NOT_LEADER':
      case 'NO_LEADER':
      case 'SHUTTING_DOWN':
        // The node did nothing: what it refused may go to another, whatever it is.
        this.#waiting.add(pending);
        this.#link.redirect(info);
        return;
      case 'OVERLOADED':
        this.#ports.clock.setTimer(OVERLOAD_PAUSE_MS, () => {
          if (!this.#isClosed && pending.deadlineMs > this.#ports.clock.monotonicMs()) {
            this.#waiting.add(pending);
            this.#sendWaiting();
          }
        });
        return;
      default:
        this.#finish(pending, new RefusedError(info), NOTHING);
    }
  }

  #onDown(why: string): void {
    const sent = [...this.#sent.values()];
    this.#sent.clear();
    for (const pending of sent) {
      if (pending.request.isRepeatable) this.#waiting.add(pending);
      else
        this.#finish(
          pending,
          new TimeoutUnknownError(`the connection was lost before the answer: ${why}`),
          NOTHING,
        );
    }
  }

  #expire(pending: Pending): void {
    this.#waiting.delete(pending);
    for (const [requestId, other] of this.#sent) if (other === pending) this.#sent.delete(requestId);
    const tried = this.#link.tried;
    if (pending.wasSent && !pending.request.isRepeatable) {
      this.#finish(
        pending,
        new TimeoutUnknownError(`no answer within ${pending.request.timeoutMs} ms`),
        NOTHING,
      );
    } else if (this.#link.session === null && tried !== '') {
      this.#finish(
        pending,
        new UnreachableError(`no leader found within ${pending.request.timeoutMs} ms: ${tried}`),
        NOTHING,
      );
    } else {
      this.#finish(pending, new TimeoutError(`no answer within ${pending.request.timeoutMs} ms`), NOTHING);
    }
  }

  #failAll(error: DledgerError): void {
    const all = [...this.#waiting, ...this.#sent.values()];
    this.#waiting.clear();
    this.#sent.clear();
    for (const pending of all) this.#finish(pending, error, NOTHING);
  }

  #finish(pending: Pending, error: DledgerError | null, body: Uint8Array): void {
    pending.timer.cancel();
    pending.done(error, body);
  }
}
