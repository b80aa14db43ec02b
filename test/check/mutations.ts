import { checkHistory, type FinalEntry, type HistoryEvent, type Rule } from '../../src/check/index.ts';
import type { Prng } from '../../src/base/prng.ts';
import type { Story } from './support.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Falsifies a story so that exactly one promise is broken. @returns false where the story has no place for it. */
type Mutation = (story: Story, prng: Prng) => boolean;

export function rulesBroken({ events, logs }: Story): Set<Rule> {
  return new Set(checkHistory(events, logs).violations.map(({ rule }) => rule));
}

function pick<T>(items: readonly T[], prng: Prng): T | undefined {
  return items[prng.below(Math.max(1, items.length))];
}

function eventsOf<T extends HistoryEvent['type']>(
  { events }: Story,
  type: T,
): Mutable<Extract<HistoryEvent, { type: T }>>[] {
  return events.filter((event) => event.type === type) as Mutable<Extract<HistoryEvent, { type: T }>>[];
}

function changeEverywhere(story: Story, change: (entries: FinalEntry[]) => FinalEntry[]): void {
  story.logs = story.logs.map((log) => ({ ...log, entries: change([...log.entries]) }));
}

/** Takes what was stored out of all reads too, so that only the log tells. */
function withoutReads(story: Story): void {
  story.events = story.events.filter((event) => !event.type.startsWith('read'));
}

