import { setTimeout } from 'node:timers/promises';
import type { Send } from '../closed-loop.ts';
import { PATIENCE_MS } from './system.ts';

const LANES = 4;

/** A few requests at a time, each followed by the next, and when they were acknowledged. */
export class Load {
  readonly #send: Send;
  readonly #acksMs: number[] = [];
  #isStopped = false;
  #wake: (() => void) | null = null;

  constructor(send: Send) {
    this.#send = send;
    for (let lane = 0; lane < LANES; lane += 1) this.#next();
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Resolves when so many more were acknowledged. @throws after a minute. */
  async acknowledged(count: number): Promise<void> {
    const goal = this.#acksMs.length + count;
    const all = new Promise<boolean>((resolve) => {
      this.#wake = () => {
        if (this.#acksMs.length < goal) return;
        this.#wake = null;
        resolve(true);
      };
    });
    const patience = new AbortController();
    const late = setTimeout(PATIENCE_MS, false, { signal: patience.signal }).catch(() => false);
    const areAll = await Promise.race([all, late]);
    patience.abort();
    if (areAll) return;
    const missing = goal - this.#acksMs.length;
    throw new Error(`${missing} of ${count} acknowledgements are missing after ${PATIENCE_MS / 1000} s`);
  }

  /** Between two acknowledgements, of which at least the second came after `sinceMs`. */
  longestGap(sinceMs: number): { fromMs: number; toMs: number } {
    let longest = { fromMs: sinceMs, toMs: sinceMs };
    for (let at = this.#acksMs.length - 1; at > 0; at -= 1) {
      const fromMs = this.#acksMs[at - 1] ?? 0;
      const toMs = this.#acksMs[at] ?? 0;
      if (toMs < sinceMs) break;
      if (toMs - fromMs > longest.toMs - longest.fromMs) longest = { fromMs, toMs };
    }
    return longest;
  }

  firstAckAfter(ms: number): number | null {
    let at = this.#acksMs.length;
    while (at > 0 && (this.#acksMs[at - 1] ?? 0) >= ms) at -= 1;
    return this.#acksMs[at] ?? null;
  }

  #next(): void {
    this.#send((error) => {
      if (error === null) this.#acksMs.push(performance.now());
      if (!this.#isStopped) this.#next();
      this.#wake?.();
    });
  }
}
