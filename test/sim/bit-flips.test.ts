import { expect, test } from 'vitest';
import { CLASSES, MENDABLE, flipBits } from '../../scripts/campaigns/bit-flips.ts';

const PER_CLASS = 5;

test('a bit that flips at rest, of any kind of byte, is noticed or needed by nobody, and costs no record', () => {
  const results = flipBits(PER_CLASS, 11);
  expect(results.map(({ name }) => name)).toHaveLength(CLASSES);
  for (const { name, fates } of results) {
    const sum = Object.values(fates).reduce((total, count) => total + count, 0);
    expect([name, sum]).toEqual([name, PER_CLASS]);
  }
  const fatesOf = (names: readonly string[]): unknown[] =>
    results.filter(({ name }) => names.includes(name)).map(({ fates }) => fates);
  const none = { refused: 0, stopped: 0, told: 0, mended: 0, harmless: 0 };
  // What others have too is put back; what is a node's own keeps it out.
  expect(fatesOf(MENDABLE)).toEqual(MENDABLE.map(() => ({ ...none, mended: PER_CLASS })));
  const own = ['segment header', 'identity'];
  expect(fatesOf(own)).toEqual(own.map(() => ({ ...none, refused: PER_CLASS })));
});
