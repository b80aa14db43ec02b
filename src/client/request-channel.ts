import { mark } from '../base/marks.ts';
import type { TimerHandle } from '../base/ports/clock.ts';
import { decodeError, type ErrorInfo } from '../wire/errors.ts';
import { FrameKind, encodeFrame, type Frame } from '../wire/frame.ts';
import { WireError } from '../wire/wire-error.ts';
import {
  ClosedError,
  RefusedError,
  TimeoutError,
  TimeoutUnknownError,
  UnreachableError,
  type DledgerError,
} from './errors.ts';
import { LeaderLink, type ClientPorts, type LeaderLinkOptions } from './leader-link.ts';

export interface Request<T> {
  readonly kind: FrameKind;
  readonly answerKind: FrameKind;
  /** Whether it may be sent again after the connection was lost with no answer: true for reads. */
  readonly isRepeatable: boolean;
  readonly timeoutMs: number;
  /** Laid out when it is sent, so that it can carry what is left of the time. */
  encode(remainingMs: number): Uint8Array;
  /** @throws WireError where the answer makes no sense: then another node is asked, while there is time. */
  decode(body: Uint8Array): T;
}

export type Answered<T> = (error: DledgerError | null, answer: T | null) => void;

/** Gives a request up; its callback is not called any more. @returns what may have become of it. */
export type Cancel = () => 'none' | 'unknown';

interface Pending {
  readonly request: Request<unknown>;
  readonly done: Answered<unknown>;
  readonly deadlineMs: number;
  timer: TimerHandle | null;
  /** On the present connection; 0 while it waits to be sent. */
  requestId: number;
  wasSent: boolean;
}

const PAUSE_MS_MIN = 10;
const PAUSE_MS_MAX = 500;
const REQUEST_ID_MAX = 0xffffffff;

/** Requests that stand alone (reads, transfers), followed across redirects and failovers until their time is up. */
export class RequestChannel {
  readonly #ports: ClientPorts;
  readonly #link: LeaderLink;
  readonly #waiting = new Set<Pending>();
  readonly #sent = new Map<number, Pending>();
  #nextRequestId = 1;
  #pauseMs = PAUSE_MS_MIN;
  #pauseTimer: TimerHandle | null = null;
  #isClosed = false;

