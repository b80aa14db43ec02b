import { KEYS, type KeyBinding } from './keys.ts';
import { ends, fit, line, lineWidth, padEnd, segment, type Line } from './text.ts';
import type { Glyphs } from './theme.ts';
import { MENU, paletteEntries, type Overlay } from './ui-state.ts';

interface Room {
  readonly columns: number;
  readonly rows: number;
}

/** What lies over a screen: a box, every cell of it filled. */
export function drawOverlay(overlay: Overlay, room: Room, glyphs: Glyphs): Line[] {
  switch (overlay.type) {
    case 'confirm':
      return confirmBox(overlay, room, glyphs);
    case 'help':
      return box('Keys', helpRows(overlay.scroll, room.rows - 6), 'any key closes', room, glyphs);
    case 'menu':
      return box(
        'Actions',
        chosenRows(MENU, overlay.at, glyphs),
        'Enter = choose   Esc = close',
        room,
        glyphs,
      );
    case 'palette': {
      const found = paletteEntries(overlay.typed);
      const rows = [line(': ', segment(overlay.typed), '_'), ...chosenRows(found, overlay.at, glyphs)];
      return box('Command', rows.slice(0, room.rows - 6), 'Enter = do   Esc = close', room, glyphs);
    }
    case 'filter':
      return box(
        'Filter',
        [line('/ ', segment(overlay.typed), '_')],
        'Enter = filter   Esc = close',
        room,
        glyphs,
      );
  }
}

function confirmBox(
  { plan, typed }: Extract<Overlay, { type: 'confirm' }>,
  room: Room,
  glyphs: Glyphs,
): Line[] {
  const isTyped = plan.confirmation === 'typed';
  const ask = isTyped ? [line('Type the node name to confirm: ', segment(typed, 'accent'), '_')] : [];
  const rows = [
    line(segment(plan.title, isTyped ? 'bad' : 'title')),
    ...(plan.effects.length === 0 ? [] : [line('Effects expected:')]),
    ...plan.effects.map((effect) => line(segment(`  ${glyphs.dot} `, 'dim'), segment(effect))),
    line(segment('Same as: ', 'dim'), segment(`dledger ${plan.command}`)),
    ...ask,
  ];
  return box(
    isTyped ? 'Danger' : 'Confirm',
    rows,
    isTyped ? 'Enter = do it   Esc = cancel' : 'y = yes   n, Esc = no',
    room,
    glyphs,
  );
}

function helpRows(scroll: number, height: number): Line[] {
  const rows = KEYS.map((binding) =>
    line(segment(padEnd(binding.keys.join(' '), 12), 'accent'), whereOf(binding)),
  );
  const from = Math.min(scroll, Math.max(0, rows.length - height));
  return rows.slice(from, from + height);
}

function whereOf({ describe, screens }: KeyBinding): string {
  return screens === null ? describe : `${describe} (${screens.join(', ')})`;
}

function chosenRows(bindings: readonly KeyBinding[], at: number, glyphs: Glyphs): Line[] {
  if (bindings.length === 0) return [line(segment('nothing that fits', 'dim'))];
  return bindings.map((binding, place) =>
    line(
      segment(place === at ? `${glyphs.cursor} ` : '  ', 'accent'),
      segment(padEnd(binding.keys[0] ?? '', 4), 'accent'),
      segment(binding.describe, place === at ? 'selected' : 'plain'),
    ),
  );
}

function box(title: string, rows: readonly Line[], hint: string, room: Room, glyphs: Glyphs): Line[] {
  const [upperLeft, upperRight, lowerRight, lowerLeft, horizontal, vertical] = glyphs.dialog;
  const widest = Math.max(title.length + 4, hint.length, ...rows.map(lineWidth));
  const inner = Math.min(room.columns - 6, widest);
  const framed = (row: Line): Line => [
    segment(`${vertical} `),
    ...fit(row, inner, glyphs.ellipsis),
    segment(` ${vertical}`),
  ];
  const top = ends(
    line(
      `${upperLeft}${horizontal} `,
      segment(title, 'title'),
      ` ${horizontal.repeat(Math.max(0, inner - title.length - 2))}`,
    ),
    line(horizontal + upperRight),
    inner + 4,
    glyphs.ellipsis,
  );
  return [
    top,
    ...rows.map(framed),
    framed(line(segment(hint, 'dim'))),
    line(`${lowerLeft}${horizontal.repeat(inner + 2)}${lowerRight}`),
  ];
}
