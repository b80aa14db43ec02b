import { assert } from '../base/assert.ts';
import { mark } from '../base/marks.ts';
import type { LogIndex } from '../base/units.ts';

/** What will be durable once a Ready is: log up to `lastIndex`, hard state up to `version`. */
interface Claim {
  readonly number: number;
  readonly version: number;
  lastIndex: LogIndex;
}

/**
 * Turns "Ready number n is durable" into "the log is durable up to i, the hard state up to version v".
 *
 * A completion may arrive after what it speaks of was truncated and overwritten. Comparing index and term at that
 * moment would be fooled by an entry that was cut and came back (ABA). So each Ready leaves a claim when it is taken,
 * and a truncation lowers the claims of all Readys before it: the stale completion then promises only what is left.
 */
export class Persistence {
  #claims: Claim[] = [];
  #version = 0;
  #takenVersion = 0;
  #durableVersion = 0;
  #takenNumber = 0;
  #durableNumber = 0;

  /** Grows with each change of term or vote. */
  get hardStateVersion(): number {
    return this.#version;
  }

  get hardStateUntaken(): boolean {
    return this.#takenVersion !== this.#version;
  }

  /** The term and vote of this moment are on disk. */
  get hardStateDurable(): boolean {
    return this.#durableVersion === this.#version;
  }

  isDurable(version: number): boolean {
    return version <= this.#durableVersion;
  }

  hardStateChanged(): void {
    this.#version += 1;
  }

  /** Numbers a Ready. `lastIndex` is the end of the log it completes on disk, null if it asks nothing of the disk. */
  take(lastIndex: LogIndex | null): number {
    this.#takenNumber += 1;
    this.#takenVersion = this.#version;
    if (lastIndex !== null) {
      this.#claims.push({ number: this.#takenNumber, version: this.#version, lastIndex });
    }
    return this.#takenNumber;
  }

  truncated(from: LogIndex): void {
    for (const claim of this.#claims) {
      if (claim.lastIndex < from) continue;
      mark('raft.durable-claim-lowered');
      claim.lastIndex = (from - 1) as LogIndex;
    }
  }

  /** Term and vote as of this Ready are on disk, whatever becomes of its entries. */
  hardStatePersisted(number: number): void {
    assert(
      number <= this.#takenNumber,
      () => `hard state of Ready ${number} reported durable, ${this.#takenNumber} was the last taken`,
    );
    for (const claim of this.#claims) {
      if (claim.number > number) break;
      this.#durableVersion = Math.max(this.#durableVersion, claim.version);
    }
  }

  /** @returns up to where the log is durable by this report; null if it says nothing new. */
  persisted(number: number): LogIndex | null {
    assert(
      number <= this.#takenNumber,
      () => `Ready ${number} reported durable, ${this.#takenNumber} was the last taken`,
    );
    if (number <= this.#durableNumber) return null;
    this.#durableNumber = number;
    let done = 0;
    let lastIndex: LogIndex | null = null;
    for (const claim of this.#claims) {
      if (claim.number > number) break;
      // Not back: hard state may have passed by a log that waited.
      this.#durableVersion = Math.max(this.#durableVersion, claim.version);
      lastIndex = claim.lastIndex;
      done += 1;
    }
    if (done > 0) this.#claims = this.#claims.slice(done);
    return lastIndex;
  }
}
