import { assert } from '../base/assert.ts';
import type { EventOf, FinalEntry, FinalLog, HistoryEvent, ReadRecord } from './history.ts';

export type Rule =
  | 'acknowledged-lost'
  | 'never-attempted'
  | 'refused-but-stored'
  | 'stored-twice'
  | 'two-values-at-one-index'
  | 'logs-differ'
  | 'real-time-order'
  | 'producer-order'
  | 'stale-read'
  | 'reader-went-back'
  | 'reader-skipped'
  | 'two-leaders'
  | 'term-went-back';

/** A promise that was broken, with what shows it. */
export interface Violation {
  readonly rule: Rule;
  readonly message: string;
  /** The events and entries that contradict each other, a line each. */
  readonly evidence: readonly string[];
}

export interface CheckResult {
  readonly violations: readonly Violation[];
  readonly acknowledged: number;
  readonly failed: number;
  readonly unknown: number;
  /** Unknown appends that are in the log after all. */
  readonly unknownStored: number;
  readonly recordsRead: number;
}

interface Append {
  readonly invoked: EventOf<'append-invoked'>;
  readonly invokedAt: number;
  outcome: 'open' | 'ok' | 'failed' | 'unknown';
  endedAt: number;
  index: number;
}

interface Read {
  readonly invoked: EventOf<'read-invoked'>;
  readonly invokedAt: number;
  readonly records: ReadRecord[];
  endedAt: number;
  outcome: 'open' | 'ok' | 'failed';
}

/** Of each kind so many are told; the rest is counted. */
const TOLD_PER_RULE = 5;

/**
 * Judges a history against the log in which it ended. One total order exists, the index, so nothing has to be searched:
 * everything is a comparison along the log or along time, and the cost is that of sorting.
 */
export function checkHistory(events: readonly HistoryEvent[], logs: readonly FinalLog[]): CheckResult {
  return new Checker(events, logs).run();
}

class Checker {
  readonly #logs: readonly FinalLog[];
  readonly #appends: Append[] = [];
  readonly #reads: Read[] = [];
  readonly #leaders: EventOf<'leader'>[] = [];
  readonly #terms: EventOf<'term'>[] = [];
  readonly #appendOfValue = new Map<string, Append>();
  /** The longest log; what the others hold must be the same as far as they go. */
  readonly #log: FinalLog;
  readonly #violations: Violation[] = [];
  readonly #told = new Map<Rule, number>();

  constructor(events: readonly HistoryEvent[], logs: readonly FinalLog[]) {
    this.#logs = logs;
    const empty: FinalLog = { node: 'nobody', firstIndex: 1, commitIndex: 0, entries: [] };
    this.#log = logs.reduce((longest, log) => (log.commitIndex > longest.commitIndex ? log : longest), empty);
    this.#collect(events);
  }

