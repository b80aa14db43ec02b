import { assert } from '../base/assert.ts';
import type { LogIndex, NodeId, Term } from '../base/units.ts';
import type { RaftCore } from './raft-core.ts';

/**
 * The properties of figure 3, and what follows from them, as checks that run after every step of a test or a simulated
 * run. What is cheap enough is asserted in the core itself as well, where it happens.
 *
 * Logs are compared by the chained checksum of an entry: equal there means equal in everything before, so one
 * comparison a term replaces one an entry.
 */

interface Seen {
  readonly term: Term;
  readonly votedFor: NodeId | null;
  readonly commitIndex: LogIndex;
}

const lastSeen = new WeakMap<RaftCore, Seen>();

/** One core: against itself and against what it was at the call before. @throws InvariantViolation */
export function checkInvariants(core: RaftCore): void {
  const { id, term, votedFor, commitIndex, lastIndex, durableIndex, firstIndex } = core;
  const lastTerm = core.termAt(lastIndex);
  assert(
    commitIndex <= lastIndex,
    () => `${id}: commit index ${commitIndex} is beyond last index ${lastIndex}`,
  );
  assert(
    durableIndex <= lastIndex,
    () => `${id}: durable index ${durableIndex} is beyond last index ${lastIndex}`,
  );
  assert(
    firstIndex <= lastIndex + 1,
    () => `${id}: first index ${firstIndex} is beyond last index ${lastIndex} + 1`,
  );
  assert(
    lastTerm === null || lastTerm <= term,
    () => `${id}: the log ends in term ${lastTerm}, this is term ${term}`,
  );
  assert(
    core.role !== 'leader' || core.leader === id,
    () => `${id}: leads and takes ${core.leader} for the leader`,
  );
  assert(
    core.leader !== id || core.role === 'leader',
    () => `${id}: takes itself for the leader as ${core.role}`,
  );
  const before = lastSeen.get(core);
  if (before !== undefined) {
    assert(term >= before.term, () => `${id}: term went back from ${before.term} to ${term}`);
    assert(
      commitIndex >= before.commitIndex,
      () => `${id}: commit index went back from ${before.commitIndex} to ${commitIndex}`,
    );
    assert(
      term > before.term || before.votedFor === null || votedFor === before.votedFor,
      () => `${id}: the vote of term ${term} moved from ${before.votedFor} to ${votedFor}`,
    );
  }
  lastSeen.set(core, { term, votedFor, commitIndex });
}

/**
 * All cores of a group at one moment.
 * @param changed those in which something may have changed since the last time: the others agreed with each other then.
 * Default all.
 * @throws InvariantViolation
 */
export function checkClusterInvariants(
  cores: readonly RaftCore[],
  changed: readonly RaftCore[] = cores,
): void {
  for (const core of changed) {
    checkInvariants(core);
    for (const other of cores) {
      // Two that both changed meet once.
      if (other === core || changed.indexOf(other) > changed.indexOf(core)) continue;
      assert(
        core.role !== 'leader' || other.role !== 'leader' || core.term !== other.term,
        () => `election safety: ${core.id} and ${other.id} both lead term ${core.term}`,
      );
      checkLogMatching(core, other);
      checkCommittedPrefix(core, other);
    }
  }
}

/**
 * If two logs hold an entry of the same index and term, they are equal up to it. The last such entry vouches for those
 * before it, and it lies in the last term that both know: terms of a log do not descend.
 */
function checkLogMatching(one: RaftCore, other: RaftCore): void {
  const ones = one.termRuns;
  const others = other.termRuns;
  let at = ones.length - 1;
  let otherAt = others.length - 1;
  while (at >= 0 && otherAt >= 0) {
    const term = ones[at]?.term ?? 0;
    const otherTerm = others[otherAt]?.term ?? 0;
    if (term === otherTerm) {
      const index = Math.min(runEnd(one, at), runEnd(other, otherAt)) as LogIndex;
      if (one.termAt(index) === term && other.termAt(index) === term) {
        assertSameEntry(one, other, index, 'log matching');
        return;
      }
    }
    if (term >= otherTerm) at -= 1;
    if (otherTerm >= term) otherAt -= 1;
  }
}

