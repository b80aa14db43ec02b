import { describe, expect, test } from 'vitest';
import { Measurements } from '../../src/drill/measurements.ts';

describe('measurements', () => {
  test('find each stretch without an acknowledgement, at the ends of the load too', () => {
    const measurements = new Measurements();
    measurements.loadBegan(100);
    for (const atMs of [150, 200, 900, 950]) measurements.acknowledged(atMs, atMs);
    measurements.loadEnded(1500);
    expect(measurements.silences(250)).toEqual([
      { fromMs: 200, toMs: 900 },
      { fromMs: 950, toMs: 1500 },
    ]);
    expect(measurements.silentFor(5000)).toBe(0);
  });

  test('count latency from the intended start', () => {
    const measurements = new Measurements();
    measurements.loadBegan(0);
    measurements.acknowledged(1000, 100);
    measurements.acknowledged(1001, 999);
    expect(measurements.latencies(() => true)).toMatchObject({ count: 2, max: 900 });
    expect(measurements.latencies((intendedMs) => intendedMs > 500)).toMatchObject({ count: 1, max: 2 });
    expect(measurements.silentFor(1401)).toBe(400);
  });

  test('make a series without holes', () => {
    const measurements = new Measurements();
    measurements.offered(10);
    measurements.failed(600);
    expect(
      measurements
        .series()
        .map(({ atMs, offered, acked, failed, p99Ms }) => [atMs, offered, acked, failed, p99Ms]),
    ).toEqual([
      [0, 1, 0, 0, null],
      [250, 0, 0, 0, null],
      [500, 0, 0, 1, null],
    ]);
  });
});
