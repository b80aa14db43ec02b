import { KEYS, SCREENS, SCREEN_TITLES, type KeyBinding, type Screen } from './keys.ts';
import type { ConsoleModel } from './model.ts';
import { span } from './numbers.ts';
import { drawDrills } from './screens/drills.ts';
import { drawEvents } from './screens/events.ts';
import type { DrawScreen } from './screens/frame.ts';
import { drawLog } from './screens/log.ts';
import { drawNode } from './screens/node.ts';
import { drawOverview } from './screens/overview.ts';
import { drawTopics } from './screens/topics.ts';
import { drawOverlay } from './overlays.ts';
import { ends, fit, line, lineWidth, overlay, segment, type Line, type Segment } from './text.ts';
import type { Glyphs } from './theme.ts';
import { FIRST_UI, type UiState } from './ui-state.ts';

/** Below this nothing useful can be shown. */
export const COLUMNS_MIN = 60;
export const ROWS_MIN = 15;
/** Some pseudo-terminals say 0. */
const COLUMNS_ABSURD = 20;

const DRAW: Readonly<Record<Screen, DrawScreen>> = {
  overview: drawOverview,
  node: drawNode,
  log: drawLog,
  topics: drawTopics,
  events: drawEvents,
  drills: drawDrills,
};

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export function usableSize(columns: number | undefined, rows: number | undefined): Size {
  return {
    columns: columns === undefined || columns < COLUMNS_ABSURD ? 80 : columns,
    rows: rows === undefined || rows < 5 ? 24 : rows,
  };
}

/** The whole screen as rows: exactly as many and as wide as the terminal has. A function of what is known and typed. */
export function draw(model: ConsoleModel, ui: UiState, { columns, rows }: Size, glyphs: Glyphs): Line[] {
  if (columns < COLUMNS_MIN || rows < ROWS_MIN) return tooSmall(model, { columns, rows }, glyphs);
  const bodyRows = rows - 3;
  const body = DRAW[ui.screen]({ model, ui, columns, rows: bodyRows, glyphs });
  const screen = [
    fit(head(model, columns, glyphs), columns, glyphs.ellipsis),
    fit(tabs(ui, model, columns, glyphs), columns, glyphs.ellipsis),
    ...Array.from({ length: bodyRows }, (_, at) => fit(body[at] ?? [], columns, glyphs.ellipsis)),
    fit(footer(ui, columns, glyphs), columns, glyphs.ellipsis),
  ];
  return ui.overlay === null
    ? screen
    : overlay(screen, drawOverlay(ui.overlay, { columns, rows }, glyphs), columns, glyphs.ellipsis);
}

/** One frame for `--once`: the overview, as high as it needs to be. */
export function drawOnce(model: ConsoleModel, size: Size, glyphs: Glyphs): Line[] {
  return draw(model, FIRST_UI, size, glyphs).slice(0, -1);
}

const STALE_MS = 2000;

function head(model: ConsoleModel, columns: number, glyphs: Glyphs): Line {
  const { ageMs } = model;
  const isStale = ageMs !== null && ageMs > STALE_MS;
  const age = ageMs === null ? 'nothing heard yet' : `data ${span(ageMs)} old`;
  const left = line(
    segment(' dledger ', 'title'),
    segment(`${model.cluster} `),
    segment(`[${model.environment.toUpperCase()}] `, model.environment === 'prod' ? 'danger' : 'dim'),
    ...healthSegments(model, isStale, glyphs),
  );
  return ends(left, line(segment(` ${age} `, isStale ? 'warn' : 'dim')), columns, glyphs.ellipsis);
}

/** By text, shape and colour, whatever of them can be seen. */
function healthSegments({ health, ageMs }: ConsoleModel, isStale: boolean, glyphs: Glyphs): Segment[] {
  const up = `${health.nodesUp}/${health.nodes} up`;
  if (isStale)
    return [segment(`${glyphs.unknown} STALE ${span(ageMs)}`, 'warn'), segment(`  ${up} when last heard`)];
  const tolerates = `tolerates ${health.tolerates ?? '?'} ${health.tolerates === 1 ? 'failure' : 'failures'}`;
  switch (health.state) {
    case 'healthy':
      return [segment(`${glyphs.healthy} HEALTHY`, 'good'), segment(`  ${up} ${glyphs.dot} ${tolerates}`)];
    case 'degraded':
      return [segment(`${glyphs.degraded} DEGRADED`, 'warn'), segment(`  ${up} ${glyphs.dot} ${tolerates}`)];
    case 'no-leader':
      return [
        segment(`${glyphs.broken} NO LEADER`, 'bad'),
        segment(`  (${health.nodesNeeded} of ${health.nodes} needed, ${health.nodesUp} up)`),
      ];
    case 'unreachable':
      return [
        segment(`${glyphs.unknown} UNREACHABLE`, 'bad'),
        segment(`  no node answers (${health.nodes} known)`),
      ];
  }
}

function tabs(ui: UiState, model: ConsoleModel, columns: number, glyphs: Glyphs): Line {
  const titles = SCREENS.map((screen, at): Segment => {
    const text = `${at + 1} ${SCREEN_TITLES[screen]}`;
    return screen === ui.screen ? segment(`[${text}]`, 'title') : segment(` ${text} `, 'dim');
  });
  const mode = model.isReadOnly ? 'read-only' : 'read-write';
  return ends(line(' ', ...titles), line(segment(`${mode} `, 'dim')), columns, glyphs.ellipsis);
}

const ALWAYS: readonly string[] = ['?', 'q'];

function footer(ui: UiState, columns: number, glyphs: Glyphs): Line {
  if (ui.message !== null) return line(segment(` ${ui.message.text}`, ui.message.isBad ? 'warn' : 'good'));
  const hints = KEYS.filter(
    ({ label, screens }) => label !== null && (screens === null || screens.includes(ui.screen)),
  );
  const isAlways = ({ keys }: KeyBinding): boolean => ALWAYS.includes(keys[0] ?? '');
  const right = hints.filter(isAlways).flatMap((hint) => hintOf(hint, glyphs));
  const room = columns - lineWidth(right);
  const left: Segment[] = [];
  // Whole hints only: half a word says nothing.
  for (const hint of hints.filter((each) => !isAlways(each)).map((each) => hintOf(each, glyphs))) {
    if (lineWidth(left) + lineWidth(hint) > room) break;
    left.push(...hint);
  }
  return ends(left, right, columns, glyphs.ellipsis);
}

function hintOf({ keys: [key], label }: KeyBinding, glyphs: Glyphs): Segment[] {
  return [segment(` ${key === 'enter' ? glyphs.enter : (key ?? '')}`, 'accent'), segment(` ${label ?? ''} `)];
}

/** No frames, no columns: what matters most, one thing a row. */
function tooSmall(model: ConsoleModel, { columns, rows }: Size, glyphs: Glyphs): Line[] {
  const lines: Line[] = [
    line(...healthSegments(model, model.ageMs !== null && model.ageMs > STALE_MS, glyphs)),
    line(`leader ${model.leader?.name ?? 'none'}`),
    ...model.nodes.map((node) =>
      line(segment(`${node.name} ${node.isUp ? (node.status?.groups[0]?.role ?? '?') : 'down'}`)),
    ),
    line(segment(`needs ${COLUMNS_MIN}x${ROWS_MIN}, has ${columns}x${rows}`, 'dim')),
    line(segment('q quits', 'dim')),
  ];
  return Array.from({ length: rows }, (_, at) => fit(lines[at] ?? [], columns, ''));
}
