import type { TailEntry } from '../model.ts';
import { bytes, count, span } from '../numbers.ts';
import { panel, table, type Column } from '../panel.ts';
import { line, segment, type Line } from '../text.ts';
import type { Canvas } from './frame.ts';

const COLUMNS: readonly Column[] = [
  { head: ' INDEX', align: 'right', rank: 0 },
  { head: ' ', align: 'left', rank: 0 },
  { head: 'TERM', align: 'right', rank: 1 },
  { head: 'TYPE', align: 'left', rank: 0 },
  { head: 'WHERE', align: 'left', rank: 2 },
  { head: 'SIZE', align: 'right', rank: 3 },
  { head: 'AGE', align: 'right', rank: 4 },
];

/** The end of the log as it grows, what is not committed yet marked by shape and word. */
export function drawLog({ model, ui, columns, rows, glyphs }: Canvas): Line[] {
  const shown = ui.held ?? model;
  const { tail } = shown;
  if (tail === null) {
    return panel(
      { title: 'Log tail', rows: [line(segment(' no node shows its log yet', 'dim'))] },
      columns,
      rows,
      glyphs,
    );
  }
  const wanted = ui.filter.toLowerCase();
  const entries = tail.entries.filter(
    (entry) =>
      wanted === '' || `${entry.type} ${entry.where ?? ''} ${entry.preview}`.toLowerCase().includes(wanted),
  );
  const end = Math.max(0, entries.length - ui.scroll);
  const page = entries.slice(Math.max(0, end - (rows - 3)), end);
  const cells = page.map((entry): Line[] => [
    line(segment(` ${count(entry.index)}`)),
    line(segment(entry.isCommitted ? ' ' : glyphs.uncommitted, 'warn')),
    line(segment(count(entry.term))),
    line(segment(entry.type, entry.type === 'data' ? 'plain' : 'accent')),
    line(segment(entry.where ?? glyphs.none)),
    line(segment(bytes(entry.bytes))),
    line(segment(span(shown.nowMs - entry.at))),
  ]);
  const laid = table(COLUMNS, cells, columns - 2);
  const withText = laid.map(
    (row, at): Line =>
      at === 0 ? [...row, segment('  PAYLOAD', 'dim')] : [...row, ...payload(page[at - 1])],
  );
  const state =
    ui.held === null ? (ui.scroll === 0 ? 'follows' : `${ui.scroll} back`) : 'HELD (space goes on)';
  const note = `committed ${count(tail.commitIndex)} of ${count(tail.lastIndex)}; ${state}`;
  return panel({ title: `Log tail of ${tail.node}`, note, rows: withText }, columns, rows, glyphs);
}

function payload(entry: TailEntry | undefined): Line {
  if (entry === undefined) return [];
  if (!entry.isCommitted) return [segment('  open: not on a majority yet; ', 'warn'), segment(entry.preview)];
  return [segment(entry.records > 1 ? `  ${entry.records} records: ` : '  '), segment(entry.preview)];
}
