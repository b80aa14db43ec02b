import type { Damage } from '../../wal/index.ts';

/** Where something is damaged, for people. */
export function whereOf({ file, position, firstIndex, lastIndex }: Damage): string {
  const indexes = firstIndex === null ? '' : `, index ${range(firstIndex, lastIndex)}`;
  return `${file}, byte ${position}${indexes}`;
}

export function mendedText(damage: Damage & { readonly bytes: number }): string {
  return `put back ${damage.bytes} bytes that did not verify (${damage.what}) at ${whereOf(damage)}`;
}

function range(first: number, last: number | null): string {
  return last === null || last <= first ? `${first}` : `${first} to ${last}`;
}
