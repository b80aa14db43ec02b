import type { DrillView } from '../model.ts';
import { panel } from '../panel.ts';
import { line, segment, type Line } from '../text.ts';
import type { Glyphs } from '../theme.ts';
import type { Canvas } from './frame.ts';

/** What can be drilled, and how the drill does that runs or ran last. */
export function drawDrills({ model, ui, columns, rows, glyphs }: Canvas): Line[] {
  const { drills } = model;
  const library = drills?.library ?? [];
  const run = drills?.run ?? null;
  const listHeight = run === null ? rows : Math.max(5, Math.floor(rows / 3));
  // The selected one stays in sight.
  const first = Math.max(0, Math.min(ui.scroll - (listHeight - 3), library.length));
  const width = Math.max(0, ...library.map(({ name }) => name.length));
  const list = library.map(({ name, hypothesis }, at): Line => {
    const isSelected = at === ui.scroll;
    return line(
      segment(isSelected ? `${glyphs.cursor} ` : '  ', 'accent'),
      segment(`${name.padEnd(width)}  `, isSelected ? 'title' : 'plain'),
      segment(hypothesis, 'dim'),
    );
  });
  const libraryPanel = panel(
    { title: 'Drills', note: `${library.length}`, rows: list.slice(first) },
    columns,
    listHeight,
    glyphs,
  );
  if (run === null) return libraryPanel;
  const runRows = rows - listHeight;
  return [
    ...libraryPanel,
    ...panel(
      {
        title: run.verdict === null ? `${run.name} runs` : run.name,
        rows: drawRun(run, runRows - 2, glyphs),
      },
      columns,
      runRows,
      glyphs,
    ),
  ];
}

/** While it runs, what it does; then what came of it. */
function drawRun({ lines, verdict, expectations, report }: DrillView, rows: number, glyphs: Glyphs): Line[] {
  if (verdict === null) return lines.slice(-rows).map((text) => line(segment(` ${text}`)));
  return [
    line(segment(` ${verdict.text}`, verdict.isGood ? 'good' : 'bad')),
    ...expectations.map(({ text, isGood }) =>
      line(segment(` ${isGood ? glyphs.ok : glyphs.broken} ${text}`, isGood ? 'plain' : 'bad')),
    ),
    ...(report === null ? [] : [line(segment(` report: ${report}`, 'accent'))]),
  ];
}
