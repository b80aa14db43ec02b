import type { Tone } from './text.ts';

/** The shapes that carry meaning beside colour. */
export interface Glyphs {
  readonly leader: string;
  readonly follower: string;
  readonly candidate: string;
  readonly down: string;
  readonly cursor: string;
  readonly healthy: string;
  readonly degraded: string;
  readonly broken: string;
  readonly unknown: string;
  readonly uncommitted: string;
  readonly ok: string;
  readonly arrow: string;
  readonly ellipsis: string;
  readonly dot: string;
  readonly none: string;
  readonly enter: string;
  /** From empty to full. */
  readonly spark: readonly string[];
  readonly bar: string;
  readonly barEmpty: string;
  /** Corners clockwise from the upper left, then horizontal and vertical. */
  readonly frame: readonly [string, string, string, string, string, string];
  readonly dialog: readonly [string, string, string, string, string, string];
}

export const UNICODE: Glyphs = {
  leader: '★',
  follower: '·',
  candidate: '◇',
  down: '✗',
  cursor: '▸',
  healthy: '●',
  degraded: '▲',
  broken: '✗',
  unknown: '?',
  uncommitted: '▒',
  ok: '✔',
  arrow: '→',
  ellipsis: '…',
  dot: '·',
  none: '—',
  enter: '⏎',
  spark: [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
  bar: '█',
  barEmpty: '░',
  frame: ['╭', '╮', '╯', '╰', '─', '│'],
  dialog: ['╔', '╗', '╝', '╚', '═', '║'],
};

/** For terminals and eyes that have no more. */
export const ASCII: Glyphs = {
  leader: '*',
  follower: '.',
  candidate: 'o',
  down: 'x',
  cursor: '>',
  healthy: 'o',
  degraded: '^',
  broken: 'x',
  unknown: '?',
  uncommitted: '~',
  ok: '+',
  arrow: '->',
  ellipsis: '..',
  dot: '-',
  none: '-',
  enter: 'Enter',
  spark: [' ', '.', ':', '-', '=', '+', '*', '#', '@'],
  bar: '#',
  barEmpty: '.',
  frame: ['+', '+', '+', '+', '-', '|'],
  dialog: ['+', '+', '+', '+', '=', '|'],
};

/** How a tone is drawn: the sixteen colours that every terminal has and every user has chosen. */
export interface Style {
  readonly color?: 'green' | 'yellow' | 'red' | 'cyan' | 'magenta';
  readonly bold?: boolean;
  readonly dimColor?: boolean;
  readonly inverse?: boolean;
}

export const STYLES: Readonly<Record<Tone, Style>> = {
  plain: {},
  dim: { dimColor: true },
  good: { color: 'green' },
  warn: { color: 'yellow' },
  bad: { color: 'red', bold: true },
  accent: { color: 'cyan' },
  title: { bold: true },
  selected: { inverse: true },
  danger: { color: 'red', inverse: true },
};

/** Whether this terminal can show more than ASCII, as far as its environment tells. */
export function glyphsFor(environment: NodeJS.ProcessEnv, wantsAscii: boolean): Glyphs {
  const locale = environment['LC_ALL'] ?? environment['LC_CTYPE'] ?? environment['LANG'] ?? '';
  const isUtf8 = locale === '' || /utf-?8/i.test(locale);
  return wantsAscii || !isUtf8 || environment['TERM'] === 'linux' ? ASCII : UNICODE;
}
