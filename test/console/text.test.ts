import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  cut,
  ends,
  fit,
  line,
  lineWidth,
  overlay,
  segment,
  slice,
  textOf,
  widthOf,
} from '../../src/cli/console/text.ts';

describe('rows', () => {
  test('are exactly as wide as asked, whatever is in them', () => {
    const word = fc.oneof(
      fc.string({ maxLength: 20 }),
      fc.string({ unit: 'grapheme', maxLength: 20 }),
      fc.constantFrom('漢字', '👩‍👩‍👧', 'é', '﷽'),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 5 }), fc.integer({ min: 0, max: 60 }), (words, columns) => {
        const row = line(...words.map((text) => segment(text)));
        expect(lineWidth(fit(row, columns, '…'))).toBe(columns);
        expect(lineWidth(slice(row, 3, columns))).toBe(columns);
      }),
      { numRuns: 1000 },
    );
  });

  test('say where something was cut', () => {
    expect(cut('abcdef', 4, '…')).toBe('abc…');
    expect(cut('abcd', 4, '…')).toBe('abcd');
    expect(cut('漢字漢字', 5, '…')).toBe('漢字…');
    expect(textOf(fit(line('ab', 'cdef'), 4, '…'))).toBe('abc…');
    // An ASCII theme's. It is cut itself where there is no room for it.
    expect(textOf(fit(line('ab', 'cdef'), 4, '..'))).toBe('ab..');
  });

  test('keep the right end where both do not fit', () => {
    expect(textOf(ends(line('a long left side'), line('right'), 12, '…'))).toBe('a long…right');
  });

  test('a box covers every cell under it', () => {
    const screen = Array.from({ length: 5 }, () => line(segment('.'.repeat(11))));
    const covered = overlay(screen, [line('abc'), line('d')], 11, '…').map(textOf);
    expect(covered).toEqual(['...........', '....abc....', '....d  ....', '...........', '...........']);
  });

  test('hold nothing that a terminal would obey', () => {
    const hostile = [
      '\u001b[2J',
      '\u009b31m',
      '\u001b]0;title\u0007',
      'a\rb',
      '\u202egpj.exe',
      '\u200b',
      'x\u0008y',
    ];
    for (const text of hostile) {
      // oxlint-disable-next-line no-control-regex
      expect(segment(text).text).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u200b\u202e]/);
      expect(widthOf(segment(text).text)).toBeGreaterThan(0);
    }
  });
});
