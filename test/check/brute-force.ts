import type { EventOf, FinalEntry, HistoryEvent } from '../../src/check/history.ts';

interface Append {
  readonly kind: 'append';
  readonly invokedAt: number;
  readonly endedAt: number;
  readonly producer: string;
  readonly values: readonly string[];
  /** Where it must lie; 0 if it may lie anywhere, or nowhere. */
  readonly index: number;
  readonly mustHappen: boolean;
}

interface Read {
  readonly kind: 'read';
  readonly invokedAt: number;
  readonly endedAt: number;
  readonly from: number;
  readonly records: readonly string[];
  readonly mustHappen: true;
}

type Operation = Append | Read;

/**
 * Linearizability by its definition (Herlihy, Wing 1990): is there any order of the operations in which each takes effect
 * at one moment between its beginning and its end, as on one log that nobody shares? Tries them all. The log at the end
 * must be the one that was found, and each producer's appends lie in the order in which they were sent.
 */
export function isLinearizable(events: readonly HistoryEvent[], entries: readonly FinalEntry[]): boolean {
  const operations = collect(events);
  const done = new Set<Operation>();
  const step = (length: number): boolean => {
    if (length === entries.length && operations.every((each) => done.has(each) || !each.mustHappen))
      return true;
    // The next one must have begun before any that is still to come has ended.
    const open = operations.filter((each) => !done.has(each));
    const firstEnd = Math.min(
      ...open.filter((each) => each.mustHappen).map((each) => each.endedAt),
      Infinity,
    );
    for (const each of open) {
      if (each.invokedAt > firstEnd) continue;
      const after = each.kind === 'append' ? appended(each, length) : readAt(each, length);
      if (after === null) continue;
      done.add(each);
      if (step(after)) return true;
      done.delete(each);
    }
    return false;
  };
  const appended = (append: Append, length: number): number | null => {
    const entry = entries[length];
    const isNext =
      entry !== undefined &&
      (append.index === 0 || append.index === entry.index) &&
      JSON.stringify(entry.values) === JSON.stringify(append.values);
    const isOutOfOrder = [...done].some(
      (each) =>
        each.kind === 'append' && isAcknowledgedPair(each, append) && each.invokedAt > append.invokedAt,
    );
    return isNext && !isOutOfOrder ? length + 1 : null;
  };
  const readAt = (read: Read, length: number): number | null => {
    const there = entries
      .slice(0, length)
      .filter(({ index }) => index >= read.from)
      .flatMap(({ index, values }) => values.map((value, ordinal) => `${index}/${ordinal}/${value}`));
    return JSON.stringify(there) === JSON.stringify(read.records) ? length : null;
  };
  return step(0);
}

/** The order of sending is promised for what is acknowledged. */
function isAcknowledgedPair(one: Append, other: Append): boolean {
  return one.producer === other.producer && one.index > 0 && other.index > 0;
}

function collect(events: readonly HistoryEvent[]): Operation[] {
  const operations: Operation[] = [];
  for (const [at, event] of events.entries()) {
    if (event.type === 'append-invoked') operations.push(...appendOf(event, at, events));
    if (event.type === 'read-invoked') operations.push(...readOf(event, at, events));
  }
  return operations;
}

function appendOf(
  event: EventOf<'append-invoked'>,
  invokedAt: number,
  events: readonly HistoryEvent[],
): Append[] {
  const { operation, producer, values } = event;
  const ended = events.findIndex(
    (other) =>
      (other.type === 'append-ok' || other.type === 'append-failed' || other.type === 'append-unknown') &&
      other.operation === operation,
  );
  const end = events[ended];
  if (end?.type === 'append-failed') return [];
  const append = { kind: 'append', invokedAt, producer, values } as const;
  // Of unknown outcome: it may happen at any time later, or never.
  if (end?.type !== 'append-ok') return [{ ...append, endedAt: Infinity, index: 0, mustHappen: false }];
  return [{ ...append, endedAt: ended, index: end.index, mustHappen: true }];
}

function readOf(event: EventOf<'read-invoked'>, invokedAt: number, events: readonly HistoryEvent[]): Read[] {
  const { operation, from } = event;
  const endedAt = events.findIndex((other) => other.type === 'read-ok' && other.operation === operation);
  if (endedAt < 0) return [];
  const records = events
    .filter((other) => other.type === 'read-page' && other.operation === operation)
    .flatMap((page) => (page.type === 'read-page' ? page.records : []))
    .map(({ index, ordinal, value }) => `${index}/${ordinal}/${value}`);
  return [{ kind: 'read', invokedAt, endedAt, from, records, mustHappen: true }];
}
