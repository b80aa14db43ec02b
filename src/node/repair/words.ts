import type { Damage } from '../../wal/index.ts';
import type { NodeEvent } from '../../wire/watch-schema.ts';

type News = readonly [level: NodeEvent['level'], code: string, text: string, fields: NodeEvent['fields']];

/** What was damaged is as it was. */
export function repairedNews(damage: Damage & { readonly bytes: number }, tookMs: number): News {
  const { bytes, what } = damage;
  const ms = Math.round(tookMs);
  const text = `put back ${bytes} bytes that did not verify (${what}) at ${whereOf(damage)} in ${ms} ms`;
  return ['warn', 'rot-repaired', text, { ...fieldsOf(damage), bytes, tookMs: ms }];
}

/** @param meanwhile what is done until somebody has it. */
export function unrepairedNews(damage: Damage & { readonly why: string }, meanwhile: string): News {
  const text = `no node has what stood at ${whereOf(damage)}: ${damage.why}; asking again${meanwhile}`;
  return ['error', 'rot-unrepaired', text, fieldsOf(damage)];
}

function fieldsOf({ file, position, firstIndex, lastIndex }: Damage): NodeEvent['fields'] {
  return { file, position, firstIndex, lastIndex };
}

/** Where something is damaged, for people. */
function whereOf({ file, position, firstIndex, lastIndex }: Damage): string {
  const indexes = firstIndex === null ? '' : `, index ${range(firstIndex, lastIndex)}`;
  return `${file}, byte ${position}${indexes}`;
}

function range(first: number, last: number | null): string {
  return last === null || last <= first ? `${first}` : `${first} to ${last}`;
}
