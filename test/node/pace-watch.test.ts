import { expect, test } from 'vitest';
import { PaceWatch, type Pace } from '../../src/node/pace-watch.ts';

function watch(pace: Pace): { watch: PaceWatch; warnings: Pace[]; looks: () => number } {
  const warnings: Pace[] = [];
  let looks = 0;
  const made = new PaceWatch(
    150,
    () => {
      looks += 1;
      return pace;
    },
    (seen) => warnings.push(seen),
  );
  return { watch: made, warnings, looks: () => looks };
}

test('warns when a sync and the loop together take more than a third of the shortest election timeout', () => {
  const slow = watch({ syncMs: 31, loopDelayMs: 20 });
  slow.watch.passed(0);
  slow.watch.passed(10_000);
  expect(slow.warnings).toEqual([{ syncMs: 31, loopDelayMs: 20 }]);
});

test('says nothing at a third, or without a sync', () => {
  for (const pace of [
    { syncMs: 30, loopDelayMs: 20 },
    { syncMs: null, loopDelayMs: 50 },
  ]) {
    const fine = watch(pace);
    fine.watch.passed(0);
    fine.watch.passed(10_000);
    expect(fine.warnings).toEqual([]);
  }
});

test('looks every ten seconds, however often it is asked', () => {
  const made = watch({ syncMs: 100, loopDelayMs: 0 });
  for (let nowMs = 0; nowMs <= 30_000; nowMs += 10) made.watch.passed(nowMs);
  expect(made.looks()).toBe(3);
  expect(made.warnings.length).toBe(3);
});
