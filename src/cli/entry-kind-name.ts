import { EntryKind } from '../base/entry.ts';

const NAMES = new Map<number, string>(Object.entries(EntryKind).map(([name, kind]) => [kind, name]));

/** A newer version may have written kinds that have no name here. */
export function entryKindName(kind: number): string {
  return NAMES.get(kind) ?? `kind ${kind}`;
}
