import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Entry } from '../../src/base/entry.ts';
import { SESSION_LIMITS, StateMachine } from '../../src/broker/index.ts';
import { Log, join, stamp, topic } from './support/log.ts';
import { anyOrder, orderOf } from './support/orders.ts';

/** Small, so that a short log meets them. */
const LIMITS = { ...SESSION_LIMITS, sessionsMax: 4, resultsMax: 60, idleMsMax: 1000 };

const action = fc.oneof(
  fc.record({ type: fc.constant('open' as const), inFlightMax: fc.integer({ min: 1, max: 40 }) }),
  fc.record({
    type: fc.constant('batch' as const),
    /** Which of the producers opened so far, and how far from its next sequence. */
    producer: fc.nat(10),
    offset: fc.constantFrom(0, 0, 0, 0, -1, -3, 1),
    queue: fc.constantFrom(0, 0, 1, 2, 3),
    passesMs: fc.constantFrom(0, 0, 0, 400),
  }),
  fc.record({ type: fc.constant('noop' as const) }),
  fc.record({ type: fc.constant('order' as const), order: anyOrder }),
);

/** Builds a log from actions, with a machine of its own to know what comes next. */
function build(actions: readonly (typeof action extends fc.Arbitrary<infer T> ? T : never)[]): Entry[] {
  const log = new Log();
  const machine = new StateMachine(LIMITS);
  const ids = [0];
  for (const step of actions) {
    if (step.type === 'open') {
      const result = machine.apply(log.openProducer(step.inFlightMax));
      if (result.result === 'producer-opened') ids.push(result.producerId);
    } else if (step.type === 'batch') {
      log.time += step.passesMs;
      const id = ids[step.producer % ids.length] ?? 0;
      const sequence = Math.max(0, machine.lastSequence(id, step.queue) + 1 + step.offset);
      machine.apply(log.batch(stamp(id, sequence), step.queue));
    } else if (step.type === 'order') {
      machine.apply(log.order(orderOf(step.order, machine)));
    } else {
      machine.apply(log.noop());
    }
  }
  return log.entries;
}

function counts(machine: StateMachine): number[] {
  const { appliedIndex, producerCount, topicCount, queueCount, groupCount } = machine;
  return [appliedIndex, machine.digest(), producerCount, topicCount, queueCount, groupCount];
}

function concatenate(chunks: Iterable<Uint8Array>): Uint8Array {
  return Uint8Array.from(Buffer.concat([...chunks]));
}

function replay(entries: readonly Entry[], machine = new StateMachine(LIMITS)): string[] {
  return entries.map((entry) => JSON.stringify(machine.apply(entry)));
}

