import { plan, planDrill, type Plan } from './actions.ts';
import {
  KEYS,
  SCREENS,
  bindingOf,
  type ActionName,
  type Intent,
  type KeyBinding,
  type Screen,
} from './keys.ts';
import type { ClusterEvent, ConsoleModel, ConsoleNode } from './model.ts';

export const LEVELS = ['info', 'warn', 'error'] as const;
export type Level = (typeof LEVELS)[number];

export type Overlay =
  | { readonly type: 'help'; readonly scroll: number }
  | { readonly type: 'confirm'; readonly plan: Plan; readonly typed: string }
  | { readonly type: 'menu'; readonly at: number }
  | { readonly type: 'palette'; readonly typed: string; readonly at: number }
  | { readonly type: 'filter'; readonly typed: string };

/** What the person at the keyboard has done so far. */
export interface UiState {
  readonly screen: Screen;
  /** Place in the list of nodes. */
  readonly selected: number;
  /** Rows scrolled back from the newest, on screens that show a stream; null: follows. */
  readonly scroll: number;
  /** Events or entries up to this sequence or index are shown; null: whatever comes. */
  readonly held: ConsoleModel | null;
  readonly filter: string;
  readonly level: Level;
  readonly overlay: Overlay | null;
  /** The last thing that was done or refused. */
  readonly message: { readonly text: string; readonly isBad: boolean } | null;
}

export const FIRST_UI: UiState = {
  screen: 'overview',
  selected: 0,
  scroll: 0,
  held: null,
  filter: '',
  level: 'info',
  overlay: null,
  message: null,
};

/** What is to be done outside. */
export type Effect =
  | { readonly type: 'quit' }
  | { readonly type: 'screen'; readonly screen: Screen }
  | { readonly type: 'carry-out'; readonly plan: Plan }
  | { readonly type: 'export'; readonly events: readonly ClusterEvent[] };

export interface Update {
  readonly ui: UiState;
  readonly effect: Effect | null;
}

const PAGE_ROWS = 10;

/** Commands that the palette knows: the screens and the actions of the registry of keys. */
export function paletteEntries(typed: string): readonly KeyBinding[] {
  const words = typed.toLowerCase().split(/\s+/);
  return KEYS.filter(
    (binding) =>
      (binding.intent.type === 'screen' ||
        binding.intent.type === 'action' ||
        binding.intent.type === 'quit') &&
      words.every((word) => binding.describe.toLowerCase().includes(word)),
  );
}

export const MENU: readonly KeyBinding[] = KEYS.filter(({ intent }) => intent.type === 'action');

export function selectedNode(ui: UiState, model: ConsoleModel): ConsoleNode | null {
  return model.nodes[Math.min(ui.selected, model.nodes.length - 1)] ?? null;
}

export function shownEvents(ui: UiState, model: ConsoleModel): readonly ClusterEvent[] {
  const grave = LEVELS.indexOf(ui.level);
  const wanted = ui.filter.toLowerCase();
  return (ui.held ?? model).events.filter(
    (event) =>
      LEVELS.indexOf(event.level) >= grave &&
      (wanted === '' || `${event.node} ${event.code} ${event.text}`.toLowerCase().includes(wanted)),
  );
}

/**
 * The keys in a piece of text: what is typed fast, or over a slow line, comes several at a time. So does a paste: nothing
 * that changes the cluster is taken from such a piece, and nothing that confirms it with one letter.
 */
export function keysOf(input: string, ui: UiState): string[] {
  const keys = Array.from(input)
    .filter((character) => character >= ' ')
    .map((character) => (character === ' ' ? 'space' : character));
  switch (ui.overlay?.type) {
    case 'palette':
    case 'filter':
      return keys;
    case 'confirm':
      return ui.overlay.plan.confirmation === 'typed' ? keys : [];
    case 'help':
    case 'menu':
      return [];
    case undefined:
      return keys.every((key) => bindingOf(key, ui.screen)?.intent.type !== 'action') ? keys : [];
  }
}

