import type { DledgerError, Producer } from '../client/index.ts';

/** Sends groups of records in order, with as many on their way as the producer takes, and keeps the books. */
export class RecordSender {
  readonly #producer: Producer;
  #sent = 0;
  #acknowledged = 0;
  #unknown = 0;
  #refused = 0;
  #firstIndex: number | null = null;
  #lastIndex: number | null = null;
  #firstError: DledgerError | null = null;
  #wake: (() => void) | null = null;

  constructor(producer: Producer) {
    this.#producer = producer;
    producer.onWritable = () => this.#notify();
  }

  /** Records handed to the producer. Each is, in the end, one of acknowledged, unknown and refused. */
  get sent(): number {
    return this.#sent;
  }

  /** Records that a majority has on disk. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Records that may be stored or not. */
  get unknown(): number {
    return this.#unknown;
  }

  /** Records that are not stored and will not be. */
  get refused(): number {
    return this.#refused;
  }

  /** The lowest and the highest index of acknowledged records. */
  get firstIndex(): number | null {
    return this.#firstIndex;
  }

  get lastIndex(): number | null {
    return this.#lastIndex;
  }

  /** What the first answer that was no acknowledgement said. */
  get firstError(): DledgerError | null {
    return this.#firstError;
  }

  /** Sends one group as one entry. */
  send(group: readonly Uint8Array[]): void {
    const count = group.length;
    this.#sent += count;
    this.#producer.send(group, (error, index) => {
      if (error === null) {
        this.#acknowledged += count;
        this.#firstIndex = Math.min(this.#firstIndex ?? index, index);
        this.#lastIndex = Math.max(this.#lastIndex ?? index, index);
      } else {
        this.#firstError ??= error;
        if (error.outcome === 'unknown') this.#unknown += count;
        else this.#refused += count;
      }
      if (error !== null || this.#isSettled) this.#notify();
    });
  }

  /** Resolves when the next group may be sent, or when something went wrong. */
  async room(): Promise<void> {
    while (!this.#producer.isWritable && this.#firstError === null) await this.#notice();
  }

  /** Resolves when every record that was sent has its answer. */
  async settled(): Promise<void> {
    while (!this.#isSettled) await this.#notice();
  }

  get #isSettled(): boolean {
    return this.#acknowledged + this.#unknown + this.#refused === this.#sent;
  }

  async #notice(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = null;
  }
}
