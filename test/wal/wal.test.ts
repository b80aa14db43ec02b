import { expect, test } from 'vitest';
import { Bench, index, N1, term } from './harness.ts';

test('a new log is empty', () => {
  const bench = new Bench();
  const wal = bench.open();
  expect([wal.firstIndex, wal.lastIndex, wal.durableIndex]).toEqual([1, 0, 0]);
  expect(wal.hardState).toEqual({ term: 0, votedFor: null });
  expect(wal.hardStateTrusted).toBe(true);
  expect(wal.termRuns()).toEqual([]);
  expect(wal.termAt(index(0))).toBe(0);
});

test('what was written is there after a clean stop', () => {
  const bench = new Bench();
  bench.open();
  bench.write(3, { hardState: { term: term(1), votedFor: N1 } });
  bench.write(2, { term: 2, hardState: { term: term(2), votedFor: null } });
  bench.close();
  const wal = bench.open();
  expect(bench.content()).toEqual(['1.1', '2.1', '3.1', '4.2', '5.2']);
  expect(wal.hardState).toEqual({ term: 2, votedFor: null });
  expect(wal.termRuns()).toEqual([
    { firstIndex: 1, term: 1 },
    { firstIndex: 4, term: 2 },
  ]);
});
test('rolls', () => {
  const bench = new Bench();
  bench.open();
  for (let i = 0; i < 40; i += 1) bench.write(50, { bodyBytes: 100 });
  bench.write(1, { bodyBytes: 300_000 });
  bench.write(3, { truncateFrom: 1500, term: 2, mark: 1, hardState: { term: term(2), votedFor: null } });
  const before = bench.entries();
  bench.cutPowerAndOpen();
  expect(bench.entries()).toEqual(before);
  expect(bench.wal.stats().segments).toBeGreaterThan(3);
});
