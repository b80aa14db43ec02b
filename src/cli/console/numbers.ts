/** Grouped by thousands; null is unknown and shown as such, never as 0. */
export function count(value: number | null | undefined, unknown = '?'): string {
  return value === null || value === undefined ? unknown : Math.round(value).toLocaleString('en-US');
}

/** Milliseconds with as many digits as say something. */
export function millis(value: number | null | undefined): string {
  if (value === null || value === undefined) return '?';
  if (value < 10) return `${value.toFixed(1)}ms`;
  return value < 10_000 ? `${Math.round(value)}ms` : span(value);
}

/** A while, for people: 340 ms, 4.1 s, 3m 20s, 2h 04m, 5d 3h. */
export function span(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return '?';
  const value = Math.max(0, ms);
  if (value < 1000) return `${Math.round(value)} ms`;
  if (value < 60_000) return `${(value / 1000).toFixed(1)} s`;
  const seconds = Math.floor(value / 1000);
  const minutes = Math.floor(seconds / 60);
  const two = (number: number): string => String(number).padStart(2, '0');
  if (minutes < 60) return `${minutes}m ${two(seconds % 60)}s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours}h ${two(minutes % 60)}m` : `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return '?';
  let size = value;
  let unit = 0;
  while (size >= 1024 && unit < UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${UNITS[unit] ?? ''}`;
}
