/** Screens, in the order of their digits. */
export const SCREENS = ['overview', 'node', 'log', 'topics', 'events', 'drills'] as const;
export type Screen = (typeof SCREENS)[number];

export const SCREEN_TITLES: Readonly<Record<Screen, string>> = {
  overview: 'Overview',
  node: 'Node',
  log: 'Log',
  topics: 'Topics',
  events: 'Events',
  drills: 'Drills',
};

/** What a key asks for. */
export type Intent =
  | { readonly type: 'screen'; readonly screen: Screen }
  | { readonly type: 'move'; readonly by: number | 'first' | 'last' | 'pageUp' | 'pageDown' }
  | { readonly type: 'open' }
  | { readonly type: 'back' }
  | { readonly type: 'next-screen'; readonly by: 1 | -1 }
  | { readonly type: 'hold' }
  | { readonly type: 'filter' }
  | { readonly type: 'level' }
  | { readonly type: 'palette' }
  | { readonly type: 'help' }
  | { readonly type: 'menu' }
  | { readonly type: 'export' }
  | { readonly type: 'go-to' }
  | { readonly type: 'quit' }
  | { readonly type: 'action'; readonly action: ActionName };

export type ActionName =
  | 'transfer'
  | 'step-down'
  | 'pause'
  | 'partition'
  | 'kill'
  | 'restart'
  | 'faults'
  | 'heal-all'
  | 'drill';

export interface KeyBinding {
  /** As `keyName` writes it. The first is the one that the footer shows. */
  readonly keys: readonly string[];
  readonly intent: Intent;
  /** In the footer, short; null for keys that everybody knows. */
  readonly label: string | null;
  /** In the help. */
  readonly describe: string;
  /** Where it means something; null: everywhere. */
  readonly screens: readonly Screen[] | null;
}

/**
 * Every key there is. The footer, the help and the palette are made from this, so that none of them can lie. Capitals
 * and `!` are what changes something.
 */
