import { describe, expect, test } from 'vitest';
import { blastRadius, confirmRadius } from '../../src/cli/blast-radius.ts';
import { diagnose } from '../../src/cli/doctor.ts';
import { healthLine, judgeHealth } from '../../src/cli/health.ts';
import type { ClusterStatus, NodeEvent } from '../../src/client/index.ts';
import { clusterOf, downNode, nodeOf } from './support/cluster-fixture.ts';

const well = clusterOf([nodeOf('n1'), nodeOf('n2'), nodeOf('n3')]);

describe('the health of a cluster', () => {
  test('is good where all nodes answer, count and keep up', () => {
    expect(judgeHealth(well)).toMatchObject({ state: 'healthy', reasons: [], tolerates: 1, nodesNeeded: 2 });
    expect(healthLine(judgeHealth(well))).toBe(
      '● HEALTHY  n1 leads term 7; 3 of 3 nodes up, tolerates 1 failure',
    );
  });

  test.each<[string, ClusterStatus, RegExp]>([
    [
      'a node is down',
      clusterOf([nodeOf('n1'), nodeOf('n2'), downNode('n3')]),
      /^n3 does not answer: connection refused$/,
    ],
    [
      'a node does not count',
      clusterOf([
        nodeOf('n1'),
        nodeOf('n2'),
        nodeOf('n3', {}, { eligible: false, ineligibleWhy: 'its disk was wiped' }),
      ]),
      /^n3 neither votes nor counts: its disk was wiped$/,
    ],
    [
      'a node is far behind',
      clusterOf([nodeOf('n1', {}, { commitIndex: 50_000 }), nodeOf('n2')]),
      /^n1 is 49900 entries behind$/,
    ],
    [
      'a disk fills',
      clusterOf([nodeOf('n1', { disk: { freeBytes: 5, totalBytes: 100 } })]),
      /^the disk of n1 is 95 % full$/,
    ],
    [
      'a promise is given up',
      clusterOf([nodeOf('n1', { unsafe: ['unsafe-no-sync'] })]),
      /^n1 runs with unsafe-no-sync/,
    ],
    [
      'something is broken on request',
      clusterOf([
        nodeOf('n1', {
          faults: [{ id: 'f1', owner: 'x', spec: { kind: 'stall' }, ttlMs: 9, remainingMs: 5, affected: 4 }],
        }),
      ]),
      /^n1 has a fault on request: stall \(f1\)$/,
    ],
  ])('is degraded where %s, and says so', (_, status, reason) => {
    const health = judgeHealth(status);
    expect(health.state).toBe('degraded');
    expect(health.reasons.some((text) => reason.test(text))).toBe(true);
  });

  test('says how many more are needed where nobody can lead', () => {
    const health = judgeHealth(clusterOf([nodeOf('n1'), downNode('n2'), downNode('n3')], null));
    expect(health).toMatchObject({ state: 'no-leader', tolerates: null });
    expect(health.reasons[0]).toBe('nobody can lead: 1 up, 2 needed, 1 more to start');
    expect(healthLine(health)).toBe('✗ NO LEADER  1 of 3 nodes up, 2 needed');
  });

  test('is unknown where nobody answers', () => {
    const health = judgeHealth(clusterOf([downNode('n1')], null));
    expect(health.state).toBe('unreachable');
  });

  test('does not count what neither votes nor counts as a spare', () => {
    const status = clusterOf([
      nodeOf('n1'),
      nodeOf('n2'),
      nodeOf('n3', {}, { eligible: false, ineligibleWhy: 'x' }),
    ]);
    expect(judgeHealth(status).tolerates).toBe(0);
  });
});

describe('the blast radius', () => {
  test('of a follower: one failure less is tolerated', () => {
    const radius = blastRadius(well, ['n2']);
    expect(radius).toEqual({
      losesQuorum: false,
      effects: ['it tolerates 0 instead of 1 failures until this is over'],
    });
    expect(() => confirmRadius(radius, 'pause n2', false)).not.toThrow();
  });

  test('of the leader: writes stop for an election', () => {
    expect(blastRadius(well, ['n1']).effects[0]).toContain('n1 is the LEADER of term 7');
  });

  test('of the majority is refused unless it is confirmed', () => {
    const radius = blastRadius(clusterOf([nodeOf('n1'), nodeOf('n2'), downNode('n3')]), ['n2']);
    expect(radius.losesQuorum).toBe(true);
    expect(() => confirmRadius(radius, 'pause n2', false)).toThrow(
      /NO MAJORITY is left \(1 of 3, 2 needed\)/,
    );
    expect(() => confirmRadius(radius, 'pause n2', true)).not.toThrow();
  });
});

describe('the doctor', () => {
  function event(code: string, at: number, text = code): NodeEvent {
    return { sequence: 1, at, level: 'info', code, text, fields: {} };
  }

  test('finds nothing where all is well', () => {
    expect(diagnose({ status: well, events: new Map(), nowMs: 0 })).toEqual([]);
  });

  test('says first that nobody leads, and what to start', () => {
    const status = clusterOf(
      [nodeOf('n1', {}, { role: 'preCandidate' }), downNode('n2'), downNode('n3')],
      null,
    );
    const [first] = diagnose({ status, events: new Map(), nowMs: 0 });
    expect(first).toMatchObject({ severity: 'critical', finding: 'nobody leads: nothing can be written' });
    expect(first?.evidence).toContain('n1: preCandidate in term 7');
    expect(first?.next).toBe('start 1 more of n2, n3');
  });

  test('tells a leader of the past from the one that leads', () => {
    const status = clusterOf([nodeOf('n1'), nodeOf('n2', {}, { role: 'leader', term: 6 }), nodeOf('n3')]);
    const found = diagnose({ status, events: new Map(), nowMs: 0 });
    expect(found.map(({ finding }) => finding)).toEqual(['2 nodes say that they lead']);
    expect(found[0]?.evidence).toBe('n1 in term 7, n2 in term 6');
  });

  test('finds slow disks by their figures', () => {
    const pace = { syncMs: { p50: 10, p99: 80, max: 90 }, commitMs: null, loopDelayMs: 2 };
    const [found] = diagnose({ status: clusterOf([nodeOf('n1', { pace })]), events: new Map(), nowMs: 0 });
    expect(found?.evidence).toBe('sync p99 80.0 ms, loop up to 2.0 ms late');
  });

  test('finds elections without end, and clocks apart', () => {
    const nowMs = 1_000_000;
    const won = Array.from({ length: 6 }, (_, at) => event('election-won', nowMs - at, `won ${at}`));
    const events = new Map([
      ['n1', won],
      ['n2', [event('started', nowMs + 5000)]],
    ]);
    const found = diagnose({ status: well, events, nowMs }).map(({ finding }) => finding);
    expect(found).toEqual(['6 elections in ten minutes', "the clock of n2 is ahead of this machine's"]);
  });
});
