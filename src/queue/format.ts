import type { LogIndex } from '../base/units.ts';

/** Names in the folder of consume queues and key index. docs/queue-format.md describes what they hold. */

export const TEMPORARY_NAME = 'keys.tmp';

/** @param number of the file in its queue: it begins with unit `number * UNITS_PER_FILE`. */
export function queueFileName(queue: number, number: number): string {
  return `queue-${String(queue).padStart(10, '0')}-${String(number).padStart(8, '0')}`;
}

export function parseQueueFileName(name: string): { readonly queue: number; readonly number: number } | null {
  const match = /^queue-(\d{10})-(\d{8})$/.exec(name);
  return match === null ? null : { queue: Number(match[1]), number: Number(match[2]) };
}

/** A run covers the keys of the entries behind `after` up to `last`. */
export interface RunRange {
  readonly after: LogIndex;
  readonly last: LogIndex;
}

export function keyRunName({ after, last }: RunRange): string {
  return `keys-${String(after).padStart(16, '0')}-${String(last).padStart(16, '0')}`;
}

export function parseKeyRunName(name: string): RunRange | null {
  const match = /^keys-(\d{16})-(\d{16})$/.exec(name);
  if (match === null) return null;
  return { after: Number(match[1]) as LogIndex, last: Number(match[2]) as LogIndex };
}
