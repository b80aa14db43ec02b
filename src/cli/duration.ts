import { usageError } from './cli-error.ts';

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** The way back: in the largest unit that says it exactly. */
export function showDuration(ms: number): string {
  const unit = Object.entries(UNITS).findLast(([, size]) => ms !== 0 && ms % size === 0) ?? ['ms', 1];
  return `${ms / unit[1]}${unit[0]}`;
}

/** Reads "500ms", "5s", "1m", "2h". @returns milliseconds. @throws CliError that names the flag. */
export function parseDuration(text: string, flag: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  if (match === null) throw usageError(`--${flag} ${text} is not a duration`, 'write 500ms, 5s, 1m or 2h');
  return Number(match[1]) * (UNITS[match[2] ?? ''] ?? 1);
}
