import type { Clock } from '../base/ports/clock.ts';
import type { Space } from './disk-space.ts';

export interface DiskSurplusParts {
  readonly clock: Clock;
  /** Of the file system that may be in use. Null: all of it. */
  readonly shareMax: number | null;
  /** Null where it cannot be told. */
  readonly space: () => Space | null;
  /** Segments that nobody is served from any more, and that are still there. */
  readonly bytesToGo: () => number;
}

/** Files that were removed a moment ago may still be counted as used. */
const SETTLE_MS = 5000;

/** By how much the disk of this node is fuller than it should be, when all that is about to go will have gone. */
export class DiskSurplus {
  readonly #parts: DiskSurplusParts;
  #settledMs = 0;

  constructor(parts: DiskSurplusParts) {
    this.#parts = parts;
  }

  get bytes(): number {
    const { clock, shareMax, space, bytesToGo } = this.#parts;
    if (shareMax === null || clock.monotonicMs() < this.#settledMs) return 0;
    const found = space();
    if (found === null) return 0;
    const { freeBytes, totalBytes } = found;
    return Math.max(0, Math.ceil(totalBytes - freeBytes - shareMax * totalBytes) - bytesToGo());
  }

  /** Segments were removed. */
  removed(): void {
    this.#settledMs = this.#parts.clock.monotonicMs() + SETTLE_MS;
  }
}
