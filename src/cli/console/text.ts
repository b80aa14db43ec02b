import stringWidth from 'string-width';
import { printable } from '../printable.ts';

/** Meaning, not colour: the theme decides what each looks like, and none is told by colour alone. */
export type Tone = 'plain' | 'dim' | 'good' | 'warn' | 'bad' | 'accent' | 'title' | 'selected' | 'danger';

export interface Segment {
  readonly text: string;
  readonly tone: Tone;
}

/** One row of the screen, left to right. */
export type Line = readonly Segment[];

/** Whoever it came from: nothing in a row moves a terminal. */
export function segment(text: string, tone: Tone = 'plain'): Segment {
  return { text: printable(text), tone };
}

export function line(...parts: readonly (Segment | string)[]): Line {
  return parts.map((part) => (typeof part === 'string' ? segment(part) : part));
}

export function textOf(row: Line): string {
  return row.map(({ text }) => text).join('');
}

/** Columns that a text takes on a terminal: wide characters take two. */
export function widthOf(text: string): number {
  // Nearly everything is ASCII, and measuring the rest costs a hundred times as much.
  return /^[\x20-\x7e]*$/.test(text) ? text.length : stringWidth(text);
}

export function lineWidth(row: Line): number {
  return row.reduce((sum, { text }) => sum + widthOf(text), 0);
}

/** Cuts a text to so many columns, with an ellipsis (the theme's: not every terminal has `…`) where something was cut. */
export function cut(text: string, columns: number, ellipsis: string): string {
  if (widthOf(text) <= columns) return text;
  if (columns <= widthOf(ellipsis)) return ellipsis.slice(0, Math.max(0, columns));
  let kept = '';
  let width = 0;
  for (const { segment: character } of new Intl.Segmenter().segment(text)) {
    const more = widthOf(character);
    if (width + more > columns - widthOf(ellipsis)) break;
    kept += character;
    width += more;
  }
  return kept + ellipsis;
}

export function padEnd(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - widthOf(text)));
}

export function padStart(text: string, columns: number): string {
  return ' '.repeat(Math.max(0, columns - widthOf(text))) + text;
}

/** A row of exactly so many columns: cut or filled up. */
export function fit(row: Line, columns: number, ellipsis: string): Line {
  const fitted: Segment[] = [];
  let left = columns;
  for (const part of row) {
    const width = widthOf(part.text);
    if (width <= left) {
      fitted.push(part);
      left -= width;
      continue;
    }
    const text = cut(part.text, left, ellipsis);
    fitted.push({ text, tone: part.tone });
    left -= widthOf(text);
    break;
  }
  if (left > 0) fitted.push(segment(' '.repeat(left)));
  return fitted;
}

/** Left and right at the two ends of a row; the left one gives way. */
export function ends(left: Line, right: Line, columns: number, ellipsis: string): Line {
  const room = Math.max(0, columns - lineWidth(right));
  return [...fit(left, room, ellipsis), ...fit(right, columns - room, ellipsis)];
}

/** The columns from one on of a row, so many of them. Wide characters that are cut through become spaces. */
export function slice(row: Line, from: number, columns: number): Line {
  const parts: Segment[] = [];
  let at = 0;
  for (const { text, tone } of row) {
    let kept = '';
    for (const { segment: character } of new Intl.Segmenter().segment(text)) {
      const width = widthOf(character);
      const isInside = at >= from && at + width <= from + columns;
      if (isInside) kept += character;
      else if (at < from + columns && at + width > from)
        kept += ' '.repeat(Math.min(at + width, from + columns) - Math.max(at, from));
      at += width;
    }
    if (kept !== '') parts.push({ text: kept, tone });
  }
  return fit(parts, columns, '');
}

/** Lays a box of rows over a screen; what lies under it is gone. */
export function overlay(
  screen: readonly Line[],
  box: readonly Line[],
  columns: number,
  ellipsis: string,
): Line[] {
  const width = Math.min(columns, Math.max(0, ...box.map(lineWidth)));
  const left = Math.floor((columns - width) / 2);
  const top = Math.max(0, Math.floor((screen.length - box.length) / 2));
  return screen.map((row, at) => {
    const over = box[at - top];
    if (over === undefined) return row;
    return [
      ...slice(row, 0, left),
      ...fit(over, width, ellipsis),
      ...slice(row, left + width, columns - left - width),
    ];
  });
}
