import type { FinalLog, HistoryEvent } from '../../src/check/index.ts';
import { Prng } from '../../src/base/prng.ts';

/** A history and the logs it ended in, open to be falsified. */
export interface Story {
  events: HistoryEvent[];
  logs: FinalLog[];
}

interface Pending {
  readonly operation: number;
  readonly value: string;
  readonly producer: string;
  isStored: number;
}

/**
 * What a cluster that keeps its promises may show: appends of several producers overlap, are stored in the order of
 * each producer, answered late or never; readers come and go.
 */
export function validStory(seed: number, operations = 60): Story {
  const prng = new Prng(seed);
  const events: HistoryEvent[] = [];
  const entries: { index: number; term: number; values: string[] }[] = [];
  const pending: Pending[] = [];
  const producers = Array.from({ length: prng.between(1, 4) }, (_, at) => `p${at + 1}`);
  const sequences = new Map<string, number>();
  let index = 1;
  let term = 1;
  let operation = 0;
  events.push({ type: 'leader', node: 'n1', term });
  const store = (one: Pending): void => {
    index += prng.chance(0.1) ? 2 : 1;
    one.isStored = index;
    entries.push({ index, term, values: [one.value, `${one.value}+`] });
  };
  while (operation < operations || pending.length > 0) {
    const choice = prng.below(10);
    const oldest = pending.find((one) => one.isStored === 0);
    if (choice < 4 && operation < operations) {
      operation += 1;
      const producer = producers[prng.below(producers.length)] as string;
      const sequence = (sequences.get(producer) ?? 0) + 1;
      sequences.set(producer, sequence);
      const value = `${producer}#${sequence}`;
      events.push({ type: 'append-invoked', operation, producer, sequence, values: [value, `${value}+`] });
      pending.push({ operation, value, producer, isStored: 0 });
    } else if (choice < 7 && oldest !== undefined) {
      if (prng.chance(0.85)) store(oldest);
      else {
        const type = prng.chance(0.5) ? 'append-failed' : 'append-unknown';
        events.push({ type, operation: oldest.operation });
        pending.splice(pending.indexOf(oldest), 1);
      }
    } else if (choice < 9) {
      const stored = pending.filter((one) => one.isStored > 0);
      const one = stored[prng.below(Math.max(1, stored.length))];
      if (one === undefined) continue;
      pending.splice(pending.indexOf(one), 1);
      if (prng.chance(0.1)) events.push({ type: 'append-unknown', operation: one.operation });
      else events.push({ type: 'append-ok', operation: one.operation, index: one.isStored, term });
    } else if (prng.chance(0.2)) {
      term += 1;
      events.push({ type: 'leader', node: `n${1 + (term % 3)}`, term });
      events.push({ type: 'term', node: `n${1 + (term % 3)}`, incarnation: 7, term });
    } else if (operation < operations) {
      operation += 1;
      readAll(events, entries, operation, prng.between(1, Math.max(1, index)), prng);
    }
  }
  const log = { firstIndex: 1, commitIndex: index, entries };
  return { events, logs: ['n1', 'n2', 'n3'].map((node) => structuredClone({ node, ...log })) };
}

function readAll(
  events: HistoryEvent[],
  entries: readonly { index: number; values: string[] }[],
  operation: number,
  from: number,
  prng: Prng,
): void {
  const consistency = prng.chance(0.5) ? 'linearizable' : 'committed';
  events.push({ type: 'read-invoked', operation, reader: `r${operation}`, from, consistency });
  const records = entries
    .filter((entry) => entry.index >= from)
    .flatMap(({ index, values }) => values.map((value, ordinal) => ({ index, ordinal, value })));
  const cut = prng.below(records.length + 1);
  if (cut > 0) events.push({ type: 'read-page', operation, records: records.slice(0, cut) });
  if (prng.chance(0.2)) {
    events.push({ type: 'read-failed', operation });
    return;
  }
  if (cut < records.length) events.push({ type: 'read-page', operation, records: records.slice(cut) });
  events.push({ type: 'read-ok', operation });
}