export const KEYS: readonly KeyBinding[] = [
  ...SCREENS.map(
    (screen, at): KeyBinding => ({
      keys: [String(at + 1)],
      intent: { type: 'screen', screen },
      label: null,
      describe: `screen ${SCREEN_TITLES[screen]}`,
      screens: null,
    }),
  ),
  { keys: ['up', 'k'], intent: { type: 'move', by: -1 }, label: null, describe: 'up', screens: null },
  { keys: ['down', 'j'], intent: { type: 'move', by: 1 }, label: null, describe: 'down', screens: null },
  {
    keys: ['pageup'],
    intent: { type: 'move', by: 'pageUp' },
    label: null,
    describe: 'a page up',
    screens: null,
  },
  {
    keys: ['pagedown'],
    intent: { type: 'move', by: 'pageDown' },
    label: null,
    describe: 'a page down',
    screens: null,
  },
  {
    keys: ['g', 'home'],
    intent: { type: 'move', by: 'first' },
    label: null,
    describe: 'to the first',
    screens: null,
  },
  {
    keys: ['G', 'end'],
    intent: { type: 'move', by: 'last' },
    label: null,
    describe: 'to the last',
    screens: null,
  },
  {
    keys: ['tab', ']'],
    intent: { type: 'next-screen', by: 1 },
    label: null,
    describe: 'next screen',
    screens: null,
  },
  {
    keys: ['['],
    intent: { type: 'next-screen', by: -1 },
    label: null,
    describe: 'screen before',
    screens: null,
  },
  {
    keys: ['enter'],
    intent: { type: 'open' },
    label: 'open',
    describe: 'open the selected node',
    screens: ['overview'],
  },
  {
    keys: ['space'],
    intent: { type: 'hold' },
    label: 'hold',
    describe: 'hold the view still, and go on',
    screens: ['log', 'events'],
  },
  {
    keys: ['/'],
    intent: { type: 'filter' },
    label: 'filter',
    describe: 'show only what holds a text',
    screens: ['events', 'log'],
  },
  {
    keys: ['l'],
    intent: { type: 'level' },
    label: 'level',
    describe: 'hide what is less grave',
    screens: ['events'],
  },
  {
    keys: ['e'],
    intent: { type: 'export' },
    label: 'export',
    describe: 'write the events shown to a file',
    screens: ['events'],
  },
  {
    keys: ['S'],
    intent: { type: 'action', action: 'drill' },
    label: 'start',
    describe: 'start the selected drill, on nodes of its own',
    screens: ['drills'],
  },
  { keys: [':'], intent: { type: 'palette' }, label: 'cmd', describe: 'type a command', screens: null },
  { keys: ['a'], intent: { type: 'menu' }, label: 'actions', describe: 'choose an action', screens: null },
  {
    keys: ['T'],
    intent: { type: 'action', action: 'transfer' },
    label: 'transfer',
    describe: 'hand leadership to the selected node',
    screens: null,
  },
  {
    keys: ['D'],
    intent: { type: 'action', action: 'step-down' },
    label: null,
    describe: 'make the leader hand over to the best follower',
    screens: null,
  },
  {
    keys: ['P'],
    intent: { type: 'action', action: 'pause' },
    label: 'pause',
    describe: 'make the selected node stand still, or go on',
    screens: null,
  },
  {
    keys: ['X'],
    intent: { type: 'action', action: 'partition' },
    label: 'cut',
    describe: 'cut the selected node off from the others',
    screens: null,
  },
  {
    keys: ['!'],
    intent: { type: 'action', action: 'kill' },
    label: 'kill',
    describe: 'kill the selected node (SIGKILL)',
    screens: null,
  },
  {
    keys: ['R'],
    intent: { type: 'action', action: 'restart' },
    label: 'restart',
    describe: 'stop and start the selected node',
    screens: null,
  },
  {
    keys: ['F'],
    intent: { type: 'action', action: 'faults' },
    label: null,
    describe: 'what is broken on request',
    screens: null,
  },
  {
    keys: ['H'],
    intent: { type: 'action', action: 'heal-all' },
    label: 'heal',
    describe: 'end all that is broken on request, at once',
    screens: null,
  },
  { keys: ['?'], intent: { type: 'help' }, label: 'help', describe: 'this help', screens: null },
  {
    keys: ['esc'],
    intent: { type: 'back' },
    label: null,
    describe: 'close, or back to the overview',
    screens: null,
  },
  {
    keys: ['q', 'ctrl-c'],
    intent: { type: 'quit' },
    label: 'quit',
    describe: 'quit; the cluster goes on',
    screens: null,
  },
];

export function bindingOf(key: string, screen: Screen): KeyBinding | null {
  return (
    KEYS.find(
      (binding) =>
        binding.keys.includes(key) && (binding.screens === null || binding.screens.includes(screen)),
    ) ?? null
  );
}

/** What Ink says of a key press. */
export interface InkKey {
  readonly upArrow: boolean;
  readonly downArrow: boolean;
  readonly pageUp: boolean;
  readonly pageDown: boolean;
  readonly return: boolean;
  readonly escape: boolean;
  readonly ctrl: boolean;
  readonly tab: boolean;
  readonly backspace: boolean;
  readonly delete: boolean;
  readonly home?: boolean;
  readonly end?: boolean;
}

/** The name of a key; null for what is none: a paste, or something that the terminal itself said. */
export function keyName(input: string, key: InkKey): string | null {
  if (key.upArrow) return 'up';
  if (key.downArrow) return 'down';
  if (key.pageUp) return 'pageup';
  if (key.pageDown) return 'pagedown';
  if (key.home === true) return 'home';
  if (key.end === true) return 'end';
  if (key.return) return 'enter';
  if (key.escape) return 'esc';
  if (key.tab) return 'tab';
  if (key.backspace || key.delete) return 'backspace';
  if (key.ctrl) return `ctrl-${input}`;
  if (input === ' ') return 'space';
  return Array.from(input).length === 1 && input >= ' ' ? input : null;
}
