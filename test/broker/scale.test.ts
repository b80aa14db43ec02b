import { describe, expect, test } from 'vitest';
import { assignQueues, type Assignable, type Subscriber } from '../../src/broker/assignment.ts';
import { Groups } from '../../src/broker/groups.ts';
import { Topics } from '../../src/broker/topics.ts';
import { NO_MUTATIONS } from '../../src/base/mutations.ts';
import {
  SESSION_LIMITS,
  TOPIC_LIMITS,
  StateMachine,
  brokerViolations,
  type ApplyResult,
} from '../../src/broker/index.ts';
import { Log, commit, join, stamp, topic } from './support/log.ts';

const TOPICS = 1000;
const QUEUES = 10_000;
const MEMBERS = 100;

function concatenate(chunks: Iterable<Uint8Array>): Uint8Array {
  return Uint8Array.from(Buffer.concat([...chunks]));
}

function memberOf(result: ApplyResult): number {
  if (result.result !== 'done' || result.outcome.type !== 'group-joined')
    throw new Error(JSON.stringify(result));
  return result.outcome.memberId;
}

describe('a thousand topics and ten thousand queues', () => {
  const names = Array.from({ length: TOPICS }, (_, at) => `topic-${at}`);

  test('are shared by a hundred members, who hand over what the others lack and no more', () => {
    const log = new Log();
    const machine = new StateMachine();
    for (const name of names) machine.apply(log.order(topic(name, QUEUES / TOPICS)));
    expect([machine.topicCount, machine.queueCount]).toEqual([TOPICS, QUEUES]);
    const group = (): NonNullable<ReturnType<StateMachine['group']>> => {
      const found = machine.group('g');
      if (found === null) throw new Error('no group');
      return found;
    };
    let handedOver = 0;
    for (let count = 1; count <= MEMBERS; count += 1) {
      memberOf(machine.apply(log.order(join('g', `i${count}`, ...names))));
      // Everybody releases at once what is to go.
      const release = new Map<number, number[]>();
      for (const [id, { owner, target }] of group().queues) {
        if (owner === target) continue;
        release.set(owner, [...(release.get(owner) ?? []), id]);
      }
      for (const [owner, queues] of release) {
        handedOver += queues.length;
        machine.apply(log.order(commit('g', owner, count, {}, queues)));
      }
      const shares = new Map<number, number>();
      for (const { owner } of group().queues.values()) shares.set(owner, (shares.get(owner) ?? 0) + 1);
      expect([Math.min(...shares.values()), Math.max(...shares.values())]).toEqual([
        Math.floor(QUEUES / count),
        Math.ceil(QUEUES / count),
      ]);
    }
    // The sum of what each newcomer is due.
    let due = 0;
    for (let count = 2; count <= MEMBERS; count += 1) due += Math.ceil(QUEUES / count);
    expect(handedOver).toBeLessThanOrEqual(due);
    expect(brokerViolations(machine)).toEqual([]);

    const bytes = concatenate(machine.checkpoint());
    // Proportional to queues and members; what all members subscribe to is written once.
    expect(bytes.length).toBeLessThan(QUEUES * 50 + MEMBERS * 100 + TOPICS * 100);
    const restored = StateMachine.restore(bytes);
    const next = [log.order(join('g', 'late', ...names)), log.order(topic('more', 3))];
    for (const entry of next) expect(restored.apply(entry)).toEqual(machine.apply(entry));
    expect(restored.digest()).toBe(machine.digest());
  });

  test('a queue that changes writes its own topic into a checkpoint under way, and nothing else', () => {
    const log = new Log();
    const machine = new StateMachine();
    for (const name of names) machine.apply(log.order(topic(name, 10)));
    const chunks = machine.checkpoint();
    for (let queue = 1; queue <= 100; queue += 1) machine.apply(log.batch(stamp(0, 0), queue));
    const written = [...chunks];
    expect(written.length).toBe(1 + TOPICS);
    expect(Math.max(...written.map(({ length }) => length))).toBeLessThan(300);
    const restored = StateMachine.restore(concatenate(written));
    expect(restored.queue(1)?.endOffset).toBe(0);
  });
});

