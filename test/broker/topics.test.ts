import { describe, expect, test } from 'vitest';
import { term } from '../../src/base/units.ts';
import { StateMachine, brokerViolations, type ApplyResult, type Command } from '../../src/broker/index.ts';
import { Log, stamp, topic } from './support/log.ts';

class World {
  readonly log: Log = new Log();
  readonly machine: StateMachine = new StateMachine();

  do(command: Command): ApplyResult {
    const result = this.machine.apply(this.log.order(command));
    expect(brokerViolations(this.machine)).toEqual([]);
    return result;
  }

  code(command: Command): string {
    const result = this.do(command);
    return result.result === 'refused' ? result.refusal.code : result.result;
  }

  ends(name: string): (readonly [number, number])[] {
    return (this.machine.topic(name)?.queues ?? []).map(
      ({ firstOffset, endOffset }) => [firstOffset, endOffset] as const,
    );
  }
}

describe('topics', () => {
  test('have queues with numbers of their own, never given twice', () => {
    const world = new World();
    world.machine.apply(world.log.noop());
    expect(world.do(topic('orders', 3))).toEqual({
      result: 'done',
      outcome: { type: 'topic-created', name: 'orders' },
      regrouped: [],
    });
    world.do(topic('bills', 2));
    const { machine } = world;
    expect(machine.topic('orders')).toMatchObject({
      topicId: 2,
      createdAtMs: world.log.time,
      retentionMs: null,
    });
    expect(machine.topic('bills')?.queues.map(({ id, ordinal }) => [id, ordinal])).toEqual([
      [4, 0],
      [5, 1],
    ]);
    expect(machine.queue(2)).toMatchObject({ ordinal: 1, firstOffset: 0, endOffset: 0 });
    expect([...machine.topics()].map(({ name }) => name)).toEqual(['orders', 'bills']);
    expect(world.do({ type: 'delete-topic', name: 'orders' })).toMatchObject({
      outcome: { type: 'topic-deleted', topicId: 2, firstQueue: 1, queueCount: 3 },
    });
    world.do(topic('orders', 1));
    expect([machine.queue(2), machine.topic('orders')?.queues[0]?.id, machine.queueCount]).toEqual([
      null,
      6,
      3,
    ]);
  });

  test('are refused with a reason that every node finds', () => {
    const world = new World();
    world.do(topic('orders', 1));
    for (const [command, code] of [
      [topic('orders', 1), 'TOPIC_EXISTS'],
      [topic('__offsets', 1), 'BAD_NAME'],
      [topic('a b', 1), 'BAD_NAME'],
      [topic('', 1), 'BAD_NAME'],
      [topic('x'.repeat(5000), 1), 'BAD_NAME'],
      [topic('none', 0), 'LIMIT_EXCEEDED'],
      [topic('many', 4097), 'LIMIT_EXCEEDED'],
      [{ type: 'delete-topic', name: 'other' }, 'UNKNOWN_TOPIC'],
      [{ type: 'alter-topic', name: 'other', retentionMs: 1, retentionBytes: 1 }, 'UNKNOWN_TOPIC'],
    ] as const) {
      expect(world.code(command), JSON.stringify(command).slice(0, 60)).toBe(code);
    }
    for (let at = 0; at < 15; at += 1) expect(world.code(topic(`t${at}`, 4096))).toBe('done');
    expect(world.code(topic('last', 4095))).toBe('done');
    expect(world.code(topic('over', 1))).toBe('LIMIT_EXCEEDED');
    expect(world.machine.queueCount).toBe(65_536);
  });

  test('change what they keep', () => {
    const world = new World();
    world.do(topic('orders', 1));
    world.do({ type: 'alter-topic', name: 'orders', retentionMs: 5, retentionBytes: null });
    expect(world.machine.topic('orders')).toMatchObject({ retentionMs: 5, retentionBytes: null });
  });
});

