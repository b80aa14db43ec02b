import { MessageFormatError, type Message } from '../base/message.ts';
import type { Clock } from '../base/ports/clock.ts';
import { errorInfo } from '../wire/errors.ts';
import type { CallOptions } from './call-options.ts';
import { isObserved, publish } from './diagnostics.ts';
import { AbortedError, RefusedError, type DledgerError } from './errors.ts';
import type { Produced, SendTicket, TopicProducerCore } from './topic-producer-core.ts';

/** A record for a topic. Text is stored as UTF-8. */
export interface NewRecord {
  readonly body: Uint8Array | string;
  /** What it is about: records of one key stay in order. At most 1,024 bytes. */
  readonly key?: string | null;
  /** What kind it is: consumers may ask for some tags only. At most 127 bytes. */
  readonly tag?: string | null;
  /** Records of one ordering group stay in order, whatever their keys. At most 255 bytes. */
  readonly orderingGroup?: string | null;
  /** At most 64. */
  readonly headers?: Readonly<Record<string, Uint8Array | string>>;
  /** Unix milliseconds. Default: now. */
  readonly bornTimeMs?: number;
}

const TEXT = new TextEncoder();

/**
 * Sends records to topics, in batches. Records of one key, or of one ordering group, are stored in the order of the
 * calls; each is stored once, whatever dies meanwhile. Get it from `Client.createTopicProducer`.
 */
export class TopicProducer {
  readonly #core: TopicProducerCore;
  readonly #clock: Clock;
  readonly #timeoutOf: (options: CallOptions) => number;
  readonly #onClosed: () => void;

  constructor(
    core: TopicProducerCore,
    clock: Clock,
    timeoutOf: (options: CallOptions) => number,
    onClosed: () => void,
  ) {
    this.#core = core;
    this.#clock = clock;
    this.#timeoutOf = timeoutOf;
    this.#onClosed = onClosed;
  }

  /** Records not answered yet. */
  get pending(): number {
    return this.#core.pending;
  }

  /** Batches that had to be sent again. */
  get resent(): number {
    return this.#core.resent;
  }

  /** False while the buffer is full: wait for `writable`. */
  get isWritable(): boolean {
    return this.#core.isWritable;
  }

  /** Resolves when the buffer has room again. One caller at a time. */
  async writable(): Promise<void> {
    if (this.#core.isWritable) return;
    await new Promise<void>((resolve) => {
      this.#core.onWritable = resolve;
    });
  }

  /**
   * Stores one record and resolves once a majority has it on disk.
   * @throws RefusedError UNKNOWN_TOPIC, MESSAGE_FORMAT, RECORD_TOO_LARGE; OverloadedError where the buffer is full;
   * TimeoutUnknownError and OutcomeUnknownError where it may have been stored; TimeoutError where it was never sent.
   */
  async send(topic: string, record: NewRecord, options: CallOptions = {}): Promise<Produced> {
    const { signal } = options;
    const timeoutMs = this.#timeoutOf(options);
    if (signal?.aborted === true) throw new AbortedError('none');
    const message = messageOf(record, this.#clock.unixMs());
    const sentAtMs = this.#clock.monotonicMs();
    return new Promise((resolve, reject) => {
      const ticket: SendTicket = refusing(() =>
        this.#core.send(topic, message, timeoutMs, (error, produced) => {
          this.#tell(topic, sentAtMs, error, produced);
          signal?.removeEventListener('abort', abort);
          if (error !== null) reject(error);
          else if (produced !== null) resolve(produced);
        }),
      );
      const abort = (): void => ticket.abort();
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  /**
   * Stores several records, each where it belongs, and resolves with their places, in the order given, once all are
   * stored. Not a transaction: where it is rejected, with the first error, some may have been stored.
   * @throws as `send`
   */
  async sendBatch(
    topic: string,
    records: readonly NewRecord[],
    options: Omit<CallOptions, 'signal'> = {},
  ): Promise<Produced[]> {
    const timeoutMs = this.#timeoutOf(options);
    const now = this.#clock.unixMs();
    const sentAtMs = this.#clock.monotonicMs();
    const messages = records.map((record) => messageOf(record, now));
    return new Promise((resolve, reject) => {
      const places: Produced[] = [];
      let open = messages.length;
      if (open === 0) resolve(places);
      for (const [at, message] of messages.entries()) {
        refusing(() =>
          this.#core.send(topic, message, timeoutMs, (error, produced) => {
            open -= 1;
            this.#tell(topic, sentAtMs, error, produced);
            if (error !== null) reject(error);
            else if (produced !== null) places[at] = produced;
            if (open === 0) resolve(places);
          }),
        );
      }
    });
  }

  #tell(topic: string, sentAtMs: number, error: DledgerError | null, produced: Produced | null): void {
    if (!isObserved('dledger:produce')) return;
    const tookMs = this.#clock.monotonicMs() - sentAtMs;
    if (error !== null) publish('dledger:produce', () => ({ topic, tookMs, produced: null, error }));
    else if (produced !== null) publish('dledger:produce', () => ({ topic, tookMs, produced, error: null }));
  }

  /** Resolves when everything that was sent before is answered. */
  async flush(): Promise<void> {
    await new Promise<void>((resolve) => this.#core.flush(resolve));
  }

  /** Waits for what was sent, then ends the connection. */
  async close(): Promise<void> {
    await this.flush();
    this.#core.close();
    this.#onClosed();
  }
}

function messageOf(record: NewRecord, nowMs: number): Message {
  const { body, key, tag, orderingGroup, headers, bornTimeMs } = record;
  return {
    bornTimeMs: bornTimeMs ?? nowMs,
    key: key ?? null,
    tag: tag ?? null,
    orderingGroup: orderingGroup ?? null,
    headers: Object.entries(headers ?? {}).map(([name, value]) => ({ name, value: bytesOf(value) })),
    body: bytesOf(body),
  };
}

function bytesOf(value: Uint8Array | string): Uint8Array {
  return typeof value === 'string' ? TEXT.encode(value) : value;
}

/** A record that is over a limit is refused as a node would refuse it. */
function refusing<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (error instanceof MessageFormatError)
      throw new RefusedError(errorInfo('MESSAGE_FORMAT', error.message));
    throw error;
  }
}