  constructor(options: LeaderLinkOptions, ports: ClientPorts) {
    this.#ports = ports;
    this.#link = new LeaderLink(options, ports, {
      onUp: () => this.#sendWaiting(),
      onFrame: (frame) => this.#onFrame(frame),
      onDown: (why) => this.#onDown(why),
      onRefused: (refusal) => this.#failAll(() => new RefusedError(refusal)),
    });
  }

  /** @param done called once, in a later turn, unless the request was cancelled. */
  ask<T>(request: Request<T>, done: Answered<T>): Cancel {
    if (this.#isClosed) {
      this.#ports.clock.defer(() => done(new ClosedError('none'), null));
      return () => 'none';
    }
    const pending: Pending = {
      request,
      done: done as Answered<unknown>,
      deadlineMs: this.#ports.clock.monotonicMs() + request.timeoutMs,
      timer: null,
      requestId: 0,
      wasSent: false,
    };
    pending.timer = this.#ports.clock.setTimer(request.timeoutMs, () => this.#expire(pending));
    this.#waiting.add(pending);
    this.#link.open();
    this.#sendWaiting();
    return () => {
      this.#forget(pending);
      return outcomeOf(pending);
    };
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#pauseTimer?.cancel();
    this.#link.close();
    this.#failAll((pending) => new ClosedError(outcomeOf(pending)));
  }

  #sendWaiting(): void {
    const session = this.#link.session;
    if (session === null || this.#pauseTimer !== null) return;
    for (const pending of this.#waiting) {
      const { request } = pending;
      pending.requestId = this.#nextRequestId;
      pending.wasSent = true;
      this.#nextRequestId = this.#nextRequestId === REQUEST_ID_MAX ? 1 : this.#nextRequestId + 1;
      this.#sent.set(pending.requestId, pending);
      const remainingMs = Math.max(0, pending.deadlineMs - this.#ports.clock.monotonicMs());
      session.send(encodeFrame(request.kind, pending.requestId, [request.encode(remainingMs)]));
    }
    this.#waiting.clear();
  }

  #onFrame(frame: Frame): void {
    const pending = this.#ports.mutations?.matchesAnswersByOrder
      ? this.#sent.values().next().value
      : this.#sent.get(frame.requestId);
    // Whoever asked has gone.
    if (pending === undefined) return;
    if (frame.kind === FrameKind.ERROR) {
      this.#onError(pending, decodeError(frame.body));
      return;
    }
    const { request } = pending;
    if (frame.kind !== request.answerKind) {
      throw new WireError('BAD_BODY', `a frame of kind ${frame.kind} answers one of kind ${request.kind}`);
    }
    const answer = request.decode(frame.body);
    this.#link.confirm();
    this.#pauseMs = PAUSE_MS_MIN;
    this.#forget(pending);
    pending.done(null, answer);
  }

  #onError(pending: Pending, info: ErrorInfo): void {
    switch (info.code) {
      case 'NOT_LEADER':
      case 'NO_LEADER':
      case 'SHUTTING_DOWN':
        // The node did nothing: what it refused may go to another, whatever it is.
        this.#wait(pending);
        this.#link.redirect(info);
        return;
      case 'LEADERSHIP_LOST':
        // It may have happened, or happen yet: whoever may ask twice asks the next leader.
        if (!pending.request.isRepeatable) break;
        this.#wait(pending);
        this.#link.redirect(info);
        return;
      case 'OVERLOADED':
      case 'TIMEOUT':
      // It hands over to a node that has what is damaged here, or puts it back.
      case 'DAMAGED':
        this.#wait(pending);
        this.#pause();
        return;
      default:
    }
    this.#forget(pending);
    pending.done(new RefusedError(info), null);
  }

  #pause(): void {
    if (this.#pauseTimer !== null) return;
    const pauseMs = this.#pauseMs * (0.5 + this.#ports.prng.fraction() / 2);
    this.#pauseMs = Math.min(PAUSE_MS_MAX, this.#pauseMs * 2);
    this.#pauseTimer = this.#ports.clock.setTimer(pauseMs, () => {
      this.#pauseTimer = null;
      this.#sendWaiting();
    });
  }

  #onDown(why: string): void {
    const sent = [...this.#sent.values()];
    for (const pending of sent) {
      if (pending.request.isRepeatable) {
        mark('client.read-repeated');
        this.#wait(pending);
        continue;
      }
      this.#forget(pending);
      pending.done(new TimeoutUnknownError(`the connection was lost before the answer: ${why}`), null);
    }
  }

  #expire(pending: Pending): void {
    this.#forget(pending);
    const { timeoutMs } = pending.request;
    const { tried } = this.#link;
    if (outcomeOf(pending) === 'unknown') {
      pending.done(new TimeoutUnknownError(`no answer within ${timeoutMs} ms`), null);
    } else if (this.#link.session === null && tried !== '') {
      pending.done(new UnreachableError(`no leader was found within ${timeoutMs} ms: ${tried}`), null);
    } else {
      pending.done(new TimeoutError(`no answer within ${timeoutMs} ms`), null);
    }
  }

  /** Back among those that are to be sent. */
  #wait(pending: Pending): void {
    this.#sent.delete(pending.requestId);
    pending.requestId = 0;
    this.#waiting.add(pending);
  }

  #forget(pending: Pending): void {
    pending.timer?.cancel();
    this.#waiting.delete(pending);
    if (this.#sent.get(pending.requestId) === pending) this.#sent.delete(pending.requestId);
  }

  #failAll(error: (pending: Pending) => DledgerError): void {
    for (const pending of [...this.#waiting, ...this.#sent.values()]) {
      this.#forget(pending);
      pending.done(error(pending), null);
    }
  }
}

/** A request that can be repeated changes nothing. */
function outcomeOf(pending: Pending): 'none' | 'unknown' {
  return pending.wasSent && !pending.request.isRepeatable ? 'unknown' : 'none';
}
