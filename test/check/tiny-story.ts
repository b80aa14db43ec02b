import { Prng } from '../../src/base/prng.ts';
import type { FinalEntry, HistoryEvent } from '../../src/check/index.ts';
import type { Story } from './support.ts';

type Change = (story: { events: HistoryEvent[]; entries: FinalEntry[] }, prng: Prng) => void;

/** What may go wrong; as often as not the history stays a possible one. */
const CHANGES: readonly Change[] = [
  // Two entries change places, and so perhaps what was acknowledged.
  ({ entries }, prng) => {
    if (entries.length < 2) return;
    const at = prng.below(entries.length - 1);
    const [one, other] = [entries[at] as FinalEntry, entries[at + 1] as FinalEntry];
    entries[at] = { ...other, index: one.index };
    entries[at + 1] = { ...one, index: other.index };
  },
  // An entry is not there.
  ({ entries }, prng) => {
    if (entries.length > 0) entries.splice(prng.below(entries.length), 1);
  },
  // An acknowledgement names another index.
  ({ events }, prng) => {
    const at = pick(events, 'append-ok', prng);
    const event = events[at];
    if (event?.type === 'append-ok')
      events[at] = { ...event, index: Math.max(1, event.index + prng.between(-1, 1)) };
  },
  // An outcome is another one.
  ({ events }, prng) => {
    const at = pick(events, 'append-ok', prng);
    const event = events[at];
    const type = prng.chance(0.5) ? 'append-unknown' : 'append-failed';
    if (event?.type === 'append-ok') events[at] = { type, operation: event.operation };
  },
  // A read brings less, at its end or in the middle.
  ({ events }, prng) => {
    const at = pick(events, 'read-page', prng);
    const event = events[at];
    if (event?.type !== 'read-page') return;
    const without = prng.below(Math.max(1, event.records.length));
    const records = prng.chance(0.5)
      ? event.records.slice(0, without)
      : event.records.filter((_, place) => place !== without);
    events[at] = { ...event, records };
  },
  // A read brings all that was in the log at the end.
  ({ events, entries }, prng) => {
    const at = pick(events, 'read-page', prng);
    const event = events[at];
    if (event?.type !== 'read-page') return;
    const from = Math.min(...event.records.map(({ index }) => index));
    const records = entries
      .filter(({ index }) => index >= from)
      .flatMap(({ index, values }) => values.map((value, ordinal) => ({ index, ordinal, value })));
    events[at] = { ...event, records };
  },
  // Something happened at another time; a page stays with the end of its read.
  ({ events }, prng) => {
    const at = prng.below(events.length);
    const moved = events[at] as HistoryEvent;
    if (moved.type === 'read-page' || moved.type === 'read-ok') return;
    const operation = 'operation' in moved ? moved.operation : 0;
    const isBegin = moved.type.endsWith('invoked');
    const others = events.filter((event) => event !== moved);
    const place = prng.below(others.length + 1);
    const isSame = (event: HistoryEvent): boolean => 'operation' in event && event.operation === operation;
    const after = others.slice(place).some(isSame);
    const before = others.slice(0, place).some(isSame);
    const splits = others[place - 1]?.type === 'read-page';
    if (splits || (isBegin ? before : after)) return;
    others.splice(place, 0, moved);
    events.splice(0, events.length, ...others);
  },
];

/** At most eight operations on one log, and with luck something wrong with them. */
export function tinyStory(seed: number): Story {
  const prng = new Prng(seed);
  const operations = prng.between(1, 8);
  const events: HistoryEvent[] = [];
  const entries: FinalEntry[] = [];
  /** What is still to happen to operations that have begun, in its order for each. */
  const running: (() => void)[][] = [];
  let index = 0;
  let sequence = 0;
  const append = (operation: number): void => {
    sequence += 1;
    const values = Array.from({ length: prng.between(1, 2) }, (_, at) => `v${operation}.${at}`);
    const producer = `p${prng.between(1, 3)}`;
    events.push({ type: 'append-invoked', operation, producer, sequence, values });
    let place = 0;
    const store = (): void => {
      index += prng.between(1, 2);
      place = index;
      entries.push({ index, term: 1, values });
    };
    const answer = (): void => {
      events.push({ type: 'append-ok', operation, index: place, term: 1 });
    };
    const fate = prng.below(10);
    if (fate < 7) running.push([store, answer]);
    else if (fate === 7) running.push([(): void => void events.push({ type: 'append-failed', operation })]);
    else if (fate === 8)
      running.push([(): void => void events.push({ type: 'append-unknown', operation }), store]);
    else running.push(prng.chance(0.5) ? [store] : []);
  };
  const read = (operation: number): void => {
    const from = prng.between(1, index + 1);
    events.push({ type: 'read-invoked', operation, reader: 'r', from, consistency: 'linearizable' });
    let seen = 0;
    const look = (): void => {
      seen = entries.length;
    };
    const answer = (): void => {
      const records = entries
        .slice(0, seen)
        .filter((entry) => entry.index >= from)
        .flatMap((entry) => entry.values.map((value, ordinal) => ({ index: entry.index, ordinal, value })));
      if (records.length > 0) events.push({ type: 'read-page', operation, records });
      events.push({ type: 'read-ok', operation });
    };
    running.push([look, answer]);
  };
  for (let begun = 0; begun < operations || running.length > 0; ) {
    if (begun < operations && prng.chance(0.4)) {
      begun += 1;
      if (prng.chance(0.35)) read(begun);
      else append(begun);
      continue;
    }
    const at = prng.below(Math.max(1, running.length));
    const next = running[at]?.shift();
    next?.();
    if (running[at]?.length === 0) running.splice(at, 1);
  }
  for (let changes = prng.between(0, 2); changes > 0; changes -= 1) {
    (CHANGES[prng.below(CHANGES.length)] as Change)({ events, entries }, prng);
  }
  const commitIndex = Math.max(index, entries.at(-1)?.index ?? 0);
  return { events, logs: [{ node: 'n1', firstIndex: 1, commitIndex, entries }] };
}

function pick(events: readonly HistoryEvent[], type: HistoryEvent['type'], prng: Prng): number {
  const places = [...events.keys()].filter((at) => events[at]?.type === type);
  return places.length === 0 ? -1 : (places[prng.below(places.length)] as number);
}