describe('offsets', () => {
  test('are dense in each queue, whoever writes', () => {
    const world = new World();
    const { log, machine } = world;
    const opened = machine.apply(log.openProducer(8));
    const id = opened.result === 'producer-opened' ? opened.producerId : 0;
    world.do(topic('orders', 2));
    expect(machine.apply(log.batch(stamp(id, 1), 1, 3))).toEqual({ result: 'accepted', baseOffset: 0 });
    expect(machine.apply(log.batch(stamp(0, 0), 1, 2))).toEqual({ result: 'accepted', baseOffset: 3 });
    expect(machine.apply(log.batch(stamp(id, 1), 2, 1))).toEqual({ result: 'accepted', baseOffset: 0 });
    expect(machine.apply(log.batch(stamp(id, 2), 1, 1))).toEqual({ result: 'accepted', baseOffset: 5 });
    expect(world.ends('orders')).toEqual([
      [0, 6],
      [0, 1],
    ]);
  });

  test('leave no gap where a batch is void, and a retry gets the first one', () => {
    const world = new World();
    const { log, machine } = world;
    const opened = machine.apply(log.openProducer(8));
    const id = opened.result === 'producer-opened' ? opened.producerId : 0;
    world.do(topic('orders', 1));
    const first = log.batch(stamp(id, 1), 1, 4);
    machine.apply(first);
    log.term = term(7);
    const copy = log.batch(stamp(id, 1), 1, 4);
    expect(machine.apply(copy)).toEqual({ result: 'duplicate', index: first.index, term: 1, baseOffset: 0 });
    expect(machine.judge(stamp(id, 1), 1)).toMatchObject({ verdict: 'duplicate', baseOffset: 0 });
    expect(machine.apply(log.batch(stamp(id, 9), 1)).result).toBe('rejected');
    expect(machine.apply(log.batch(stamp(id, 2), 1))).toEqual({ result: 'accepted', baseOffset: 4 });
    expect(machine.apply(log.batch(stamp(id, 1), 1))).toMatchObject({ result: 'duplicate', baseOffset: 0 });
    expect(machine.isVoided(copy.index)).toBe(true);
    expect(world.ends('orders')).toEqual([[0, 5]]);
  });

  test('are given to no batch for a queue that is not there, or whose records are no messages', () => {
    const world = new World();
    const { log, machine } = world;
    world.do(topic('orders', 1));
    const nowhere = log.batch(stamp(0, 0), 2);
    expect(machine.apply(nowhere)).toEqual({
      result: 'rejected',
      rejection: { verdict: 'unknown-queue', queue: 2 },
    });
    const plain = log.records(stamp(0, 0), 1, [Buffer.from('plain bytes')]);
    expect(machine.apply(plain)).toEqual({ result: 'rejected', rejection: { verdict: 'message-format' } });
    expect([machine.isVoided(nowhere.index), machine.isVoided(plain.index)]).toEqual([true, true]);
    expect(world.ends('orders')).toEqual([[0, 0]]);
    world.do({ type: 'delete-topic', name: 'orders' });
    expect(machine.apply(log.batch(stamp(0, 0), 1)).result).toBe('rejected');
  });

  test('of a topic that was deleted are forgotten by its producers', () => {
    const world = new World();
    const { log, machine } = world;
    const opened = machine.apply(log.openProducer(8));
    const id = opened.result === 'producer-opened' ? opened.producerId : 0;
    world.do(topic('orders', 2));
    for (const queue of [0, 1, 2]) machine.apply(log.batch(stamp(id, 1), queue));
    world.do({ type: 'delete-topic', name: 'orders' });
    expect([0, 1, 2].map((queue) => machine.lastSequence(id, queue))).toEqual([1, 0, 0]);
  });

  test('go up at the front by retention, never back and never beyond the end', () => {
    const world = new World();
    const { log, machine } = world;
    world.do(topic('orders', 2));
    machine.apply(log.batch(stamp(0, 0), 1, 10));
    machine.apply(log.batch(stamp(0, 0), 2, 10));
    const raise = (...offsets: (readonly [number, number])[]): ApplyResult =>
      world.do({
        type: 'raise-first-offset',
        offsets: offsets.map(([queue, offset]) => ({ queue, offset })),
      });
    expect(raise([1, 4], [9, 4])).toMatchObject({ outcome: { offsets: [{ queue: 1, offset: 4 }] } });
    expect(raise([1, 3], [2, 99])).toMatchObject({ outcome: { offsets: [{ queue: 2, offset: 10 }] } });
    expect(world.ends('orders')).toEqual([
      [4, 10],
      [10, 10],
    ]);
    expect(machine.apply(log.batch(stamp(0, 0), 2))).toEqual({ result: 'accepted', baseOffset: 10 });
  });
});