/** What a key press makes of the state. A key that means nothing here changes nothing. */
export function press(key: string, ui: UiState, model: ConsoleModel): Update {
  const update = pressed(key, ui, model);
  const { screen } = update.ui;
  return screen === ui.screen || update.effect !== null
    ? update
    : { ...update, effect: { type: 'screen', screen } };
}

function pressed(key: string, ui: UiState, model: ConsoleModel): Update {
  if (key === 'ctrl-c') return { ui, effect: { type: 'quit' } };
  if (ui.overlay !== null) return inOverlay(key, ui, ui.overlay, model);
  const binding = bindingOf(key, ui.screen);
  return binding === null ? { ui, effect: null } : follow(binding.intent, { ...ui, message: null }, model);
}

function follow(intent: Intent, ui: UiState, model: ConsoleModel): Update {
  const to = (changes: Partial<UiState>): Update => ({ ui: { ...ui, ...changes }, effect: null });
  switch (intent.type) {
    case 'screen':
      return to({ screen: intent.screen, scroll: 0, held: null });
    case 'next-screen': {
      const at = (SCREENS.indexOf(ui.screen) + intent.by + SCREENS.length) % SCREENS.length;
      return to({ screen: SCREENS[at] ?? 'overview', scroll: 0, held: null });
    }
    case 'move':
      return to(moved(ui, intent.by, model));
    case 'open':
      return to({ screen: 'node' });
    case 'back':
      if (ui.filter !== '') return to({ filter: '' });
      return to({ screen: 'overview', scroll: 0, held: null });
    case 'hold':
      return to({ held: ui.held === null ? model : null, scroll: 0 });
    case 'filter':
      return to({ overlay: { type: 'filter', typed: ui.filter } });
    case 'level':
      return to({ level: LEVELS[(LEVELS.indexOf(ui.level) + 1) % LEVELS.length] ?? 'info', scroll: 0 });
    case 'palette':
      return to({ overlay: { type: 'palette', typed: '', at: 0 } });
    case 'help':
      return to({ overlay: { type: 'help', scroll: 0 } });
    case 'menu':
      return to({ overlay: { type: 'menu', at: 0 } });
    case 'export':
      return { ui, effect: { type: 'export', events: shownEvents(ui, model) } };
    case 'go-to':
      return to({ overlay: { type: 'filter', typed: '' } });
    case 'quit':
      return { ui, effect: { type: 'quit' } };
    case 'action':
      return act(intent.action, ui, model);
  }
}

function moved(
  ui: UiState,
  by: Extract<Intent, { type: 'move' }>['by'],
  model: ConsoleModel,
): Partial<UiState> {
  if (ui.screen === 'overview' || ui.screen === 'node') {
    const last = Math.max(0, model.nodes.length - 1);
    const step = { first: -last, last, pageUp: -last, pageDown: last };
    const next = ui.selected + (typeof by === 'number' ? by : step[by]);
    return { selected: Math.max(0, Math.min(last, next)) };
  }
  if (ui.screen === 'topics' || ui.screen === 'drills') {
    // A list, and no stream: it begins at the top.
    const { topics, drills } = model;
    const length = ui.screen === 'topics' ? topics?.topics.length : drills?.library.length;
    const last = Math.max(0, (length ?? 0) - 1);
    const step = { first: -last, last, pageUp: -PAGE_ROWS, pageDown: PAGE_ROWS };
    const next = ui.scroll + (typeof by === 'number' ? by : step[by]);
    return { scroll: Math.max(0, Math.min(last, next)) };
  }
  const step = {
    first: Number.MAX_SAFE_INTEGER,
    last: -Number.MAX_SAFE_INTEGER,
    pageUp: PAGE_ROWS,
    pageDown: -PAGE_ROWS,
  };
  const most =
    ui.screen === 'events' ? shownEvents(ui, model).length : ((ui.held ?? model).tail?.entries.length ?? 0);
  const next = ui.scroll + (typeof by === 'number' ? -by : step[by]);
  return { scroll: Math.max(0, Math.min(Math.max(0, most - 1), next)) };
}

