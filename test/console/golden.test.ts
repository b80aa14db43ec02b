import { expect, test } from 'vitest';
import { SCREENS } from '../../src/cli/console/keys.ts';
import { textOf, type Line } from '../../src/cli/console/text.ts';
import { ASCII, STYLES, UNICODE } from '../../src/cli/console/theme.ts';
import { FIRST_UI } from '../../src/cli/console/ui-state.ts';
import { draw } from '../../src/cli/console/view.ts';
import { afterFailover } from './support/fixture.ts';

// Whole screens as they are, to be looked at when they change: with colours, without them, and with ASCII alone.

const SIZES = [
  { columns: 60, rows: 15 },
  { columns: 80, rows: 24 },
  { columns: 100, rows: 30 },
  { columns: 120, rows: 40 },
  { columns: 200, rows: 60 },
];

/** What has a style stands in brackets behind the name of it. */
function withStyles(lines: readonly Line[]): string {
  return lines
    .map((line) =>
      line
        .map(({ text, tone }) => {
          const style = Object.entries(STYLES[tone]).map(([key, value]) =>
            value === true ? key : String(value),
          );
          return style.length === 0 || text.trim() === '' ? text : `${style.join('+')}[${text}]`;
        })
        .join('')
        .trimEnd(),
    )
    .join('\n');
}

function plain(lines: readonly Line[]): string {
  return lines.map((line) => textOf(line).trimEnd()).join('\n');
}

test.each(SIZES)('the overview at $columns x $rows: in colour, without, and in ASCII', (size) => {
  const { model } = afterFailover();
  const coloured = draw(model, FIRST_UI, size, UNICODE);
  expect(withStyles(coloured)).toMatchSnapshot('colour');
  // Colour adds nothing that the text does not say.
  expect(plain(coloured)).toMatchSnapshot('no colour');
  const ascii = plain(draw(model, FIRST_UI, size, ASCII));
  expect(ascii).toMatchSnapshot('ascii');
  expect(Array.from(ascii).filter((letter) => letter > '~')).toEqual([]);
});

test.each(SCREENS)('the screen %s', (screen) => {
  const { model } = afterFailover();
  expect(
    withStyles(draw(model, { ...FIRST_UI, screen }, { columns: 80, rows: 24 }, UNICODE)),
  ).toMatchSnapshot();
});
