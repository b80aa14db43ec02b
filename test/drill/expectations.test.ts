import { describe, expect, test } from 'vitest';
import type { Drill, Expectation } from '../../src/drill/drill.ts';
import { judge } from '../../src/drill/expectations.ts';
import type { FaultRecord } from '../../src/drill/faults.ts';
import type { Findings } from '../../src/drill/findings.ts';
import { Measurements } from '../../src/drill/measurements.ts';
import { parseComparison, type Comparison } from '../../src/drill/quantities.ts';

const fault = (step: string, appliedMs: number, healedMs: number): FaultRecord => ({
  id: step,
  step,
  node: 'n1',
  group: 1,
  breakage: { kind: 'pause', node: 'n1' },
  appliedMs,
  healedMs,
  proof: null,
});

/** Silence from 2 to 3 s, where something is broken, and from 6 to 6.4 s, where nothing is. */
function findings(changes: Partial<Findings> = {}): Findings {
  const measurements = new Measurements();
  measurements.loadBegan(1000);
  for (let atMs = 1000; atMs <= 8000; atMs += 100) {
    const isSilent = (atMs > 2000 && atMs < 3000) || (atMs > 6000 && atMs < 6400);
    if (!isSilent) measurements.acknowledged(atMs, atMs === 3000 ? 2100 : atMs - 5);
  }
  measurements.loadEnded(8000);
  return {
    counts: { acked: 60, unknown: 1, failed: 0, missing: 0, duplicated: 0, reordered: 0, unknownStored: 0 },
    check: {
      violations: [],
      broken: {},
      acknowledged: 60,
      failed: 0,
      unknown: 1,
      unknownStored: 0,
      recordsRead: 0,
    },
    differences: [],
    missing: [],
    duplicated: [],
    measurements,
    faults: [fault('kill', 1900, 3500)],
    leaders: [
      { node: 'n1', term: 1, atMs: 500 },
      { node: 'n2', term: 2, atMs: 2500 },
    ],
    events: [{ atMs: 1, node: 'n2', level: 'warn', code: 'x', text: 'read-only: disk full' }],
    regressions: [],
    deaths: [],
    steadyMs: 1000,
    steadyTerm: 1,
    finalTerm: 2,
    endMs: 8000,
    ...changes,
  };
}

function observe(
  what: Expectation['what'],
  found = findings(),
  changes: Partial<Expectation> = {},
): [boolean, string] {
  const expectation = { id: 'x', severity: 'error', note: null, during: 'all', except: [], what, ...changes };
  const [judged] = judge({ expect: [expectation] } as unknown as Drill, found);
  return [judged?.ok ?? false, judged?.observed ?? ''];
}

const metric = (name: string, text: string): Expectation['what'] =>
  ({ kind: 'metric', metric: name, comparison: parseComparison(text) as Comparison }) as Expectation['what'];

describe('an expectation', () => {
  test.each<[string, string, Partial<Expectation>, boolean, string]>([
    ['unavailability.longest', '<= 1s', {}, true, '1.00 s'],
    ['unavailability.longest', '< 1s', {}, false, '1.00 s'],
    ['unavailability.longest', '<= 400ms', { during: 'off-fault' }, true, '400 ms'],
    ['unavailability.longest', '<= 400ms', { except: ['kill'] }, true, '400 ms'],
    ['unavailability.total', '<= 1400ms', {}, true, '1.40 s'],
    ['unavailability.total', '<= 1s', { during: 'on-fault' }, true, '1.00 s'],
    ['elections.count', '= 1', {}, true, '1'],
    ['terms.max', '<= +1', {}, true, '1'],
    ['acked.total', '>= 61', {}, false, '60'],
    ['unknown.count', '= 0', {}, false, '1'],
    ['ack.max', '<= 900ms', {}, true, '900 ms'],
    ['ack.max', '<= 10ms', { during: 'off-fault' }, true, '5 ms'],
    ['nodes.died', '= 0', {}, true, '0'],
  ])('of %s %s with %j', (name, text, changes, ok, observed) => {
    expect(observe(metric(name, text), findings(), changes)).toEqual([ok, observed]);
  });

  test('about latency fails where nothing was measured: that is no proof of anything', () => {
    expect(observe(metric('ack.p99', '<= 1s'), findings({ measurements: new Measurements() }))).toEqual([
      false,
      'nothing was measured',
    ]);
  });

  test('about the logs, the history and the invariants rests on what was found', () => {
    const broken = findings({
      differences: ['entry 7'],
      regressions: ['went back'],
      leaders: [
        { node: 'n1', term: 2, atMs: 1 },
        { node: 'n2', term: 2, atMs: 2 },
      ],
      check: {
        ...findings().check,
        violations: [{ rule: 'stale-read', message: 'old', evidence: [] }],
        broken: { 'stale-read': 3 },
      },
    });
    const all = ['one-leader-per-term', 'log-matching', 'commit-monotonic'] as const;
    const kinds: Expectation['what'][] = [
      { kind: 'logs' },
      { kind: 'history' },
      { kind: 'invariants', invariants: all },
    ];
    expect(kinds.map((what) => observe(what))).toEqual([
      [true, '0 differences'],
      [true, '0 violations'],
      [true, '0 breaches'],
    ]);
    expect(kinds.map((what) => observe(what, broken))).toEqual([
      [false, '1 differences'],
      [false, '3 violations'],
      [false, '3 breaches'],
    ]);
  });

  test('about an event looks for the node and what it said', () => {
    expect(observe({ kind: 'event', text: 'n2 read-only' })[0]).toBe(true);
    expect(observe({ kind: 'event', text: 'n1 read-only' })[0]).toBe(false);
  });
});
