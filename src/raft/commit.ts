import { mark } from '../base/marks.ts';
import type { Mutations } from '../base/mutations.ts';
import type { LogIndex, Term } from '../base/units.ts';
import type { RaftLog } from './raft-log.ts';

/**
 * THE commit rule (section 5.4.2): up to where the log is committed, given the highest index that a majority has synced.
 *
 * Counting is enough only for an entry of the leader's own term. A majority may hold an entry of an older term and
 * still lose it to a leader that none of them outranks (figure 8); once an entry of this term is on a majority, no such
 * leader can be elected, and everything before it is committed along with it.
 */
export function committedByCounting(
  log: RaftLog,
  term: Term,
  majorityIndex: number,
  mutations: Mutations,
): LogIndex {
  if (majorityIndex <= log.commitIndex) return log.commitIndex;
  if (log.termAt(majorityIndex) !== term && !mutations.commitsEntriesOfOlderTerms) {
    mark('raft.figure-8-refused');
    return log.commitIndex;
  }
  return majorityIndex as LogIndex;
}
