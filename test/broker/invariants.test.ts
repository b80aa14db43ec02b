import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { StateMachine, brokerViolations } from '../../src/broker/index.ts';
import { Log, stamp } from './support/log.ts';
import { anyOrder, orderOf } from './support/orders.ts';

const step = fc.oneof(
  { weight: 3, arbitrary: anyOrder },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('batch' as const),
      queue: fc.nat(8),
      count: fc.integer({ min: 1, max: 9 }),
    }),
  },
);

describe('whatever is ordered', () => {
  test('every queue has one owner that wants it, offsets are dense, shares are even', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const log = new Log();
        const machine = new StateMachine();
        const ends = new Map<number, number>();
        for (const one of steps) {
          if (one.type === 'batch') {
            const result = machine.apply(log.batch(stamp(0, 0), one.queue, one.count));
            if (one.queue !== 0 && result.result === 'accepted') {
              expect(result.baseOffset).toBe(ends.get(one.queue) ?? 0);
              ends.set(one.queue, (ends.get(one.queue) ?? 0) + one.count);
            }
          } else {
            machine.apply(log.order(orderOf(one, machine)));
          }
          expect(brokerViolations(machine)).toEqual([]);
        }
      }),
      { numRuns: 400 },
    );
  });

  test('a position changes only by who owns the queue, or while nobody is there', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const log = new Log();
        const machine = new StateMachine();
        for (const one of steps) {
          if (one.type === 'batch') {
            machine.apply(log.batch(stamp(0, 0), one.queue, one.count));
            continue;
          }
          const before = new Map(
            [...machine.groups()].flatMap(({ name, queues, members }) =>
              [...queues].map(
                ([id, row]) => [`${name} ${id}`, { ...row, isEmpty: members.size === 0 }] as const,
              ),
            ),
          );
          const order = orderOf(one, machine);
          const { result } = machine.apply(log.order(order));
          for (const { name, queues } of machine.groups()) {
            for (const [id, { position }] of queues) {
              const was = before.get(`${name} ${id}`);
              if ((was?.position ?? null) === position) continue;
              expect(result).toBe('done');
              if (order.type === 'commit-positions' && order.memberId !== 0)
                expect(was?.owner).toBe(order.memberId);
              else
                expect([order.type, was?.isEmpty ?? true]).toEqual([
                  expect.stringMatching(/-positions$/),
                  true,
                ]);
            }
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
