import { writeOut } from './output.ts';

/** How long what is on its way to stdout may take, once this process is to end. */
const PATIENCE_MS = 2000;

/** This process is to end, and whoever reads its output takes nothing. */
export class OutputStuckError extends Error {
  override readonly name = 'OutputStuckError';

  constructor() {
    super(`nobody took the output for ${PATIENCE_MS} ms`);
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/**
 * Ctrl-C, or a supervisor, while records are sent or printed: what is under way comes to its end, and what is said of it
 * is true. The second signal ends this process at once.
 */
export class Interruption {
  readonly #asked = new AbortController();
  #isStuck = false;

  readonly #onSignal = (): void => {
    this.release();
    this.#asked.abort();
  };

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
  }

  /** Aborts when somebody wants this process to end. */
  get signal(): AbortSignal {
    return this.#asked.signal;
  }

  /** From now on a signal ends this process at once. */
  release(): void {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
  }

  /**
   * Writes to stdout, to the end: then what counts as printed has been printed.
   * @throws OutputStuckError where it is not taken although this process is to end: a pipe that nobody empties must not
   * hold that up.
   */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#isStuck) throw new OutputStuckError();
    const { signal } = this;
    let timer: NodeJS.Timeout | undefined;
    let limit = (): void => undefined;
    const stuck = new Promise<never>((_, reject) => {
      limit = (): void => {
        timer = setTimeout(() => {
          this.#isStuck = true;
          reject(new OutputStuckError());
        }, PATIENCE_MS);
      };
    });
    if (signal.aborted) limit();
    else signal.addEventListener('abort', limit, { once: true });
    try {
      await Promise.race([writeOut(bytes), stuck]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', limit);
    }
  }
}
