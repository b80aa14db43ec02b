import { decodeBatch } from '../base/batch.ts';
import { entryBody, entryQueue, type Entry } from '../base/entry.ts';
import type { FinalEntry } from '../check/index.ts';
import { BrokerWatch, type ApplyResult, type StateMachine } from '../broker/index.ts';
import type { PayloadValues } from './payload-values.ts';

/** What did not hold of the replicated state. */
export interface StateViolation {
  readonly rule: 'replicas-differ' | 'broker';
  readonly message: string;
}

/** The first ones say it all; a wrong state breaks a rule with every entry. */
const VIOLATIONS_MAX = 5;

/**
 * Looks at every entry that any node applies. Whoever applies an index first is held against the rules of the broker;
 * everybody who applies it later must have come to the same state, be it after a restart, from a checkpoint or not.
 */
export class StateWatch {
  readonly #watch = new BrokerWatch();
  /** By index, from 1 on: the digest behind it, and who was first. */
  readonly #digests: number[] = [0];
  readonly #first: string[] = [''];
  readonly #violations: StateViolation[] = [];
  readonly #entries: FinalEntry[] = [];
  readonly #values: PayloadValues | null;

  /** @param values to keep the entries: where logs are trimmed, nobody else can tell in the end what was in them. */
  constructor(values: PayloadValues | null = null) {
    this.#values = values;
  }

  get violations(): readonly StateViolation[] {
    return this.#violations;
  }

  /** Records of the raw log as they were first applied, in order; those of all nodes are the same, or it is a violation. */
  entriesBefore(index: number): FinalEntry[] {
    return this.#entries.filter((entry) => entry.index < index);
  }

  onApplied(id: string, machine: StateMachine, entry: Entry, result: ApplyResult): void {
    const { index } = entry;
    const digest = machine.digest();
    if (index === this.#digests.length) {
      this.#digests.push(digest);
      this.#first.push(id);
      const known = this.#values;
      if (known !== null && result.result === 'accepted' && entryQueue(entry) === 0) {
        const values = decodeBatch(entryBody(entry)).map((payload) => known.of(payload));
        this.#entries.push({ index, term: entry.term, values });
      }
      for (const text of this.#watch.observe(machine, entry, result)) this.#say('broker', `${id}: ${text}`);
    } else if (index < this.#digests.length && this.#digests[index] !== digest) {
      const others = `${this.#first[index]} has ${this.#digests[index]}`;
      this.#say('replicas-differ', `${id} has the digest ${digest} behind entry ${index}, ${others}`);
    }
  }

  #say(rule: StateViolation['rule'], message: string): void {
    if (this.#violations.length < VIOLATIONS_MAX) this.#violations.push({ rule, message });
  }
}
