import { z } from 'zod';

/** How texts of a script stand for amounts: durations in milliseconds, sizes in bytes, rates a second, shares of 1. */

const DURATION_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const SIZE_UNITS: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };
const OPERATORS = ['<=', '>=', '!=', '<', '>', '='] as const;

/** What an amount is of. */
export type Unit = 'count' | 'ms' | 'share' | 'bytes';

/** `<= 3s` */
export interface Comparison {
  readonly operator: (typeof OPERATORS)[number];
  /** In milliseconds, bytes, parts of 1, or just a number. */
  readonly value: number;
  readonly unit: Unit;
  /** As it stands in the script. */
  readonly text: string;
}

export function holds({ operator, value }: Comparison, observed: number): boolean {
  switch (operator) {
    case '<=':
      return observed <= value;
    case '>=':
      return observed >= value;
    case '!=':
      return observed !== value;
    case '<':
      return observed < value;
    case '>':
      return observed > value;
    case '=':
      return observed === value;
  }
}

/** Reads `500ms`, `5s`, `1m`, `2h`. @returns milliseconds; null where it is none. */
export function parseDuration(text: string): number | null {
  return parseAmount(text, DURATION_UNITS);
}

/** Reads `256B`, `1KiB`. @returns bytes; null where it is none. */
export function parseSize(text: string): number | null {
  return parseAmount(text, SIZE_UNITS);
}

/** @returns null where it is none. */
export function parseComparison(text: string): Comparison | null {
  const operator = OPERATORS.find((each) => text.startsWith(each));
  if (operator === undefined) return null;
  const amount = text.slice(operator.length).trim();
  const readings: readonly [Unit, number | null][] = [
    ['ms', parseDuration(amount)],
    ['bytes', parseSize(amount)],
    ['share', parseShare(amount)],
    ['count', /^\+?\d+(\.\d+)?$/.test(amount) ? Number(amount) : null],
  ];
  for (const [unit, value] of readings) if (value !== null) return { operator, value, unit, text };
  return null;
}

export const DURATION: z.ZodType<number, string> = read('a duration such as 500ms, 5s or 1m', parseDuration);
/** Below 0 where a minus goes before it. */
export const OFFSET: z.ZodType<number, string> = read('a duration such as 10m or -10m', (text) => {
  const ms = parseDuration(text.replace(/^-/, ''));
  return ms !== null && text.startsWith('-') ? -ms : ms;
});
export const SIZE: z.ZodType<number, string> = read('a size such as 256B or 1KiB', parseSize);
export const SHARE: z.ZodType<number, string> = read('a share such as 30%', parseShare);
export const RATE: z.ZodType<number, string> = read('a rate such as 2000/s', (text) => {
  const match = /^(\d+(?:\.\d+)?)\/s$/.exec(text);
  return match === null ? null : Number(match[1]);
});
export const BYTE_RATE: z.ZodType<number, string> = read('a rate such as 20KiB/s', (text) =>
  text.endsWith('/s') ? parseSize(text.slice(0, -2)) : null,
);
export const COMPARISON: z.ZodType<Comparison, string> = read(
  'a comparison such as "<= 3s" or "= 0"',
  parseComparison,
);

/** An amount for people. */
export function showAmount(value: number, unit: Unit): string {
  if (unit === 'ms') return value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(2)} s`;
  if (unit === 'share') return `${(value * 100).toFixed(1)} %`;
  return unit === 'bytes' ? `${value} bytes` : String(Math.round(value * 100) / 100);
}

function parseShare(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*%$/.exec(text);
  return match === null ? null : Number(match[1]) / 100;
}

function parseAmount(text: string, units: Readonly<Record<string, number>>): number | null {
  const match = /^\+?(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(text);
  const unit = units[match?.[2] ?? ''];
  return match === null || unit === undefined ? null : Number(match[1]) * unit;
}

function read<T>(what: string, parse: (text: string) => T | null): z.ZodType<T, string> {
  return z.string().transform((text, context): T => {
    const value = parse(text.trim());
    if (value !== null) return value;
    context.addIssue({ code: 'custom', message: `${JSON.stringify(text)} is not ${what}` });
    return z.NEVER;
  });
}
