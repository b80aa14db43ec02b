import { ArgumentError } from './errors.ts';
import type { AppendCallback, ProducerCore } from './producer-core.ts';

/**
 * Sends records without a promise for each, over a connection of its own. Order is kept; retries are stored once. Get
 * it from `Client.createProducer`.
 */
export class Producer {
  readonly #core: ProducerCore;
  readonly #timeoutMs: number;
  readonly #onClosed: () => void;

  constructor(core: ProducerCore, timeoutMs: number, onClosed: () => void) {
    this.#core = core;
    this.#timeoutMs = timeoutMs;
    this.#onClosed = onClosed;
  }

  /** False when the queue is full: wait for `onWritable`. */
  get isWritable(): boolean {
    return this.#core.isWritable;
  }

  /** Called in a later turn when a queue that was full is half empty. */
  set onWritable(callback: (() => void) | null) {
    this.#core.onWritable = callback;
  }

  /** Batches not answered yet. */
  get pending(): number {
    return this.#core.pending;
  }

  /** Batches that had to be sent again. */
  get resent(): number {
    return this.#core.resent;
  }

  /**
   * Sends one entry: a record, or several at once. The bytes must not be changed before the callback comes.
   * @param callback called once, in a later turn, with `error` null and where the entry lies, or with a DledgerError
   * whose `outcome` says whether it may have been stored.
   * @throws ArgumentError for a batch without records.
   */
  send(records: Uint8Array | readonly Uint8Array[], callback: AppendCallback): void {
    const batch = records instanceof Uint8Array ? [records] : records;
    if (batch.length === 0) throw new ArgumentError('a batch needs at least one record');
    this.#core.send(batch, this.#timeoutMs, callback);
  }

  /** Ends the connection. What is unanswered is reported as CLOSED: unknown if it was sent, otherwise not stored. */
  close(): void {
    this.#core.close();
    this.#onClosed();
  }
}
