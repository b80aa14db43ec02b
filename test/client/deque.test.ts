import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Deque } from '../../src/client/deque.ts';

test('a deque does what an array does', () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ type: fc.constant('push'), value: fc.nat() }) },
    { weight: 3, arbitrary: fc.record({ type: fc.constant('shift'), value: fc.constant(0) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('takeFrom'), value: fc.nat({ max: 40 }) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const deque = new Deque<number>();
      const array: number[] = [];
      for (const { type, value } of steps) {
        if (type === 'push') {
          deque.push(value);
          array.push(value);
        } else if (type === 'shift') {
          expect(deque.shift()).toBe(array.shift());
        } else {
          expect(deque.takeFrom(value)).toEqual(array.splice(value));
        }
        expect(deque.length).toBe(array.length);
        for (let at = -1; at <= array.length; at += 1) expect(deque.at(at)).toBe(array[at]);
      }
      expect(deque.takeAll()).toEqual(array);
    }),
  );
});
