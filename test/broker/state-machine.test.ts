import { describe, expect, test } from 'vitest';
import { term } from '../../src/base/units.ts';
import { StateMachine, UnknownEntryKind, decodeCommand, encodeOpenProducer } from '../../src/broker/index.ts';
import { Log, stamp, topic } from './support/log.ts';

function opened(inFlightMax = 8): { log: Log; machine: StateMachine; id: number } {
  const log = new Log();
  const machine = new StateMachine();
  machine.apply(log.noop());
  const result = machine.apply(log.openProducer(inFlightMax));
  if (result.result !== 'producer-opened') throw new Error(result.result);
  return { log, machine, id: result.producerId };
}

describe('the state machine', () => {
  test('a producer has the index of the entry that opened it as its id, and epoch 1', () => {
    const { log, machine, id } = opened();
    expect(id).toBe(2);
    expect(machine.apply(log.openProducer(1))).toEqual({
      result: 'producer-opened',
      producerId: 3,
      epoch: 1,
    });
    expect(machine.producerCount).toBe(2);
  });

  test('accepts the next sequence, from 1 on', () => {
    const { log, machine, id } = opened();
    for (let sequence = 1; sequence <= 20; sequence += 1) {
      expect(machine.apply(log.batch(stamp(id, sequence)))).toEqual({ result: 'accepted', baseOffset: null });
    }
    expect(machine.lastSequence(id, 0)).toBe(20);
    expect(machine.lastSequence(id, 1)).toBe(0);
  });

  test('answers a repeated batch with where it was stored first, and voids the copy', () => {
    const { log, machine, id } = opened();
    const first = log.batch(stamp(id, 1));
    machine.apply(first);
    log.term = term(5);
    const copy = log.batch(stamp(id, 1));
    expect(machine.apply(copy)).toEqual({
      result: 'duplicate',
      index: first.index,
      term: 1,
      baseOffset: null,
    });
    expect(machine.isVoided(copy.index)).toBe(true);
    expect(machine.isVoided(first.index)).toBe(false);
  });

  test.each([1, 2, 3, 16, 17, 40])('remembers the last %d results and no more', (inFlightMax) => {
    const { log, machine, id } = opened(inFlightMax);
    const indexes = new Map<number, number>();
    const last = inFlightMax * 3 + 1;
    for (let sequence = 1; sequence <= last; sequence += 1) {
      const entry = log.batch(stamp(id, sequence));
      machine.apply(entry);
      indexes.set(sequence, entry.index);
      for (let earlier = Math.max(1, sequence - inFlightMax + 1); earlier <= sequence; earlier += 1) {
        expect(machine.judge(stamp(id, earlier), 0)).toEqual({
          verdict: 'duplicate',
          index: indexes.get(earlier),
          term: 1,
          baseOffset: null,
        });
      }
    }
    expect(machine.judge(stamp(id, last - inFlightMax), 0)).toEqual({
      verdict: 'out-of-order',
      expected: last + 1,
    });
    expect(machine.judge(stamp(id, 0), 0)).toEqual({ verdict: 'out-of-order', expected: last + 1 });
  });

  test('refuses a gap, and says what it expects', () => {
    const { log, machine, id } = opened();
    const early = log.batch(stamp(id, 2));
    expect(machine.apply(early)).toEqual({
      result: 'rejected',
      rejection: { verdict: 'out-of-order', expected: 1 },
    });
    expect(machine.isVoided(early.index)).toBe(true);
    expect(machine.apply(log.batch(stamp(id, 1)))).toEqual({ result: 'accepted', baseOffset: null });
  });

  test('refuses producers it does not know, and epochs that are not the present one', () => {
    const { log, machine, id } = opened();
    const expired = { result: 'rejected', rejection: { verdict: 'session-expired' } };
    expect(machine.apply(log.batch(stamp(1, 1)))).toEqual(expired);
    expect(machine.apply(log.batch(stamp(2 ** 53 - 1, 1)))).toEqual(expired);
    expect(machine.apply(log.batch(stamp(id, 1, 2)))).toEqual(expired);
    expect(machine.apply(log.batch(stamp(id, 1, 0)))).toEqual({
      result: 'rejected',
      rejection: { verdict: 'stale-epoch', epoch: 1 },
    });
  });

  test('takes what comes from nobody in particular as it comes', () => {
    const { log, machine } = opened();
    for (const sequence of [0, 0, 7])
      expect(machine.apply(log.batch(stamp(0, sequence)))).toEqual({ result: 'accepted', baseOffset: null });
  });

  test('sequences of different queues have nothing to do with each other', () => {
    const { log, machine, id } = opened();
    machine.apply(log.order(topic('t', 4)));
    machine.apply(log.batch(stamp(id, 1), 0));
    expect(machine.apply(log.batch(stamp(id, 1), 4))).toEqual({ result: 'accepted', baseOffset: 0 });
    expect(machine.apply(log.batch(stamp(id, 2), 0))).toEqual({ result: 'accepted', baseOffset: null });
    expect(machine.apply(log.batch(stamp(id, 3), 4)).result).toBe('rejected');
  });

  test('what the protocol writes for itself means nothing to it', () => {
    const log = new Log();
    const machine = new StateMachine();
    expect(machine.apply(log.raw(2, 1, Uint8Array.of(1)))).toEqual({ result: 'none' });
    expect(machine.apply(log.noop())).toEqual({ result: 'none' });
    expect(machine.appliedIndex).toBe(2);
  });

  test.each<[string, (log: Log) => ReturnType<Log['noop']>]>([
    ['an unknown kind', (log) => log.raw(5, 1, new Uint8Array(0))],
    ['kind 0', (log) => log.raw(0, 1, new Uint8Array(0))],
    ['a batch of version 2', (log) => log.raw(3, 2, new Uint8Array(24))],
    ['a command of version 2', (log) => log.command(encodeOpenProducer({ inFlightMax: 1 }), 2)],
    ['an unknown command', (log) => log.command(Uint8Array.of(2, 0, 0, 0, 1, 0, 0, 0))],
    ['a command that is cut off', (log) => log.command(Uint8Array.of(1, 0, 0, 0))],
    ['a window beyond the limit', (log) => log.command(Uint8Array.of(1, 0, 0, 0, 1, 32, 0, 0))],
  ])('stops at %s, with nothing changed', (_, append) => {
    const { log, machine, id } = opened();
    const entry = append(log);
    const before = [machine.appliedIndex, machine.digest(), machine.producerCount];
    expect(() => machine.apply(entry)).toThrow(UnknownEntryKind);
    expect(() => machine.apply(entry)).toThrow(
      new RegExp(`entry ${entry.index} has kind ${entry.kind} version`),
    );
    expect([machine.appliedIndex, machine.digest(), machine.producerCount]).toEqual(before);
    expect(machine.judge(stamp(id, 1), 0)).toEqual({ verdict: 'accept' });
  });

  test('applies each entry once, in order', () => {
    const { log, machine } = opened();
    const next = log.noop();
    const later = log.noop();
    expect(() => machine.apply(later)).toThrow(/applied 4 after 2/);
    machine.apply(next);
    expect(() => machine.apply(next)).toThrow(/applied 3 after 3/);
  });

  test('finds voided batches among many', () => {
    const { log, machine, id } = opened();
    const voided = new Set<number>();
    for (let at = 0; at < 200; at += 1) {
      const entry = log.batch(stamp(id, at % 3 === 0 ? 999 : machine.lastSequence(id, 0) + 1));
      if (machine.apply(entry).result !== 'accepted') voided.add(entry.index);
    }
    for (const { index } of log.entries) expect(machine.isVoided(index)).toBe(voided.has(index));
  });
});

describe('commands', () => {
  test('bring the window into its bounds', () => {
    for (const [asked, kept] of [
      [0, 1],
      [1, 1],
      [8192, 8192],
      [8193, 8192],
      [2.9, 2],
    ] as const) {
      expect(decodeCommand(encodeOpenProducer({ inFlightMax: asked }))).toEqual({
        type: 'open-producer',
        inFlightMax: kept,
      });
    }
  });

  test('have these bytes', () => {
    expect([...encodeOpenProducer({ inFlightMax: 1024 })]).toEqual([1, 0, 0, 0, 0, 4, 0, 0]);
  });
});
