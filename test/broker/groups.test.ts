import { describe, expect, test } from 'vitest';
import {
  StateMachine,
  brokerViolations,
  decodeCommand,
  encodeCommand,
  type ApplyResult,
  type Command,
} from '../../src/broker/index.ts';
import { Log, commit, join, stamp, topic } from './support/log.ts';

/** One group `g` over a topic of some queues, each with ten records. */
class World {
  readonly log: Log = new Log();
  readonly machine: StateMachine = new StateMachine();

  constructor(queues: number) {
    this.do(topic('orders', queues));
    for (let queue = 1; queue <= queues; queue += 1)
      this.machine.apply(this.log.batch(stamp(0, 0), queue, 10));
  }

  do(command: Command): ApplyResult {
    const result = this.machine.apply(this.log.order(command));
    expect(brokerViolations(this.machine)).toEqual([]);
    return result;
  }

  code(command: Command): string {
    const result = this.do(command);
    return result.result === 'refused' ? result.refusal.code : result.result;
  }

  join(instance: string, ...topics: readonly string[]): number {
    const result = this.do(join('g', instance, ...(topics.length === 0 ? ['orders'] : topics)));
    if (result.result !== 'done' || result.outcome.type !== 'group-joined')
      throw new Error(JSON.stringify(result));
    return result.outcome.memberId;
  }

  /** Owner of each queue, and where it is to go if elsewhere. */
  shares(): string[] {
    return [...(this.machine.group('g')?.queues.values() ?? [])].map(({ owner, target }) =>
      owner === target ? `${owner}` : `${owner}>${target}`,
    );
  }

  positions(): (number | null)[] {
    return [...(this.machine.group('g')?.queues.values() ?? [])].map(({ position }) => position);
  }

  get generation(): number {
    return this.machine.group('g')?.generation ?? -1;
  }
}

describe('a hand-over', () => {
  test('leaves a queue with its owner until that releases it, and the next one begins where it was committed', () => {
    const world = new World(4);
    const a = world.join('a');
    expect(world.shares()).toEqual([a, a, a, a].map(String));
    const b = world.join('b');
    expect(world.shares()).toEqual([`${a}`, `${a}`, `${a}>${b}`, `${a}>${b}`]);
    const { generation } = world;
    // It still works on all of them.
    expect(world.code(commit('g', a, 1, { 1: 3, 3: 5 }))).toBe('done');
    expect(world.generation).toBe(generation);
    expect(world.code(commit('g', b, 1, { 3: 6 }))).toBe('STALE_MEMBER');
    expect(world.do(commit('g', a, 2, { 3: 7 }, [3]))).toEqual({
      result: 'done',
      outcome: { type: 'positions-committed', group: 'g', wasRepeated: false },
      regrouped: ['g'],
    });
    expect(world.shares()).toEqual([`${a}`, `${a}`, `${b}`, `${a}>${b}`]);
    expect(world.generation).toBe(generation + 1);
    expect(world.positions()).toEqual([3, null, 7, null]);
    // What it finished late is fenced, all of it.
    expect(world.code(commit('g', a, 3, { 1: 4, 3: 9 }))).toBe('STALE_MEMBER');
    expect(world.positions()).toEqual([3, null, 7, null]);
    expect(world.code(commit('g', b, 1, { 3: 8 }))).toBe('done');
  });

  test('happens at once where the owner left, expired or never was', () => {
    const world = new World(4);
    const [a, b] = [world.join('a'), world.join('b')];
    expect(world.do({ type: 'leave-group', group: 'g', memberId: a })).toMatchObject({ regrouped: ['g'] });
    expect(world.shares()).toEqual([b, b, b, b].map(String));
    const c = world.join('c');
    world.do({ type: 'expire-members', group: 'g', memberIds: [b, a] });
    expect(world.shares()).toEqual([c, c, c, c].map(String));
    world.do({ type: 'leave-group', group: 'g', memberId: c });
    expect(world.machine.group('g')?.members.size).toBe(0);
    expect(world.positions()).toEqual([]);
  });

  test('that is called off changes nothing: a release that comes then is passed over', () => {
    const world = new World(2);
    const a = world.join('a');
    const b = world.join('b');
    expect(world.shares()).toEqual([`${a}`, `${a}>${b}`]);
    world.do({ type: 'leave-group', group: 'g', memberId: b });
    expect(world.shares()).toEqual([`${a}`, `${a}`]);
    expect(world.do(commit('g', a, 1, { 2: 4 }, [2]))).toMatchObject({ result: 'done', regrouped: [] });
    expect(world.shares()).toEqual([`${a}`, `${a}`]);
    expect(world.positions()).toEqual([null, 4]);
  });

  test('moves no more than it must', () => {
    const world = new World(12);
    const [a, b] = [world.join('a'), world.join('b')];
    world.do(commit('g', a, 1, {}, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]));
    const before = world.shares();
    const c = world.join('c');
    const moved = world.shares().filter((share, at) => share !== before[at]);
    expect(moved.toSorted()).toEqual([`${a}>${c}`, `${a}>${c}`, `${b}>${c}`, `${b}>${c}`]);
  });
});

