import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../../../src/sim/virtual-clock.ts';

describe('a virtual clock', () => {
  test('fires timers in the order of their times, and those of one moment as they were set', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 200 }), (delays) => {
        const clock = new VirtualClock();
        const fired: number[] = [];
        for (const [at, delay] of delays.entries()) {
          clock.setTimer(delay, () => {
            expect(clock.monotonicMs()).toBe(delay);
            fired.push(at);
          });
        }
        clock.runUntilIdle();
        const expected = [...delays.keys()].sort(
          (one, other) => (delays[one] ?? 0) - (delays[other] ?? 0) || one - other,
        );
        expect(fired).toEqual(expected);
      }),
    );
  });

  test('does not fire what was cancelled, whenever that was', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({ delay: fc.integer({ min: 1, max: 50 }), cancelAt: fc.integer({ min: 0, max: 60 }) }),
          {
            maxLength: 100,
          },
        ),
        (timers) => {
          const clock = new VirtualClock();
          const fired = new Set<number>();
          // Cancelling is set first, so that at the same moment it comes first.
          const handles: { cancel(): void }[] = [];
          for (const [at, { cancelAt }] of timers.entries())
            clock.setTimer(cancelAt, () => handles[at]?.cancel());
          for (const [at, { delay }] of timers.entries())
            handles[at] = clock.setTimer(delay, () => fired.add(at));
          clock.runUntilIdle();
          for (const [at, { delay, cancelAt }] of timers.entries())
            expect(fired.has(at)).toBe(cancelAt > delay);
          expect(clock.pendingCount).toBe(0);
        },
      ),
    );
  });

  test('forgets cancelled timers long before their time', () => {
    const clock = new VirtualClock();
    for (let at = 0; at < 100_000; at += 1) clock.setTimer(30_000, () => undefined).cancel();
    expect(clock.pendingCount).toBe(0);
    clock.setTimer(1, () => undefined);
    expect(clock.pendingCount).toBe(1);
    clock.runUntilIdle();
    expect(clock.callbacksRun).toBe(1);
    expect(clock.monotonicMs()).toBe(1);
  });

  test('runs deferred work after everything that is due and before time goes on', () => {
    const clock = new VirtualClock();
    const log: string[] = [];
    clock.setTimer(5, () => {
      log.push('first input');
      clock.defer(() => {
        log.push(`end of turn at ${clock.monotonicMs()}`);
        clock.defer(() => log.push(`next end at ${clock.monotonicMs()}`));
        clock.setTimer(0, () => log.push('more input'));
      });
    });
    clock.setTimer(5, () => log.push('second input'));
    clock.setTimer(5.5, () => log.push('later'));
    clock.runUntilIdle();
    expect(log).toEqual([
      'first input',
      'second input',
      'end of turn at 5',
      'more input',
      'next end at 5',
      'later',
    ]);
  });

  test('stands where it was told to go', () => {
    const clock = new VirtualClock();
    let fired = 0;
    clock.setTimer(10, () => (fired += 1));
    clock.advanceTo(9);
    expect([clock.monotonicMs(), fired]).toEqual([9, 0]);
    clock.advanceBy(1);
    expect([clock.monotonicMs(), fired]).toEqual([10, 1]);
    clock.advanceBy(100);
    expect(clock.monotonicMs()).toBe(110);
    expect(() => clock.advanceTo(109)).toThrow(/back from 110 to 109/);
  });

  test('its two readings go together, and Unix time is whole', () => {
    const clock = new VirtualClock();
    const start = clock.unixMs();
    clock.advanceBy(1234.75);
    expect(clock.unixMs() - start).toBe(1234);
  });

  test('waits for a condition, but not for ever', () => {
    const clock = new VirtualClock();
    let count = 0;
    const again = (): void => {
      count += 1;
      clock.setTimer(10, again);
    };
    again();
    expect(clock.runUntil(() => count === 5, 1000)).toBe(true);
    expect(clock.monotonicMs()).toBe(40);
    expect(clock.runUntil(() => count === 1000, 60)).toBe(false);
    expect(clock.monotonicMs()).toBe(100);
    expect(() => clock.runUntilIdle(1000)).toThrow(/not idle after 1000/);
  });

  test('refuses a loop in which no time passes', () => {
    const clock = new VirtualClock();
    const again = (): void => clock.defer(again);
    again();
    expect(() => clock.runUntilIdle(2_000_000)).toThrow(/time stands still/);
  });
});
