import { isBefore, type Position } from '../../../src/sink/position.ts';
import type { StreamEntry } from '../../../src/sink/redis-stream.ts';
import type { Source } from '../../../src/sink/sink.ts';

/** The entry at a place, always the same one. */
export function entry(major: number, minor: number): StreamEntry {
  return { position: { major, minor }, fields: ['data', `record ${major}.${minor}`], bytes: 100 };
}

/** Entries of one to three records each, up to an index. */
export function someEntries(last: number): StreamEntry[] {
  return Array.from({ length: last }, (_, at) => at + 1).flatMap((major) =>
    Array.from({ length: 1 + (major % 3) }, (_, minor) => entry(major, minor)),
  );
}

/** What a stream should hold of these: ids and names and values. */
export function held(entries: readonly StreamEntry[]): [string, string[]][] {
  return entries.map(({ position, fields }) => [
    `${position.major}-${position.minor}`,
    fields.map((field) => String(field)),
  ]);
}

/** A source of given entries that ends with the last of them. */
export class ListSource implements Source {
  readonly identity: string = 'a list';
  /** Where each reading began. */
  readonly begun: Position[] = [];
  readonly #entries: readonly StreamEntry[];

  constructor(entries: readonly StreamEntry[]) {
    this.#entries = entries;
  }

  async *read(from: Position, signal: AbortSignal): AsyncGenerator<StreamEntry, void, undefined> {
    this.begun.push(from);
    for (const one of this.#entries) {
      if (signal.aborted) return;
      if (!isBefore(one.position, from)) yield await Promise.resolve(one);
    }
  }
}
