import { assert } from '../base/assert.ts';
import { mark } from '../base/marks.ts';
import type { LogIndex } from '../base/units.ts';
import type { ErrorInfo } from '../wire/errors.ts';

/**
 * After this process stood still for a while, somebody else may lead. The log is safe whatever happens, but nobody
 * should hear "stored" from a leader of the past: until a quorum has confirmed this leader anew, the answers wait.
 */
export class AckGate {
  #closed = false;
  #round = 0;
  #held: { release: () => void; refuse: (error: ErrorInfo) => void }[] = [];

  get isClosed(): boolean {
    return this.#closed;
  }

  /**
   * @param confirm asks a quorum whether this node still leads and calls back with null if not.
   * @param lost the error for whoever waited in vain.
   */
  close(confirm: (done: (index: LogIndex | null) => void) => void, lost: () => ErrorInfo): void {
    this.#closed = true;
    this.#round += 1;
    const round = this.#round;
    confirm((index) => {
      // A second pause while the first is being confirmed asks for a round of its own.
      if (round !== this.#round) return;
      this.#closed = false;
      const held = this.#held;
      this.#held = [];
      if (index === null) {
        const error = lost();
        if (held.length > 0) mark('node.acknowledgement-refused');
        for (const { refuse } of held) refuse(error);
      } else {
        for (const { release } of held) release();
      }
    });
  }

  /** Keeps an answer back until the gate opens: then `release`, or `refuse` if another leads. */
  hold(release: () => void, refuse: (error: ErrorInfo) => void): void {
    assert(this.#closed, 'an answer is held back although the gate is open');
    mark('node.acknowledgement-held');
    this.#held.push({ release, refuse });
  }
}