function checkCommittedPrefix(one: RaftCore, other: RaftCore): void {
  const index = Math.min(one.commitIndex, other.commitIndex) as LogIndex;
  const terms = [one.termAt(index), other.termAt(index)];
  assert(
    terms[0] === null || terms[1] === null || terms[0] === terms[1],
    () =>
      `state machine safety: committed entry ${index} has term ${terms[0]} at ${one.id}, ${terms[1]} at ${other.id}`,
  );
  assertSameEntry(one, other, index, 'state machine safety');
}

function assertSameEntry(one: RaftCore, other: RaftCore, index: LogIndex, rule: string): void {
  const checksum = one.checksumAt(index);
  const otherChecksum = other.checksumAt(index);
  assert(
    checksum === null || otherChecksum === null || checksum === otherChecksum,
    () => `${rule}: entry ${index} differs between ${one.id} and ${other.id}`,
  );
}

function runEnd(core: RaftCore, at: number): number {
  const next = core.termRuns[at + 1];
  return next === undefined ? core.lastIndex : next.firstIndex - 1;
}

interface CommittedEntry {
  readonly term: Term;
  /** Null where the entry had left the memory of who committed it. */
  readonly checksum: number | null;
  /** Term of the core that was first seen to have it committed: leaders of later terms must hold it. */
  readonly committedIn: Term;
}

/**
 * What a run has shown so far: catches what no single moment shows, such as two leaders of one term that never led at
 * the same time, or a committed entry that a later leader does not have. Cores may come and go (a restart makes a new
 * one); each check costs what changed since the one before.
 */
export class ClusterHistory {
  readonly #leaders = new Map<Term, NodeId>();
  readonly #committed = new Map<LogIndex, CommittedEntry>();
  readonly #checkedUpTo = new WeakMap<RaftCore, LogIndex>();
  #committedMax = 0;

  /** @param changed see `checkClusterInvariants`. */
  check(cores: readonly RaftCore[], changed: readonly RaftCore[] = cores): void {
    checkClusterInvariants(cores, changed);
    for (const core of changed) this.#checkCommitted(core);
    for (const core of changed) if (core.role === 'leader') this.#checkLeader(core);
  }

  #checkCommitted(core: RaftCore): void {
    const from = (this.#checkedUpTo.get(core) ?? 0) + 1;
    for (let index = from as LogIndex; index <= core.commitIndex; index = (index + 1) as LogIndex) {
      const term = core.termAt(index);
      if (term === null) continue;
      const checksum = core.checksumAt(index);
      const known = this.#committed.get(index);
      if (known === undefined) {
        this.#committed.set(index, { term, checksum, committedIn: core.term });
        this.#committedMax = Math.max(this.#committedMax, index);
        continue;
      }
      assert(
        known.term === term && (known.checksum === null || checksum === null || known.checksum === checksum),
        () =>
          `state machine safety: ${core.id} commits another entry at ${index} (term ${term}) than the one of term ${known.term}`,
      );
    }
    this.#checkedUpTo.set(core, core.commitIndex);
  }

  #checkLeader(leader: RaftCore): void {
    const known = this.#leaders.get(leader.term);
    assert(
      known === undefined || known === leader.id,
      () => `election safety: term ${leader.term} was won by ${known} and by ${leader.id}`,
    );
    if (known !== undefined) return;
    this.#leaders.set(leader.term, leader.id);
    for (let index = leader.firstIndex; index <= this.#committedMax; index = (index + 1) as LogIndex) {
      const entry = this.#committed.get(index);
      if (entry === undefined || entry.committedIn >= leader.term) continue;
      assert(
        leader.termAt(index) === entry.term,
        () =>
          `leader completeness: ${leader.id} leads term ${leader.term} without committed entry ${index} of term ${entry.term}`,
      );
    }
  }
}
