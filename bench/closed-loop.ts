import type { Histogram } from './histogram.ts';

/** Sends one request and calls back when it is answered. */
export type Send = (done: (error: Error | null) => void) => void;

/** For what is answered by a promise. */
export function awaiting(ask: () => Promise<unknown>): Send {
  return (done) => void settle(ask, done);
}

async function settle(ask: () => Promise<unknown>, done: (error: Error | null) => void): Promise<void> {
  try {
    await ask();
  } catch (error) {
    done(error instanceof Error ? error : new Error(String(error)));
    return;
  }
  done(null);
}

/**
 * As soon as one request is answered the next is sent, so that always `inFlight` of them are under way.
 * @returns requests answered within the time; resolves when all that were sent are. Rejects with the first error.
 */
export async function closedLoop(
  send: Send,
  inFlight: number,
  durationMs: number,
  latencies: Histogram,
): Promise<number> {
  const endMs = performance.now() + durationMs;
  let answered = 0;
  let open = 0;
  return new Promise<number>((resolve, reject) => {
    const next = (): void => {
      open += 1;
      const sentMs = performance.now();
      send((error) => {
        open -= 1;
        if (error !== null) {
          reject(error);
          return;
        }
        const now = performance.now();
        latencies.record((now - sentMs) * 1000);
        if (now < endMs) {
          answered += 1;
          next();
        } else if (open === 0) {
          resolve(answered);
        }
      });
    };
    for (let lane = 0; lane < inFlight; lane += 1) next();
  });
}
