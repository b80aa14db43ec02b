import { mark } from '../base/marks.ts';
import type { LogIndex } from '../base/units.ts';
import type { Outbox } from './outbox.ts';

interface PendingRead {
  readonly token: number;
  readonly index: LogIndex;
  readonly round: number;
}

/**
 * Linearizable reads without writing to the log (dissertation 6.4): the leader notes its commit index, proves with one
 * round of heartbeats that it was still the leader after that, and lets the read go once so much is applied.
 *
 * Until an entry of its own term is committed a leader does not know how far the log is committed, so reads wait.
 */
export class ReadIndex {
  readonly #outbox: Outbox;
  /** Came since the last round began. */
  #fresh: number[] = [];
  /** Wait for their round, in order. */
  #pending: PendingRead[] = [];

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  get hasFresh(): boolean {
    return this.#fresh.length > 0;
  }

  get hasPending(): boolean {
    return this.#pending.length > 0;
  }

  add(token: number): void {
    this.#fresh.push(token);
  }

  /** All reads that came by now are answered by the round of heartbeats that begins now. */
  beginRound(round: number, commitIndex: LogIndex): void {
    for (const token of this.#fresh) this.#pending.push({ token, index: commitIndex, round });
    this.#fresh = [];
  }

  /** A majority answered this round, and with it all before. */
  confirmed(round: number): void {
    let done = 0;
    for (const read of this.#pending) {
      if (read.round > round) break;
      this.#outbox.grantRead(read.token, read.index);
      done += 1;
    }
    if (done > 0) this.#pending = this.#pending.slice(done);
  }

  refuseAll(): void {
    if (this.hasPending) mark('raft.read-round-failed');
    for (const read of this.#pending) this.#outbox.refuseRead(read.token);
    for (const token of this.#fresh) this.#outbox.refuseRead(token);
    this.#pending = [];
    this.#fresh = [];
  }
}
