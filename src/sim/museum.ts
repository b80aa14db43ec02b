import { assert } from '../base/assert.ts';
import { mutationsOf, type Mutation } from '../base/mutations.ts';
import { simulate, type Failure, type SimulationResult } from './simulation.ts';
import { drawWorld, type WorldName } from './worlds.ts';

type Rule = Failure['rule'];

/** One wrong behaviour, and how it is caught. docs/museum.md tells the stories. */
export interface Exhibit {
  /** Where it shows soonest. */
  readonly world: WorldName;
  /** The first seed of that world that noticed it when this was written. */
  readonly seed: number;
  /** What catches it: which of them comes first is a matter of luck. */
  readonly rules: readonly Rule[];
}

/** Where a group did not get what it was promised. */
const CONSUMPTION: readonly Rule[] = [
  'never-consumed',
  'offset-holds-another',
  'stored-at-two-offsets',
  'skipped',
  'out-of-order',
  'committed-work-repeated',
  'position-went-back',
  'not-assigned',
  'clients-wait',
];

/** Shown by whole clusters. Those of the replicated state alone are shown by the tests of its floor. */
export const EXHIBITS: Readonly<Partial<Record<Mutation, Exhibit>>> = {
  commitsEntriesOfOlderTerms: { world: 'duel', seed: 3, rules: ['invariant'] },
  votesWithoutComparingLogs: { world: 'duel', seed: 1, rules: ['invariant'] },
  votesBeforeSync: { world: 'ballot', seed: 4, rules: ['invariant'] },
  forgetsVoteAtStart: { world: 'ballot', seed: 19, rules: ['invariant'] },
  acknowledgesBeforeSync: { world: 'power', seed: 5, rules: ['invariant', 'no-convergence'] },
  acknowledgesUnverified: { world: 'duel', seed: 1, rules: ['no-convergence', 'invariant'] },
  countsStaleSyncs: { world: 'split', seed: 2, rules: ['invariant'] },
  leaderCountsItselfBeforeSync: { world: 'duel', seed: 1, rules: ['invariant'] },
  commitsWhatHeartbeatsSay: { world: 'tail', seed: 1, rules: ['invariant'] },
  truncatesOnAnyAppend: { world: 'round', seed: 1, rules: ['invariant'] },
  truncatesToCommitOnNewLeader: { world: 'duel', seed: 1, rules: ['invariant', 'no-convergence'] },
  readsWithoutQuorum: { world: 'split', seed: 9, rules: ['stale-read'] },
  readsBeforeTermStart: { world: 'duel', seed: 3, rules: ['stale-read'] },
  handsOverUnchecked: { world: 'round', seed: 1, rules: ['invariant'] },
  skipsNoop: { world: 'wiped', seed: 1, rules: ['nobody-leads'] },
  countsWipedMembers: { world: 'wiped', seed: 12, rules: ['invariant'] },
  halfIsAQuorum: { world: 'split', seed: 15, rules: ['invariant', 'stale-read'] },
  followsLeadersOfOlderTerms: { world: 'split', seed: 2, rules: ['invariant'] },
  skipsLogSync: { world: 'power', seed: 1, rules: ['node-ended', 'invariant'] },
  skipsHardStateSync: {
    world: 'power',
    seed: 1,
    rules: ['nobody-leads', 'no-convergence', 'term-went-back', 'invariant'],
  },
  trustsPageCacheAtStart: { world: 'power', seed: 1, rules: ['node-ended'] },
  skipsDirectorySync: { world: 'power', seed: 2, rules: ['node-ended'] },
  watermarkAheadOfSync: { world: 'power', seed: 1, rules: ['node-ended'] },
  leavesTornTail: { world: 'power', seed: 11, rules: ['node-ended'] },
  cutsRotAsTorn: {
    world: 'rot',
    seed: 8,
    rules: ['node-ended', 'invariant', 'acknowledged-lost', 'logs-differ'],
  },
  readsUnverified: { world: 'rot', seed: 1, rules: ['unreadable', 'replicas-differ', 'logs-differ'] },
  retriesFailedSyncs: { world: 'power', seed: 2, rules: ['node-ended', 'unreadable'] },
  installsUnsyncedSnapshots: { world: 'trimmed', seed: 5, rules: ['node-ended'] },
  countsWhatFoundNoRoom: { world: 'full', seed: 14, rules: ['invariant'] },
  takesTheVoteForTheLog: { world: 'full', seed: 14, rules: ['invariant'] },
  votesUnwrittenOnFullDisks: {
    world: 'full',
    seed: 2,
    rules: ['no-convergence', 'invariant', 'term-went-back', 'nobody-leads'],
  },
  writesBehindHalfABlock: { world: 'full', seed: 1, rules: ['node-ended'] },
  acknowledgesOnPropose: {
    world: 'tail',
    seed: 1,
    rules: ['acknowledged-lost', 'stale-read', 'two-values-at-one-index'],
  },
  appliesUncommitted: {
    world: 'tail',
    seed: 1,
    rules: ['invariant', 'replicas-differ', 'acknowledged-lost', 'logs-differ'],
  },
  appliesDroppedEntries: {
    world: 'tail',
    seed: 17,
    rules: ['replicas-differ', 'logs-differ', 'acknowledged-lost', 'reader-skipped'],
  },
  hintsCommitAheadOfDisk: { world: 'tail', seed: 28, rules: ['invariant', 'replicas-differ'] },
  checkpointsAheadOfLog: { world: 'tail', seed: 1, rules: ['node-ended'] },
  trimsAheadOfCheckpoints: { world: 'trimmed', seed: 2, rules: ['node-ended'] },
  trimsToTheNewestCheckpoint: { world: 'trimmed', seed: 6, rules: ['log-starts-differ'] },
  losesProducersAtStart: {
    world: 'tail',
    seed: 1,
    rules: ['replicas-differ', 'logs-differ', 'acknowledged-lost'],
  },
  storesRetriesAgain: { world: 'tail', seed: 1, rules: ['stored-twice'] },
  answersRetriesOneFurther: { world: 'market', seed: 1, rules: CONSUMPTION },
  readsBeforeApply: { world: 'alone', seed: 11, rules: ['stale-read'] },
  mergesAnswersBlindly: { world: 'tail', seed: 1, rules: ['acknowledged-lost', 'two-values-at-one-index'] },
  reusesFrameBuffers: {
    world: 'noise',
    seed: 1,
    rules: ['exception', 'replicas-differ', 'node-ended', 'invariant', 'no-convergence', 'unreadable'],
  },
  ignoresFrameChecksums: {
    world: 'noise',
    seed: 3,
    rules: ['acknowledged-lost', 'reader-skipped', 'stale-read', 'real-time-order', 'invariant', 'exception'],
  },
  retriesAsNewBatch: { world: 'tail', seed: 1, rules: ['stored-twice', 'refused-but-stored'] },
  reportsTimeoutAsRefused: { world: 'tail', seed: 1, rules: ['refused-but-stored'] },
  reusesSequenceNumbers: { world: 'tail', seed: 1, rules: ['acknowledged-lost'] },
  matchesAnswersByOrder: { world: 'swarm', seed: 5, rules: ['reader-skipped', 'stale-read', 'clients-wait'] },
  countsReadsByRecords: { world: 'wiped', seed: 1, rules: ['reader-went-back', 'reader-skipped'] },
  commitsWhatIsHandedOut: { world: 'market', seed: 2, rules: CONSUMPTION },
  handsOverUnfinishedWork: { world: 'market', seed: 1, rules: CONSUMPTION },
  ignoresLostMembership: { world: 'market', seed: 1, rules: CONSUMPTION },
  countsOffsetsByRecords: { world: 'market', seed: 1, rules: CONSUMPTION },
};

/** The switches that stand here. */
export const SHOWN: readonly Mutation[] = Object.keys(EXHIBITS) as Mutation[];

export function exhibitOf(mutation: Mutation): Exhibit {
  const exhibit = EXHIBITS[mutation];
  assert(exhibit !== undefined, () => `${mutation} is not shown by clusters`);
  return exhibit;
}

/** Runs a world of its exhibit with this one switch on. */
export function show(mutation: Mutation, seed: number): SimulationResult {
  return simulate(drawWorld(exhibitOf(mutation).world, seed), { mutations: mutationsOf([mutation]) });
}

/** Whether a run with it was caught as it should be. */
export function isCaught(mutation: Mutation, { failures }: SimulationResult): boolean {
  const { rules } = exhibitOf(mutation);
  return failures.some(({ rule }) => rules.includes(rule));
}
