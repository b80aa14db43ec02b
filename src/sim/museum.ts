import type { Mutation } from '../base/mutations.ts';
import type { Failure } from './simulation.ts';
import type { WorldName } from './worlds.ts';

/** One wrong behaviour, and how it was caught. */
export interface Exhibit {
  readonly mutation: Mutation;
  /** Where it shows. */
  readonly world: WorldName;
  /** The first seed of that world that noticed it when this was written. */
  readonly seed: number;
  /** What may catch it: whichever of them is met first ends a run or stands in its verdict. */
  readonly rules: readonly Failure['rule'][];
}

export const EXHIBITS: readonly Exhibit[] = [
  { mutation: 'votesWithoutComparingLogs', world: 'churn', seed: 1, rules: ['invariant'] },
  { mutation: 'acknowledgesBeforeSync', world: 'power', seed: 43, rules: ['invariant', 'acknowledged-lost'] },
  { mutation: 'commitsWhatHeartbeatsSay', world: 'duel', seed: 7, rules: ['invariant'] },
  { mutation: 'truncatesOnAnyAppend', world: 'swarm', seed: 1, rules: ['invariant'] },
  { mutation: 'skipsNoop', world: 'swarm', seed: 1, rules: ['nobody-leads', 'clients-wait'] },
  { mutation: 'halfIsAQuorum', world: 'swarm', seed: 12, rules: ['invariant'] },
  { mutation: 'skipsLogSync', world: 'swarm', seed: 1, rules: ['node-ended', 'invariant'] },
  {
    mutation: 'skipsHardStateSync',
    world: 'swarm',
    seed: 2,
    rules: ['nobody-leads', 'invariant', 'term-went-back'],
  },
  { mutation: 'acknowledgesOnPropose', world: 'swarm', seed: 1, rules: ['stale-read', 'acknowledged-lost'] },
  {
    mutation: 'appliesUncommitted',
    world: 'swarm',
    seed: 2,
    rules: ['logs-differ', 'acknowledged-lost', 'exception'],
  },
  { mutation: 'losesProducersAtStart', world: 'swarm', seed: 1, rules: ['logs-differ', 'acknowledged-lost'] },
  { mutation: 'storesRetriesAgain', world: 'swarm', seed: 2, rules: ['stored-twice'] },
  {
    mutation: 'mergesAnswersBlindly',
    world: 'swarm',
    seed: 2,
    rules: ['two-values-at-one-index', 'acknowledged-lost'],
  },
  {
    mutation: 'reusesFrameBuffers',
    world: 'swarm',
    seed: 6,
    rules: ['node-ended', 'invariant', 'never-attempted'],
  },
  { mutation: 'retriesAsNewBatch', world: 'swarm', seed: 2, rules: ['refused-but-stored', 'stored-twice'] },
  { mutation: 'reportsTimeoutAsRefused', world: 'swarm', seed: 1, rules: ['refused-but-stored'] },
  { mutation: 'reusesSequenceNumbers', world: 'swarm', seed: 1, rules: ['acknowledged-lost'] },
  { mutation: 'matchesAnswersByOrder', world: 'swarm', seed: 5, rules: ['reader-skipped', 'stale-read'] },
  {
    mutation: 'countsReadsByRecords',
    world: 'swarm',
    seed: 1,
    rules: ['reader-went-back', 'reader-skipped'],
  },
];
