import { describe, expect, test } from 'vitest';
import { RealClock } from '../../src/platform/real-clock.ts';

const clock = new RealClock();

describe('the real clock', () => {
  test('does not fire before its time', async () => {
    // Fractions are where the machine's timers would come early.
    const early = await Promise.all(
      Array.from({ length: 50 }, (_, at) => {
        const delayMs = 1 + at * 0.13;
        const start = clock.monotonicMs();
        return new Promise<number>((resolve) => {
          clock.setTimer(delayMs, () => resolve(clock.monotonicMs() - start - delayMs));
        });
      }),
    );
    expect(Math.min(...early)).toBeGreaterThanOrEqual(0);
  });

  test('does not fire once cancelled, also from a timer of the same moment', async () => {
    const fired: string[] = [];
    await new Promise<void>((resolve) => {
      const handles = [clock.setTimer(1, () => fired.push('cancelled at once'))];
      handles[0]?.cancel();
      clock.setTimer(2, () => handles[1]?.cancel());
      handles.push(clock.setTimer(3, () => fired.push('cancelled in time')));
      clock.setTimer(10, resolve);
    });
    expect(fired).toEqual([]);
  });

  test('a delay longer than the machine counts does not fire at once', async () => {
    let fired = false;
    const handle = clock.setTimer(2 ** 33, () => {
      fired = true;
    });
    await new Promise<void>((resolve) => {
      clock.setTimer(10, resolve);
    });
    handle.cancel();
    expect(fired).toBe(false);
  });

  test('runs deferred work after this turn, in order', async () => {
    const log: string[] = [];
    await new Promise<void>((resolve) => {
      clock.defer(() => log.push('first'));
      clock.defer(() => {
        log.push('second');
        resolve();
      });
      log.push('turn');
    });
    expect(log).toEqual(['turn', 'first', 'second']);
  });

  test('its monotonic reading never goes back, its Unix reading is whole and of today', () => {
    let last = clock.monotonicMs();
    for (let at = 0; at < 1000; at += 1) {
      const now = clock.monotonicMs();
      expect(now).toBeGreaterThanOrEqual(last);
      last = now;
    }
    expect(Number.isInteger(clock.unixMs())).toBe(true);
    expect(Math.abs(clock.unixMs() - Date.now())).toBeLessThan(1000);
  });
});
