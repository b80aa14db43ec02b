import { expect, test } from 'vitest';
import { SyncPace } from '../../src/wal/sync-pace.ts';

function afterSyncs(...tookMs: number[]): { pace: SyncPace; nowMs: number } {
  const pace = new SyncPace();
  let nowMs = 1000;
  for (const ms of tookMs) {
    pace.began(nowMs);
    nowMs += ms;
    pace.ended(nowMs);
  }
  return { pace, nowMs };
}

test('three syncs in a row show a pace: what each of them took at least', () => {
  const few = afterSyncs(300, 300);
  expect(few.pace.paceMs(few.nowMs)).toBe(0);
  const run = afterSyncs(1, 300, 250, 400);
  expect(run.pace.paceMs(run.nowMs)).toBe(250);
  const once = afterSyncs(1, 900, 1);
  expect(once.pace.paceMs(once.nowMs)).toBe(1);
});

test('the one under way counts as soon as it has taken long enough, and alone if it hangs', () => {
  const { pace, nowMs } = afterSyncs(1, 300, 300);
  pace.began(nowMs);
  expect(pace.paceMs(nowMs + 100)).toBe(100);
  expect(pace.paceMs(nowMs + 260)).toBe(260);
  const hung = afterSyncs(1, 1, 1);
  hung.pace.began(hung.nowMs);
  expect(hung.pace.paceMs(hung.nowMs + 1000)).toBe(250);
});

test('what was long ago says nothing of today', () => {
  const { pace, nowMs } = afterSyncs(300, 300, 300);
  expect(pace.paceMs(nowMs + 9000)).toBe(300);
  expect(pace.paceMs(nowMs + 10_001)).toBe(0);
});
