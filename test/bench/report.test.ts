import { describe, expect, test } from 'vitest';
import type { FailoverResult } from '../../bench/failover/run-failovers.ts';
import { Histogram, spread } from '../../bench/histogram.ts';
import { asMarkdown } from '../../bench/markdown.ts';
import type { Measured } from '../../bench/measure.ts';
import { asJson, quantile } from '../../bench/report.ts';
import type { ScenarioResult } from '../../bench/run-scenarios.ts';

const MEASURED: Measured = {
  ackedPerSecond: 1000,
  p50: 0.5,
  p99: 2,
  p999: 3,
  cpuCores: 1.1,
  busiestCores: 0.5,
  leaderCores: 0.5,
  followerCores: [0.4, 0.2],
  clientCores: 0.1,
  rssMiB: 100,
  diskBytesPerSecond: 5e6,
  flushesPerSecond: 300,
  bytesPerSecond: 4e6,
  syncsPerSecond: 310,
};

const SCENARIO: ScenarioResult = {
  name: 'append-1',
  recordBytes: 1024,
  runs: [MEASURED, { ...MEASURED, ackedPerSecond: 3000, followerCores: [0.2, 0.1] }],
  peers: { other: [{ ...MEASURED, ackedPerSecond: 4000, leaderCores: null, diskBytesPerSecond: null }] },
};

const FAILOVER: FailoverResult = {
  how: 'silent',
  gapsMs: [250, 240, 1300],
  parts: [
    { notice: 180, preVote: 1, vote: 2, noop: 3, client: 40 },
    { notice: 200, preVote: 1, vote: 4, noop: 3, client: 50 },
  ],
  peers: { other: { gapsMs: [1000], parts: [] } },
};

describe('the tables of the page', () => {
  const lines = asMarkdown([SCENARIO], [FAILOVER], ['--peers']).split('\n');
  const cells = (start: string): string[] =>
    (lines.find((line) => line.startsWith(start)) ?? '').split('|').map((cell) => cell.trim());

  test('begin with how it was measured', () => {
    expect(lines[0]).toMatch(/^\d{4}-\d\d-\d\d; \d+ cores \(.+\); Node \d.*; `npm run bench -- --peers`$/);
  });

  test('show the median of the runs, and between what they lie', () => {
    const [, , bytes, system, rate, ratio, , , cores] = cells('| `append-1`');
    expect([bytes, system, rate, ratio]).toEqual(['1,024', 'dledger', '2,000 (1,000 – 3,000)', '']);
    expect(cores).toBe('0.50, 0.30, 0.15, 0.10');
  });

  test('show others as a share of our own, and what is not known as not known', () => {
    const [, , , , rate, ratio, , , cores, , disk, flushes] = cells('|  |  | other');
    expect([rate, ratio, disk, flushes]).toEqual(['4,000 (4,000 – 4,000)', '2.00', '–', '300']);
    expect(cores).toMatch(/^–, /);
  });

  test('show each failover, then what it is made of', () => {
    expect(cells('| the leader falls silent').slice(2, 7)).toEqual([
      'dledger',
      '3',
      '250',
      '1,300',
      '240 – 1,300',
    ]);
    expect(cells('|  | other').slice(2, 4)).toEqual(['other', '1']);
    const parts = lines.findLast((line) => line.startsWith('| the leader falls silent'));
    expect(parts).toBe('| the leader falls silent | 190, 200 | 1, 1 | 3, 4 | 3, 3 | 45, 50 |');
  });
});

test('the JSON has every figure of every scenario and failover', () => {
  expect(asJson([SCENARIO], [FAILOVER])).toMatchObject({
    apiVersion: 'dledger/v1',
    kind: 'Benchmark',
    data: {
      scenarios: [
        {
          name: 'append-1',
          recordBytes: 1024,
          ackedPerSecond: { median: 2000, min: 1000, max: 3000 },
          followerCores: [expect.closeTo(0.3), expect.closeTo(0.15)],
          peers: { other: { leaderCores: null, syncsPerSecond: 310 } },
        },
      ],
      failovers: [
        {
          how: 'silent',
          rounds: 3,
          gapMs: { median: 250, p99: 1300 },
          partsMs: { notice: { median: 190, p99: 200 } },
          peers: { other: { rounds: 1, partsMs: null } },
        },
      ],
    },
  });
});

test('the quantile of a few values is one of them', () => {
  const hundred = Array.from({ length: 100 }, (_, at) => at + 1);
  expect(quantile(hundred, 0.99)).toBe(99);
  expect(quantile([3, 1, 2], 0.99)).toBe(3);
});

test('the spread of an even number of values has the middle of two', () => {
  expect(spread([4, 1, 3, 2])).toEqual({ median: 2.5, min: 1, max: 4 });
});

test('a histogram knows its quantiles to 1.6 %', () => {
  const latencies = new Histogram();
  for (let microseconds = 1; microseconds <= 100_000; microseconds += 1) latencies.record(microseconds);
  for (const fraction of [0.01, 0.5, 0.99, 0.999]) {
    const error = (latencies.quantileMs(fraction) ?? 0) / (fraction * 100) - 1;
    expect(Math.abs(error)).toBeLessThan(0.016);
  }
  expect(new Histogram().quantileMs(0.5)).toBeNull();
});
