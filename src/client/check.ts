import { ArgumentError } from './errors.ts';

/** @throws ArgumentError that names the setting and its bounds. */
export function integer(name: string, value: number, max: number, min = 1): number {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new ArgumentError(`${name} is ${value}: give an integer in ${min}..${max}`);
  }
  return value;
}
