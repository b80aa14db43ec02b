import { mark } from '../base/marks.ts';
import type { InstallSnapshot } from '../base/peer-message.ts';
import type { Appending } from './appending.ts';
import type { CoreState } from './core-state.ts';

/**
 * The follower's side of log compaction (section 7, figure 13): judges what a leader sends of a snapshot. What is to be
 * stored goes to the node. When it has all of it, durable, the node makes log and state begin with the snapshot, and a
 * core with them: it is the new core that answers "installed". So nothing is acknowledged that a crash could take away,
 * and there is no moment at which a log and a state of different origin are seen together.
 */
export class Installing {
  readonly #state: CoreState;
  readonly #appending: Appending;

  constructor(state: CoreState, appending: Appending) {
    this.#state = state;
    this.#appending = appending;
  }

  onInstallSnapshot(message: InstallSnapshot): void {
    if (!this.#appending.recognise(message)) {
      this.#answer(message, 0, false);
      return;
    }
    if (!this.#appending.mayAnswer) return;
    if (this.needs(message)) this.#state.outbox.storeSnapshot(message);
    else {
      mark('raft.snapshot-not-needed');
      this.#answer(message, message.snapshot.bytes, true);
    }
  }

  /**
   * Not where it would take the state machine back, and not where this log holds the entry that the snapshot ends with:
   * then it holds all before that, and what follows it is kept.
   */
  needs({ snapshot }: InstallSnapshot): boolean {
    const { log, options } = this.#state;
    if (options.mutations.installsOlderSnapshots) return true;
    const { lastIncludedIndex, lastIncludedTerm } = snapshot;
    return lastIncludedIndex > log.commitIndex && log.termAt(lastIncludedIndex) !== lastIncludedTerm;
  }

  stored(message: InstallSnapshot, offset: number): void {
    // Another may lead by now, and has no use for the answer.
    if (message.term === this.#state.term && this.#state.leader === message.from)
      this.#answer(message, offset, false);
  }

  #answer(message: InstallSnapshot, offset: number, installed: boolean): void {
    const { id, term } = this.#state;
    const { from: to, snapshot } = message;
    this.#state.send({ type: 'InstallSnapshotResponse', from: id, to, term, snapshot, offset, installed });
  }
}
