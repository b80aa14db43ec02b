import fc from 'fast-check';
import type { Command, StateMachine } from '../../../src/broker/index.ts';

// Random orders about topics and groups that mostly make sense to a machine: few names, and numbers near those that
// it knows.

export interface AnyOrder {
  readonly type: Exclude<Command['type'], 'open-producer'>;
  readonly topic: number;
  readonly group: number;
  readonly instance: number;
  readonly pick: number;
  readonly size: number;
}

export const anyOrder: fc.Arbitrary<AnyOrder> = fc.record({
  type: fc.constantFrom(
    ...(['create-topic', 'create-topic', 'alter-topic', 'delete-topic', 'raise-first-offset'] as const),
    ...(['join-group', 'join-group', 'join-group', 'leave-group', 'expire-members'] as const),
    ...(['commit-positions', 'commit-positions', 'commit-positions', 'commit-positions'] as const),
    ...(['reset-positions', 'delete-group', 'trim-log'] as const),
  ),
  topic: fc.nat(2),
  group: fc.nat(1),
  instance: fc.nat(5),
  pick: fc.nat(1000),
  size: fc.nat(6),
});

const TOPICS = ['orders', 'bills', 'events'] as const;

/** What an order means to this machine. */
export function orderOf(order: AnyOrder, machine: StateMachine): Command {
  const { type, pick, size } = order;
  const name = TOPICS[order.topic] ?? 'orders';
  const group = `group-${order.group}`;
  const members = [...(machine.group(group)?.members.keys() ?? [])];
  const memberId = members.length === 0 || pick % 10 === 0 ? pick % 3 : (members[pick % members.length] ?? 0);
  const queues = [...machine.topics()].flatMap(({ queues: all }) => all);
  switch (type) {
    case 'create-topic':
      return { type, name, queues: size + 1, retentionMs: pick, retentionBytes: null };
    case 'alter-topic':
      return { type, name, retentionMs: null, retentionBytes: pick };
    case 'delete-topic':
      return { type, name: pick % 3 === 0 ? name : 'nothing' };
    case 'raise-first-offset':
      return {
        type,
        offsets: queues
          .slice(0, size)
          .map(({ id, endOffset }) => ({ queue: id, offset: Math.max(0, endOffset - 1) + (pick % 3) })),
      };
    case 'join-group': {
      const topics = TOPICS.filter((_, at) => pick % 8 === 0 || ((pick >>> at) & 1) === 1);
      return {
        type,
        group,
        instance: `i${order.instance}`,
        clientName: 'test',
        topics,
        sessionTimeoutMs: 10_000,
      };
    }
    case 'leave-group':
      return { type, group, memberId };
    case 'expire-members':
      return { type, group, memberIds: [memberId, pick] };
    case 'commit-positions': {
      const rows = [...(machine.group(group)?.queues.values() ?? [])];
      const own = rows.filter(({ owner }) => owner === memberId || pick % 7 === 1);
      const positions = own.slice(0, size).map(({ queue }) => ({
        queue: queue.id,
        offset: pick % 15 === 0 ? queue.endOffset + 1 : Math.floor((queue.endOffset * size) / 6),
      }));
      const release =
        pick % 2 === 0 ? own.filter(({ target }) => target !== memberId).map(({ queue }) => queue.id) : [];
      const sequence = Math.max(
        0,
        (machine.group(group)?.members.get(memberId)?.lastSequence ?? 0) + 1 - (pick % 4 === 0 ? 1 : 0),
      );
      return { type, group, memberId, sequence, positions, release };
    }
    case 'reset-positions':
      return {
        type,
        group,
        positions: queues
          .slice(0, size)
          .map(({ id, endOffset }) => ({ queue: id, offset: Math.min(endOffset, pick) })),
      };
    case 'delete-group':
      return { type, group };
    case 'trim-log':
      return {
        type,
        index: Math.max(0, machine.appliedIndex + 2 - (pick % 10)) as typeof machine.appliedIndex,
      };
  }
}