describe('a checkpoint', () => {
  test('holds the whole state: a machine restored from it goes on as if it had seen everything', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 120 }), fc.nat(), (actions, pick) => {
        const entries = build(actions);
        const at = entries.length === 0 ? 0 : pick % entries.length;
        const machine = new StateMachine(LIMITS);
        replay(entries.slice(0, at), machine);
        const restored = StateMachine.restore(concatenate(machine.checkpoint()), LIMITS);
        expect(counts(restored)).toEqual(counts(machine));
        expect(replay(entries.slice(at), restored)).toEqual(replay(entries.slice(at), machine));
        expect(restored.digest()).toBe(machine.digest());
        for (const { index } of entries) expect(restored.isVoided(index)).toBe(machine.isVoided(index));
      }),
      { numRuns: 300 },
    );
  });

  test('the same entries lead to the same state, results and digest', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 120 }), (actions) => {
        const entries = build(actions);
        const [one, other] = [new StateMachine(LIMITS), new StateMachine(LIMITS)];
        expect(replay(entries, one)).toEqual(replay(entries, other));
        expect(one.digest()).toBe(other.digest());
        expect(concatenate(one.checkpoint())).toEqual(concatenate(other.checkpoint()));
      }),
      { numRuns: 200 },
    );
  });

  test('is of the moment it was asked for, whatever is applied while it is written', () => {
    fc.assert(
      fc.property(
        fc.array(action, { minLength: 10, maxLength: 120 }),
        fc.nat(),
        fc.integer({ min: 1, max: 4 }),
        (actions, pick, stride) => {
          const entries = build(actions);
          const at = pick % entries.length;
          const [written, reference] = [new StateMachine(LIMITS), new StateMachine(LIMITS)];
          replay(entries.slice(0, at), written);
          replay(entries.slice(0, at), reference);
          const rest = entries.slice(at);
          const checkpoint = written.checkpoint();
          const chunks: Uint8Array[] = [];
          let next = 0;
          const applySome = (): void => {
            for (let count = 0; count < stride && next < rest.length; count += 1, next += 1) {
              written.apply(rest[next] as Entry);
            }
          };
          applySome();
          for (const chunk of checkpoint) {
            chunks.push(Uint8Array.from(chunk));
            applySome();
          }
          const restored = StateMachine.restore(concatenate(chunks), LIMITS);
          expect(restored.appliedIndex).toBe(reference.appliedIndex);
          expect(replay(rest, restored)).toEqual(replay(rest, reference));
          expect(restored.digest()).toBe(reference.digest());
        },
      ),
      { numRuns: 300 },
    );
  });

  test('two may be written at once', () => {
    const log = new Log();
    const machine = new StateMachine();
    const ids = [1, 2, 3].map(() => machine.apply(log.openProducer(4)) && log.lastIndex);
    const first = machine.checkpoint()[Symbol.iterator]();
    const firstChunks = [first.next().value as Uint8Array];
    for (const id of ids) machine.apply(log.batch(stamp(id, 1)));
    const second = concatenate(machine.checkpoint());
    for (;;) {
      const chunk = first.next();
      if (chunk.done === true) break;
      firstChunks.push(chunk.value);
    }
    const [early, late] = [StateMachine.restore(concatenate(firstChunks)), StateMachine.restore(second)];
    for (const id of ids) {
      expect([early.lastSequence(id, 0), late.lastSequence(id, 0)]).toEqual([0, 1]);
    }
  });

  test('of version 1, before there were topics, is still read', () => {
    const log = new Log();
    const machine = new StateMachine();
    machine.apply(log.openProducer(4));
    machine.apply(log.batch(stamp(1, 1)));
    machine.apply(log.batch(stamp(1, 9)));
    const now = concatenate(machine.checkpoint());
    // It had a zero where there are now the numbers of topics, groups and the next queue.
    const old = Uint8Array.from([...now.subarray(0, 28), 0, 0, 0, 0, ...now.subarray(48)]);
    old[4] = 1;
    const restored = StateMachine.restore(old);
    expect(counts(restored)).toEqual(counts(machine));
    expect(restored.isVoided(machine.appliedIndex)).toBe(true);
    const rest = [log.batch(stamp(1, 1)), log.batch(stamp(1, 2)), log.order(topic('t', 1))];
    expect(replay(rest, restored)).toEqual(replay(rest, machine));
    expect(restored.digest()).toBe(machine.digest());
  });

  test('of version 2, before logs could be trimmed, is still read', () => {
    const log = new Log();
    const machine = new StateMachine();
    machine.apply(log.order(topic('t', 2)));
    machine.apply(log.batch(stamp(0, 0), 1));
    const now = concatenate(machine.checkpoint());
    const old = Uint8Array.from([...now.subarray(0, 40), ...now.subarray(48)]);
    old[4] = 2;
    const restored = StateMachine.restore(old);
    expect([restored.logStart, restored.queue(1)?.endOffset]).toEqual([1, 1]);
    expect(restored.digest()).toBe(machine.digest());
  });

  test('knows where the log begins, and which refusals lie behind that', () => {
    const log = new Log();
    const machine = new StateMachine();
    machine.apply(log.openProducer(4));
    machine.apply(log.batch(stamp(1, 5)));
    const early = machine.appliedIndex;
    machine.apply(log.batch(stamp(1, 1)));
    machine.apply(log.batch(stamp(1, 9)));
    const late = machine.appliedIndex;
    expect(machine.apply(log.order({ type: 'trim-log', index: early }))).toMatchObject({
      outcome: { type: 'log-trimmed', firstIndex: early + 1 },
    });
    // Never back, and never beyond what comes before the order itself.
    expect(machine.apply(log.order({ type: 'trim-log', index: 1 as typeof early }))).toMatchObject({
      outcome: { firstIndex: early + 1 },
    });
    const restored = StateMachine.restore(concatenate(machine.checkpoint()));
    for (const one of [machine, restored]) {
      expect(one.logStart).toBe(early + 1);
      expect([one.isVoided(early), one.isVoided(late)]).toEqual([false, true]);
    }
    const last = restored.appliedIndex;
    expect(restored.apply(log.order({ type: 'trim-log', index: 1_000_000 as typeof early }))).toMatchObject({
      outcome: { firstIndex: last + 1 },
    });
  });

  test('that is given up early costs nothing from then on', () => {
    const log = new Log();
    const machine = new StateMachine();
    machine.apply(log.order(topic('t', 2)));
    const [begun, never] = [machine.checkpoint(), machine.checkpoint()].map((one) => one[Symbol.iterator]());
    expect(begun?.next().done).toBe(false);
    for (const chunks of [begun, never]) {
      chunks?.return?.();
      expect(chunks?.next().done).toBe(true);
    }
    machine.apply(log.batch(stamp(0, 0), 1));
    expect(StateMachine.restore(concatenate(machine.checkpoint())).queue(1)?.endOffset).toBe(1);
  });

  test('of anything else is refused', () => {
    const log = new Log();
    const machine = new StateMachine();
    machine.apply(log.openProducer(4));
    machine.apply(log.batch(stamp(1, 1)));
    machine.apply(log.batch(stamp(1, 9)));
    machine.apply(log.order(topic('t', 2)));
    machine.apply(log.batch(stamp(1, 1), 2));
    machine.apply(log.order(join('g', 'i', 't')));
    const good = concatenate(machine.checkpoint());
    for (let length = 0; length < good.length; length += 1) {
      expect(() => StateMachine.restore(good.subarray(0, length)), `${length} bytes`).toThrow(RangeError);
    }
    expect(() => StateMachine.restore(Buffer.concat([good, Buffer.alloc(1)]))).toThrow(/1 bytes after/);
    const changed = (at: number, value: number): Uint8Array => {
      const bytes = good.slice();
      bytes[at] = value;
      return bytes;
    };
    expect(() => StateMachine.restore(changed(0, 0))).toThrow(/no checkpoint/);
    expect(() => StateMachine.restore(changed(4, 4))).toThrow(/version 4/);
    // Counts that lie.
    for (const at of [20, 23, 24, 27, 28, 31, 32, 35])
      expect(() => StateMachine.restore(changed(at, 0x7f))).toThrow(RangeError);
  });
});