describe('joining', () => {
  test('again as the same instance takes the old place and fences the old id', () => {
    const world = new World(3);
    const [a, b] = [world.join('a'), world.join('b')];
    world.do(commit('g', a, 5, { 1: 3 }, [3]));
    const before = world.shares();
    expect(world.do(join('g', 'a', 'orders'))).toMatchObject({
      outcome: { type: 'group-joined', replaced: a },
    });
    const again = world.log.lastIndex;
    expect(world.shares()).toEqual(before.map((share) => share.replaceAll(`${a}`, `${again}`)));
    expect(world.shares()).toContain(`${b}`);
    expect(world.code(commit('g', a, 6, { 1: 9 }))).toBe('STALE_MEMBER');
    // Sequences begin anew.
    expect(world.code(commit('g', again, 1, { 1: 4 }))).toBe('done');
    expect(world.positions()[0]).toBe(4);
  });

  test('is refused with a reason that every node finds', () => {
    const world = new World(1);
    for (const [command, code] of [
      [join('__g', 'a', 'orders'), 'BAD_NAME'],
      [join('g', 'a', 'other'), 'UNKNOWN_TOPIC'],
      [join('g', 'a', 'orders', 'other'), 'UNKNOWN_TOPIC'],
      [join('g', 'a'), 'LIMIT_EXCEEDED'],
      [join('g', 'a', ...Array.from({ length: 1025 }, () => 'orders')), 'LIMIT_EXCEEDED'],
      [{ type: 'leave-group', group: 'g', memberId: 1 }, 'UNKNOWN_GROUP'],
      [{ type: 'expire-members', group: 'g', memberIds: [1] }, 'UNKNOWN_GROUP'],
      [commit('g', 7, 1, {}), 'UNKNOWN_GROUP'],
      [{ type: 'delete-group', group: 'g' }, 'UNKNOWN_GROUP'],
    ] as const) {
      expect(world.code(command)).toBe(code);
    }
    expect(world.machine.groupCount).toBe(0);
  });

  test('and leaving twice is answered twice', () => {
    const world = new World(1);
    const a = world.join('a');
    world.do({ type: 'leave-group', group: 'g', memberId: a });
    expect(world.do({ type: 'leave-group', group: 'g', memberId: a })).toMatchObject({
      result: 'done',
      regrouped: [],
    });
    expect(world.do({ type: 'expire-members', group: 'g', memberIds: [a] })).toMatchObject({
      outcome: { memberIds: [] },
      regrouped: [],
    });
  });

  test('spreads each topic where members have several', () => {
    const world = new World(4);
    world.do(topic('bills', 4));
    const [a, b] = [world.join('a', 'orders', 'bills'), world.join('b', 'orders', 'bills')];
    const targets = [...(world.machine.group('g')?.queues.values() ?? [])];
    for (const name of ['orders', 'bills']) {
      const of = targets.filter(({ queue }) => queue.topic.name === name).map(({ target }) => target);
      expect([of.filter((id) => id === a).length, of.filter((id) => id === b).length], name).toEqual([2, 2]);
    }
  });

  test('with other topics gets those and no others', () => {
    const world = new World(2);
    world.do(topic('bills', 5));
    const a = world.join('a', 'orders', 'bills');
    const b = world.join('b', 'bills');
    const targets = [...(world.machine.group('g')?.queues.values() ?? [])].map(({ queue, target }) => [
      queue.topic.name,
      target,
    ]);
    expect(targets.filter(([, target]) => target === b).map(([name]) => name)).toEqual([
      'bills',
      'bills',
      'bills',
    ]);
    // It drops the topic: nothing has to be released.
    const again = world.join('a', 'orders');
    expect(world.shares()).toEqual([again, again, b, b, b, b, b].map(String));
    expect(again).not.toBe(a);
  });
});

