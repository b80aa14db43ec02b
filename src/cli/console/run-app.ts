import fs from 'node:fs';
import { render } from 'ink';
import { createElement } from 'react';
import { healthLine } from '../health.ts';
import { App } from './app.ts';
import type { Feed } from './feed.ts';
import { carryOut } from './operator.ts';
import type { Glyphs } from './theme.ts';
import type { Effect, UiState } from './ui-state.ts';

/**
 * Shows the console until it is quit, or what it shows is over, and gives the terminal back as it was.
 * @returns one line to end with.
 */
export async function runApp(feed: Feed, glyphs: Glyphs, isOver: Promise<void> | null): Promise<string> {
  const { store } = feed;
  const onEffect = async (effect: Effect): Promise<UiState['message']> => {
    switch (effect.type) {
      case 'quit':
        app.unmount();
        return null;
      case 'screen':
        feed.shows(effect.screen);
        return null;
      case 'export':
        return exported(effect.events);
      case 'carry-out':
        try {
          const { order } = effect.plan;
          const text =
            order.do === 'drill' ? await feed.drill(order.name) : await carryOut(order, store.snapshot());
          return { text, isBad: false };
        } catch (error) {
          return { text: (error as Error).message, isBad: true };
        }
    }
  };
  const app = render(createElement(App, { store, glyphs, onEffect }), {
    alternateScreen: true,
    incrementalRendering: true,
    exitOnCtrlC: false,
    patchConsole: false,
  });
  const stop = (): void => app.unmount();
  void isOver?.then(stop);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, stop);
  await app.waitUntilExit();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.removeListener(signal, stop);
  return healthLine(store.snapshot().health);
}

/** A line of JSON for each, oldest first, in a file of the working directory that was not there. */
function exported(events: Extract<Effect, { type: 'export' }>['events']): UiState['message'] {
  const file = `dledger-events-${new Date().toISOString().replaceAll(/[:.]/g, '-')}.ndjson`;
  try {
    fs.writeFileSync(file, events.map((event) => `${JSON.stringify(event)}\n`).join(''), {
      flag: 'wx',
      mode: 0o600,
    });
    return { text: `${events.length} events are in ${file}`, isBad: false };
  } catch (error) {
    return { text: `cannot write ${file}: ${(error as Error).message}`, isBad: true };
  }
}
