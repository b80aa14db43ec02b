import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InvariantViolation } from '../../src/base/assert.ts';
import { BoundedQueue } from '../../src/base/bounded-queue.ts';

test('what goes in first comes out first, and no more than the limit goes in', () => {
  const steps = fc.array(
    fc.oneof({ weight: 5, arbitrary: fc.nat() }, { weight: 4, arbitrary: fc.constant('shift') }),
    {
      maxLength: 300,
    },
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 70 }), steps, (limit, these) => {
      const queue = new BoundedQueue<number>(limit);
      const model: number[] = [];
      for (const step of these) {
        expect(queue.peek()).toBe(model[0]);
        if (typeof step === 'number') {
          const fits = model.length < limit;
          if (fits) model.push(step);
          expect(queue.push(step)).toBe(fits);
        } else {
          expect(queue.shift()).toBe(model.shift());
        }
        expect(queue.size).toBe(model.length);
        expect(queue.isFull).toBe(model.length === limit);
      }
    }),
  );
});

test('it grows past its first ring while head and tail have wrapped', () => {
  const queue = new BoundedQueue<number>(1000);
  for (let item = 0; item < 10; item += 1) queue.push(item);
  for (let item = 0; item < 10; item += 1) queue.shift();
  for (let item = 0; item < 1000; item += 1) expect(queue.push(item)).toBe(true);
  expect(queue.push(1000)).toBe(false);
  for (let item = 0; item < 1000; item += 1) expect(queue.shift()).toBe(item);
  expect(queue.shift()).toBe(undefined);
});

test('cleared, it is as new', () => {
  const queue = new BoundedQueue<string>(2);
  queue.push('a');
  queue.push('b');
  queue.clear();
  expect(queue.size).toBe(0);
  expect(queue.peek()).toBe(undefined);
  expect(queue.push('c')).toBe(true);
  expect(queue.shift()).toBe('c');
});

test('a limit that is no positive integer is refused', () => {
  for (const limit of [0, -1, 1.5, Number.NaN])
    expect(() => new BoundedQueue(limit)).toThrow(InvariantViolation);
});