  run(): CheckResult {
    this.#checkLogsAgree();
    this.#checkStored();
    for (const log of this.#logs) this.#checkAcknowledged(log);
    this.#checkRealTime();
    this.#checkProducers();
    this.#checkReads();
    this.#checkLeaders();
    this.#checkTerms();
    return {
      violations: this.#violations,
      acknowledged: this.#count('ok'),
      failed: this.#count('failed'),
      unknown: this.#count('unknown') + this.#count('open'),
      unknownStored: this.#unknownStored(),
      recordsRead: this.#reads.reduce((sum, read) => sum + read.records.length, 0),
    };
  }

  #collect(events: readonly HistoryEvent[]): void {
    const appends = new Map<number, Append>();
    const reads = new Map<number, Read>();
    for (const [at, event] of events.entries()) {
      switch (event.type) {
        case 'append-invoked': {
          const append: Append = {
            invoked: event,
            invokedAt: at,
            outcome: 'open',
            endedAt: Infinity,
            index: 0,
          };
          appends.set(event.operation, append);
          this.#appends.push(append);
          for (const value of event.values) {
            assert(!this.#appendOfValue.has(value), () => `the history appends the value ${value} twice`);
            this.#appendOfValue.set(value, append);
          }
          break;
        }
        case 'append-ok':
        case 'append-failed':
        case 'append-unknown': {
          const append = appends.get(event.operation);
          assert(append?.outcome === 'open', () => `append ${event.operation} ends and does not run`);
          append.endedAt = at;
          append.outcome =
            event.type === 'append-ok' ? 'ok' : event.type === 'append-failed' ? 'failed' : 'unknown';
          if (event.type === 'append-ok') append.index = event.index;
          break;
        }
        case 'read-invoked': {
          const read: Read = {
            invoked: event,
            invokedAt: at,
            records: [],
            endedAt: Infinity,
            outcome: 'open',
          };
          reads.set(event.operation, read);
          this.#reads.push(read);
          break;
        }
        case 'read-page':
        case 'read-ok':
        case 'read-failed': {
          const read = reads.get(event.operation);
          assert(read?.outcome === 'open', () => `read ${event.operation} goes on and does not run`);
          if (event.type === 'read-page') for (const record of event.records) read.records.push(record);
          else Object.assign(read, { outcome: event.type === 'read-ok' ? 'ok' : 'failed', endedAt: at });
          break;
        }
        case 'leader':
          this.#leaders.push(event);
          break;
        case 'term':
          this.#terms.push(event);
          break;
      }
    }
  }

  /** Every log is the same as the longest, as far as it goes. */
  #checkLogsAgree(): void {
    const reference = byIndex(this.#log.entries);
    for (const log of this.#logs) {
      let previous = 0;
      for (const entry of log.entries) {
        if (entry.index <= previous || entry.index > log.commitIndex) {
          this.#violate('logs-differ', `the log of ${log.node} is out of order`, [
            `entry ${entry.index} behind ${previous}, committed up to ${log.commitIndex}`,
          ]);
        }
        previous = entry.index;
        const other = reference.get(entry.index);
        if (entry.index >= this.#log.firstIndex && !isSame(entry, other))
          this.#tellDifference(log, entry, other);
      }
      const kept = this.#log.entries.filter(
        ({ index }) => index >= log.firstIndex && index <= log.commitIndex,
      ).length;
      const held = log.entries.filter(({ index }) => index >= this.#log.firstIndex).length;
      if (held !== kept) {
        this.#violate('logs-differ', `the log of ${log.node} lacks entries it says it has`, [
          `up to its commit index ${log.commitIndex}: ${held} entries with records at ${log.node}, ${kept} at ${this.#log.node}`,
        ]);
      }
    }
  }

  #tellDifference(log: FinalLog, entry: FinalEntry, other: FinalEntry | undefined): void {
    this.#violate('logs-differ', `the logs of ${log.node} and ${this.#log.node} differ at ${entry.index}`, [
      `${log.node}: ${tell(entry)}`,
      `${this.#log.node}: ${other === undefined ? 'no records' : tell(other)}`,
    ]);
  }

  /** What lies in the log was attempted, was not refused, lies there once and as a whole. */
  #checkStored(): void {
    const placeOf = new Map<Append, FinalEntry>();
    for (const entry of this.#log.entries) {
      const append = this.#appendOfValue.get(entry.values[0] ?? '');
      if (append === undefined || !isSameValues(append.invoked.values, entry.values)) {
        this.#violate('never-attempted', `entry ${entry.index} holds what nobody appended`, [tell(entry)]);
        continue;
      }
      const first = placeOf.get(append);
      if (first !== undefined) {
        this.#violate('stored-twice', `one append lies at ${first.index} and at ${entry.index}`, [
          tellAppend(append),
          tell(first),
          tell(entry),
        ]);
      }
      placeOf.set(append, entry);
      if (append.outcome === 'failed') {
        this.#violate('refused-but-stored', `entry ${entry.index} was reported as not stored`, [
          tellAppend(append),
          tell(entry),
        ]);
      }
    }
  }

  /** What was acknowledged is where it was said to be, at every node. */
  #checkAcknowledged(log: FinalLog): void {
    const entries = byIndex(log.entries);
    const acknowledged = new Map<number, Append>();
    for (const append of this.#appends) {
      if (append.outcome !== 'ok') continue;
      const other = acknowledged.get(append.index);
      if (other !== undefined && log === this.#log) {
        this.#violate('two-values-at-one-index', `two appends were acknowledged at ${append.index}`, [
          tellAppend(other),
          tellAppend(append),
        ]);
      }
      acknowledged.set(append.index, append);
      if (append.index < log.firstIndex) continue;
      const entry = entries.get(append.index);
      if (entry !== undefined && isSameValues(entry.values, append.invoked.values)) continue;
      this.#violate(
        'acknowledged-lost',
        `what was acknowledged at ${append.index} is not there at ${log.node}`,
        [
          tellAppend(append),
          entry === undefined ? `no records there; committed up to ${log.commitIndex}` : tell(entry),
        ],
      );
    }
  }

  /** An append that was acknowledged before another was begun lies before it. */
  #checkRealTime(): void {
    const acknowledged = this.#appends.filter((append) => append.outcome === 'ok');
    const byEnd = acknowledged.toSorted((one, other) => one.endedAt - other.endedAt);
    let highest: Append | null = null;
    let ended = 0;
    for (const append of acknowledged) {
      for (
        let next = byEnd[ended];
        next !== undefined && next.endedAt < append.invokedAt;
        next = byEnd[ended]
      ) {
        if (highest === null || next.index > highest.index) highest = next;
        ended += 1;
      }
      if (highest === null || highest.index < append.index) continue;
      this.#violate('real-time-order', `an append lies before one that was acknowledged before it began`, [
        tellAppend(highest),
        tellAppend(append),
      ]);
    }
  }

  /** What one producer sent lies in the order in which it sent it. */
  #checkProducers(): void {
    const last = new Map<string, Append>();
    for (const append of this.#appends) {
      if (append.outcome !== 'ok') continue;
      const before = last.get(append.invoked.producer);
      if (before !== undefined && before.index >= append.index) {
        this.#violate('producer-order', `${append.invoked.producer} sent them in the other order`, [
          tellAppend(before),
          tellAppend(append),
        ]);
      }
      last.set(append.invoked.producer, append);
    }
  }

  /** Each read brings an unbroken run of the log, and a linearizable one all that was acknowledged before it began. */
  #checkReads(): void {
    const records: ReadRecord[] = [];
    const placeOf = new Map<string, number>();
    for (const { index, values } of this.#log.entries) {
      for (const [ordinal, value] of values.entries()) {
        placeOf.set(`${index}/${ordinal}`, records.length);
        records.push({ index, ordinal, value });
      }
    }
    for (const read of this.#reads) this.#checkRead(read, records, placeOf);
    this.#checkFreshness();
  }

  #checkRead(read: Read, log: readonly ReadRecord[], placeOf: ReadonlyMap<string, number>): void {
    let place = firstFrom(log, read.invoked.from);
    let previous: ReadRecord | null = null;
    for (const record of read.records) {
      if (previous !== null && comesBefore(record, previous)) {
        this.#violate('reader-went-back', `${tellRead(read)} goes back`, [
          tellRecord(previous),
          tellRecord(record),
        ]);
        return;
      }
      const at = placeOf.get(`${record.index}/${record.ordinal}`);
      const there = at === undefined ? undefined : log[at];
      if (there === undefined || there.value !== record.value) {
        this.#tellForeign(read, record, there);
        return;
      }
      if (record.index >= this.#log.firstIndex && at !== place) {
        this.#violate('reader-skipped', `${tellRead(read)} leaves records out`, [
          `before ${tellRecord(record)}`,
          `first left out: ${tellRecord(log[place] ?? there)}`,
        ]);
        return;
      }
      place += 1;
      previous = record;
    }
  }

  #tellForeign(read: Read, record: ReadRecord, there: ReadRecord | undefined): void {
    const append = this.#appendOfValue.get(record.value);
    const evidence = [
      `read: ${tellRecord(record)}`,
      there === undefined ? `at the end there is no such record` : `at the end: ${tellRecord(there)}`,
    ];
    if (append === undefined) {
      this.#violate('never-attempted', `${tellRead(read)} brings what nobody appended`, evidence);
    } else {
      const message = `${tellRead(read)} brings what is not in the log`;
      this.#violate('two-values-at-one-index', message, [...evidence, tellAppend(append)]);
    }
  }

  #checkFreshness(): void {
    const byEnd = this.#appends
      .filter((append) => append.outcome === 'ok')
      .sort((one, other) => one.endedAt - other.endedAt);
    let newest: Append | null = null;
    let ended = 0;
    for (const read of this.#reads) {
      for (
        let next = byEnd[ended];
        next !== undefined && next.endedAt < read.invokedAt;
        next = byEnd[ended]
      ) {
        if (newest === null || next.index > newest.index) newest = next;
        ended += 1;
      }
      const { consistency, from } = read.invoked;
      if (consistency !== 'linearizable' || read.outcome !== 'ok' || newest === null || newest.index < from)
        continue;
      const last = read.records.at(-1);
      if (last !== undefined && last.index >= newest.index) continue;
      this.#violate('stale-read', `${tellRead(read)} lacks what was acknowledged before it began`, [
        tellAppend(newest),
        last === undefined ? 'it brought nothing' : `it ended with ${tellRecord(last)}`,
      ]);
    }
  }

  #checkLeaders(): void {
    const leaders = new Map<number, string>();
    for (const { node, term } of this.#leaders) {
      const known = leaders.get(term) ?? node;
      if (known !== node) {
        this.#violate('two-leaders', `term ${term} has two leaders`, [`${known} led it`, `${node} led it`]);
      }
      leaders.set(term, known);
    }
  }

  #checkTerms(): void {
    const terms = new Map<string, number>();
    for (const { node, incarnation, term } of this.#terms) {
      const key = `${node} (incarnation ${incarnation})`;
      const before = terms.get(key) ?? 0;
      if (term < before) {
        this.#violate('term-went-back', `the term of ${key} went back`, [`${before}, then ${term}`]);
      }
      terms.set(key, term);
    }
  }

  #count(outcome: Append['outcome']): number {
    return this.#appends.filter((append) => append.outcome === outcome).length;
  }

  #unknownStored(): number {
    let stored = 0;
    for (const entry of this.#log.entries) {
      const outcome = this.#appendOfValue.get(entry.values[0] ?? '')?.outcome;
      if (outcome === 'unknown' || outcome === 'open') stored += 1;
    }
    return stored;
  }

  #violate(rule: Rule, message: string, evidence: readonly string[]): void {
    const told = (this.#told.get(rule) ?? 0) + 1;
    this.#told.set(rule, told);
    if (told <= TOLD_PER_RULE) this.#violations.push({ rule, message, evidence });
  }
}

