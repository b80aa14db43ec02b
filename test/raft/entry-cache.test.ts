import { expect, test } from 'vitest';
import { EntryKind, sealEntries, type Entry } from '../../src/base/entry.ts';
import type { GroupId, LogIndex, Term } from '../../src/base/units.ts';
import { EntryCache } from '../../src/raft/entry-cache.ts';

const MANY = 20_000;
const HELD = 8192;

function entries(count: number): Entry[] {
  const body = new Uint8Array(8);
  const draft = { kind: EntryKind.batch, version: 1, queue: 0, recordCount: 1, body, bodyChecksum: 0 };
  const place = {
    group: 1 as GroupId,
    firstIndex: 1 as LogIndex,
    term: 1 as Term,
    time: 1,
    previousChecksum: 0,
  };
  return sealEntries(
    Array.from({ length: count }, () => draft),
    place,
  );
}

function filled(all: readonly Entry[]): EntryCache {
  const cache = new EntryCache(1 as LogIndex, 0);
  for (const entry of all) cache.push(entry);
  return cache;
}

test('small entries go by their number, long before their bytes fill the budget', () => {
  const all = entries(MANY);
  const cache = filled(all);
  cache.evict(MANY as LogIndex, 1024 * 1024 * 1024);
  expect(cache.firstIndex).toBe(MANY - HELD + 1);
  expect(cache.get(MANY - HELD)).toBeNull();
  expect(cache.slice(MANY - HELD + 1, MANY, Number.POSITIVE_INFINITY)).toEqual(all.slice(-HELD));
  // The one before the first is still known as what the first chains to.
  expect(cache.checksumAt(MANY - HELD)).toBe(all[MANY - HELD - 1]?.checksum);
});

test('what may not go yet is held, however many there are', () => {
  const all = entries(MANY);
  const cache = filled(all);
  cache.evict(100 as LogIndex, 0);
  expect(cache.firstIndex).toBe(101);
  expect(cache.bytes).toBe(all.slice(100).reduce((sum, { bytes }) => sum + bytes.length, 0));
});

test('large entries go by their bytes', () => {
  const all = entries(10);
  const cache = filled(all);
  const bytesMax = 3 * (all[0]?.bytes.length ?? 0);
  cache.evict(10 as LogIndex, bytesMax);
  expect(cache.firstIndex).toBe(8);
  expect(cache.bytes).toBe(bytesMax);
});
