/** `DIR.before-repair-2026-11-23T17-04-05Z` */
export function datedBeside(directory: string, what: string, now: Date): string {
  return `${directory}.${what}-${now.toISOString().replace(/\.\d+/, '').replaceAll(':', '-')}`;
}