/** Ways in which a history may betray a broken promise, and the rule that must say so. */
export const MUTATIONS: Record<string, { rule: Rule; mutate: Mutation }> = {
  'an acknowledged append vanishes everywhere': {
    rule: 'acknowledged-lost',
    mutate: (story, prng) => {
      const lost = pick(eventsOf(story, 'append-ok'), prng);
      if (lost === undefined) return false;
      withoutReads(story);
      changeEverywhere(story, (entries) => entries.filter(({ index }) => index !== lost.index));
      return true;
    },
  },
  'an acknowledged append vanishes from one node': {
    rule: 'acknowledged-lost',
    mutate: (story, prng) => {
      const lost = pick(eventsOf(story, 'append-ok'), prng);
      const [first, ...others] = story.logs;
      if (lost === undefined || first === undefined) return false;
      const entries = first.entries.filter(({ index }) => index !== lost.index);
      story.logs = [...others, { ...first, entries }];
      return true;
    },
  },
  'a node ends before what was acknowledged': {
    rule: 'acknowledged-lost',
    mutate: (story, prng) => {
      const lost = pick(eventsOf(story, 'append-ok'), prng);
      const [first, ...others] = story.logs;
      if (lost === undefined || first === undefined) return false;
      const entries = first.entries.filter(({ index }) => index < lost.index);
      story.logs = [...others, { ...first, entries, commitIndex: lost.index - 1 }];
      return true;
    },
  },
  'an acknowledgement names another index': {
    rule: 'acknowledged-lost',
    mutate: (story, prng) => {
      const ok = pick(eventsOf(story, 'append-ok'), prng);
      if (ok === undefined) return false;
      ok.index += 1;
      return true;
    },
  },
  'the log holds what nobody appended': {
    rule: 'never-attempted',
    mutate: (story) => {
      const index = (story.logs[0]?.commitIndex ?? 0) + 1;
      changeEverywhere(story, (entries) => [...entries, { index, term: 99, values: ['ghost'] }]);
      story.logs = story.logs.map((log) => ({ ...log, commitIndex: index }));
      return true;
    },
  },
  'half of a batch is stored': {
    rule: 'never-attempted',
    mutate: (story, prng) => {
      const entry = pick(story.logs[0]?.entries ?? [], prng);
      if (entry === undefined) return false;
      withoutReads(story);
      changeEverywhere(story, (entries) =>
        entries.map((one) => (one.index === entry.index ? { ...one, values: one.values.slice(0, 1) } : one)),
      );
      return true;
    },
  },
  'a read brings what nobody appended': {
    rule: 'never-attempted',
    mutate: (story, prng) => {
      const page = pick(eventsOf(story, 'read-page'), prng);
      if (page === undefined) return false;
      page.records = page.records.map((record, at) => (at === 0 ? { ...record, value: 'ghost' } : record));
      return true;
    },
  },
  'a refused append is stored': {
    rule: 'refused-but-stored',
    mutate: (story, prng) => {
      const at = pick(
        [...story.events.entries()].filter(([, event]) => event.type === 'append-ok'),
        prng,
      );
      if (at === undefined) return false;
      const ok = at[1] as Extract<HistoryEvent, { type: 'append-ok' }>;
      story.events[at[0]] = { type: 'append-failed', operation: ok.operation };
      return true;
    },
  },
  'a retry is stored again': {
    rule: 'stored-twice',
    mutate: (story, prng) => {
      const entry = pick(story.logs[0]?.entries ?? [], prng);
      if (entry === undefined) return false;
      const index = (story.logs[0]?.commitIndex ?? 0) + 1;
      changeEverywhere(story, (entries) => [...entries, { ...entry, index }]);
      story.logs = story.logs.map((log) => ({ ...log, commitIndex: index }));
      return true;
    },
  },
  'two appends are acknowledged at one index': {
    rule: 'two-values-at-one-index',
    mutate: (story, prng) => {
      const oks = eventsOf(story, 'append-ok');
      const [one, other] = [pick(oks, prng), pick(oks, prng)];
      if (one === undefined || other === undefined || one === other) return false;
      one.index = other.index;
      return true;
    },
  },
  'a read brings what was replaced later': {
    rule: 'two-values-at-one-index',
    mutate: (story, prng) => {
      const page = pick(
        eventsOf(story, 'read-page').filter(({ records }) => records.length > 0),
        prng,
      );
      const unknown = eventsOf(story, 'append-failed').map(({ operation }) => operation);
      const append = eventsOf(story, 'append-invoked').find(({ operation }) => unknown.includes(operation));
      if (page === undefined || append === undefined) return false;
      const value = append.values[0] as string;
      page.records = page.records.map((record, at) => (at === 0 ? { ...record, value } : record));
      return true;
    },
  },
  'the logs of two nodes differ': {
    rule: 'logs-differ',
    mutate: (story, prng) => {
      const [first, ...others] = story.logs;
      const entry = pick(first?.entries ?? [], prng);
      if (first === undefined || entry === undefined) return false;
      const entries = first.entries.map((one) => (one === entry ? { ...one, term: one.term + 1 } : one));
      story.logs = [{ ...first, entries }, ...others];
      return true;
    },
  },
  'a node keeps less than it says': {
    rule: 'logs-differ',
    mutate: (story, prng) => {
      const [first, ...others] = story.logs;
      const entry = pick(first?.entries ?? [], prng);
      if (first === undefined || entry === undefined) return false;
      story.logs = [...others, { ...first, entries: first.entries.filter((one) => one !== entry) }];
      return true;
    },
  },
  'two entries change places': {
    rule: 'real-time-order',
    mutate: (story) => {
      const oks = eventsOf(story, 'append-ok');
      const first = oks[0];
      const began = story.events.findIndex((event) => event === first);
      const after = eventsOf(story, 'append-invoked').filter((event) => story.events.indexOf(event) > began);
      const later = oks.find((ok) => after.some(({ operation }) => operation === ok.operation));
      if (first === undefined || later === undefined) return false;
      [first.index, later.index] = [later.index, first.index];
      return true;
    },
  },
  'what one producer sent lies in the other order': {
    rule: 'producer-order',
    mutate: (story) => {
      const producerOf = new Map(
        eventsOf(story, 'append-invoked').map((one) => [one.operation, one.producer]),
      );
      const oks = eventsOf(story, 'append-ok').filter((ok) => producerOf.get(ok.operation) === 'p1');
      const [first, second] = oks;
      if (first === undefined || second === undefined) return false;
      [first.index, second.index] = [second.index, first.index];
      return true;
    },
  },
  'a linearizable read lacks what was acknowledged': {
    rule: 'stale-read',
    mutate: (story) => {
      const read = eventsOf(story, 'read-invoked').find(({ operation, consistency, from }) => {
        const ended = story.events.some((event) => event.type === 'read-ok' && event.operation === operation);
        return ended && consistency === 'linearizable' && from > 0;
      });
      if (read === undefined) return false;
      const before = story.events.slice(
        0,
        story.events.findIndex((event) => event === read),
      );
      const acked = before.flatMap((event) => (event.type === 'append-ok' ? [event.index] : []));
      const newest = Math.max(0, ...acked);
      if (newest < read.from) return false;
      for (const page of eventsOf(story, 'read-page')) {
        if (page.operation === read.operation)
          page.records = page.records.filter((one) => one.index < newest);
      }
      return true;
    },
  },
  'a reader goes back': {
    rule: 'reader-went-back',
    mutate: (story, prng) => {
      const page = pick(
        eventsOf(story, 'read-page').filter(({ records }) => records.length > 0),
        prng,
      );
      if (page === undefined) return false;
      page.records = [...page.records, ...page.records];
      return true;
    },
  },
  'a reader skips a record': {
    rule: 'reader-skipped',
    mutate: (story, prng) => {
      const page = pick(
        eventsOf(story, 'read-page').filter(({ records }) => records.length > 2),
        prng,
      );
      if (page === undefined) return false;
      page.records = page.records.filter((_, at) => at !== 1);
      return true;
    },
  },
  'a read brings what was appended only later': {
    rule: 'read-too-early',
    mutate: (story) => {
      const { events } = story;
      const page = events.findLastIndex((event) => event.type === 'read-page' && event.records.length > 0);
      const read = events[page];
      if (read?.type !== 'read-page') return false;
      const last = read.records.at(-1)?.value ?? '';
      const at = events.findIndex((event) => event.type === 'append-invoked' && event.values.includes(last));
      const append = events[at];
      if (append?.type !== 'append-invoked') return false;
      const { operation } = append;
      const isOf = (event: HistoryEvent): boolean =>
        event.type.startsWith('append') && 'operation' in event && event.operation === operation;
      const rest = events.filter((event) => !isOf(event));
      const place = rest.indexOf(read) + 1;
      story.events = [...rest.slice(0, place), ...events.filter(isOf), ...rest.slice(place)];
      return true;
    },
  },
  'a linearizable read lacks what another read brought before': {
    rule: 'stale-read',
    mutate: (story) => {
      const [first, second] = story.logs[0]?.entries ?? [];
      const [one, other] = [first, second].map((entry) =>
        (entry?.values ?? []).map((value, ordinal) => ({ index: entry?.index ?? 0, ordinal, value })),
      );
      if (first === undefined || second === undefined || one === undefined || other === undefined)
        return false;
      const began = { reader: 'r', from: 1, consistency: 'linearizable' } as const;
      // In a story of its own, of two appends that nobody was answered.
      const appends = eventsOf(story, 'append-invoked').filter(({ values }) =>
        [first, second].some((entry) => entry.values[0] === values[0]),
      );
      story.events = [
        ...appends,
        { type: 'read-invoked', operation: 9001, ...began },
        { type: 'read-page', operation: 9001, records: [...one, ...other] },
        { type: 'read-ok', operation: 9001 },
        { type: 'read-invoked', operation: 9002, ...began },
        { type: 'read-page', operation: 9002, records: one },
        { type: 'read-ok', operation: 9002 },
      ];
      const entries = [first, second];
      story.logs = [{ node: 'n1', firstIndex: 1, commitIndex: second.index, entries }];
      return true;
    },
  },
  'an append lies before what somebody had read before it began': {
    rule: 'real-time-order',
    mutate: (story) => {
      const [first, second] = story.logs[0]?.entries ?? [];
      if (first === undefined || second === undefined) return false;
      const ofEntry = (entry: FinalEntry): HistoryEvent[] =>
        eventsOf(story, 'append-invoked').filter(({ values }) => values[0] === entry.values[0]);
      const records = second.values.map((value, ordinal) => ({ index: second.index, ordinal, value }));
      story.events = [
        ...ofEntry(second),
        { type: 'read-invoked', operation: 9001, reader: 'r', from: second.index, consistency: 'committed' },
        { type: 'read-page', operation: 9001, records },
        { type: 'read-ok', operation: 9001 },
        ...ofEntry(first),
      ];
      story.logs = [{ node: 'n1', firstIndex: 1, commitIndex: second.index, entries: [first, second] }];
      return true;
    },
  },
  'a read ends in the middle of a batch': {
    rule: 'reader-skipped',
    mutate: (story, prng) => {
      const ended = new Set(eventsOf(story, 'read-ok').map(({ operation }) => operation));
      const lastPages = new Map(eventsOf(story, 'read-page').map((page) => [page.operation, page]));
      const whole = [...lastPages.values()].filter(
        ({ operation, records }) => ended.has(operation) && records.length > 1,
      );
      const page = pick(whole, prng);
      if (page === undefined) return false;
      page.records = page.records.slice(0, -1);
      return true;
    },
  },
  'a term has two leaders': {
    rule: 'two-leaders',
    mutate: (story, prng) => {
      const leader = pick(eventsOf(story, 'leader'), prng);
      if (leader === undefined) return false;
      story.events.push({ type: 'leader', node: 'n9', term: leader.term });
      return true;
    },
  },
  'a term goes back': {
    rule: 'term-went-back',
    mutate: (story, prng) => {
      const seen = pick(eventsOf(story, 'term'), prng);
      if (seen === undefined) return false;
      story.events.push({ ...seen, term: seen.term - 1 });
      return true;
    },
  },
};
