/**
 * What clients saw and what was found at the end, in the order of real time: the place of an event in the list is its
 * moment. A value stands for one record's payload (its text or a digest) and is given to the cluster once in a history.
 */
export type HistoryEvent =
  | {
      readonly type: 'append-invoked';
      /** Unique in the history. */
      readonly operation: number;
      readonly producer: string;
      /** Ascends with each append of this producer. */
      readonly sequence: number;
      /** One for each record of the batch. */
      readonly values: readonly string[];
    }
  | { readonly type: 'append-ok'; readonly operation: number; readonly index: number; readonly term: number }
  /** Nothing happened, and nothing will. */
  | { readonly type: 'append-failed'; readonly operation: number }
  /** It may have been stored, or may yet be. */
  | { readonly type: 'append-unknown'; readonly operation: number }
  | {
      readonly type: 'read-invoked';
      readonly operation: number;
      readonly reader: string;
      /** First index wanted. */
      readonly from: number;
      readonly consistency: 'linearizable' | 'committed';
    }
  /** Some of what this read brings, in order; a read may bring many. */
  | { readonly type: 'read-page'; readonly operation: number; readonly records: readonly ReadRecord[] }
  /** The reader was told that this was all. */
  | { readonly type: 'read-ok'; readonly operation: number }
  | { readonly type: 'read-failed'; readonly operation: number }
  /** A node acts as the leader of a term. */
  | { readonly type: 'leader'; readonly node: string; readonly term: number }
  /** This term is on the disk of a node. A wiped disk is another incarnation. */
  | { readonly type: 'term'; readonly node: string; readonly incarnation: number; readonly term: number };

export interface ReadRecord {
  readonly index: number;
  readonly ordinal: number;
  readonly value: string;
}

/** The log of one node that lives at the end. */
export interface FinalLog {
  readonly node: string;
  /** What the node keeps: nothing is said about entries before. */
  readonly firstIndex: number;
  readonly commitIndex: number;
  /** Committed entries that hold records, by ascending index. */
  readonly entries: readonly FinalEntry[];
}

export interface FinalEntry {
  readonly index: number;
  readonly term: number;
  readonly values: readonly string[];
}

export type EventOf<T extends HistoryEvent['type']> = Extract<HistoryEvent, { readonly type: T }>;

/** These events are no history: one of them contradicts those before it. */
export class HistoryError extends Error {
  override readonly name = 'HistoryError';
  readonly code = 'HISTORY_INVALID';
}

/** Collects the events of one run. */
export class History {
  readonly events: HistoryEvent[] = [];
  #operations = 0;

  /** @returns the number of an operation that is about to be invoked. */
  nextOperation(): number {
    this.#operations += 1;
    return this.#operations;
  }

  /** Operations that clients began. */
  get operations(): number {
    return this.#operations;
  }

  note(event: HistoryEvent): void {
    this.events.push(event);
  }
}
