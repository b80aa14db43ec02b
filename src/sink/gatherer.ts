export interface GatherLimits {
  readonly count: number;
  readonly bytes: number;
}

/**
 * Reads ahead while somebody else is busy: `take` gives everything that has come since, and reading stops as long as
 * that is too much to hold.
 */
export class Gatherer<T> {
  readonly #limits: GatherLimits;
  readonly #bytesOf: (item: T) => number;
  readonly #ended: Promise<void>;
  #items: T[] = [];
  #bytes = 0;
  #isEnded = false;
  #error: Error | null = null;
  #wakeTaker: (() => void) | null = null;
  #wakeReader: (() => void) | null = null;

  constructor(items: AsyncIterable<T>, bytesOf: (item: T) => number, limits: GatherLimits) {
    this.#limits = limits;
    this.#bytesOf = bytesOf;
    this.#ended = this.#read(items);
  }

  /**
   * At least one item; null at the end.
   * @throws what the source ended with, once everything before it has been taken.
   */
  async take(): Promise<T[] | null> {
    if (this.#items.length === 0 && !this.#isEnded) {
      await new Promise<void>((resolve) => {
        this.#wakeTaker = resolve;
      });
    }
    if (this.#items.length === 0) {
      if (this.#error !== null) throw this.#error;
      return null;
    }
    const taken = this.#items;
    this.#items = [];
    this.#bytes = 0;
    this.#wakeReader?.();
    return taken;
  }

  /** Resolves when the source has ended; it must have been told to. What was not taken is dropped. */
  async drop(): Promise<void> {
    this.#items = [];
    this.#bytes = 0;
    this.#wakeReader?.();
    await this.#ended;
  }

  async #read(items: AsyncIterable<T>): Promise<void> {
    try {
      for await (const item of items) {
        this.#items.push(item);
        this.#bytes += this.#bytesOf(item);
        this.#wakeTaker?.();
        if (this.#items.length >= this.#limits.count || this.#bytes >= this.#limits.bytes) {
          await new Promise<void>((resolve) => {
            this.#wakeReader = resolve;
          });
        }
      }
    } catch (error) {
      this.#error = error instanceof Error ? error : new Error(String(error));
    }
    this.#isEnded = true;
    this.#wakeTaker?.();
  }
}
