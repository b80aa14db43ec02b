import { assert } from '../base/assert.ts';
import { mark } from '../base/marks.ts';
import type { AppendEntries, AppendRejection, Heartbeat, InstallSnapshot } from '../base/peer-message.ts';
import type { LogIndex, Term } from '../base/units.ts';
import type { CoreState } from './core-state.ts';

/**
 * The follower's side of replication (section 5.3).
 *
 * It acknowledges min(durable index, verified index). Durable alone would not do: what is on this disk may be another
 * leader's, and only what THIS leader sent in THIS term, or confirmed by a matching predecessor, is known to be equal
 * to its log. So the verified index starts at 0 with every term, which has but one leader, and with every start of the
 * process. And since figure 2 wants the term on disk before any answer, nothing is acknowledged until it is.
 */
export class Appending {
  readonly #state: CoreState;
  #term = 0 as Term;
  #verifiedIndex = 0;
  #acknowledgedIndex = 0;
  #owedIndex = 0;
  #owes = false;
  #ackDue = false;

  constructor(state: CoreState) {
    this.#state = state;
  }

  /** An acknowledgement leaves with the next Ready: one, however many appends one turn brought. */
  get ackDue(): boolean {
    return this.#ackDue;
  }

  onAppendEntries(message: AppendEntries): void {
    if (!isWellFormed(message)) return;
    if (!this.recognise(message)) {
      this.#answer(message, 0, null);
      return;
    }
    const rejection = this.#check(message);
    if (rejection !== null) {
      if (this.mayAnswer) this.#answer(message, this.#ackable, rejection);
      return;
    }
    this.#append(message);
    const end = message.prevIndex + message.entries.length;
    this.#verifiedIndex = Math.max(this.#verifiedIndex, end);
    this.#commitTo(Math.min(message.commitIndex, end));
    this.#owedIndex = Math.max(this.#owedIndex, end);
    this.#owes = true;
    this.#ackDue ||= this.#state.persistence.hardStateDurable && this.#ackable >= this.#owedIndex;
  }

