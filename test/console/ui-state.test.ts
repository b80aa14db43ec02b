import { describe, expect, test } from 'vitest';
import { plan } from '../../src/cli/console/actions.ts';
import { KEYS, SCREENS, bindingOf } from '../../src/cli/console/keys.ts';
import { FIRST_UI, keysOf, press, type Effect, type UiState } from '../../src/cli/console/ui-state.ts';
import { Bench, afterFailover, downNode, event, nodeOf } from './support/fixture.ts';

function typed(
  bench: Bench,
  keys: readonly string[],
  ui: UiState = FIRST_UI,
): { ui: UiState; effects: Effect[] } {
  const effects: Effect[] = [];
  let state = ui;
  for (const key of keys) {
    const update = press(key, state, bench.model);
    state = update.ui;
    if (update.effect !== null) effects.push(update.effect);
  }
  return { ui: state, effects };
}

const three = (): Bench => new Bench([nodeOf('n1'), nodeOf('n2'), nodeOf('n3')]);

describe('keys', () => {
  test('no key means two things on one screen', () => {
    for (const screen of SCREENS) {
      const keys = KEYS.filter(({ screens }) => screens === null || screens.includes(screen)).flatMap(
        (binding) => binding.keys,
      );
      expect(keys.length).toBe(new Set(keys).size);
    }
  });

  test('what changes something is no small letter', () => {
    const changing = KEYS.filter(({ intent }) => intent.type === 'action').flatMap(({ keys }) => keys);
    expect(changing.every((key) => /^[A-Z!]$/.test(key))).toBe(true);
    // Caps Lock must not turn moving into killing.
    expect(changing).not.toContain('K');
    expect(changing).not.toContain('J');
  });

  test.each(SCREENS)('every key does what it says on %s, and an unknown one does nothing', (screen) => {
    const bench = afterFailover();
    const ui: UiState = { ...FIRST_UI, screen };
    for (const binding of KEYS) {
      for (const key of binding.keys) {
        const isHere = binding.screens === null || binding.screens.includes(screen);
        const after = press(key, ui, bench.model);
        if (!isHere && bindingOf(key, screen) === null) expect(after).toEqual({ ui, effect: null });
        else if (binding.intent.type === 'screen') expect(after.ui.screen).toBe(binding.intent.screen);
        else if (binding.intent.type === 'quit') expect(after.effect).toEqual({ type: 'quit' });
        else if (binding.intent.type === 'help') expect(after.ui.overlay?.type).toBe('help');
        else if (binding.intent.type === 'palette') expect(after.ui.overlay?.type).toBe('palette');
        else if (binding.intent.type === 'menu') expect(after.ui.overlay?.type).toBe('menu');
      }
    }
    for (const key of ['z', 'Z', '9', '%', 'f5', 'ctrl-x'])
      expect(press(key, ui, bench.model)).toEqual({ ui, effect: null });
  });

  test('move within the nodes and not beyond', () => {
    expect(typed(three(), ['down', 'j', 'down', 'down']).ui.selected).toBe(2);
    expect(typed(three(), ['G', 'k']).ui.selected).toBe(1);
    expect(typed(three(), ['up']).ui.selected).toBe(0);
  });

  test('Enter opens the selected node, Esc goes back', () => {
    const opened = typed(three(), ['down', 'enter']);
    expect(opened.ui).toMatchObject({ screen: 'node', selected: 1 });
    expect(opened.effects).toEqual([{ type: 'screen', screen: 'node' }]);
    expect(typed(three(), ['esc'], opened.ui).ui.screen).toBe('overview');
  });

  test('a filter is typed, kept and taken back', () => {
    const bench = three();
    bench.events(nodeOf('n1'), event('a', 20, 'one'), event('b', 10, 'two'));
    const { ui } = typed(bench, ['5', '/', 't', 'w', 'x', 'backspace', 'o', 'enter']);
    expect(ui).toMatchObject({ filter: 'two', overlay: null });
    const { effects } = typed(bench, ['e'], ui);
    expect(effects).toMatchObject([{ type: 'export', events: [{ text: 'two' }] }]);
    expect(typed(bench, ['esc'], ui).ui.filter).toBe('');
  });

  test('a held view stands still while the cluster goes on', () => {
    const bench = three();
    const { ui } = typed(bench, ['5', 'space']);
    bench.events(nodeOf('n1'), event('a', 0, 'new'));
    expect(ui.held?.events).toHaveLength(0);
    expect(typed(bench, ['space'], ui).ui.held).toBeNull();
  });

  test('the palette finds commands by words', () => {
    const { ui } = typed(three(), [':', ...'events'.split(''), 'enter']);
    expect(ui.screen).toBe('events');
    const killing = typed(three(), [':', ...'kill'.split(''), 'enter']);
    expect(killing.ui.overlay).toMatchObject({ type: 'confirm', plan: { action: 'kill' } });
  });
});

