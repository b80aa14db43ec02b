import { describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import type { GroupStatus } from '../../src/client/index.ts';
import { breakagesOf, describeBreakage } from '../../src/drill/breakages.ts';
import type { FaultPlan } from '../../src/drill/drill.ts';
import { NobodySelectedError, select, type Scene } from '../../src/drill/selectors.ts';

function scene(changes: Partial<Scene> = {}): Scene {
  const ends: Record<string, [number, number]> = { n1: [2, 10], n2: [3, 5], n3: [3, 7] };
  return {
    ids: ['n1', 'n2', 'n3'],
    leader: 'n1',
    oldLeader: 'n2',
    absent: new Set(),
    struck: ['n3'],
    group: (id) => ({ lastTerm: ends[id]?.[0], lastIndex: ends[id]?.[1] }) as GroupStatus,
    prng: new Prng(1),
    variables: new Map([['node', 'n3']]),
    ...changes,
  };
}

const told = (plan: FaultPlan, where = scene()): string[] => breakagesOf(plan, where).map(describeBreakage);

describe('a selector', () => {
  test.each([
    ['@leader', ['n1']],
    ['@old-leader', ['n2']],
    ['@followers', ['n2', 'n3']],
    ['@most-up-to-date', ['n3']],
    ['@all', ['n1', 'n2', 'n3']],
    ['@struck', ['n3']],
    ['$node', ['n3']],
    ['n2', ['n2']],
  ])('%s selects %j', (selector, ids) => {
    expect(select(selector, scene())).toEqual(ids);
  });

  test('leaves out who is down already where it may choose', () => {
    const where = scene({ absent: new Set(['n2']) });
    expect(select('@followers', where)).toEqual(['n3']);
    for (let round = 0; round < 20; round += 1) expect(select('@any', where)).not.toEqual(['n2']);
  });

  test.each(['@leader', '@followers', 'n9', '$other'])('%s may be nobody', (selector) => {
    expect(() => select(selector, scene({ leader: null }))).toThrow(NobodySelectedError);
  });
});

describe('a fault', () => {
  test('of links is made where the messages leave', () => {
    const drop = { kind: 'drop', mode: 'blackhole', share: 0.3, from: '@followers', to: '@leader' } as const;
    expect(told({ ...drop, bothWays: false })).toEqual([
      'n2 → n1: 30 % of messages lost',
      'n3 → n1: 30 % of messages lost',
    ]);
    expect(told({ ...drop, bothWays: true })).toHaveLength(4);
    const slow = {
      kind: 'delay',
      from: '@all',
      to: 'n3',
      bothWays: false,
      delayMs: 50,
      jitterMs: 20,
    } as const;
    expect(told(slow)).toEqual(['n1 → n3: messages wait 50 to 70 ms', 'n2 → n3: messages wait 50 to 70 ms']);
  });

  test.each<[FaultPlan, string]>([
    [{ kind: 'stall', nodes: 'n2' }, 'n2 stands still'],
    [{ kind: 'disk', nodes: 'n2', delayMs: 300, jitterMs: 50 }, 'n2: syncs take 300 to 350 ms longer'],
    [{ kind: 'diskError', nodes: 'n2' }, 'n2: syncs fail'],
    [{ kind: 'diskFull', nodes: 'n2' }, 'n2: the disk is full'],
    [{ kind: 'clock', nodes: 'n2', offsetMs: -600_000 }, 'n2: the clock is 600000 ms behind'],
    [
      { kind: 'throttle', from: 'n1', to: 'n2', bothWays: false, bytesPerSecond: 9 },
      'n1 → n2: 9 bytes a second',
    ],
    [{ kind: 'wipe', nodes: 'n2' }, 'n2 loses its data'],
    [{ kind: 'kill', nodes: 'n2', signal: 'SIGTERM' }, 'SIGTERM to n2'],
  ])('is told in words: %j', (plan, text) => {
    expect(told(plan)).toEqual([text]);
  });

  test('between any two is between two different ones', () => {
    const any = { kind: 'drop', mode: 'refuse', share: 1, from: '@any', to: '@any', bothWays: true } as const;
    for (let seed = 0; seed < 30; seed += 1)
      expect(breakagesOf(any, scene({ prng: new Prng(seed) }))).toHaveLength(2);
    expect(() => told({ ...any, from: 'n1', to: 'n1' })).toThrow(NobodySelectedError);
  });

  test('of a shape stands around the node that is meant', () => {
    expect(told({ kind: 'partition', partition: { shape: 'isolate', first: '@old-leader' } })).toEqual([
      'n2 → n1: all messages lost',
      'n2 → n3: all messages lost',
      'n1 → n2: all messages lost',
      'n3 → n2: all messages lost',
    ]);
  });
});
