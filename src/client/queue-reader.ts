import { BatchFormatError, decodeBatch } from '../base/batch.ts';
import { entryBody, entryTime } from '../base/entry.ts';
import { MessageFormatError, decodeMessage, type Message } from '../base/message.ts';
import type { Mutations } from '../base/mutations.ts';
import type { Clock, TimerHandle } from '../base/ports/clock.ts';
import type { LogIndex } from '../base/units.ts';
import { bitmapHas, decodeFetchResult, encodeFetch, type FetchedBatch } from '../wire/broker-codec.ts';
import { FrameKind } from '../wire/frame.ts';
import { LIMITS } from '../wire/limits.ts';
import { WireError } from '../wire/wire-error.ts';
import { RefusedError, topicGone, type DledgerError } from './errors.ts';
import type { Cancel, Request, RequestChannel } from './request-channel.ts';

/** A record of a topic. Bytes are views into a page of up to a megabyte: copy what is to be kept for long. */
export interface ConsumedRecord extends Message {
  readonly topic: string;
  /** Ordinal of the queue in its topic. */
  readonly queue: number;
  /** In that queue. */
  readonly offset: number;
  /** Of the log entry that holds it. */
  readonly index: LogIndex;
  /** When the leader took it: Unix milliseconds; never below that of an earlier record. */
  readonly storedTimeMs: number;
}

export interface ReadQueue {
  readonly topic: string;
  readonly ordinal: number;
  /** Number in the cluster. */
  readonly id: number;
}

export interface QueueReaderOptions {
  /** Records of one fetch, about. */
  readonly pageRecords: number;
  readonly pageBytes: number;
  /** Only these; empty: all. At most 16. */
  readonly tags: readonly string[];
  /** How long a fetch may take, in milliseconds; the time for which it waits for records is not counted. */
  readonly timeoutMs: number;
  /** Where to go on if what is to be read next is not kept any more: `error` stops. */
  readonly onExpired: 'error' | 'earliest';
  /** Wrong behaviours that a simulation must notice. */
  readonly mutations: Mutations;
}

export interface QueueReaderHandlers {
  /** Something changed: a page is there, the end was reached, what was handed out is done. */
  onChange(): void;
  onFailed(error: DledgerError): void;
  /** Records were not kept any more and are passed over. */
  onSkipped(from: number, to: number): void;
}

interface Fetched {
  readonly nextOffset: number;
  readonly endOffset: number;
  readonly records: ConsumedRecord[];
}

interface Page {
  readonly records: ConsumedRecord[];
  /** Behind everything looked at, records that do not match included. */
  readonly nextOffset: number;
}

const LONG_POLL_MS = 5000;
const RETRY_MS = 100;

/**
 * Reads one queue from an offset on. At most one page is with whoever works on it and one more is here; what is worked on
 * moves `processed`, which is what may be committed.
 */
export class QueueReader {
  readonly queue: ReadQueue;
  /** Where it began. */
  readonly first: number;
  readonly #channel: RequestChannel;
  readonly #clock: Clock;
  readonly #options: QueueReaderOptions;
  readonly #handlers: QueueReaderHandlers;
  /** Next offset to be asked for. */
  #fetchFrom: number;
  /** Next offset to be handed out. */
  #handed: number;
  #processed: number;
  #page: Page | null = null;
  /** Handed out and not worked off. */
  #outstanding: Page | null = null;
  #isAtEnd = false;
  #isOpen = true;
  #isPaused = false;
  #knowsEnd = false;
  #cancel: Cancel | null = null;
  #retry: TimerHandle | null = null;
  /** What the group knows; null: nothing yet. */
  committed: number | null = null;

  constructor(
    queue: ReadQueue,
    offset: number,
    channel: RequestChannel,
    clock: Clock,
    options: QueueReaderOptions,
    handlers: QueueReaderHandlers,
  ) {
    this.queue = queue;
    this.#channel = channel;
    this.#clock = clock;
    this.#options = options;
    this.#handlers = handlers;
    this.first = offset;
    this.#fetchFrom = offset;
    this.#handed = offset;
    this.#processed = offset;
  }

  /** Next offset that is not worked off. */
  get processed(): number {
    return this.#processed;
  }

  get hasPage(): boolean {
    return this.#page !== null && this.#outstanding === null && !this.#isPaused;
  }

  /** Nothing that was handed out is still being worked on. */
  get isSettled(): boolean {
    return this.#outstanding === null || this.#options.mutations.handsOverUnfinishedWork;
  }

  /** Everything that the queue had when it was last asked is worked off. */
  get isIdle(): boolean {
    return this.#isAtEnd && this.#page === null && this.#outstanding === null;
  }

  open(): void {
    this.#fetch();
  }

  /** Hands the page out. Its records are worked off by `workedOff`. */
  take(): ConsumedRecord[] {
    const page = this.#page as Page;
    this.#page = null;
    this.#outstanding = page;
    this.#handed = page.nextOffset;
    if (this.#options.mutations.commitsWhatIsHandedOut) this.#processed = page.nextOffset;
    this.#fetch();
    return page.records;
  }

  /** Records below this offset are worked off. */
  workedOff(offset: number): void {
    const page = this.#outstanding;
    if (page === null || !this.#isOpen) return;
    if (offset <= (page.records.at(-1) as ConsumedRecord).offset) {
      this.#processed = Math.max(this.#processed, offset);
      return;
    }
    this.#outstanding = null;
    this.#processed = page.nextOffset;
    this.#handlers.onChange();
  }

  /** Hands nothing more out. What is here and was not handed out is dropped. */
  pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#page = null;
    this.#fetchFrom = this.#handed;
    this.#stopFetching();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#fetch();
  }

  close(): void {
    this.#isOpen = false;
    this.#page = null;
    this.#stopFetching();
  }

  #stopFetching(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#retry?.cancel();
    this.#retry = null;
  }

