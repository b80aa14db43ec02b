import { assert } from '../base/assert.ts';
import type { Clock } from '../base/ports/clock.ts';
import type { Mutations } from '../base/mutations.ts';
import type { LogIndex } from '../base/units.ts';
import { decodeReadResult, encodeRead, type Consistency } from '../wire/client-codec.ts';
import { FrameKind } from '../wire/frame.ts';
import { LIMITS } from '../wire/limits.ts';
import { WireError } from '../wire/wire-error.ts';
import { RefusedError, TimeoutError, type DledgerError } from './errors.ts';
import { recordsOf, type LogRecord } from './records.ts';
import type { Cancel, Request, RequestChannel } from './request-channel.ts';

export interface ReaderOptions {
  /** Null: from the first that is kept. */
  readonly from: LogIndex | null;
  /** Last index; null: what is committed when the first page comes. */
  readonly to: number | null;
  /** Records at most. */
  readonly countMax: number;
  /** Goes on for ever, waiting for what is appended. `to` is not looked at. */
  readonly isFollowing: boolean;
  readonly consistency: Consistency;
  /** How long a page may take, in milliseconds; the time for which a follower waits is not counted. */
  readonly timeoutMs: number;
  /** Wrong behaviours that a simulation must notice. Default none. */
  readonly mutations?: Mutations;
}

/** What one READ brought. Records are in order, and none lies before `from` of the request. */
export interface Page {
  readonly commitIndex: LogIndex;
  /** Where to go on. */
  readonly nextIndex: LogIndex;
  readonly records: LogRecord[];
}

/** Told about one page: its records, or null at the end. */
export type PageCallback = (error: DledgerError | null, records: LogRecord[] | null) => void;

const PAGE_ENTRIES = 8192;
const PAGE_BYTES: number = 1024 * 1024;
const LONG_POLL_MS = 20_000;

/**
 * Reads the log from one index on, page by page: each record once, in order, whatever happens to the nodes meanwhile,
 * because each request says from where. While one page is being worked on, the next is on its way.
 */
export class ReaderCore {
  readonly #channel: RequestChannel;
  readonly #clock: Clock;
  readonly #options: ReaderOptions;
  /** Where the next request begins. */
  #from: LogIndex;
  #left: number;
  /** Last index wanted; null until the first page tells. */
  #last: number | null = null;
  #isEnded = false;
  #cancel: Cancel | null = null;
  #ready: LogRecord[] | null = null;
  #error: DledgerError | null = null;
  #waiter: PageCallback | null = null;

