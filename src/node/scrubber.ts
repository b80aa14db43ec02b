import type { LogIndex } from '../base/units.ts';
import type { RaftCore } from '../raft/index.ts';
import { WalRotError, type Wal } from '../wal/index.ts';

export interface ScrubberParts {
  readonly core: RaftCore;
  readonly wal: Wal;
  /** 0 = never. */
  readonly bytesPerSecond: number;
  readonly enter: () => void;
  /** Something does not verify. */
  readonly onRot: (error: WalRotError) => void;
}

/** As much as one read of a reader takes: nobody waits for the disk behind it. */
const PIECE_BYTES = 64 * 1024;
/** A log that is read in less is not read again before: the first pass is soon, so that a restart looks at it all. */
const PASS_MS_MIN = 600_000;

/**
 * Reads the log from its beginning to its end, slowly, again and again: rot is found while the others still have what it
 * took, and not on the night when they are gone.
 */
export class Scrubber {
  readonly #parts: ScrubberParts;
  #next: LogIndex | null = null;
  #nextMs = 0;
  #passBeganMs = 0;
  #isReading = false;
  /** When this pass is over. */
  #isToBeginAnew = false;
  #bytes = 0;
  #passes = 0;

  constructor(parts: ScrubberParts) {
    this.#parts = parts;
  }

  counters(): Record<string, number> {
    return {
      scrubbedBytes: this.#bytes,
      scrubPasses: this.#passes,
    };
  }

  /** Something was damaged, and is not any more: such damage is seldom alone. */
  lookAgain(): void {
    if (this.#next === null) this.#nextMs = 0;
    else this.#isToBeginAnew = true;
  }

  /** To be called with every tick. */
  passed(nowMs: number): void {
    const { core, wal, bytesPerSecond } = this.#parts;
    if (bytesPerSecond === 0 || this.#isReading || nowMs < this.#nextMs) return;
    const first = core.firstIndex;
    if (this.#next === null) this.#passBeganMs = nowMs;
    const from = Math.max(this.#next ?? 0, first) as LogIndex;
    if (from > wal.durableIndex) {
      // An empty log is none that was read.
      if (this.#next !== null) this.#passOver(nowMs);
      return;
    }
    this.#isReading = true;
    wal.read(from, Number.MAX_SAFE_INTEGER, PIECE_BYTES, (error, entries) => {
      this.#parts.enter();
      this.#isReading = false;
      let bytes = 0;
      for (const entry of entries) bytes += entry.bytes.length;
      this.#bytes += bytes;
      this.#nextMs = nowMs + Math.max(1, (bytes / bytesPerSecond) * 1000);
      this.#next = (from + entries.length) as LogIndex;
      if (error instanceof WalRotError) this.#found(error, from);
      // Trimmed or cut meanwhile: what is there now is looked at with the next piece.
      else if (error !== null) this.#nextMs = nowMs + 1000;
    });
  }

  #found(error: WalRotError, from: LogIndex): void {
    this.#parts.onRot(error);
    // Entries of the same block may not verify without it: the next segment stands for itself.
    const segment = this.#parts.wal.sealedSegments().find(({ lastIndex }) => lastIndex >= from);
    this.#next = ((segment?.lastIndex ?? this.#parts.wal.durableIndex) + 1) as LogIndex;
  }

  #passOver(nowMs: number): void {
    this.#passes += 1;
    this.#next = null;
    this.#nextMs = this.#isToBeginAnew ? nowMs : Math.max(nowMs, this.#passBeganMs + PASS_MS_MIN);
    this.#isToBeginAnew = false;
  }
}
