import { usageError } from './cli-error.ts';

/** A place in queues. Times are Unix milliseconds. */
export type Place =
  | { readonly kind: 'earliest' | 'latest'; readonly value: null }
  | { readonly kind: 'time' | 'offset'; readonly value: number };

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const HINT = 'write earliest, latest, an offset, or a time: @2026-11-23T09:00:00Z, @1795414452821 or @-5m';
/** RFC 3339: `Date` would take much else for a time, and read some of it in the zone of this machine. */
const RFC_3339 = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

/** Reads earliest, latest, an offset, or @ and a time. @throws CliError that names the flag. */
export function parsePlace(text: string, flag: string, now: Date): Place {
  if (text === 'earliest' || text === 'latest') return { kind: text, value: null };
  if (/^\d+$/.test(text)) {
    const value = Number(text);
    if (Number.isSafeInteger(value)) return { kind: 'offset', value };
    throw usageError(`--${flag} ${text} is beyond 2^53-1, where offsets end`);
  }
  if (!text.startsWith('@')) throw usageError(`--${flag} ${text} is no place in a topic`, HINT);
  const value = timeOf(text.slice(1), now);
  if (value === null) throw usageError(`--${flag} ${text} is not a time`, HINT);
  return { kind: 'time', value };
}

function timeOf(text: string, now: Date): number | null {
  const [, count, unit = ''] = /^-(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  const ms = /^\d+$/.test(text)
    ? Number(text)
    : count !== undefined
      ? Math.round(now.getTime() - Number(count) * (UNITS[unit] ?? 1))
      : RFC_3339.test(text)
        ? Date.parse(text.toUpperCase())
        : Number.NaN;
  return Number.isSafeInteger(ms) && ms >= 0 ? ms : null;
}
