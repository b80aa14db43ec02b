import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { indexPlus, term } from '../../src/base/units.ts';
import { InFlightSequences, StateMachine, type Admission } from '../../src/broker/index.ts';
import { Log, stamp, topic } from './support/log.ts';

/** A leader: admits, proposes, applies later. */
class Leader {
  readonly log: Log = new Log();
  readonly machine: StateMachine = new StateMachine();
  readonly sequences: InFlightSequences = new InFlightSequences();

  open(inFlightMax = 8): number {
    this.log.openProducer(inFlightMax);
    this.applyAll();
    return this.log.lastIndex;
  }

  send(id: number, sequence: number, epoch = 1, queue = 0): Admission {
    const proposed = stamp(id, sequence, epoch);
    const verdict = this.sequences.admit(
      this.machine,
      proposed,
      queue,
      indexPlus(this.log.lastIndex, 1),
      term(1),
    );
    if (verdict.verdict === 'accept') this.log.batch(proposed, queue);
    return verdict;
  }

  apply(count: number): void {
    for (const entry of this.log.entries.slice(
      this.machine.appliedIndex,
      this.machine.appliedIndex + count,
    )) {
      this.machine.apply(entry);
    }
  }

  applyAll(): void {
    this.apply(Number.MAX_SAFE_INTEGER);
  }
}

const ACCEPT = { verdict: 'accept' };

describe('what a leader has in flight', () => {
  test('follows on without waiting for anything to be applied', () => {
    const leader = new Leader();
    const id = leader.open();
    for (const sequence of [1, 2, 3]) expect(leader.send(id, sequence)).toEqual(ACCEPT);
    expect(leader.send(id, 5)).toEqual({ verdict: 'out-of-order', expected: 4 });
    leader.apply(2);
    expect(leader.send(id, 4)).toEqual(ACCEPT);
    leader.applyAll();
    expect(leader.send(id, 6)).toEqual({ verdict: 'out-of-order', expected: 5 });
    expect(leader.send(id, 5)).toEqual(ACCEPT);
  });

  test('a retry is told where its first copy is, and whether that is certain yet', () => {
    const leader = new Leader();
    const id = leader.open();
    leader.send(id, 1);
    leader.send(id, 2);
    leader.apply(1);
    expect(leader.send(id, 1)).toEqual({
      verdict: 'duplicate',
      index: 2,
      term: 1,
      baseOffset: null,
      committed: true,
    });
    expect(leader.send(id, 2)).toEqual({
      verdict: 'duplicate',
      index: 3,
      term: 1,
      baseOffset: null,
      committed: false,
    });
    leader.applyAll();
    expect(leader.send(id, 2)).toEqual({
      verdict: 'duplicate',
      index: 3,
      term: 1,
      baseOffset: null,
      committed: true,
    });
  });

  test('refuses what the state machine would refuse', () => {
    const leader = new Leader();
    const id = leader.open();
    expect(leader.send(99, 1)).toEqual({ verdict: 'session-expired' });
    expect(leader.send(id, 1, 0)).toEqual({ verdict: 'stale-epoch', epoch: 1 });
    leader.send(id, 1);
    expect(leader.send(id, 2, 0)).toEqual({ verdict: 'stale-epoch', epoch: 1 });
    expect(leader.send(id, 2, 2)).toEqual({ verdict: 'session-expired' });
  });

  test('keeps queues apart, and lets through what comes from nobody', () => {
    const leader = new Leader();
    const id = leader.open();
    leader.log.order(topic('t', 7));
    leader.applyAll();
    expect(leader.send(id, 1, 1, 0)).toEqual(ACCEPT);
    expect(leader.send(id, 1, 1, 7)).toEqual(ACCEPT);
    expect(leader.send(id, 3, 1, 7)).toEqual({ verdict: 'out-of-order', expected: 2 });
    for (const sequence of [5, 5, 1]) {
      expect(leader.send(0, sequence)).toEqual(ACCEPT);
      expect(leader.send(0, sequence, 1, 7)).toEqual(ACCEPT);
    }
    for (const sender of [0, id])
      expect(leader.send(sender, 1, 1, 8)).toEqual({ verdict: 'unknown-queue', queue: 8 });
  });

  test('after a loss of leadership, and for one producer after a refusal, only what is applied is known', () => {
    const leader = new Leader();
    const id = leader.open();
    leader.send(id, 1);
    leader.sequences.reset();
    expect(leader.send(id, 2)).toEqual({ verdict: 'out-of-order', expected: 1 });
    expect(leader.send(id, 1)).toEqual(ACCEPT);
    leader.sequences.forget(id, 0);
    expect(leader.send(id, 1)).toEqual(ACCEPT);
    // Three copies in the log, one of them counts.
    leader.applyAll();
    expect(leader.log.entries.filter(({ index }) => leader.machine.isVoided(index)).length).toBe(2);
  });

  test('forgets producers with nothing in flight when there are many', () => {
    const leader = new Leader();
    const ids = Array.from({ length: 3000 }, () => leader.open(1));
    for (const sequence of [1, 2, 3]) {
      for (const id of ids) expect(leader.send(id, sequence)).toEqual(ACCEPT);
      leader.applyAll();
    }
    for (const id of ids) {
      expect(leader.send(id, 3)).toMatchObject({ verdict: 'duplicate', committed: true });
    }
  });

  test('whatever is sent and applied when, what was admitted is accepted when applied, once each', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.record({ producer: fc.nat(2), sequence: fc.integer({ min: 1, max: 12 }) }),
            fc.record({ apply: fc.nat(6) }),
          ),
          { maxLength: 150 },
        ),
        (steps) => {
          const leader = new Leader();
          const ids = [leader.open(), leader.open(), leader.open()];
          for (const step of steps) {
            if ('apply' in step) leader.apply(step.apply);
            else leader.send(ids[step.producer] ?? 0, step.sequence);
          }
          leader.applyAll();
          for (const { index } of leader.log.entries) expect(leader.machine.isVoided(index)).toBe(false);
        },
      ),
      { numRuns: 300 },
    );
  });
});
