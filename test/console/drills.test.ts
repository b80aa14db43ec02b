import { describe, expect, test } from 'vitest';
import type { DrillView } from '../../src/cli/console/model.ts';
import { textOf } from '../../src/cli/console/text.ts';
import { UNICODE } from '../../src/cli/console/theme.ts';
import { FIRST_UI, press, type UiState } from '../../src/cli/console/ui-state.ts';
import { draw } from '../../src/cli/console/view.ts';
import { Bench, nodeOf } from './support/fixture.ts';

const ui: UiState = { ...FIRST_UI, screen: 'drills' };
const running: DrillView = {
  name: 'drill-7',
  lines: ['  1.2 s  load', '  3.2 s  kill: fault'],
  verdict: null,
  expectations: [],
  report: null,
};

function bench(run: DrillView | null = null, isReadOnly = false): Bench {
  const made = new Bench([nodeOf('n1')], { isReadOnly });
  const library = Array.from({ length: 30 }, (_, at) => ({ name: `drill-${at}`, hypothesis: `claim ${at}` }));
  made.store.setDrills({ library, run });
  return made;
}

function shown(of: Bench, scroll = 0): string {
  return draw(of.model, { ...ui, scroll }, { columns: 80, rows: 24 }, UNICODE)
    .map(textOf)
    .join('\n');
}

describe('the screen of drills', () => {
  test('lists the library and keeps the selected one in sight', () => {
    expect(shown(bench())).toContain('▸ drill-0   claim 0');
    expect(shown(bench())).toContain(' S start ');
    expect(shown(bench(), 29)).toContain('▸ drill-29  claim 29');
    expect(press('end', ui, bench().model).ui.scroll).toBe(29);
  });

  test('shows what the drill does while it runs, and then what came of it', () => {
    const before = shown(bench(running), 7);
    expect(before).toContain('drill-7 runs');
    expect(before).toContain('3.2 s  kill: fault');
    const after = shown(
      bench({
        ...running,
        verdict: { text: 'FAIL  drill-7: gap', isGood: false },
        expectations: [
          { text: 'no-loss: 0', isGood: true },
          { text: 'gap: 4 s', isGood: false },
        ],
        report: '/tmp/report.html',
      }),
      7,
    );
    for (const text of [
      'FAIL  drill-7: gap',
      `${UNICODE.ok} no-loss: 0`,
      `${UNICODE.broken} gap: 4 s`,
      'report: /tmp/report.html',
    ])
      expect(after).toContain(text);
  });

  test('starts the selected drill when that is confirmed', () => {
    const { model } = bench();
    const asked = press('S', { ...ui, scroll: 3 }, model);
    expect(asked.ui.overlay).toMatchObject({ type: 'confirm', plan: { title: 'Start drill-3?' } });
    expect(press('y', asked.ui, model).effect).toMatchObject({
      type: 'carry-out',
      plan: { order: { do: 'drill', name: 'drill-3' } },
    });
  });

  test.each([
    ['another one runs', bench(running), 'drill-7 runs: one drill at a time'],
    ['the console only looks', bench(null, true), 'this console is read-only (--read-only)'],
  ])('starts none where %s', (_, of, text) => {
    expect(press('S', ui, of.model).ui.message).toEqual({ text, isBad: true });
  });

  test('is where the order leads to from elsewhere', () => {
    const chosen = press('S', { ...FIRST_UI, overlay: { type: 'menu', at: 0 } }, bench().model);
    expect([chosen.ui.screen, chosen.ui.overlay]).toEqual(['drills', null]);
  });
});
