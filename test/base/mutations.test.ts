import { expect, test } from 'vitest';
import {
  MUTATION_NAMES,
  NO_MUTATIONS,
  mutationNames,
  mutationsOf,
  parseMutations,
} from '../../src/base/mutations.ts';

test('nothing is wrong unless it is asked for, and nobody can change that', () => {
  expect(mutationNames(NO_MUTATIONS)).toEqual([]);
  expect(Object.keys(NO_MUTATIONS)).toEqual(MUTATION_NAMES);
  expect(() => Object.assign(NO_MUTATIONS, { skipsLogSync: true })).toThrow(TypeError);
});

test('each name is there once', () => {
  expect(new Set(MUTATION_NAMES).size).toBe(MUTATION_NAMES.length);
});

test('switches are named in a list with commas', () => {
  expect(mutationNames(parseMutations(' skipsLogSync,, skipsNoop '))).toEqual(['skipsNoop', 'skipsLogSync']);
  expect(parseMutations('')).toEqual(NO_MUTATIONS);
  expect(mutationsOf(['skipsNoop']).skipsNoop).toBe(true);
});

test('a name that is not known is refused, whatever else stands there', () => {
  expect(() => parseMutations('skipsNoop,toString')).toThrow(/there is no mutation "toString"/);
});
