import { mark } from '../base/marks.ts';
import type { Clock, TimerHandle } from '../base/ports/clock.ts';
import {
  decodeGroupResult,
  encodeGroup,
  groupRequestLater,
  type GroupRequest,
  type GroupResult,
  type GroupView,
  type QueuePosition,
} from '../wire/broker-schema.ts';
import { FrameKind } from '../wire/frame.ts';
import { WireError } from '../wire/wire-error.ts';
import type { DledgerError } from './errors.ts';
import type { Cancel, Request, RequestChannel } from './request-channel.ts';

export interface GroupMemberOptions {
  readonly group: string;
  /** Who this is, in words of its own: joining again as the same instance takes the old place. */
  readonly instance: string;
  /** For people who look at the group. */
  readonly clientName: string;
  readonly topics: readonly string[];
  readonly sessionTimeoutMs: number;
  readonly timeoutMs: number;
}

export interface GroupMemberHandlers {
  /** What this member has, as of now. */
  onView(view: GroupView): void;
  /** The group has gone on without this member: nothing that it had is its own any more. It joins again by itself. */
  onLost(why: string): void;
  /** It cannot be a member, and tries no more. */
  onFailed(error: DledgerError): void;
}

type Op = GroupRequest['op'];
type RequestOf<O extends Op> = Omit<Extract<GroupRequest, { readonly op: O }>, 'deadlineMs' | 'group'>;
type ResultOf<O extends Op> = Extract<GroupResult, { readonly op: O }>;

/**
 * What the group said longer ago than this share of a session may be of a membership that has ended since: the session
 * counts from when this member was heard, by a clock that may go faster.
 */
const TRUSTED_SHARE = 2 / 3;
/** No generation of a group: it is answered at once. */
const NO_GENERATION = 0;
/** Between heartbeats that are answered at once although nothing has changed. */
const PAUSE_MS = 100;
const LEAVE_TIMEOUT_MS = 2000;

/** Membership of a consumer group: joining, heartbeats, commits, leaving. */
export class GroupMember {
  readonly #channel: RequestChannel;
  readonly #clock: Clock;
  readonly #options: GroupMemberOptions;
  readonly #handlers: GroupMemberHandlers;
  #view: GroupView | null = null;
  #wasMember = false;
  #sequence = 0;
  #heartbeat: Cancel | null = null;
  #timer: TimerHandle | null = null;
  /** Runs out when the group was not heard of for as long as its word is trusted. */
  #trust: TimerHandle | null = null;
  #isClosed = false;

  constructor(
    channel: RequestChannel,
    clock: Clock,
    options: GroupMemberOptions,
    handlers: GroupMemberHandlers,
  ) {
    this.#channel = channel;
    this.#clock = clock;
    this.#options = options;
    this.#handlers = handlers;
  }

  /** 0 while it is none. */
  get memberId(): number {
    return this.#view?.memberId ?? 0;
  }

  join(): void {
    const { instance, clientName, topics, sessionTimeoutMs, timeoutMs } = this.#options;
    const request = { op: 'join', instance, clientName, topics, sessionTimeoutMs } as const;
    this.#heartbeat = this.#ask(request, timeoutMs, (error, view, askedAtMs) => {
      this.#heartbeat = null;
      if (view !== null) {
        this.#wasMember = true;
        this.#adopt(view, askedAtMs);
      } else if (error !== null && (this.#wasMember ? error.retryable : false))
        this.#later(() => this.join());
      else if (error !== null) this.#handlers.onFailed(error);
    });
  }

