import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Action,
  type ActionName,
  actionWeights,
  Chaos,
  type ChaosPlan,
  type Sightings,
} from './support/chaos.ts';

// Random schedules of everything that can happen to three to five nodes, judged after every step by the properties of
// the paper's figure 3 and the contract of Ready (see support/history.ts). A failing schedule is shrunk to the steps
// that matter. PROPERTY_RUNS=20 makes twenty times as many runs, PROPERTY_SEED=7 other ones.

const runsFactor = Number(process.env['PROPERTY_RUNS'] ?? 1);
const seed = Number(process.env['PROPERTY_SEED'] ?? 1);

const everything = Object.keys(actionWeights) as ActionName[];
const network: readonly ActionName[] = [
  ...(['deliver', 'deliverSome', 'lose', 'repeat', 'cut', 'heal'] as const),
  ...(['sync', 'tickAll', 'tickOne', 'propose', 'read', 'drainAll'] as const),
];

describe('after every step the figure 3 properties hold, and in the end all nodes agree', () => {
  test('whatever the network does', { timeout: 60_000 * runsFactor }, () => {
    const seen = always(plansOf(network, 600), 400);
    // A property that never meets the rare cases proves nothing about them.
    expectSightings(seen, ['election-won', 'rejection', 'log-truncated', 'read', 'proposal']);
  });

  test('whatever happens to nodes, disks and leaders as well', { timeout: 60_000 * runsFactor }, () => {
    const seen = always(
      plansOf(
        everything.filter((one) => one !== 'wipe'),
        900,
      ),
      800,
    );
    expectSightings(seen, [
      'crash',
      'log-truncated',
      'transfer done',
      'transfer timeout',
      'refused: transferring',
      'trim',
      'install',
    ]);
  });

  test('also when disks are replaced by empty ones, one after the other', {
    timeout: 60_000 * runsFactor,
  }, () => {
    const seen = always(plansOf(everything, 900), 400);
    expectSightings(seen, ['wipe', 'crash', 'log-truncated', 'trim', 'snapshot sent', 'install']);
  });
});

test('the same plan leads to the same messages and writes, byte for byte', () => {
  fc.assert(
    fc.property(plansOf(everything, 300), (plan) => {
      expect(traceOf(plan)).toEqual(traceOf(plan));
    }),
    { numRuns: 10, seed },
  );
});

function plansOf(names: readonly ActionName[], lengthMax: number): fc.Arbitrary<ChaosPlan> {
  const name = fc.oneof(
    ...names.map((one) => ({ weight: Math.round(actionWeights[one] * 10), arbitrary: fc.constant(one) })),
  );
  const nat = fc.nat({ max: 1000 });
  const plans = fc.record({
    seed: fc.nat(),
    size: fc.constantFrom(3 as const, 3 as const, 4 as const, 5 as const),
    appendEntriesMax: fc.constantFrom(1, 2, 100),
    inflightMessagesMax: fc.constantFrom(1, 3, 64),
    tailEntriesMax: fc.constantFrom(0, 2, 1000),
    founded: fc.boolean(),
    actions: fc.array(fc.record({ name, x: nat, y: nat }), { maxLength: lengthMax, size: 'max' }),
  });
  // While a cluster is founded, nodes without a log vote only for each other, so that it takes more than a majority to
  // get through: an even number, and whoever is to fail, is founded first.
  const fails = names.includes('crash');
  return plans.map((plan) => ({ ...plan, founded: plan.founded || fails || plan.size % 2 === 0 }));
}

/** Lets `runs` plans happen. @returns what they came across in all. @throws with the plan that fails, made small. */
function always(plans: fc.Arbitrary<ChaosPlan>, runs: number): Sightings {
  const seen: Sightings = {};
  const outcome = fc.check(
    fc.property(plans, (plan) => {
      for (const [name, count] of Object.entries(live(plan))) seen[name] = (seen[name] ?? 0) + count;
    }),
    { numRuns: runs * runsFactor, seed },
  );
  if (!outcome.failed) return seen;
  const [plan] = outcome.counterexample ?? [];
  if (plan === undefined) throw new Error('no plan failed, and yet it failed');
  const { actions, ...rest } = plan;
  const steps = actions.map(({ name, x, y }: Action) => `${name} ${x} ${y}`);
  throw new Error(`${JSON.stringify(rest)}\n${steps.join('\n')}\n${String(outcome.errorInstance)}`, {
    cause: outcome.errorInstance,
  });
}

function live(plan: ChaosPlan): Sightings {
  const chaos = new Chaos(plan);
  for (const action of plan.actions) chaos.happen(action);
  chaos.recover();
  chaos.cluster.history.mustAgree(chaos.cluster.all);
  return chaos.sightings;
}

function traceOf(plan: ChaosPlan): unknown[] {
  const chaos = new Chaos(plan);
  const trace: unknown[] = [];
  for (const replica of chaos.cluster.all) {
    const observe = replica.onReady;
    replica.onReady = (ready) => {
      trace.push([replica.id, ready]);
      observe(ready);
    };
  }
  for (const action of plan.actions) chaos.happen(action);
  return trace;
}

function expectSightings(seen: Sightings, names: readonly string[]): void {
  for (const name of names) expect(seen[name] ?? 0, name).toBeGreaterThanOrEqual(10);
}
