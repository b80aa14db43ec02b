import { publish } from './diagnostics.ts';
import { AbortedError, ClosedError, type DledgerError } from './errors.ts';
import type { ConsumedPage, ConsumerCore } from './consumer-core.ts';
import type { ConsumedRecord, ReadQueue } from './queue-reader.ts';

/**
 * Reads topics, alone or as a member of a group. Get it from `Client.createConsumer`.
 *
 *     for await (const record of consumer) await work(record);
 *
 * A record counts as worked off when the next one is asked for, or by `done`. One that the loop was left with does not:
 * it comes again.
 */
export class Consumer implements AsyncIterable<ConsumedRecord> {
  readonly #core: ConsumerCore;
  readonly #onClosed: () => void;
  /** The page that is being worked on, for `done`. */
  #page: ConsumedPage | null = null;

  constructor(core: ConsumerCore, onClosed: () => void) {
    this.#core = core;
    this.#onClosed = onClosed;
  }

  /** In its group; 0 outside of one, and while it is none. */
  get memberId(): number {
    return this.#core.memberId;
  }

  /** Those that are this consumer's now. */
  get queues(): readonly ReadQueue[] {
    return this.#core.queues;
  }

  /**
   * Records as they come, for ever: until `close`, or with what ended it. One loop at a time.
   * @throws RefusedError UNKNOWN_TOPIC, OFFSET_OUT_OF_RANGE, OFFSET_EXPIRED (with `firstIndex` and `lastIndex`) and others
   * that no waiting mends; UnreachableError where no leader was found at the beginning.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<ConsumedRecord, void, undefined> {
    for (;;) {
      const page = await this.nextPage();
      if (page === null) return;
      this.#page = page;
      for (const record of page.records) {
        yield record;
        page.workedOff(record.offset + 1);
      }
    }
  }

  /** The same with a callback, one record after the other. Resolves after `close` or when the signal ends it. */
  async run(
    work: (record: ConsumedRecord) => Promise<void> | void,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    const { signal } = options;
    for await (const record of this) {
      await work(record);
      if (signal?.aborted !== true) continue;
      this.done(record);
      throw new AbortedError('none');
    }
  }

  /** The record of the present loop, and those before it in its queue, are worked off. */
  done(record: ConsumedRecord): void {
    this.#page?.workedOff(record.offset + 1);
  }

  /** Commits what is worked off. @throws RefusedError STALE_MEMBER where the group has gone on without this consumer. */
  async commit(): Promise<void> {
    await new Promise<void>((resolve, reject) => this.#core.commit(settling(resolve, reject)));
  }

  /** Commits what is worked off (unless that is left to `commit`), leaves the group, and ends the connections. */
  async close(): Promise<void> {
    try {
      await new Promise<void>((resolve, reject) => this.#core.close(settling(resolve, reject)));
    } finally {
      this.#onClosed();
    }
  }

  /**
   * Some records of one queue, for whoever works on many at once; null after `close`. Nothing is worked off until
   * `workedOff` of the page says so. @throws as the iteration
   */
  async nextPage(): Promise<ConsumedPage | null> {
    return new Promise((resolve, reject) => {
      this.#core.next((error, page) => {
        if (error !== null) {
          reject(error);
          return;
        }
        const first = page?.records[0];
        if (page !== null && first !== undefined) {
          const { topic, queue, offset } = first;
          const records = page.records.length;
          publish('dledger:consume', () => ({ topic, queue, firstOffset: offset, records }));
        }
        resolve(page);
      });
    });
  }
}

function settling(resolve: () => void, reject: (error: Error) => void): (error: DledgerError | null) => void {
  return (error) => {
    if (error === null || error instanceof ClosedError) resolve();
    else reject(error);
  };
}
