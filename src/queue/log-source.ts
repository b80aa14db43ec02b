import type { Entry } from '../base/entry.ts';
import type { LogIndex } from '../base/units.ts';

/** The log, as far as it is applied, for whoever builds indexes of it anew. */
export interface LogSource {
  readonly appliedIndex: LogIndex;
  /** What lies before is not kept any more. */
  readonly firstIndex: LogIndex;
  /**
   * Reads consecutive entries from `first` on, at least one and none that is not applied.
   * Calls back in this turn or a later one.
   */
  read(first: LogIndex, done: (error: Error | null, entries: readonly Entry[]) => void): void;
  /** Whether the batch at this index was refused when it was applied: it holds no record of any queue. */
  isVoided(index: LogIndex): boolean;
  /** The offset that the queue's next record will get; null for a queue that does not exist (any more). */
  endOffset(queue: number): number | null;
}

/** An index that contradicts the state machine although it was built from the same log. */
export class IndexMismatchError extends Error {
  override readonly name = 'IndexMismatchError';
  readonly code = 'INDEX_MISMATCH';
}
