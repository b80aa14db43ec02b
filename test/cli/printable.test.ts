import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { layOut, structured } from '../../src/cli/output.ts';
import { printable } from '../../src/cli/printable.ts';

/** What a terminal obeys, and what makes a line read differently from what it says. */
const OBEYED = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;

const hostile: readonly (readonly [string, string])[] = [
  ['clears the screen', '\u001b[2J'],
  ['sets the title', '\u001b]0;owned\u0007'],
  ['writes to the clipboard', '\u001b]52;c;cm0gLXJm\u001b\\'],
  ['is a C1 control sequence introducer', '\u009b31m'],
  ['returns to the start of the line', 'n9 leads\rn1'],
  ['goes back', 'abc\b\b\bxyz'],
  ['begins a line', 'a\nerror[OK]: all is well'],
  ['deletes', '\u007f'],
  ['turns the reading direction', 'a\u202egnp.exe'],
  ['isolates', '\u2066a\u2069'],
  ['joins invisibly', 'n\u200b1\u2060\ufeff'],
  ['separates lines', 'a\u2028b\u2029c'],
  ['hides a tag', 'n1\u{e0041}'],
  ['is half a character', '\ud800'],
];

describe('text from outside', () => {
  test.each(hostile)('that %s is written out', (_name, text) => {
    expect(printable(text)).not.toMatch(OBEYED);
  });

  test('says which characters they were', () => {
    expect(printable('\u001b[2J')).toBe('\\u001b[2J');
    expect(printable('a\tb\r\n')).toBe('a\\tb\\r\\n');
    expect(printable('a\u202eb')).toBe('a\\u202eb');
  });

  test.each(['', 'plain', 'grüße', '日本語', '🎉', 'a\\nb', '"quoted"'])('stays what it is: %s', (text) => {
    expect(printable(text)).toBe(text);
  });

  test('never reaches the terminal as an order, whatever it is', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => !OBEYED.test(printable(text))));
  });

  test.each(hostile)('that %s stays harmless, and the same, in JSON and in YAML', async (_name, text) => {
    const { parse } = await import('yaml');
    for (const format of ['json', 'ndjson'] as const) {
      const written = structured({ data: text }, format);
      expect(written.replaceAll('\n', '')).not.toMatch(OBEYED);
      expect(JSON.parse(written)).toEqual({ data: text });
    }
    const written = structured({ data: text }, 'yaml');
    expect(written.replaceAll('\n', '')).not.toMatch(OBEYED);
    // Half a character has no form in YAML.
    if (text !== '\ud800') expect(parse(written)).toEqual({ data: text });
  });

  test('does not move the cells of a table', () => {
    const lines = layOut([
      ['ID', 'ROLE'],
      ['n1\n\u001b[2J', 'leader'],
    ]);
    expect(lines).toHaveLength(2);
    expect(lines.join('')).not.toMatch(OBEYED);
  });
});
