import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NO_MUTATIONS, mutationsOf, type Mutation, type Mutations } from '../../src/base/mutations.ts';
import { BrokerWatch, SESSION_LIMITS, StateMachine } from '../../src/broker/index.ts';
import { Log, stamp } from './support/log.ts';
import { anyOrder, orderOf } from './support/orders.ts';

// Wrong variants of the replicated state, each caught by random logs in front of a watch that knows the rules.

const step = fc.oneof(
  { weight: 3, arbitrary: anyOrder },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('batch' as const),
      queue: fc.integer({ min: 1, max: 4 }),
      count: fc.integer({ min: 1, max: 9 }),
      /** From the producer's next sequence: a retry, or what is next. */
      offset: fc.constantFrom(0, 0, -1),
    }),
  },
);
const steps = fc.array(step, { minLength: 40, maxLength: 120 });

type Steps = typeof steps extends fc.Arbitrary<infer T> ? T : never;

/** Applies a random log. @returns what the watch says, and where two machines differ of which one was restarted. */
function violations(all: Steps, mutations: Mutations): string[] {
  const log = new Log();
  const machine = new StateMachine(SESSION_LIMITS, mutations);
  const watch = new BrokerWatch();
  const opened = machine.apply(log.openProducer(4));
  const producer = opened.result === 'producer-opened' ? opened.producerId : 0;
  const sent = new Map<number, number>();
  let restarted = StateMachine.restore(Buffer.concat([...machine.checkpoint()]), SESSION_LIMITS, mutations);
  for (const [at, one] of all.entries()) {
    let isRetry = false;
    if (one.type === 'batch') {
      const last = sent.get(one.queue) ?? 0;
      isRetry = one.offset < 0 && last > 0;
      log.batch(stamp(producer, isRetry ? last : last + 1), one.queue, one.count);
    } else {
      log.order(orderOf(one, machine));
    }
    const entry = log.entries.at(-1);
    if (entry === undefined) throw new Error('no entry');
    const result = machine.apply(entry);
    if (one.type === 'batch' && result.result === 'accepted')
      sent.set(one.queue, (sent.get(one.queue) ?? 0) + 1);
    if (one.type !== 'batch' && result.result === 'done' && result.outcome.type === 'topic-deleted') {
      for (const queue of sent.keys()) if (machine.queue(queue) === null) sent.delete(queue);
    }
    const found = watch.observe(machine, entry, result);
    if (
      isRetry &&
      machine.queue(one.type === 'batch' ? one.queue : 0) !== null &&
      result.result !== 'duplicate'
    )
      found.push(`a retry came to ${result.result}`);
    restarted.apply(entry);
    if (restarted.digest() !== machine.digest()) found.push('two machines disagree');
    if (found.length > 0) return found;
    if (at % 7 === 6)
      restarted = StateMachine.restore(Buffer.concat([...machine.checkpoint()]), SESSION_LIMITS, mutations);
  }
  return [];
}

const EXHIBITS: readonly { readonly mutation: Mutation; readonly says: RegExp }[] = [
  { mutation: 'handsQueuesOverAtOnce', says: /not released/ },
  { mutation: 'acceptsCommitsOfAnybody', says: /the owner was/ },
  { mutation: 'takesLateCommits', says: /came late/ },
  { mutation: 'losesPositionsAtHandOver', says: /without a commit/ },
  { mutation: 'countsVoidedRecords', says: /which ended at/ },
  { mutation: 'answersRetriesWithTheEnd', says: /answered with offset/ },
  { mutation: 'remembersOneQueueOnly', says: /a retry came to/ },
  { mutation: 'assignsFromMemory', says: /disagree/ },
];

describe('the museum of the broker', () => {
  test.each(EXHIBITS)('$mutation is caught', ({ mutation, says }) => {
    const mutations = mutationsOf([mutation]);
    const caught = fc
      .sample(steps, { numRuns: 200, seed: 7 })
      .some((all) => violations(all, mutations).some((text) => says.test(text)));
    expect(caught).toBe(true);
  });

  test('nothing is caught where nothing is wrong', () => {
    for (const all of fc.sample(steps, { numRuns: 300, seed: 11 }))
      expect(violations(all, NO_MUTATIONS)).toEqual([]);
  });
});