describe('a commit', () => {
  test('that comes late or again changes nothing, and is answered as if it had', () => {
    const world = new World(2);
    const a = world.join('a');
    world.do(commit('g', a, 4, { 1: 6 }));
    for (const sequence of [4, 3, 0]) {
      expect(world.do(commit('g', a, sequence, { 1: 2 }))).toMatchObject({
        outcome: { type: 'positions-committed', wasRepeated: true },
      });
    }
    expect(world.positions()).toEqual([6, null]);
    // Going back on purpose is the owner's to decide.
    world.do(commit('g', a, 5, { 1: 2 }));
    expect(world.positions()).toEqual([2, null]);
  });

  test('beyond the end is refused, all of it, and says what there is', () => {
    const world = new World(2);
    const a = world.join('a');
    expect(world.do(commit('g', a, 1, { 1: 10, 2: 11 }))).toEqual({
      result: 'refused',
      refusal: {
        code: 'OFFSET_OUT_OF_RANGE',
        text: 'offset 11 is beyond the end of queue 2 (orders, 1), which holds 0 to 10',
        firstOffset: 0,
        endOffset: 10,
      },
    });
    expect(world.positions()).toEqual([null, null]);
    expect(world.code(commit('g', a, 1, { 1: 10 }))).toBe('done');
  });

  test('by nobody in particular is possible while there is no member', () => {
    const world = new World(2);
    expect(world.code(commit('g', 0, 0, { 2: 5 }))).toBe('done');
    expect(world.code(commit('g', 0, 0, { 3: 5 }))).toBe('UNKNOWN_TOPIC');
    expect(world.code(commit('g', 0, 0, { 2: 11 }))).toBe('OFFSET_OUT_OF_RANGE');
    expect(world.code(commit('a b', 0, 0, { 2: 1 }))).toBe('BAD_NAME');
    const a = world.join('a');
    expect(world.machine.group('g')?.queues.get(2)).toMatchObject({ owner: a, position: 5 });
    expect(world.code(commit('g', 0, 0, { 2: 6 }))).toBe('GROUP_NOT_EMPTY');
  });

  test('of a queue whose topic is gone is passed over', () => {
    const world = new World(1);
    world.do(topic('bills', 1));
    const a = world.join('a', 'orders', 'bills');
    expect(world.do({ type: 'delete-topic', name: 'bills' })).toMatchObject({ regrouped: ['g'] });
    expect(world.code(commit('g', a, 1, { 1: 2, 2: 0 }))).toBe('done');
    expect(world.positions()).toEqual([2]);
  });
});

