import { describe, expect, test } from 'vitest';
import type { Drill, Expectation } from '../../src/drill/drill.ts';
import type { JournalExpectation } from '../../src/drill/journal.ts';
import { parseComparison, type Comparison } from '../../src/drill/quantities.ts';
import { reach, type Grounds } from '../../src/drill/verdict.ts';

const expectation = (id: string, metric: 'acked.missing' | 'unavailability.longest'): Expectation => ({
  id,
  severity: 'error',
  note: null,
  during: 'all',
  except: [],
  what: { kind: 'metric', metric, comparison: parseComparison('= 0') as Comparison },
});

function drill(mustFail: string[] = []): Drill {
  const expect = [expectation('no-loss', 'acked.missing'), expectation('gap', 'unavailability.longest')];
  return { expect, mustFail } as unknown as Drill;
}

function grounds(isLost: boolean, isLate: boolean, changes: Partial<Grounds> = {}): Grounds {
  const judged = (id: string, ok: boolean): JournalExpectation => ({
    id,
    text: id,
    severity: 'error',
    observed: 'x',
    limit: 'y',
    ok,
    evidence: [],
  });
  return {
    expectations: [judged('no-loss', !isLost), judged('gap', !isLate)],
    failures: [],
    doubts: [],
    aborted: null,
    ...changes,
  };
}

describe('the verdict', () => {
  test.each<[string, Grounds, string]>([
    ['all is as expected', grounds(false, false), 'pass'],
    ['something is late', grounds(false, true), 'fail'],
    [
      'something is late, but a fault did not take hold',
      grounds(false, true, { doubts: ['f1'] }),
      'inconclusive',
    ],
    ['a fault did not take hold', grounds(false, false, { doubts: ['f1'] }), 'inconclusive'],
    ['something is lost, whatever took hold', grounds(true, false, { doubts: ['f1'] }), 'fail'],
    ['something is lost in a drill that was ended', grounds(true, false, { aborted: 'Ctrl-C' }), 'fail'],
    ['it was ended', grounds(false, true, { aborted: 'Ctrl-C', doubts: ['f1'] }), 'aborted'],
    ['a step waited in vain', grounds(false, false, { failures: ['elect'] }), 'fail'],
  ])('where %s', (_, given, verdict) => {
    expect(reach(drill(), given).verdict).toBe(verdict);
  });

  test('of a drill that must fail is good only if it failed in that, and in nothing else', () => {
    expect(reach(drill(['no-loss']), grounds(true, false)).verdict).toBe('pass');
    expect(reach(drill(['no-loss']), grounds(false, false)).verdict).toBe('fail');
    expect(reach(drill(['no-loss']), grounds(true, true)).verdict).toBe('fail');
    expect(reach(drill(['gap']), grounds(true, true)).verdict).toBe('fail');
  });

  test('does not hang on a warning', () => {
    const [first, gap] = grounds(false, true).expectations as [JournalExpectation, JournalExpectation];
    const expectations = [first, { ...gap, severity: 'warn' as const }];
    expect(reach(drill(), grounds(false, true, { expectations })).verdict).toBe('pass');
  });
});
