import type { Send } from '../closed-loop.ts';

/** How a leader's reign ends: its process is killed, or stopped (silent to everybody, as behind a cut), or it hands over. */
export const FAILOVERS = ['kill', 'silent', 'transfer'] as const;
export type Failover = (typeof FAILOVERS)[number];

/** Milliseconds of one failover, one after the other; together they are about the gap. */
export interface Parts {
  /** From the event until a node knew that its leader was gone. */
  readonly notice: number;
  /** Until one had won a pre-vote. */
  readonly preVote: number;
  /** Until it was elected. */
  readonly vote: number;
  /** Until it had committed the first entry of its term, and served a reader that was connected all along. */
  readonly noop: number;
  /** Until the client had its next acknowledgement: it has to find the leader, and a majority to sync what it sends. */
  readonly client: number;
}

export const PARTS: readonly (keyof Parts)[] = ['notice', 'preVote', 'vote', 'noop', 'client'];

/** Three servers under a client whose leader is taken away. */
export interface FailoverSystem {
  /** Calls back when a record is acknowledged, however often it had to be sent for that. */
  readonly send: Send;
  /** Resolves when every server is up, follows the same leader, and has what it has but for what is on its way. */
  settled(): Promise<void>;
  /** Ends the leader's reign. Resolves when that is done. @returns what makes the cluster whole again. */
  end(how: Failover): Promise<() => void>;
  /**
   * What the servers tell of the last event, if all of it came in. All times on the clock of `performance`.
   * @param firstAckAfter the first acknowledgement at or after a time, if there was one.
   */
  partsSince(eventMs: number, firstAckAfter: (ms: number) => number | null): Parts | null;
  close(): Promise<void>;
}

/** A cluster that is not whole again by then, or acknowledges nothing, ends the run: its figures would mean nothing. */
export const PATIENCE_MS = 60_000;