  onHeartbeat(message: Heartbeat): void {
    const current = this.recognise(message);
    // Not up to this log's own end: what lies beyond the verified index may be another leader's and not committed.
    const { log, options } = this.#state;
    const known = options.mutations.commitsWhatHeartbeatsSay ? log.lastIndex : this.#verifiedIndex;
    if (current) this.#commitTo(Math.min(message.commitIndex, known));
    if (current && !this.mayAnswer) return;
    this.#state.send({
      type: 'HeartbeatResponse',
      from: this.#state.id,
      to: message.from,
      term: this.#state.term,
      round: message.round,
      matchIndex: (current ? this.#ackable : 0) as LogIndex,
      syncMs: this.#state.syncMs,
      surplusBytes: this.#state.surplusBytes,
    });
  }

  /** The disk is done with something: what was owed may be answered, or part of it. */
  persisted(): void {
    if (!this.#owes || this.#term !== this.#state.term || !this.#state.persistence.hardStateDurable) return;
    this.#ackDue ||= this.#ackable >= this.#owedIndex || this.#ackable > this.#acknowledgedIndex;
  }

  /** Puts the acknowledgement that is due into the outbox. */
  flush(): void {
    if (!this.#ackDue) return;
    this.#ackDue = false;
    const { leader, term, id } = this.#state;
    if (leader === null || leader === id || this.#term !== term || !this.mayAnswer) return;
    const matchIndex = this.#ackable;
    this.#acknowledgedIndex = matchIndex;
    this.#owes = matchIndex < this.#owedIndex;
    if (this.#owes) mark('raft.acknowledged-in-part');
    this.#answer({ from: leader }, matchIndex, null);
  }

  /**
   * To acknowledge a leader is to promise that no older one will be. Whoever lost its term and vote may have promised
   * that to a leader of a later term: one of two answers would be broken, and with it an entry that was committed by
   * counting it. So it keeps what it is sent, and says nothing.
   */
  get mayAnswer(): boolean {
    return this.#state.options.recovered.hardStateTrusted;
  }

  get #ackable(): number {
    if (!this.#state.persistence.hardStateDurable) return 0;
    const { log, options } = this.#state;
    if (options.mutations.acknowledgesUnverified) return log.durableIndex;
    return Math.min(
      options.mutations.acknowledgesBeforeSync ? log.lastIndex : log.durableIndex,
      this.#verifiedIndex,
    );
  }

  /** Takes the sender for the leader of its term. @returns false if that term is over. */
  recognise(message: AppendEntries | Heartbeat | InstallSnapshot): boolean {
    const state = this.#state;
    const { from, term } = message;
    if (term < state.term && !state.options.mutations.followsLeadersOfOlderTerms) {
      mark('raft.append-of-old-leader');
      return false;
    }
    if (term === state.term) {
      assert(
        state.leader === null || state.leader === from,
        () => `two leaders in term ${term}: ${state.leader} and ${from}`,
      );
    }
    if (state.leader !== from || term > state.term) state.follow(term, from, `${message.type} from ${from}`);
    state.lease.renew();
    state.timer.restart();
    if (this.#term !== term) {
      this.#term = term;
      this.#verifiedIndex = 0;
      this.#acknowledgedIndex = 0;
      this.#owedIndex = 0;
      this.#owes = false;
      this.#ackDue = false;
      if (state.options.mutations.truncatesToCommitOnNewLeader) this.#truncateToCommit();
    }
    return true;
  }

  /** The consistency check. @returns where to go on if it fails: past a whole conflicting term at once. */
  #check({ prevIndex, prevTerm, prevChecksum, from }: AppendEntries): AppendRejection | null {
    const { log } = this.#state;
    const { lastIndex } = log;
    if (prevIndex > lastIndex) {
      mark('raft.append-log-too-short');
      return { prevIndex, conflictTerm: 0 as Term, conflictIndex: (lastIndex + 1) as LogIndex, lastIndex };
    }
    const conflictTerm = log.termAt(prevIndex);
    // Before this log's first entry everything is committed, and a leader has all that is.
    if (conflictTerm === null) return null;
    if (conflictTerm === prevTerm) {
      const checksum = log.checksumAt(prevIndex);
      assert(
        checksum === null || checksum === prevChecksum,
        () => `log matching is broken: entry ${prevIndex} of term ${prevTerm} differs from that of ${from}`,
      );
      return null;
    }
    assert(
      prevIndex > log.commitIndex,
      () => `${from} has term ${prevTerm} at committed index ${prevIndex}, this log has term ${conflictTerm}`,
    );
    mark('raft.conflict-by-term');
    const conflictIndex = Math.max(log.firstIndexOfRun(prevIndex), log.commitIndex + 1) as LogIndex;
    return { prevIndex, conflictTerm, conflictIndex, lastIndex };
  }

  /**
   * Appends from the first entry that differs; before that there is nothing to do. A message that is old, repeated or
   * overtaken by a longer one therefore never cuts what came after it.
   */
  #append({ prevChecksum, entries, from }: AppendEntries): void {
    const { log, membership, options } = this.#state;
    let at = 0;
    for (const entry of entries) {
      if (entry.index > log.lastIndex || options.mutations.truncatesOnAnyAppend) break;
      const known = log.termAt(entry.index);
      if (known !== null && known !== entry.term) {
        assert(
          entry.index > log.commitIndex,
          () =>
            `${from} has term ${entry.term} at committed index ${entry.index}, this log has term ${known}`,
        );
        break;
      }
      const checksum = log.checksumAt(entry.index);
      assert(
        known === null || checksum === null || checksum === entry.checksum,
        () =>
          `log matching is broken: entry ${entry.index} of term ${entry.term} differs from that of ${from}`,
      );
      at += 1;
    }
    const first = entries[at];
    if (first === undefined) {
      if (entries.length > 0) mark('raft.append-repeated');
      return;
    }
    if (first.index <= log.lastIndex)
      this.#truncate(first.index, at === 0 ? prevChecksum : (entries[at - 1]?.checksum ?? 0));
    const fresh = at === 0 ? entries : entries.slice(at);
    log.append(fresh);
    membership.appended(fresh);
    this.#state.noteStamp(fresh.at(-1));
  }

  #truncate(from: LogIndex, checksumBefore: number): void {
    const { log, membership, options, persistence, term } = this.#state;
    assert(
      from > this.#verifiedIndex,
      () => `truncation from ${from} below the verified index ${this.#verifiedIndex}`,
    );
    mark('raft.suffix-truncated');
    const lastIndexBefore = log.lastIndex;
    log.truncate(from, checksumBefore);
    membership.truncated(from);
    if (!options.mutations.countsStaleSyncs) persistence.truncated(from);
    this.#state.emit({ type: 'log-truncated', term, from, lastIndexBefore });
  }

  /** What KIP-101 did away with. */
  #truncateToCommit(): void {
    const { log } = this.#state;
    const checksum = log.checksumAt(log.commitIndex);
    if (log.lastIndex > log.commitIndex && checksum !== null)
      this.#truncate((log.commitIndex + 1) as LogIndex, checksum);
  }

  #commitTo(index: number): void {
    if (index > this.#state.log.commitIndex) this.#state.commitTo(index as LogIndex);
  }

  #answer(to: Pick<AppendEntries, 'from'>, matchIndex: number, rejection: AppendRejection | null): void {
    this.#state.send({
      type: 'AppendEntriesResponse',
      from: this.#state.id,
      to: to.from,
      term: this.#state.term,
      matchIndex: matchIndex as LogIndex,
      rejection,
    });
  }
}

/** A message that no correct leader sends is dropped unanswered. */
function isWellFormed({ prevIndex, prevTerm, term, entries }: AppendEntries): boolean {
  let index = prevIndex as number;
  let entryTerm = prevTerm as number;
  for (const entry of entries) {
    if (entry.index !== index + 1 || entry.term < entryTerm) return false;
    index = entry.index;
    entryTerm = entry.term;
  }
  return entryTerm <= term;
}