  constructor(channel: RequestChannel, clock: Clock, options: ReaderOptions) {
    this.#channel = channel;
    this.#clock = clock;
    this.#options = options;
    this.#from = options.from ?? (1 as LogIndex);
    this.#left = options.countMax;
    if (options.isFollowing) this.#last = Number.POSITIVE_INFINITY;
    if (this.#left <= 0) this.#isEnded = true;
  }

  /** Calls back in a later turn with at least one record, with null at the end, or with what ended it. One at a time. */
  next(callback: PageCallback): void {
    assert(this.#waiter === null, 'the next page was asked for before the last one came');
    this.#waiter = callback;
    if (this.#ready !== null || this.#isEnded) this.#clock.defer(() => this.#deliver());
    else this.#ask();
  }

  /** Asks for nothing more; a callback that waits is not called. */
  close(): void {
    this.#isEnded = true;
    this.#waiter = null;
    this.#ready = null;
    this.#cancel?.();
    this.#cancel = null;
  }

  #ask(): void {
    if (this.#cancel !== null || this.#isEnded) return;
    // Without a wait on the first page of a plain read: it is what tells where the end is.
    const { timeoutMs, isFollowing } = this.#options;
    const waitMs = this.#last === null ? 0 : isFollowing ? LONG_POLL_MS : Math.floor(timeoutMs / 2);
    const request = pageRequest(this.#from, {
      entriesMax: Math.max(1, Math.min(PAGE_ENTRIES, this.#left, (this.#last ?? Infinity) - this.#from + 1)),
      waitMs,
      consistency: this.#options.consistency,
      timeoutMs: isFollowing ? LONG_POLL_MS + timeoutMs : timeoutMs,
    });
    this.#cancel = this.#channel.ask(request, (error, page) => {
      this.#cancel = null;
      const firstKept = this.#firstKept(error);
      if (page !== null) this.#onPage(page);
      else if (firstKept !== null) {
        this.#from = firstKept;
        this.#ask();
      }
      // Following means waiting; only where no leader is to be found at all there is nothing to wait for.
      else if (!isFollowing || !(error instanceof TimeoutError)) this.#end(error);
      else this.#ask();
    });
  }

  /** Where to begin instead, if nobody said where and the log does not go back so far. */
  #firstKept(error: DledgerError | null): LogIndex | null {
    const isBeginning = this.#options.from === null && this.#last === null;
    if (!isBeginning || !(error instanceof RefusedError) || error.code !== 'OUT_OF_RANGE') return null;
    return error.firstIndex !== null && error.firstIndex > this.#from ? (error.firstIndex as LogIndex) : null;
  }

  #onPage(page: Page): void {
    const hasMoved = page.nextIndex > this.#from;
    const isFirst = this.#last === null;
    this.#last ??= Math.min(this.#options.to ?? Infinity, page.commitIndex);
    const isCounting = this.#options.mutations?.countsReadsByRecords === true && page.records.length > 0;
    this.#from = isCounting ? ((this.#from + page.records.length) as LogIndex) : page.nextIndex;
    const records = this.#wanted(page.records, this.#last);
    this.#left -= records.length;
    if (this.#from > this.#last || this.#left <= 0) this.#isEnded = true;
    else if (!hasMoved && !isFirst && !this.#options.isFollowing) {
      const text = `the node that answers knows the log up to ${page.commitIndex} only`;
      this.#end(new TimeoutError(`${text}, and it goes to ${this.#last}`));
      return;
    }
    if (records.length > 0) this.#ready = records;
    if (records.length > 0 || this.#isEnded) this.#deliver();
    else this.#ask();
  }

  #wanted(records: LogRecord[], last: number): LogRecord[] {
    const lastRecord = records.at(-1);
    const isInside = lastRecord === undefined || lastRecord.index <= last;
    const wanted = isInside ? records : records.filter((record) => record.index <= last);
    return wanted.length <= this.#left ? wanted : wanted.slice(0, this.#left);
  }

  #end(error: DledgerError | null): void {
    this.#isEnded = true;
    this.#error = error;
    this.#deliver();
  }

  #deliver(): void {
    const waiter = this.#waiter;
    if (waiter === null) return;
    this.#waiter = null;
    const records = this.#ready;
    this.#ready = null;
    if (records !== null) {
      this.#ask();
      waiter(null, records);
    } else {
      waiter(this.#error, null);
    }
  }
}

/** A READ of one page. Its answer is refused where it does not fit the question. */
export function pageRequest(
  from: LogIndex,
  page: {
    readonly entriesMax: number;
    readonly waitMs: number;
    readonly consistency: Consistency;
    readonly timeoutMs: number;
  },
): Request<Page> {
  return {
    kind: FrameKind.READ,
    answerKind: FrameKind.READ_RESULT,
    isRepeatable: true,
    timeoutMs: page.timeoutMs,
    encode: (remainingMs) =>
      encodeRead({
        from,
        entriesMax: page.entriesMax,
        bytesMax: PAGE_BYTES,
        waitMs: Math.min(page.waitMs, LIMITS.durationMsMax),
        deadlineMs: Math.min(Math.ceil(remainingMs), LIMITS.durationMsMax),
        consistency: page.consistency,
      }),
    decode: (body) => decodePage(body, from),
  };
}

function decodePage(body: Uint8Array, from: LogIndex): Page {
  const { commitIndex, nextIndex, entries } = decodeReadResult(body);
  const first = entries[0]?.index ?? from;
  const isStuck = nextIndex === from && commitIndex >= from;
  if (first < from || nextIndex < from || isStuck || (entries.at(-1)?.index ?? 0) > commitIndex) {
    const text = `entries from ${first}, nextIndex ${nextIndex}, commitIndex ${commitIndex}`;
    throw new WireError('BAD_BODY', `READ_RESULT for ${from}: ${text}`);
  }
  return { commitIndex, nextIndex, records: entries.flatMap(recordsOf) };
}
