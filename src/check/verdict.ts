import { NO_ROW, Outcome, type AppendTable, type LogTable, type ReadTable } from './tables.ts';

export type Rule =
  | 'acknowledged-lost'
  | 'never-attempted'
  | 'refused-but-stored'
  | 'stored-twice'
  | 'two-values-at-one-index'
  | 'logs-differ'
  | 'real-time-order'
  | 'producer-order'
  | 'stale-read'
  | 'read-too-early'
  | 'reader-went-back'
  | 'reader-skipped'
  | 'two-leaders'
  | 'term-went-back';

/** A promise that was broken, with what shows it. */
export interface Violation {
  readonly rule: Rule;
  readonly message: string;
  /** The events and entries that contradict each other, a line each. */
  readonly evidence: readonly string[];
}

export interface CheckResult {
  /** Of each rule the first five. */
  readonly violations: readonly Violation[];
  /** All of them, by rule. */
  readonly broken: Readonly<Partial<Record<Rule, number>>>;
  readonly acknowledged: number;
  readonly failed: number;
  readonly unknown: number;
  /** Unknown appends that are in the log after all. */
  readonly unknownStored: number;
  readonly recordsRead: number;
}

/** Of each rule so many are told; the rest is counted. */
const TOLD_PER_RULE = 5;

/** What was found so far. */
export class Verdict {
  readonly #violations: Violation[] = [];
  readonly #broken: Partial<Record<Rule, number>> = {};

  violated(rule: Rule, message: string, evidence: readonly string[]): void {
    const count = (this.#broken[rule] ?? 0) + 1;
    this.#broken[rule] = count;
    if (count <= TOLD_PER_RULE) this.#violations.push({ rule, message, evidence });
  }

  result(appends: AppendTable, reads: ReadTable, log: LogTable): CheckResult {
    const counts = { [Outcome.open]: 0, [Outcome.ok]: 0, [Outcome.failed]: 0, [Outcome.unknown]: 0 };
    for (let row = 0; row < appends.count; row += 1) counts[appends.outcome.at(row) as Outcome] += 1;
    let unknownStored = 0;
    for (let row = 0; row < log.count; row += 1) {
      const append = log.valueCount(row) === 0 ? NO_ROW : appends.ofValue(log.value(row, 0));
      if (append === NO_ROW) continue;
      const outcome = appends.outcome.at(append);
      if (outcome === Outcome.unknown || outcome === Outcome.open) unknownStored += 1;
    }
    return {
      violations: this.#violations,
      broken: this.#broken,
      acknowledged: counts[Outcome.ok],
      failed: counts[Outcome.failed],
      unknown: counts[Outcome.unknown] + counts[Outcome.open],
      unknownStored,
      recordsRead: reads.records,
    };
  }
}
