import { mark } from '../base/marks.ts';
import type { Mutations } from '../base/mutations.ts';
import type { LogIndex } from '../base/units.ts';
import type { StateMachine } from '../broker/index.ts';
import type { RaftCore } from '../raft/index.ts';
import { errorInfo, type ErrorInfo } from '../wire/errors.ts';

export interface LeaderReadsParts {
  readonly core: RaftCore;
  readonly machine: StateMachine;
  readonly mutations: Mutations;
  readonly refusalHint: () => ErrorInfo;
  /** Calls back with the index a linearizable read must see applied, or null if leadership was lost. */
  readonly confirmLeadership: (done: (index: LogIndex | null) => void) => void;
}

type Answer = (error: ErrorInfo | null) => void;

/** Beyond it reads are refused as OVERLOADED. */
const WAITING_MAX = 4096;

/** When a read at the leader may be answered from what is applied, so that it sees everything acknowledged before it. */
export class LeaderReads {
  readonly #parts: LeaderReadsParts;
  #confirming = 0;
  #waiting: { readonly index: LogIndex; readonly answer: Answer }[] = [];

  constructor(parts: LeaderReadsParts) {
    this.#parts = parts;
  }

  get waitingCount(): number {
    return this.#confirming + this.#waiting.length;
  }

  /** Calls back with null when the applied state may be read, or with why not. */
  ask(answer: Answer): void {
    const { core, machine, mutations, refusalHint, confirmLeadership } = this.#parts;
    if (core.role !== 'leader') {
      answer(refusalHint());
      return;
    }
    if (this.waitingCount >= WAITING_MAX) {
      answer(errorInfo('OVERLOADED', `${WAITING_MAX} reads wait already`));
      return;
    }
    this.#confirming += 1;
    confirmLeadership((index) => {
      this.#confirming -= 1;
      if (index === null) answer(refusalHint());
      else if (machine.appliedIndex >= index || mutations.readsBeforeApply) answer(null);
      else {
        mark('node.read-waited-for-apply');
        this.#waiting.push({ index, answer });
      }
    });
  }

  onApplied(): void {
    if (this.#waiting.length === 0) return;
    const applied = this.#parts.machine.appliedIndex;
    const waiting = this.#waiting;
    this.#waiting = waiting.filter(({ index }) => index > applied);
    for (const { index, answer } of waiting) if (index <= applied) answer(null);
  }

  onLeadershipLost(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { answer } of waiting) {
      mark('node.read-lost-its-leader');
      answer(this.#parts.refusalHint());
    }
  }
}
