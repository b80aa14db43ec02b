import { Box, Text, useInput, useWindowSize } from 'ink';
import {
  createElement,
  memo,
  useCallback,
  useReducer,
  useRef,
  useSyncExternalStore,
  type ReactNode,
} from 'react';
import { keyName } from './keys.ts';
import type { ConsoleStore } from './store.ts';
import { textOf, type Line } from './text.ts';
import { STYLES, type Glyphs } from './theme.ts';
import { FIRST_UI, keysOf, press, type Effect, type UiState } from './ui-state.ts';
import { draw, usableSize } from './view.ts';

export interface AppProps {
  readonly store: ConsoleStore;
  readonly glyphs: Glyphs;
  /** Carries out what a key asked for. @returns what to tell of it; null: nothing. */
  readonly onEffect: (effect: Effect) => Promise<UiState['message']>;
}

/** Paints what `draw` says, and hands keys to `press`: no decision is made here. */
export function App({ store, glyphs, onEffect }: AppProps): ReactNode {
  const model = useSyncExternalStore(store.subscribe, store.snapshot);
  const ui = useRef<UiState>(FIRST_UI);
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const size = useWindowSize();
  const onKey = useCallback(
    (name: string) => {
      const { ui: next, effect } = press(name, ui.current, store.snapshot());
      ui.current = next;
      // Ages on the screen are then those of this moment.
      store.refresh();
      redraw();
      if (effect === null) return;
      void onEffect(effect).then((message) => {
        if (message === null) return;
        ui.current = { ...ui.current, message };
        redraw();
      });
    },
    [store, onEffect],
  );
  useInput((input, key) => {
    const name = keyName(input, key);
    if (name !== null) onKey(name);
    else for (const each of keysOf(input, ui.current)) onKey(each);
  });
  const { columns, rows } = usableSize(size.columns, size.rows);
  const lines = draw(model, ui.current, { columns, rows }, glyphs);
  return createElement(
    Box,
    { flexDirection: 'column', width: columns, height: rows },
    lines.map((row, at) => createElement(Row, { key: at, row })),
  );
}

/** One row, one text: rows never wrap and never push each other about. */
const Row = memo(
  ({ row }: { readonly row: Line }): ReactNode =>
    createElement(
      Text,
      { wrap: 'truncate' },
      row.map(({ text, tone }, at) => createElement(Text, { key: at, ...STYLES[tone] }, text)),
    ),
  ({ row: before }, { row: after }) =>
    before.length === after.length &&
    textOf(before) === textOf(after) &&
    before.every(({ text, tone }, at) => after[at]?.tone === tone && after[at]?.text === text),
);
