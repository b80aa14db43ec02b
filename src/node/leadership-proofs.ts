import { assert } from '../base/assert.ts';
import type { LogIndex } from '../base/units.ts';
import type { RaftCore, ReadGrant } from '../raft/index.ts';

/** Asks the core whether this node still leads, and brings each answer to whoever asked (ReadIndex, dissertation 6.4). */
export class LeadershipProofs {
  readonly #core: RaftCore;
  readonly #waiting = new Map<number, (index: LogIndex | null) => void>();
  #nextToken = 1;

  constructor(core: RaftCore) {
    this.#core = core;
  }

  /** Calls back with the index that a linearizable read must see applied, or with null if this node does not lead. */
  ask(done: (index: LogIndex | null) => void): void {
    const token = this.#nextToken;
    this.#nextToken += 1;
    this.#waiting.set(token, done);
    this.#core.readIndex(token);
  }

  granted({ token, index }: ReadGrant): void {
    this.#answer(token, index);
  }

  refused(token: number): void {
    this.#answer(token, null);
  }

  #answer(token: number, index: LogIndex | null): void {
    const done = this.#waiting.get(token);
    assert(done !== undefined, () => `read token ${token} was answered twice`);
    this.#waiting.delete(token);
    done(index);
  }
}
