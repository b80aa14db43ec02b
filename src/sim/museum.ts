import type { Mutation } from '../base/mutations.ts';
import type { Failure } from './simulation.ts';

/** One wrong behaviour, and how it was caught. */
export interface Exhibit {
  readonly mutation: Mutation;
  /** The first seed that noticed it when this was written. */
  readonly seed: number;
  /** What may catch it: whichever of them is met first ends a run or stands in its verdict. */
  readonly rules: readonly Failure['rule'][];
}

export const EXHIBITS: readonly Exhibit[] = [
  { mutation: 'votesWithoutComparingLogs', seed: 2, rules: ['invariant'] },
  { mutation: 'acknowledgesBeforeSync', seed: 2, rules: ['invariant', 'acknowledged-lost'] },
  { mutation: 'commitsWhatHeartbeatsSay', seed: 11, rules: ['invariant'] },
  { mutation: 'truncatesOnAnyAppend', seed: 1, rules: ['invariant'] },
  { mutation: 'skipsNoop', seed: 1, rules: ['nobody-leads', 'clients-wait'] },
  { mutation: 'halfIsAQuorum', seed: 12, rules: ['invariant'] },
  { mutation: 'skipsLogSync', seed: 1, rules: ['node-ended', 'invariant'] },
  { mutation: 'skipsHardStateSync', seed: 2, rules: ['nobody-leads', 'invariant', 'term-went-back'] },
  { mutation: 'acknowledgesOnPropose', seed: 1, rules: ['stale-read', 'acknowledged-lost'] },
  { mutation: 'appliesUncommitted', seed: 2, rules: ['logs-differ', 'acknowledged-lost', 'exception'] },
  { mutation: 'losesProducersAtStart', seed: 1, rules: ['logs-differ', 'acknowledged-lost'] },
  { mutation: 'storesRetriesAgain', seed: 2, rules: ['stored-twice'] },
  { mutation: 'mergesAnswersBlindly', seed: 2, rules: ['two-values-at-one-index', 'acknowledged-lost'] },
  { mutation: 'reusesFrameBuffers', seed: 6, rules: ['node-ended', 'invariant', 'never-attempted'] },
  { mutation: 'retriesAsNewBatch', seed: 2, rules: ['refused-but-stored', 'stored-twice'] },
  { mutation: 'reportsTimeoutAsRefused', seed: 1, rules: ['refused-but-stored'] },
  { mutation: 'reusesSequenceNumbers', seed: 1, rules: ['acknowledged-lost'] },
  { mutation: 'matchesAnswersByOrder', seed: 5, rules: ['reader-skipped', 'stale-read'] },
  { mutation: 'countsReadsByRecords', seed: 1, rules: ['reader-went-back', 'reader-skipped'] },
];