describe('shares', () => {
  const subscriber = (memberId: number, ...topics: readonly string[]): Subscriber => ({
    memberId,
    topics: new Set(topics),
    subscription: topics.join(' '),
  });
  const queues = (count: number, name: string, from = 1): Assignable[] =>
    Array.from({ length: count }, (_, at) => ({
      queue: from + at,
      topic: name,
      ordinal: at,
      owner: 0,
      target: 0,
    }));

  test('of members that want different things are as even as what they want allows', () => {
    const members = [subscriber(1, 'a', 'b'), subscriber(2, 'b'), subscriber(3, 'a')];
    const { targets } = assignQueues(members, [...queues(6, 'a'), ...queues(6, 'b', 7)]);
    const counts = [1, 2, 3].map((id) => [...targets.values()].filter((target) => target === id).length);
    expect(counts).toEqual([4, 4, 4]);
    const alone = assignQueues(
      [subscriber(1, 'a'), subscriber(2, 'a', 'b')],
      [...queues(2, 'a'), ...queues(9, 'b', 3)],
    );
    expect([...alone.targets.values()].filter((target) => target === 1).length).toBe(2);
  });

  test('do not depend on the order in which queues are named', () => {
    const members = [1, 2, 3].map((id) => subscriber(id, 'a'));
    const all = queues(20, 'a');
    expect(assignQueues(members, all.toReversed()).targets).toEqual(assignQueues(members, all).targets);
  });

  test('move only what a newcomer is due', () => {
    const held = queues(QUEUES, 'a').map((queue) => ({
      ...queue,
      owner: 1 + (queue.ordinal % 99),
      target: 1 + (queue.ordinal % 99),
    }));
    const members = Array.from({ length: MEMBERS }, (_, at) => subscriber(at + 1, 'a'));
    expect(assignQueues(members, held).moves).toBe(QUEUES / MEMBERS);
    expect(assignQueues(members.slice(0, 99), held).moves).toBe(0);
  });
});

describe('limits', () => {
  test('a producer in very many queues pushes others out, and at last itself', () => {
    const log = new Log();
    const machine = new StateMachine({ ...SESSION_LIMITS, resultsMax: 100 });
    machine.apply(log.order(topic('t', 50)));
    const ids = [8, 8].map(
      (inFlightMax) => machine.apply(log.openProducer(inFlightMax)) && (log.lastIndex as number),
    );
    const [many = 0, other = 0] = ids;
    const results = Array.from(
      { length: 13 },
      (_, at) => machine.apply(log.batch(stamp(many, 1), at + 1)).result,
    );
    expect(new Set(results)).toEqual(new Set(['accepted']));
    expect(machine.apply(log.batch(stamp(other, 1))).result).toBe('rejected');
    expect(machine.apply(log.batch(stamp(many, 2), 1)).result).toBe('rejected');
    expect(machine.producerCount).toBe(0);
  });

  test('of groups, members and their queues are said in words', () => {
    const topics = new Topics(TOPIC_LIMITS);
    for (const [at, name] of ['a', 'b', 'c'].entries())
      topics.create(
        { type: 'create-topic', name, queues: 4, retentionMs: null, retentionBytes: null },
        at + 1,
        0,
      );
    const limits = { groupsMax: 2, membersPerGroupMax: 3, topicsPerMemberMax: 2, queuesMax: 10 };
    const groups = new Groups(topics, limits, NO_MUTATIONS);
    let memberId = 10;
    const joined = (group: string, instance: string, ...names: readonly string[]): string => {
      const decision = groups.join(
        { type: 'join-group', group, instance, clientName: '', topics: names, sessionTimeoutMs: 1000 },
        (memberId += 1),
      );
      return 'code' in decision ? `${decision.code}: ${decision.text}` : 'joined';
    };
    for (const instance of ['i', 'j', 'k']) expect(joined('g', instance, 'a')).toBe('joined');
    expect(joined('g', 'l', 'a')).toBe('LIMIT_EXCEEDED: a group has at most 3 members');
    // Its own place it may always take again.
    expect(joined('g', 'i', 'a')).toBe('joined');
    expect(joined('h', 'i', 'a', 'b', 'c')).toBe('LIMIT_EXCEEDED: 3 topics, a member has 1 to 2');
    expect(joined('h', 'i', 'a', 'b')).toBe('LIMIT_EXCEEDED: all groups together have at most 10 queues');
    expect(joined('h', 'i', 'b')).toBe('joined');
    expect(joined('x', 'i', 'b')).toBe('LIMIT_EXCEEDED: there are at most 2 groups');
    // What left makes room. It joined before the one that was refused.
    groups.leave({ type: 'leave-group', group: 'h', memberId: memberId - 1 });
    expect(groups.delete('h')).toMatchObject({ outcome: { type: 'group-deleted' } });
    expect(joined('x', 'i', 'a', 'a')).toBe('joined');
  });
});
