import { expect, test } from 'vitest';
import { CLASSES, flipBits } from '../../scripts/campaigns/bit-flips.ts';

const PER_CLASS = 5;

test('a bit that flips at rest, of any kind of byte, is noticed or needed by nobody, and costs no record', () => {
  const results = flipBits(PER_CLASS, 11);
  expect(results.map(({ name }) => name)).toHaveLength(CLASSES);
  for (const { name, fates } of results) {
    const sum = Object.values(fates).reduce((total, count) => total + count, 0);
    expect([name, sum]).toEqual([name, PER_CLASS]);
  }
  // What is served is always noticed.
  const noticed = ['entry header', 'entry body', 'segment header', 'identity'];
  for (const { name, fates } of results.filter((result) => noticed.includes(result.name)))
    expect([name, fates.harmless]).toEqual([name, 0]);
});
