import { describe, expect, test } from 'vitest';
import { suggest } from '../../src/base/suggest.ts';

const words = ['status', 'start', 'append', 'read', 'up', 'down', 'transfer-leader'];

describe('what was probably meant', () => {
  test.each([
    ['statsu', 'status'],
    ['stats', 'status'],
    ['appned', 'append'],
    ['apend', 'append'],
    ['reed', 'read'],
    ['upp', 'up'],
    ['transferleader', 'transfer-leader'],
    ['transfer-laeder', 'transfer-leader'],
  ])('by %s is %s', (typed, meant) => {
    expect(suggest(typed, words)).toBe(meant);
  });

  test.each(['xyz', 'destroy', 'xx', ''])('by %j is nothing', (typed) => {
    expect(suggest(typed, words)).toBeNull();
  });

  test('is the nearest, and the first of equals', () => {
    expect(suggest('stack', ['start', 'stick', 'stacks'])).toBe('stick');
    expect(suggest('read', words)).toBe('read');
    expect(suggest('anything', [])).toBeNull();
  });
});
