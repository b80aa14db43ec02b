import { describe, expect, test } from 'vitest';
import { cutsOf, type PartitionShape } from '../../src/drill/partitions.ts';

const IDS = ['a', 'b', 'c', 'd', 'e'];

describe('a partition', () => {
  test.each<[PartitionShape, string]>([
    ['isolate', 'ab ac ad ae ba ca da ea'],
    ['halves', 'ac ad ae bc bd be ca cb da db ea eb'],
    ['bridge', 'bd be cd ce db dc eb ec'],
    ['ring', 'ac ad bd be ca ce da db eb ec'],
    ['chain', 'ac ad ae bd be ca ce da db ea eb ec'],
    ['one-way', 'ba ca da ea'],
  ])('%s cuts %s', (shape, expected) => {
    expect(
      cutsOf(shape, IDS)
        .map(({ from, to }) => `${from}${to}`)
        .sort()
        .join(' '),
    ).toBe(expected);
  });
});
