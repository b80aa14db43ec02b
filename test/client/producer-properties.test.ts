import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { FakeCluster, type Trouble } from './support/fake-cluster.ts';
import { Outcomes } from './support/outcomes.ts';
import { World } from './support/world.ts';

const chance = (max: number): fc.Arbitrary<number> => fc.double({ min: 0, max, noNaN: true });

const trouble: fc.Arbitrary<Trouble> = fc.record({
  cutBefore: chance(0.05),
  cutAfter: chance(0.05),
  overloaded: chance(0.1),
  failover: chance(0.03),
  commitMsMax: fc.constantFrom(0.1, 1, 20),
});

const scenario = fc.record({
  seed: fc.integer({ min: 1, max: 2 ** 31 }),
  trouble,
  records: fc.integer({ min: 1, max: 150 }),
  inFlightMax: fc.constantFrom(1, 2, 7, 32),
  requestIdMax: fc.constantFrom(50, 0xffffffff),
  timeoutMs: fc.constantFrom(30, 300, 100_000),
  abortChance: fc.constantFrom(0, 0.05),
  splitChance: fc.constantFrom(0, 0.3),
});

test('whatever is cut, every batch is answered once, and the answers agree with the log', () => {
  const seen = { stored: 0, none: 0, unknown: 0, resent: 0 };
  fc.assert(
    fc.property(scenario, (given) => {
      const world = new World(given.seed, { splitChance: given.splitChance });
      const prng = new Prng(given.seed + 1);
      const nodes = ['n1', 'n2', 'n3'].map((host) => world.node(host));
      const cluster = new FakeCluster(world, nodes, given.seed + 2, given.trouble);
      const producer = world.producer(['n1', 'n2', 'n3'], given);
      const outcomes = new Outcomes();
      const records = Array.from({ length: given.records }, (_, at) => `r${at}`);
      for (const record of records) {
        const ticket = outcomes.send(producer, record, given.timeoutMs);
        if (prng.chance(given.abortChance)) {
          world.clock.setTimer(prng.fraction() * 20, () => producer.abort(ticket));
        }
        if (prng.chance(0.3)) world.clock.advanceBy(prng.fraction() * 5);
      }
      world.clock.runUntil(() => outcomes.count === records.length, 200);
      cluster.calmDown();
      world.until(() => outcomes.count === records.length, 200_000);
      // What is still on its way arrives: a batch that failed without effect must not turn up now.
      world.clock.advanceBy(200_000);
      producer.close();

      expect(outcomes.answeredTwice).toEqual([]);
      expect(outcomes.count).toBe(records.length);
      const { texts } = cluster;
      expect(new Set(texts).size).toBe(texts.length);
      for (const [record, index] of outcomes.stored) {
        expect(cluster.log[index - 1]?.batch?.text).toBe(record);
      }
      for (const [record, error] of outcomes.failed) {
        if (error.outcome === 'none') expect(texts).not.toContain(record);
        if (error.outcome === 'none') seen.none += 1;
        else seen.unknown += 1;
      }
      seen.stored += outcomes.stored.size;
      seen.resent += producer.resent;
      // What was acknowledged lies in the log in the order in which it was sent.
      const acknowledged = texts.filter((text) => outcomes.stored.has(text));
      expect(acknowledged).toEqual(records.filter((record) => outcomes.stored.has(record)));
      for (const sequences of sequencesByProducer(cluster).values()) {
        expect(sequences).toEqual(sequences.map((_, at) => at + 1));
      }
    }),
    { numRuns: 200 },
  );
  // The property says little if nothing went wrong.
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(100);
});

function sequencesByProducer(cluster: FakeCluster): Map<number, number[]> {
  const found = new Map<number, number[]>();
  for (const { batch } of cluster.log) {
    if (batch === null) continue;
    found.set(batch.producerId, [...(found.get(batch.producerId) ?? []), batch.sequence]);
  }
  return found;
}
