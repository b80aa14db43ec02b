import { describe, expect, test } from 'vitest';
import { SCREENS } from '../../src/cli/console/keys.ts';
import { lineWidth, textOf } from '../../src/cli/console/text.ts';
import { ASCII, UNICODE } from '../../src/cli/console/theme.ts';
import { FIRST_UI, press, type UiState } from '../../src/cli/console/ui-state.ts';
import { draw, usableSize } from '../../src/cli/console/view.ts';
import { Bench, afterFailover, downNode, event, nodeOf } from './support/fixture.ts';

const SIZES = [
  [60, 15],
  [70, 20],
  [80, 24],
  [100, 30],
  [120, 40],
  [200, 60],
] as const;

function shown(bench: Bench, ui: Partial<UiState> = {}, columns = 80, rows = 24, glyphs = UNICODE): string[] {
  return draw(bench.model, { ...FIRST_UI, ...ui }, { columns, rows }, glyphs).map(textOf);
}

describe('the screen', () => {
  test.each(SIZES)('fills %ix%i exactly, on every screen and under every box', (columns, rows) => {
    const bench = afterFailover();
    const overlays: UiState['overlay'][] = [
      null,
      { type: 'help', scroll: 0 },
      { type: 'menu', at: 2 },
      { type: 'palette', typed: 'n', at: 0 },
      { type: 'filter', typed: 'x' },
    ];
    for (const screen of SCREENS) {
      for (const overlay of overlays) {
        const lines = draw(bench.model, { ...FIRST_UI, screen, overlay }, { columns, rows }, UNICODE);
        expect(lines).toHaveLength(rows);
        expect(new Set(lines.map(lineWidth))).toEqual(new Set([columns]));
      }
    }
  });

  test.each([
    [80, 24],
    [120, 40],
  ] as const)('after a failover, at %ix%i', (columns, rows) => {
    expect(
      shown(afterFailover(), {}, columns, rows)
        .map((row) => row.trimEnd())
        .join('\n'),
    ).toMatchSnapshot();
  });

  test('says in one glance who leads, since when, why, and how long nobody did', () => {
    const text = shown(afterFailover()).join('\n');
    expect(text).toContain('▲ DEGRADED  2/3 up · tolerates 0 failures');
    expect(text).toContain('term 8; n2 leads for 100 ms');
    expect(text).toContain('n2 100 ms ago, nobody led for 20 ms: the process that led was gone');
    expect(text).toMatch(/n1 {4}✗ down/);
    expect(text).toMatch(/n2 {4}★ LEADER/);
  });

  test('ASCII is ASCII', () => {
    for (const screen of SCREENS) {
      const text = shown(afterFailover(), { screen }, 120, 40, ASCII).join('');
      // oxlint-disable-next-line no-control-regex
      expect(text).toMatch(/^[\x20-\x7e]*$/);
    }
  });

  test('tells what is not known from zero', () => {
    const bench = new Bench([downNode('n1'), downNode('n2')]);
    const text = shown(bench).join('\n');
    expect(text).toContain('? UNREACHABLE');
    expect(text).toMatch(/n1 {4}✗ down +\? +\? +\?/);
    expect(text).not.toMatch(/n1 .* 0 /);
  });

  test('says how many more are needed where nobody leads', () => {
    const bench = new Bench([
      nodeOf('n1', {}, { role: 'preCandidate', leaderId: null }),
      downNode('n2'),
      downNode('n3'),
    ]);
    expect(shown(bench)[0]).toContain('✗ NO LEADER  (2 of 3 needed, 1 up)');
  });

  test('greys nothing out silently: an old picture says that it is old', () => {
    const bench = new Bench([nodeOf('n1')]);
    bench.clock.advanceBy(12_000);
    expect(shown(bench)[0]).toContain('? STALE 12.0 s');
  });

  test('a terminal that is too small gets what matters most', () => {
    const lines = shown(afterFailover(), {}, 40, 10);
    expect(lines).toHaveLength(10);
    expect(lines.join('\n')).toContain('leader n2');
    expect(lines.join('\n')).toContain('needs 60x15, has 40x10');
  });

  test('a pseudo-terminal without a size counts as 80x24', () => {
    expect(usableSize(0, 0)).toEqual({ columns: 80, rows: 24 });
    expect(usableSize(undefined, undefined)).toEqual({ columns: 80, rows: 24 });
    expect(usableSize(132, 43)).toEqual({ columns: 132, rows: 43 });
  });

  test('marks entries that are not committed, by shape and word', () => {
    const bench = afterFailover();
    const entry = {
      term: 8,
      type: 'data' as const,
      where: null,
      records: 1,
      bytes: 90,
      at: bench.model.nowMs - 500,
    };
    bench.store.setTail({
      node: 'n2',
      commitIndex: 10,
      lastIndex: 11,
      entries: [
        { ...entry, index: 10, preview: 'stored', isCommitted: true },
        { ...entry, index: 11, preview: 'not yet', isCommitted: false },
      ],
    });
    const text = shown(bench, { screen: 'log' });
    expect(text.find((row) => row.includes('stored'))).not.toContain('▒');
    expect(text.find((row) => row.includes('open: not on'))).toMatch(/11 {2}▒.*open: not on a majority yet/);
  });

  test('200 hostile texts leave nothing of theirs on the terminal', () => {
    const parts = [
      '\u001b[2J',
      '\u001b]52;c;aGk=\u0007',
      '\u009b1m',
      '\u202e',
      '\r\n',
      '\u0000',
      '\ud800',
      '\u200f',
      '漢',
      '🏴‍☠️',
    ];
    const hostile = Array.from({ length: 200 }, (_, at) =>
      parts.map((_part, each) => parts[(at * (each + 1) + each) % parts.length]).join(`x${at}`),
    );
    const bench = new Bench([nodeOf('n1'), nodeOf('n2')]);
    bench.events(nodeOf('n1'), ...hostile.map((text) => event(text, 10, text)));
    bench.store.onNode({
      nodeId: null,
      address: hostile[0] ?? '',
      isUp: false,
      why: hostile[1] ?? '',
      status: null,
      heardAtMs: null,
    });
    bench.store.setTail({
      node: hostile[2] ?? '',
      commitIndex: 200,
      lastIndex: 200,
      entries: hostile.map((preview, at) => ({
        index: at + 1,
        term: 1,
        type: 'data',
        where: preview,
        records: 1,
        bytes: 9,
        at: 0,
        isCommitted: true,
        preview,
      })),
    });
    bench.store.setTopics({
      topics: hostile.map((name) => ({ name, queues: 1, records: 1, perSecond: null })),
      groups: hostile.map((group) => ({
        group,
        topic: group,
        members: 0,
        lag: null,
        perSecond: null,
        lagPerSecond: null,
      })),
      error: null,
    });
    for (const screen of SCREENS) {
      for (const selected of [0, 1, 2]) {
        const lines = draw(
          bench.model,
          { ...FIRST_UI, screen, selected, filter: '' },
          { columns: 120, rows: 60 },
          UNICODE,
        );
        expect(new Set(lines.map(lineWidth))).toEqual(new Set([120]));
        expect(lines.map(textOf).join('')).not.toMatch(
          // oxlint-disable-next-line no-control-regex
          /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]|[\ud800-\udbff](?![\udc00-\udfff])/,
        );
      }
    }
  });

  test('topics say when a lag will be zero, and where nobody knows', () => {
    const bench = afterFailover();
    const group = (topic: string, lag: number | null, lagPerSecond: number | null) =>
      ({ group: 'billing', topic, members: 2, lag, perSecond: 10, lagPerSecond }) as const;
    bench.store.setTopics({
      topics: Array.from({ length: 30 }, (_, at) => ({
        name: `t${at}`,
        queues: 4,
        records: at,
        perSecond: null,
      })),
      groups: [
        group('a', 600, -10),
        group('b', 600, 5),
        group('c', 600, 0),
        group('d', 0, 0),
        group('e', null, null),
      ],
      error: null,
    });
    const at = (scroll: number): string[] =>
      draw(bench.model, { ...FIRST_UI, screen: 'topics', scroll }, { columns: 80, rows: 24 }, UNICODE).map(
        textOf,
      );
    const endOf = (topic: string): string | undefined =>
      / (\S+|1m 00s)\s*│?\s*$/.exec(at(0).find((line) => line.includes(`billing  ${topic} `)) ?? '')?.[1];
    expect(['a', 'b', 'c', 'd', 'e'].map(endOf)).toEqual(['1m 00s', 'grows', 'stands', UNICODE.none, 'n/a']);
    expect(at(0).join('\n')).toContain(' t0 ');
    expect(at(29).join('\n')).toContain(' t29 ');
    expect(press('down', { ...FIRST_UI, screen: 'topics' }, bench.model).ui.scroll).toBe(1);
    expect(press('end', { ...FIRST_UI, screen: 'topics' }, bench.model).ui.scroll).toBe(29);
  });
});
