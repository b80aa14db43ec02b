import type { NodeEvent } from '../node/index.ts';
import { printable } from './printable.ts';

/** As far as `Date` goes. */
const UNIX_MS_MAX = 8.64e15;

/** One event of a node as one line for people: time (UTC), level, node, what happened and why. */
export function logLine(id: string, event: NodeEvent): string {
  return `${timeOf(event.at)} ${event.level.padEnd(5)} ${printable(id)}: ${printable(event.text)}`;
}

/** The time of day, UTC, to the millisecond. */
export function timeOf(unixMs: number): string {
  return dateTimeOf(unixMs).slice(11, 23);
}

/** ISO 8601. A stamp that no calendar holds, which only a sick clock makes, is shown as the number it is. */
export function dateTimeOf(unixMs: number): string {
  return Math.abs(unixMs) <= UNIX_MS_MAX ? new Date(unixMs).toISOString() : `unix-ms:${unixMs}`;
}
