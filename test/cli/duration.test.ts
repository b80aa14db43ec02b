import { expect, test } from 'vitest';
import { parseDuration, showDuration } from '../../src/cli/duration.ts';

test('a duration is shown in the largest unit that says it exactly, and read back as the same', () => {
  const shown: [number, string][] = [
    [0, '0ms'],
    [1, '1ms'],
    [1500, '1500ms'],
    [5000, '5s'],
    [90_000, '90s'],
    [120_000, '2m'],
    [259_200_000, '72h'],
  ];
  for (const [ms, text] of shown) {
    expect(showDuration(ms)).toBe(text);
    expect(parseDuration(text, 'retention')).toBe(ms);
  }
});