function byIndex(entries: readonly FinalEntry[]): Map<number, FinalEntry> {
  return new Map(entries.map((entry) => [entry.index, entry]));
}

function isSame(one: FinalEntry, other: FinalEntry | undefined): boolean {
  return other !== undefined && one.term === other.term && isSameValues(one.values, other.values);
}

function isSameValues(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((value, at) => value === other[at]);
}

function comesBefore(one: ReadRecord, other: ReadRecord): boolean {
  return one.index < other.index || (one.index === other.index && one.ordinal <= other.ordinal);
}

/** Place of the first record at or after an index. */
function firstFrom(records: readonly ReadRecord[], index: number): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((records[middle]?.index ?? 0) < index) low = middle + 1;
    else high = middle;
  }
  return low;
}

function tell({ index, term, values }: FinalEntry): string {
  return `entry ${index} of term ${term}: ${values.join(', ')}`;
}

function tellRecord({ index, ordinal, value }: ReadRecord): string {
  return `record ${ordinal} of entry ${index}: ${value}`;
}

function tellAppend({ invoked, outcome, index, invokedAt, endedAt }: Append): string {
  const { producer, sequence, values } = invoked;
  const end =
    outcome === 'open'
      ? 'no answer'
      : `${outcome}${outcome === 'ok' ? ` at ${index}` : ''}, event ${endedAt}`;
  return `append ${sequence} of ${producer} (${values.join(', ')}), event ${invokedAt}: ${end}`;
}

function tellRead({ invoked, invokedAt }: Read): string {
  return `the ${invoked.consistency} read of ${invoked.reader} from ${invoked.from} (event ${invokedAt})`;
}