  #fetch(): void {
    if (!this.#isOpen || this.#isPaused || this.#page !== null || this.#cancel !== null) return;
    if (this.#retry !== null) return;
    const waitMs = this.#knowsEnd && this.#isAtEnd ? LONG_POLL_MS : 0;
    this.#cancel = this.#channel.ask(this.#request(waitMs), (error, fetched) => {
      this.#cancel = null;
      if (fetched !== null) this.#onFetched(fetched);
      else if (error !== null) this.#onError(error);
    });
  }

  #onFetched({ nextOffset, endOffset, records }: Fetched): void {
    this.#knowsEnd = true;
    const isCounting = this.#options.mutations.countsOffsetsByRecords && records.length > 0;
    this.#fetchFrom = isCounting ? this.#fetchFrom + records.length + 1 : nextOffset;
    this.#isAtEnd = nextOffset >= endOffset;
    if (records.length > 0) this.#page = { records, nextOffset };
    else if (this.#outstanding === null) {
      this.#handed = nextOffset;
      this.#processed = nextOffset;
    } else this.#outstanding = { ...this.#outstanding, nextOffset };
    this.#fetch();
    this.#handlers.onChange();
  }

  #onError(error: DledgerError): void {
    if (error.code === 'OFFSET_EXPIRED' && this.#options.onExpired === 'earliest') {
      const first = error instanceof RefusedError ? error.firstIndex : null;
      if (first !== null && first > this.#fetchFrom) {
        this.#handlers.onSkipped(this.#fetchFrom, first);
        this.#fetchFrom = first;
        if (this.#outstanding === null) {
          this.#handed = first;
          this.#processed = first;
        }
        this.#fetch();
        return;
      }
    }
    if (error.retryable || error.code === 'UNKNOWN_TOPIC') {
      // A topic that was deleted is not this member's any more as soon as it hears so.
      this.#retry = this.#clock.setTimer(RETRY_MS, () => {
        this.#retry = null;
        this.#fetch();
      });
      if (error.code === 'UNKNOWN_TOPIC') this.#handlers.onFailed(topicGone(this.queue.topic));
      return;
    }
    this.#handlers.onFailed(error);
  }

  #request(waitMs: number): Request<Fetched> {
    const { pageRecords, pageBytes, tags, timeoutMs } = this.#options;
    const { queue } = this;
    const offset = this.#fetchFrom;
    return {
      kind: FrameKind.FETCH,
      answerKind: FrameKind.FETCH_RESULT,
      isRepeatable: true,
      timeoutMs: waitMs + timeoutMs,
      encode: (remainingMs) =>
        encodeFetch({
          queue: queue.id,
          offset,
          recordsMax: pageRecords,
          bytesMax: pageBytes,
          waitMs,
          deadlineMs: Math.min(Math.ceil(remainingMs), LIMITS.durationMsMax),
          consistency: 'linearizable',
          tags,
        }),
      decode: (body) => decodeFetched(body, queue, offset, tags),
    };
  }
}

function decodeFetched(body: Uint8Array, queue: ReadQueue, offset: number, tags: readonly string[]): Fetched {
  const { queue: id, nextOffset, endOffset, batches } = decodeFetchResult(body);
  if (id !== queue.id || nextOffset < offset || (nextOffset === offset && endOffset > offset)) {
    const text = `queue ${id}, nextOffset ${nextOffset}, endOffset ${endOffset}`;
    throw new WireError('BAD_BODY', `FETCH_RESULT for queue ${queue.id} at ${offset}: ${text}`);
  }
  const records: ConsumedRecord[] = [];
  for (const batch of batches) addRecords(records, batch, queue, offset, tags);
  return { nextOffset, endOffset, records };
}

/** Of a batch, what was asked for: it comes whole, as it lies in the log. */
function addRecords(
  into: ConsumedRecord[],
  { baseOffset, bitmap, entry }: FetchedBatch,
  { topic, ordinal: queue }: ReadQueue,
  from: number,
  tags: readonly string[],
): void {
  const { index } = entry;
  const storedTimeMs = entryTime(entry);
  try {
    for (const [at, bytes] of decodeBatch(entryBody(entry)).entries()) {
      const offset = baseOffset + at;
      if (offset < from || !bitmapHas(bitmap, at)) continue;
      const message = decodeMessage(bytes);
      // Batches of very many records come without a bitmap.
      if (tags.length > 0 && (message.tag === null || !tags.includes(message.tag))) continue;
      into.push({ ...message, topic, queue, offset, index, storedTimeMs });
    }
  } catch (error) {
    if (!(error instanceof BatchFormatError || error instanceof MessageFormatError)) throw error;
    throw new WireError('BAD_BODY', `entry ${index} holds no messages: ${error.message}`);
  }
}
