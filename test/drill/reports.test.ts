import { describe, expect, test } from 'vitest';
import { parseJournal } from '../../src/drill/journal-file.ts';
import type { Journal } from '../../src/drill/journal.ts';
import { compareRows } from '../../src/drill/reports/compare.ts';
import { comparePage, htmlReport } from '../../src/drill/reports/html.ts';
import { junitReport } from '../../src/drill/reports/junit.ts';
import { terminalReport } from '../../src/drill/reports/terminal.ts';

const HOSTILE = `</script><b a="1">&\u0007'`;

function journal(changes: Partial<Journal> = {}): Journal {
  return {
    schemaVersion: 1,
    drill: { name: 'x', hypothesis: HOSTILE, mustFail: ['loss'], unsafeMutations: ['acknowledgesOnPropose'] },
    seed: 7,
    versions: { n1: '0.1.0' },
    host: { platform: 'linux x64', cpus: 2, node: 'v24' },
    startedAtMs: 1_700_000_000_000,
    durationMs: 4000,
    ownCluster: true,
    nodes: ['n1', 'n2'],
    steps: [{ name: 'kill', kind: 'fault', startMs: 1000, endMs: 1010, ok: true, text: HOSTILE }],
    faults: [
      {
        id: 'f1',
        step: 'kill',
        spec: 'SIGKILL to n1',
        node: 'n1',
        appliedMs: 1000,
        healedMs: null,
        proof: null,
      },
    ],
    roles: [
      { atMs: 100, node: 'n1', role: 'leader', term: 1 },
      { atMs: 1000, node: 'n1', role: 'down', term: 1 },
      { atMs: 1300, node: 'n2', role: 'leader', term: 2 },
    ],
    events: [{ atMs: 1300, node: 'n2', level: 'info', code: 'election-won', text: HOSTILE }],
    series: [
      { atMs: 0, intervalMs: 250, offered: 100, acked: 90, failed: 0, p50Ms: 2, p99Ms: 9 },
      { atMs: 250, intervalMs: 250, offered: 100, acked: 0, failed: 3, p50Ms: null, p99Ms: null },
    ],
    gaps: [{ fromMs: 1000, toMs: 1350, label: 'SIGKILL to n1' }],
    counts: { acked: 90, unknown: 3, failed: 0, missing: 2, duplicated: 0, reordered: 0, unknownStored: 1 },
    expectations: [
      {
        id: 'loss',
        text: 'acked.missing = 0',
        severity: 'error',
        observed: '2',
        limit: '= 0',
        ok: false,
        evidence: ['p1-7'],
      },
      {
        id: 'gap',
        text: 'gap',
        severity: 'error',
        observed: '4 s',
        limit: '<= 3s',
        ok: false,
        evidence: ['at 1 s'],
      },
      {
        id: 'slow',
        text: 'p99',
        severity: 'warn',
        observed: '1 s',
        limit: '<= 9ms',
        ok: false,
        evidence: [],
      },
    ],
    verdict: 'fail',
    reasons: ['gap: expected <= 3s'],
    unhealed: ['f1 at n1'],
    reproduce: 'dledger drill run x --seed 7',
    files: [],
    ...changes,
  };
}

/** Names of elements, each of which is closed where it should be. @throws Error where one is not */
function elements(markup: string): string[] {
  const open: string[] = [];
  const seen: string[] = [];
  const body = markup
    .replace(/<!doctype html>|<\?xml[^>]*\?>|<meta[^>]*>/g, '')
    .replace(/<style>[^]*?<\/style>/g, '');
  const withoutData = body.replace(/(<script type="application\/json"[^>]*>)[^]*?<\/script>/g, '$1</script>');
  for (const [tag, slash, name = '', rest = ''] of withoutData.matchAll(
    /<(\/?)([a-zA-Z0-9]+)((?:\s+[a-zA-Z-]+="[^"<>]*")*)\s*\/?>/g,
  )) {
    expect(rest).not.toContain('<');
    if (slash === '/') expect(open.pop()).toBe(name);
    else {
      seen.push(name);
      if (!tag.endsWith('/>')) open.push(name);
    }
  }
  expect(open).toEqual([]);
  expect(withoutData.replace(/<[^<>]*>/g, '')).not.toMatch(/[<>]/);
  return seen;
}

describe('the page', () => {
  test('is well-formed, whatever the names and texts are, and asks for nothing from outside', () => {
    const page = htmlReport(journal());
    const found = elements(page);
    expect(found.filter((name) => name === 'svg')).toHaveLength(1);
    expect(found).not.toContain('b');
    expect(page).not.toMatch(/(src|href)=|url\(|@import/);
  });

  test('draws a lane for each node with its roles, what was broken, the gap, and what clients felt', () => {
    const page = htmlReport(journal());
    for (const text of [
      'n1: leader in term 1, 0.10 s to 1.00 s',
      'f1 SIGKILL to n1',
      '350 ms without an acknowledgement',
    ])
      expect(page).toContain(`<title>${text}`);
    expect(page.match(/<polyline/g)).toHaveLength(4);
  });

  test('holds the journal it was made from', () => {
    const [, data = ''] = /id="journal">([^]*?)<\/script>/.exec(htmlReport(journal())) ?? [];
    expect(parseJournal(data)).toEqual(journal());
  });
});

describe('two runs', () => {
  test('are told side by side, also where only one has an expectation', () => {
    const other = journal({ verdict: 'pass', expectations: [], gaps: [] });
    const rows = new Map(compareRows(journal(), other).map(([what, ...both]) => [what, both]));
    expect(rows.get('verdict')).toEqual(['fail', 'pass']);
    expect(rows.get('longest gap')).toEqual(['350 ms', '0 ms']);
    expect(rows.get('gap')).toEqual(['failed: 4 s', '-']);
  });

  test('make one well-formed page with three pictures', () => {
    const found = elements(comparePage(journal(), journal()));
    expect(found.filter((name) => name === 'svg')).toHaveLength(3);
  });
});

describe('JUnit', () => {
  test('has a case for each step and expectation, and fails for what matters', () => {
    const xml = junitReport(journal());
    elements(xml);
    expect(xml).toContain('tests="5" failures="2" errors="0" skipped="0"');
    expect(xml).toContain('gap: observed 4 s, limit &lt;= 3s');
  });

  test.each([
    ['aborted', 'errors="1"'],
    ['inconclusive', 'skipped="1"'],
  ] as const)('tells a drill that was %s from one that failed', (verdict, text) => {
    expect(junitReport(journal({ verdict, expectations: [] }))).toContain(text);
  });
});

describe('the summary', () => {
  test('says what must fail, what did, and what may remain broken', () => {
    const lines = terminalReport(journal(), { ok: 'ok', bad: 'NO', warn: '! ' }).join('\n');
    expect(lines).toContain('ok loss: acked.missing = 0 (must fail): 2\n        p1-7');
    expect(lines).toContain('NO gap: gap: 4 s\n        at 1 s');
    expect(lines).toContain('!  slow');
    expect(lines).toContain('FAIL  x: gap: expected <= 3s');
    expect(lines).toContain('NOT MENDED, until its time runs out: f1 at n1');
  });
});

describe('a journal', () => {
  test.each([
    ['{', /no JSON/],
    ['{"schemaVersion":2}', /version 1/],
    [JSON.stringify({ ...journal(), nodes: [1] }), /nodes\.0/],
  ])('that is none is refused: %s', (text, why) => {
    expect(() => parseJournal(text)).toThrow(why);
  });
});