describe('positions', () => {
  test('outlive their members, and are set again only while there are none', () => {
    const world = new World(2);
    const a = world.join('a');
    world.do(commit('g', a, 1, { 1: 5 }));
    const reset: Command = { type: 'reset-positions', group: 'g', positions: [{ queue: 1, offset: 1 }] };
    expect([world.code(reset), world.code({ type: 'delete-group', group: 'g' })]).toEqual([
      'GROUP_NOT_EMPTY',
      'GROUP_NOT_EMPTY',
    ]);
    world.do({ type: 'leave-group', group: 'g', memberId: a });
    expect(world.positions()).toEqual([5]);
    expect(world.code(reset)).toBe('done');
    const b = world.join('b');
    expect(world.machine.group('g')?.queues.get(1)).toMatchObject({ owner: b, position: 1 });
    world.do({ type: 'leave-group', group: 'g', memberId: b });
    expect(world.code({ type: 'delete-group', group: 'g' })).toBe('done');
    expect(world.machine.group('g')).toBeNull();
  });

  test('go with their topic, and a topic of that name is a new one', () => {
    const world = new World(2);
    const a = world.join('a');
    world.do(commit('g', a, 1, { 1: 5, 2: 5 }));
    world.do({ type: 'delete-topic', name: 'orders' });
    expect(world.shares()).toEqual([]);
    expect(world.do(topic('orders', 3))).toMatchObject({ regrouped: ['g'] });
    expect([world.shares(), world.positions()]).toEqual([[a, a, a].map(String), [null, null, null]]);
  });

  test('may lie below what retention has left: the reader is to know', () => {
    const world = new World(1);
    const a = world.join('a');
    world.do(commit('g', a, 1, { 1: 2 }));
    world.do({ type: 'raise-first-offset', offsets: [{ queue: 1, offset: 6 }] });
    expect(world.positions()).toEqual([2]);
  });
});

describe('commands', () => {
  const all: readonly Command[] = [
    { type: 'open-producer', inFlightMax: 7 },
    { type: 'create-topic', name: 'ä', queues: 2 ** 32 - 1, retentionMs: null, retentionBytes: 2 ** 53 - 1 },
    { type: 'alter-topic', name: 'orders', retentionMs: 0, retentionBytes: null },
    { type: 'delete-topic', name: '' },
    { type: 'raise-first-offset', offsets: [{ queue: 3, offset: 2 ** 40 }] },
    join('g', 'i', 'a', 'b'),
    { type: 'leave-group', group: 'g', memberId: 2 ** 50 },
    { type: 'expire-members', group: 'g', memberIds: [1, 2 ** 53 - 1] },
    commit('g', 9, 8, { 1: 2, 3: 4 }, [5, 6]),
    { type: 'reset-positions', group: 'g', positions: [{ queue: 1, offset: 0 }] },
    { type: 'delete-group', group: 'g' },
  ];

  test('come back as they were written', () => {
    for (const command of all) expect(decodeCommand(encodeCommand(command))).toEqual(command);
    expect(Buffer.from(encodeCommand(commit('g', 9, 8, { 1: 2 }, [5]))).toString('hex')).toBe(
      '09000000' +
        '010067' +
        '0900000000000000' +
        '0800000000000000' +
        '01000000' +
        '01000000' +
        '0200000000000000' +
        '01000000' +
        '05000000',
    );
  });

  test('cut short, with more behind them or with a count that lies are none', () => {
    for (const command of all) {
      const bytes = encodeCommand(command);
      for (let length = 0; length < bytes.length; length += 1)
        expect(decodeCommand(bytes.subarray(0, length)), `${command.type} ${length}`).toBeNull();
      expect(decodeCommand(Uint8Array.from([...bytes, 0]))).toBeNull();
    }
    const lies = Uint8Array.from(encodeCommand({ type: 'raise-first-offset', offsets: [] }));
    lies.fill(0xff, 4);
    expect(decodeCommand(lies)).toBeNull();
  });

  test('are not written with numbers that nobody could read', () => {
    expect(() => encodeCommand({ type: 'leave-group', group: 'g', memberId: -1 })).toThrow(/-1/);
    expect(() => encodeCommand({ ...topic('t', 2 ** 32) })).toThrow(/4294967296/);
  });
});
