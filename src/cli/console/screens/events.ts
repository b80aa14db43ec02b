import { timeOf } from '../../log-line.ts';
import type { ClusterEvent } from '../model.ts';
import { panel } from '../panel.ts';
import { line, padEnd, segment, type Line, type Tone } from '../text.ts';
import type { Glyphs } from '../theme.ts';
import { shownEvents } from '../ui-state.ts';
import type { Canvas } from './frame.ts';

/** What happened and why: elections with votes and reasons, faults, disks, connections. */
export function drawEvents({ model, ui, columns, rows, glyphs }: Canvas): Line[] {
  const all = shownEvents(ui, model);
  const height = rows - 2;
  const end = Math.max(0, all.length - ui.scroll);
  const shown = all.slice(Math.max(0, end - height), end);
  const note = [
    `${all.length} of ${model.events.length}`,
    ui.level === 'info' ? '' : `${ui.level} and worse`,
    ui.filter === '' ? '' : `/${ui.filter}`,
    ui.held === null ? (ui.scroll === 0 ? 'follows' : `${ui.scroll} back`) : 'HELD (space goes on)',
  ].filter((text) => text !== '');
  const lines = shown.map((event) => eventLine(event, glyphs));
  if (lines.length === 0) lines.push(line(segment(' nothing that fits', 'dim')));
  return panel({ title: 'Events', note: note.join('; '), rows: lines }, columns, rows, glyphs);
}

const TONES: Readonly<Record<ClusterEvent['level'], Tone>> = { info: 'plain', warn: 'warn', error: 'bad' };
const WORDS: Readonly<Record<ClusterEvent['level'], string>> = { info: 'info', warn: 'warn', error: 'FAIL' };

export function eventLine(event: ClusterEvent, glyphs: Glyphs): Line {
  const isWin = event.code === 'election-won';
  return line(
    ' ',
    segment(timeOf(event.at), 'dim'),
    ' ',
    segment(padEnd(isWin ? glyphs.leader : WORDS[event.level], 4), isWin ? 'good' : TONES[event.level]),
    ' ',
    segment(event.node, 'accent'),
    ' ',
    segment(event.text, isWin ? 'good' : TONES[event.level]),
  );
}
