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

/**
 * Ctrl-C, or a supervisor, while records are printed. What is being written is written to its end, so that what counts
 * as printed has been printed; but a pipe that nobody empties must not keep this process from ending. The second signal
 * ends it at once.
 */
export class Interruption {
  readonly #asked = new AbortController();
  #isStuck = false;

  constructor() {
    const signals = ['SIGINT', 'SIGTERM'] as const;
    const ask = (): void => {
      for (const signal of signals) process.off(signal, ask);
      this.#asked.abort();
    };
    for (const signal of signals) process.on(signal, ask);
  }

  /** Aborts when somebody wants this process to end. */
  get signal(): AbortSignal {
    return this.#asked.signal;
  }

  /** Writes to stdout. @throws OutputStuckError where it is not taken although this process is to end. */
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
