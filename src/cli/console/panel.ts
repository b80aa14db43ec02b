import { printable } from '../printable.ts';
import { cut, fit, lineWidth, segment, widthOf, type Line } from './text.ts';
import type { Glyphs } from './theme.ts';

export interface Panel {
  readonly title: string;
  /** At the right of the upper border. */
  readonly note?: string;
  readonly rows: readonly Line[];
}

/** A framed part of the screen, exactly so wide and so high. What does not fit is cut; what is missing is filled. */
export function panel({ title, note, rows }: Panel, columns: number, height: number, glyphs: Glyphs): Line[] {
  const [upperLeft, upperRight, lowerRight, lowerLeft, horizontal, vertical] = glyphs.frame;
  const inner = columns - 2;
  const shownTitle = ` ${cut(printable(title), Math.max(0, inner - 4), glyphs.ellipsis)} `;
  const room = inner - 1 - widthOf(shownTitle) - 1;
  const shownNote =
    note === undefined || room < 6 ? '' : ` ${cut(printable(note), room - 3, glyphs.ellipsis)} `;
  const fill = Math.max(0, inner - 1 - widthOf(shownTitle) - widthOf(shownNote) - (shownNote === '' ? 0 : 1));
  const top: Line = [
    segment(upperLeft + horizontal, 'dim'),
    segment(shownTitle, 'title'),
    segment(horizontal.repeat(fill), 'dim'),
    segment(shownNote),
    segment((shownNote === '' ? '' : horizontal) + upperRight, 'dim'),
  ];
  const body = Array.from(
    { length: Math.max(0, height - 2) },
    (_, at): Line => [
      segment(vertical, 'dim'),
      ...fit(rows[at] ?? [], inner, glyphs.ellipsis),
      segment(vertical, 'dim'),
    ],
  );
  const bottom: Line = [segment(lowerLeft + horizontal.repeat(inner) + lowerRight, 'dim')];
  return height < 2 ? [] : [fit(top, columns, glyphs.ellipsis), ...body, bottom];
}

/** Panels beside each other, all of the same height. */
export function beside(...parts: readonly (readonly Line[])[]): Line[] {
  const height = Math.max(0, ...parts.map((part) => part.length));
  const widths = parts.map((part) => Math.max(0, ...part.map(lineWidth)));
  return Array.from({ length: height }, (_, at) =>
    parts.flatMap((part, which) => [...fit(part[at] ?? [], widths[which] ?? 0, '')]),
  );
}

/** A small history as bars, the newest at the right. Unknown values leave a gap. */
export function sparkline(values: readonly (number | null)[], columns: number, glyphs: Glyphs): string {
  const shown = values.slice(-columns);
  const max = Math.max(0, ...shown.map((value) => value ?? 0));
  const steps = glyphs.spark.length - 1;
  const bars = shown.map((value) => {
    if (value === null) return glyphs.spark[0] ?? ' ';
    if (value <= 0 || max === 0) return glyphs.spark[1] ?? ' ';
    return glyphs.spark[Math.max(1, Math.ceil((value / max) * steps))] ?? ' ';
  });
  return ' '.repeat(Math.max(0, columns - bars.length)) + bars.join('');
}

export interface Column {
  readonly head: string;
  readonly align: 'left' | 'right';
  /** Left out first where there is no room; 0 is never left out. */
  readonly rank: number;
}

/** A table whose columns are as wide as they need to be; where there is no room, those of the highest rank go. */
export function table(columns: readonly Column[], rows: readonly (readonly Line[])[], width: number): Line[] {
  let shown = columns.map((_, at) => at);
  const widths = columns.map((column, at) =>
    Math.max(widthOf(column.head), ...rows.map((row) => lineWidth(row[at] ?? []))),
  );
  const needed = (): number => shown.reduce((sum, at) => sum + (widths[at] ?? 0), 0) + 2 * (shown.length - 1);
  while (needed() > width) {
    const last = Math.max(...shown.map((at) => columns[at]?.rank ?? 0));
    if (last === 0) break;
    shown = shown.filter((at) => columns[at]?.rank !== last);
  }
  const lay = (cells: readonly Line[]): Line =>
    shown.flatMap((at, position): Line => {
      const cell = cells[at] ?? [];
      const gap = position === 0 ? [] : [segment('  ')];
      const fill = segment(' '.repeat(Math.max(0, (widths[at] ?? 0) - lineWidth(cell))));
      return columns[at]?.align === 'right' ? [...gap, fill, ...cell] : [...gap, ...cell, fill];
    });
  const head = columns.map((column): Line => [segment(column.head, 'dim')]);
  return [lay(head), ...rows.map(lay)];
}