  /**
   * Commits positions and gives queues up. A commit of somebody who is no member any more is the end of this membership,
   * and reported as such beside its own error.
   */
  commit(
    positions: readonly QueuePosition[],
    release: readonly number[],
    done: (error: DledgerError | null) => void,
  ): void {
    const { memberId } = this;
    this.#sequence += 1;
    const request = { op: 'commit', memberId, sequence: this.#sequence, positions, release } as const;
    this.#ask(request, this.#options.timeoutMs, (error) => {
      if (error !== null && isFenced(error) && memberId === this.memberId) this.#lose(error.message);
      done(error);
    });
  }

  /** Ends the membership. Whether or not the group hears of it, this one is done. */
  leave(done: () => void): void {
    const { memberId } = this;
    this.close();
    if (memberId === 0) this.#clock.defer(done);
    else this.#ask({ op: 'leave', memberId }, LEAVE_TIMEOUT_MS, done);
  }

  close(): void {
    this.#isClosed = true;
    this.#view = null;
    this.#timer?.cancel();
    this.#trust?.cancel();
    this.#heartbeat?.();
    this.#heartbeat = null;
  }

  #adopt(view: GroupView, askedAtMs: number): void {
    const trustedMs = this.#options.sessionTimeoutMs * TRUSTED_SHARE;
    const leftMs = askedAtMs + trustedMs - this.#clock.monotonicMs();
    if (leftMs <= 0) {
      mark('client.stale-view');
      this.#view = { ...view, generation: NO_GENERATION };
      this.#beat();
      return;
    }
    this.#trust?.cancel();
    this.#trust = this.#clock.setTimer(leftMs, () => {
      mark('client.group-unheard');
      this.#lose(`nothing was heard of the group for ${Math.round(trustedMs)} ms`);
    });
    const isNew = this.#view?.memberId !== view.memberId || this.#view.generation !== view.generation;
    this.#view = view;
    if (isNew) {
      this.#handlers.onView(view);
      this.#beat();
    } else this.#later(() => this.#beat());
  }

  /** A long poll: it is answered when the group changes, and by being asked it says that this member lives. */
  #beat(): void {
    const view = this.#view;
    if (view === null || this.#isClosed) return;
    const { memberId, generation } = view;
    const { sessionTimeoutMs, timeoutMs } = this.#options;
    const waitMs = Math.floor(sessionTimeoutMs / 6);
    const request = { op: 'heartbeat', memberId, generation, waitMs } as const;
    this.#heartbeat = this.#ask(request, waitMs + timeoutMs, (error, answer, askedAtMs) => {
      this.#heartbeat = null;
      if (answer !== null) this.#adopt(answer, askedAtMs);
      else if (error !== null && isFenced(error)) this.#lose(error.message);
      else if (error?.retryable === true) this.#later(() => this.#beat());
      else if (error !== null) this.#handlers.onFailed(error);
    });
  }

  #lose(why: string): void {
    if (this.#isClosed || this.#view === null) return;
    this.#view = null;
    this.#trust?.cancel();
    this.#heartbeat?.();
    this.#heartbeat = null;
    this.#handlers.onLost(why);
    this.#later(() => this.join());
  }

  #later(act: () => void): void {
    if (this.#isClosed) return;
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimer(PAUSE_MS, () => {
      if (!this.#isClosed) act();
    });
  }

  /**
   * All of these may be asked twice: a join by its instance, a commit by its sequence, the others by their nature.
   *
   * @param done also told when that was asked which is answered: a leader that died with it heard nothing for the next one.
   */
  #ask<O extends Op>(
    asked: RequestOf<O> & { readonly op: O },
    timeoutMs: number,
    done: (error: DledgerError | null, result: ResultOf<O> | null, askedAtMs: number) => void,
  ): Cancel {
    const { group } = this.#options;
    const whole = { ...asked, group, deadlineMs: timeoutMs } as unknown as GroupRequest;
    let askedAtMs = this.#clock.monotonicMs();
    const request: Request<ResultOf<O>> = {
      kind: FrameKind.GROUP,
      answerKind: FrameKind.GROUP_RESULT,
      isRepeatable: true,
      timeoutMs,
      encode: (remainingMs) => {
        askedAtMs = this.#clock.monotonicMs();
        return encodeGroup(groupRequestLater(whole, Math.ceil(remainingMs)));
      },
      decode: (body) => {
        const result = decodeGroupResult(body);
        if (result.op === asked.op) return result as ResultOf<O>;
        throw new WireError('BAD_BODY', `GROUP_RESULT of ${result.op} answers ${asked.op}`);
      },
    };
    return this.#channel.ask(request, (error, result) => done(error, result, askedAtMs));
  }
}

function isFenced({ code }: DledgerError): boolean {
  return code === 'STALE_MEMBER' || code === 'UNKNOWN_GROUP';
}