function act(action: ActionName, ui: UiState, model: ConsoleModel): Update {
  if (action === 'faults') return { ui: { ...ui, screen: 'node' }, effect: null };
  if (action === 'drill' && ui.screen !== 'drills')
    return { ui: { ...ui, screen: 'drills', scroll: 0, held: null }, effect: null };
  const planned =
    action === 'drill' ? planDrill(model, ui.scroll) : plan(action, model, selectedNode(ui, model));
  if (typeof planned === 'string')
    return { ui: { ...ui, overlay: null, message: { text: planned, isBad: true } }, effect: null };
  if (planned.confirmation === 'none')
    return { ui: { ...ui, overlay: null }, effect: { type: 'carry-out', plan: planned } };
  return { ui: { ...ui, overlay: { type: 'confirm', plan: planned, typed: '' } }, effect: null };
}

function inOverlay(key: string, ui: UiState, overlay: Overlay, model: ConsoleModel): Update {
  const shut = (): Update => ({ ui: { ...ui, overlay: null }, effect: null });
  const show = (next: Overlay): Update => ({ ui: { ...ui, overlay: next }, effect: null });
  if (key === 'esc') return shut();
  switch (overlay.type) {
    case 'help':
      if (key === 'down' || key === 'j') return show({ ...overlay, scroll: overlay.scroll + 1 });
      if (key === 'up' || key === 'k') return show({ ...overlay, scroll: Math.max(0, overlay.scroll - 1) });
      return shut();
    case 'confirm':
      return inConfirm(key, ui, overlay);
    case 'menu': {
      if (key === 'down' || key === 'j')
        return show({ ...overlay, at: Math.min(MENU.length - 1, overlay.at + 1) });
      if (key === 'up' || key === 'k') return show({ ...overlay, at: Math.max(0, overlay.at - 1) });
      const chosen = key === 'enter' ? MENU[overlay.at] : MENU.find(({ keys }) => keys.includes(key));
      return chosen === undefined ? show(overlay) : follow(chosen.intent, { ...ui, overlay: null }, model);
    }
    case 'palette': {
      const found = paletteEntries(overlay.typed);
      if (key === 'down')
        return show({ ...overlay, at: Math.min(Math.max(0, found.length - 1), overlay.at + 1) });
      if (key === 'up') return show({ ...overlay, at: Math.max(0, overlay.at - 1) });
      if (key !== 'enter') return show({ ...overlay, typed: typedMore(overlay.typed, key), at: 0 });
      const chosen = found[overlay.at];
      return chosen === undefined ? shut() : follow(chosen.intent, { ...ui, overlay: null }, model);
    }
    case 'filter':
      if (key === 'enter')
        return { ui: { ...ui, filter: overlay.typed, scroll: 0, overlay: null }, effect: null };
      return show({ ...overlay, typed: typedMore(overlay.typed, key) });
  }
}

function inConfirm(key: string, ui: UiState, overlay: Extract<Overlay, { type: 'confirm' }>): Update {
  const { plan: planned, typed } = overlay;
  const go: Update = { ui: { ...ui, overlay: null }, effect: { type: 'carry-out', plan: planned } };
  if (planned.confirmation === 'yes') {
    if (key === 'y') return go;
    return key === 'n' ? { ui: { ...ui, overlay: null }, effect: null } : { ui, effect: null };
  }
  // A reflex must not be enough: Enter does nothing before the name is there.
  if (key === 'enter') return typed === planned.word ? go : { ui, effect: null };
  return { ui: { ...ui, overlay: { ...overlay, typed: typedMore(typed, key) } }, effect: null };
}

const TYPED_MAX = 64;

function typedMore(typed: string, key: string): string {
  if (key === 'backspace') return Array.from(typed).slice(0, -1).join('');
  if (key === 'space') return `${typed} `;
  return Array.from(key).length === 1 && typed.length < TYPED_MAX ? typed + key : typed;
}