describe('keys that come several at a time', () => {
  test('are keys all the same, but none of them changes the cluster', () => {
    expect(keysOf('jj5', FIRST_UI)).toEqual(['j', 'j', '5']);
    expect(keysOf('j!n1', FIRST_UI)).toEqual([]);
    expect(keysOf('a b\r', { ...FIRST_UI, overlay: { type: 'filter', typed: '' } })).toEqual([
      'a',
      'space',
      'b',
    ]);
  });

  test('are a name where one is asked for, and no answer to a question', () => {
    const grave = typed(three(), ['!']).ui;
    expect(keysOf('n1', grave)).toEqual(['n', '1']);
    const simple = typed(three(), ['down', 'T']).ui;
    expect(keysOf('yes', simple)).toEqual([]);
  });
});

describe('orders', () => {
  test('to kill are confirmed by the name, and by nothing shorter', () => {
    const bench = three();
    const { ui, effects } = typed(bench, ['down', '!', 'enter', 'y', 'enter']);
    expect(ui.overlay).toMatchObject({ type: 'confirm', typed: 'y' });
    expect(effects).toEqual([]);
    const done = typed(bench, ['backspace', 'n', '2', 'enter'], ui);
    expect(done.effects).toMatchObject([
      { type: 'carry-out', plan: { order: { do: 'kill', node: 'n2', address: '127.0.0.1:7102' } } },
    ]);
    expect(done.ui.overlay).toBeNull();
  });

  test('Esc is always a way out', () => {
    for (const key of ['T', 'D', 'P', 'X', '!', 'R']) {
      const { ui, effects } = typed(three(), ['down', key, 'esc', 'enter', 'y']);
      expect(effects.filter(({ type }) => type === 'carry-out')).toEqual([]);
      expect(ui.overlay).toBeNull();
    }
  });

  test('to hand over take one y, and Enter is no y', () => {
    const { effects } = typed(three(), ['down', 'T', 'enter', 'y']);
    expect(effects).toMatchObject([{ plan: { order: { do: 'transfer', target: 'n2' } } }]);
  });

  test('to pause the leader or what costs the majority are graver', () => {
    const bench = three();
    const grave = (selected: number): unknown => {
      const planned = plan('pause', bench.model, bench.model.nodes[selected] ?? null);
      return typeof planned === 'string' ? planned : planned.confirmation;
    };
    expect([grave(0), grave(1)]).toEqual(['typed', 'yes']);
    const two = new Bench([nodeOf('n1'), nodeOf('n2'), downNode('n3')]);
    expect(plan('partition', two.model, two.model.nodes[1] ?? null)).toMatchObject({ confirmation: 'typed' });
  });

  test('say first what they cost, and which command does the same', () => {
    const planned = plan('kill', three().model, three().model.nodes[0] ?? null);
    expect(planned).toMatchObject({
      command: 'node kill n1 --yes',
      effects: [
        expect.stringContaining('n1 is the LEADER of term 7'),
        expect.stringContaining('tolerates 0 instead of 1'),
      ],
    });
  });

  test('to processes of others are refused with what to do instead', () => {
    const bench = new Bench([nodeOf('n1'), nodeOf('n2', { allowsFaults: false })], { managed: [] });
    const [, n2] = bench.model.nodes;
    expect(plan('kill', bench.model, n2 ?? null)).toContain('was not started from here');
    expect(plan('pause', bench.model, n2 ?? null)).toContain(
      'neither started from here nor with --allow-faults',
    );
    expect(plan('partition', bench.model, n2 ?? null)).toContain('without --allow-faults');
  });

  test('are refused by a console that only looks, but for healing', () => {
    const fault = {
      id: 'f1',
      owner: 'x',
      spec: { kind: 'stall' as const },
      ttlMs: 9,
      remainingMs: 5,
      affected: 4,
    };
    const bench = new Bench([nodeOf('n1'), nodeOf('n2', { faults: [fault] })], { isReadOnly: true });
    const { ui, effects } = typed(bench, ['T']);
    expect(ui.message).toMatchObject({ isBad: true, text: expect.stringContaining('read-only') });
    expect(effects).toEqual([]);
    expect(typed(bench, ['H']).effects).toMatchObject([{ plan: { order: { do: 'heal-all' } } }]);
  });

  test('that cannot be now say why', () => {
    const bench = new Bench([nodeOf('n1', {}, { role: 'follower', leaderId: null }), downNode('n2')]);
    for (const key of ['T', 'D', 'H']) expect(typed(bench, [key]).ui.message?.isBad).toBe(true);
  });
});
