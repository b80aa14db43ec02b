import { describe, expect, test, vi } from 'vitest';
import { Load } from '../../bench/failover/load.ts';

/** A load whose requests are answered when the test says so, at the times that it says. */
function loadOf(): { load: Load; answer: (ms: number, error?: Error) => void } {
  const waiting: ((error: Error | null) => void)[] = [];
  const load = new Load((done) => waiting.push(done));
  const answer = (ms: number, error: Error | null = null): void => {
    vi.spyOn(performance, 'now').mockReturnValue(ms);
    waiting.shift()?.(error);
    vi.restoreAllMocks();
  };
  return { load, answer };
}

describe('the longest gap', () => {
  test('is the one around the event, however long one before it was', () => {
    const { load, answer } = loadOf();
    for (const ms of [0, 500, 510, 520, 580, 590]) answer(ms);
    expect(load.longestGap(525)).toEqual({ fromMs: 520, toMs: 580 });
  });

  test('counts acknowledgements only, not failures', () => {
    const { load, answer } = loadOf();
    answer(100);
    answer(130, new Error('nobody leads'));
    answer(170);
    expect(load.longestGap(110)).toEqual({ fromMs: 100, toMs: 170 });
  });
});

test('the first acknowledgement after a time may be at it', () => {
  const { load, answer } = loadOf();
  for (const ms of [10, 20, 30]) answer(ms);
  expect(load.firstAckAfter(20)).toBe(20);
  expect(load.firstAckAfter(20.5)).toBe(30);
  expect(load.firstAckAfter(31)).toBeNull();
});

test('so many acknowledgements are waited for, and those before do not count', async () => {
  const { load, answer } = loadOf();
  answer(1);
  let isOver = false;
  const acknowledged = load.acknowledged(2).then(() => {
    isOver = true;
  });
  answer(2);
  await Promise.resolve();
  expect(isOver).toBe(false);
  answer(3);
  await acknowledged;
});
