import { describe, expect, test } from 'vitest';
import { CliError } from '../../src/cli/cli-error.ts';
import { parsePlace } from '../../src/cli/place.ts';

const NOW = new Date('2026-11-23T10:00:00Z');

describe('a place in a topic', () => {
  test.each([
    ['earliest', { kind: 'earliest', value: null }],
    ['latest', { kind: 'latest', value: null }],
    ['0', { kind: 'offset', value: 0 }],
    ['9007199254740991', { kind: 'offset', value: 9007199254740991 }],
    ['@1795414452821', { kind: 'time', value: 1795414452821 }],
    ['@0', { kind: 'time', value: 0 }],
    ['@2026-11-23T09:00:00Z', { kind: 'time', value: NOW.getTime() - 3_600_000 }],
    ['@2026-11-23T10:00:00.5+01:00', { kind: 'time', value: NOW.getTime() - 3_599_500 }],
    ['@2026-11-23 09:00:00z', { kind: 'time', value: NOW.getTime() - 3_600_000 }],
    ['@-5m', { kind: 'time', value: NOW.getTime() - 300_000 }],
    ['@-1.5h', { kind: 'time', value: NOW.getTime() - 5_400_000 }],
    ['@-7d', { kind: 'time', value: NOW.getTime() - 604_800_000 }],
  ])('%s', (text, place) => {
    expect(parsePlace(text, 'from', NOW)).toEqual(place);
  });

  test.each([
    ['', 'is no place in a topic'],
    ['-1', 'is no place in a topic'],
    ['1.5', 'is no place in a topic'],
    ['first', 'is no place in a topic'],
    ['9007199254740992', 'is beyond 2^53-1'],
    ['@', 'is not a time'],
    ['@5m', 'is not a time'],
    ['@-5', 'is not a time'],
    ['@2026-11-23', 'is not a time'],
    ['@2026-11-23T09:00:00', 'is not a time'],
    ['@2026-13-23T09:00:00Z', 'is not a time'],
    ['@1969-01-01T00:00:00Z', 'is not a time'],
  ])('not %j', (text, why) => {
    const parse = (): unknown => parsePlace(text, 'from', NOW);
    expect(parse).toThrow(CliError);
    expect(parse).toThrow(`--from ${text} ${why}`);
  });
});
