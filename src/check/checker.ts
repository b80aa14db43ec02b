import { Interner } from './columns.ts';
import { HistoryError, type EventOf, type FinalEntry, type FinalLog, type HistoryEvent } from './history.ts';
import { AppendTable, LogTable, NO_ROW, Outcome, ReadTable, type Row } from './tables.ts';
import { Verdict, type CheckResult } from './verdict.ts';

/**
 * Judges a history against the log in which it ended. One total order exists, the index, so nothing has to be searched:
 * everything is a comparison along the log or along time, and nothing is even sorted, as a history comes in order.
 *
 * To be given all events, then the logs, then asked for the result.
 */
export class HistoryChecker {
  readonly #names = new Interner();
  readonly #appends = new AppendTable(this.#names);
  readonly #reads = new ReadTable(this.#names);
  readonly #logs: LogTable[] = [];
  readonly #verdict = new Verdict();
  readonly #openAppends = new Map<number, Row>();
  readonly #openReads = new Map<number, Row>();
  readonly #leaders = new Map<number, string>();
  readonly #terms = new Map<string, number>();
  #events = 0;

  /** @throws HistoryError where it contradicts what came before: no history, whatever a cluster did. */
  add(event: HistoryEvent): void {
    const at = this.#events;
    this.#events += 1;
    switch (event.type) {
      case 'append-invoked': {
        const row = this.#appends.add(event, at);
        if (typeof row === 'string')
          throw new HistoryError(`the value ${JSON.stringify(row)} is appended twice`);
        this.#begin(event.operation, this.#openAppends, row);
        return;
      }
      case 'append-ok':
        if (event.index < 1) throw new HistoryError(`acknowledged at ${event.index}: indexes begin at 1`);
        this.#appends.end(this.#end(event, this.#openAppends), Outcome.ok, at, event.index);
        return;
      case 'append-failed':
        this.#appends.end(this.#end(event, this.#openAppends), Outcome.failed, at, 0);
        return;
      case 'append-unknown':
        this.#appends.end(this.#end(event, this.#openAppends), Outcome.unknown, at, 0);
        return;
      case 'read-invoked':
        this.#begin(event.operation, this.#openReads, this.#reads.add(event, at));
        return;
      case 'read-page':
        this.#reads.addPage(this.#running(event, this.#openReads), event.records, at);
        return;
      case 'read-ok':
        this.#reads.outcome.set(this.#end(event, this.#openReads), Outcome.ok);
        return;
      case 'read-failed':
        this.#reads.outcome.set(this.#end(event, this.#openReads), Outcome.failed);
        return;
      case 'leader':
        this.#checkLeader(event);
        return;
      case 'term':
        this.#checkTerm(event);
    }
  }

  /** The log of one more node; its entries follow. */
  beginLog(node: string, firstIndex: number, commitIndex: number): void {
    this.#logs.push(new LogTable(node, firstIndex, commitIndex, this.#names));
  }

  /** The next entry of the log begun last. */
  addEntry(entry: FinalEntry): void {
    const log = this.#logs.at(-1);
    if (log === undefined) throw new HistoryError('an entry that belongs to no log');
    log.add(entry);
  }

  result(): CheckResult {
    const empty = new LogTable('nobody', 1, 0, this.#names);
    // The longest log; what the others hold must be the same as far as they go.
    const log = this.#logs.reduce(
      (longest, each) => (each.commitIndex > longest.commitIndex ? each : longest),
      empty,
    );
    for (const each of this.#logs) this.#checkLogsAgree(each, log);
    this.#checkStored(log);
    for (const each of this.#logs) this.#checkAcknowledged(each, each === log);
    this.#checkOrder(log);
    this.#checkProducers();
    for (let read = 0; read < this.#reads.count; read += 1) this.#checkRead(read, log);
    this.#checkFreshness();
    return this.#verdict.result(this.#appends, this.#reads, log);
  }

  #begin(operation: number, open: Map<number, Row>, row: Row): void {
    if (this.#openAppends.has(operation) || this.#openReads.has(operation)) {
      throw new HistoryError(`operation ${operation} begins while it runs`);
    }
    open.set(operation, row);
  }

  #running({ operation, type }: { operation: number; type: string }, open: Map<number, Row>): Row {
    const row = open.get(operation);
    if (row === undefined) throw new HistoryError(`${type} of operation ${operation}, which does not run`);
    return row;
  }

  #end(event: { operation: number; type: string }, open: Map<number, Row>): Row {
    const row = this.#running(event, open);
    open.delete(event.operation);
    return row;
  }

  #checkLeader({ node, term }: EventOf<'leader'>): void {
    const known = this.#leaders.get(term) ?? node;
    if (known !== node) {
      this.#verdict.violated('two-leaders', `term ${term} has two leaders`, [
        `${known} led it`,
        `${node} led it`,
      ]);
    }
    this.#leaders.set(term, known);
  }

  #checkTerm({ node, incarnation, term }: EventOf<'term'>): void {
    const key = `${node} (incarnation ${incarnation})`;
    const before = this.#terms.get(key) ?? 0;
    if (term < before) {
      this.#verdict.violated('term-went-back', `the term of ${key} went back`, [`${before}, then ${term}`]);
    }
    this.#terms.set(key, term);
  }

  /** Every log is the same as the longest, as far as it goes. */
  #checkLogsAgree(log: LogTable, longest: LogTable): void {
    const { node, commitIndex } = log;
    let previous = 0;
    let held = 0;
    for (let row = 0; row < log.count; row += 1) {
      const index = log.index.at(row);
      if (index <= previous || index > commitIndex) {
        this.#verdict.violated('logs-differ', `the log of ${node} is out of order`, [
          `entry ${index} behind ${previous}, committed up to ${commitIndex}`,
        ]);
      }
      previous = index;
      if (index < longest.firstIndex) continue;
      held += 1;
      if (log === longest) continue;
      const other = longest.find(index);
      if (other !== NO_ROW && isSameEntry(log, row, longest, other)) continue;
      this.#verdict.violated('logs-differ', `the logs of ${node} and ${longest.node} differ at ${index}`, [
        `${node}: ${log.tell(row)}`,
        `${longest.node}: ${other === NO_ROW ? 'no records' : longest.tell(other)}`,
      ]);
    }
    if (log === longest) return;
    const kept = longest.firstFrom(commitIndex + 1) - longest.firstFrom(log.firstIndex);
    if (held === kept) return;
    this.#verdict.violated('logs-differ', `the log of ${node} lacks entries it says it has`, [
      `up to its commit index ${commitIndex}: ${held} entries with records at ${node}, ${kept} at ${longest.node}`,
    ]);
  }

  /** What lies in the log was attempted, was not refused, lies there once and as a whole. */
  #checkStored(log: LogTable): void {
    const appends = this.#appends;
    const placeOf = new Float64Array(appends.count).fill(NO_ROW);
    for (let row = 0; row < log.count; row += 1) {
      const append = log.valueCount(row) === 0 ? NO_ROW : appends.ofValue(log.value(row, 0));
      const index = log.index.at(row);
      if (append === NO_ROW || !this.#holds(log, row, append)) {
        this.#verdict.violated('never-attempted', `entry ${index} holds what nobody appended`, [
          log.tell(row),
        ]);
        continue;
      }
      const first = placeOf[append] ?? NO_ROW;
      if (first !== NO_ROW) {
        this.#verdict.violated('stored-twice', `one append lies at ${log.index.at(first)} and at ${index}`, [
          appends.tell(append),
          log.tell(first),
          log.tell(row),
        ]);
      }
      placeOf[append] = row;
      if (appends.outcome.at(append) === Outcome.failed) {
        this.#verdict.violated('refused-but-stored', `entry ${index} was reported as not stored`, [
          appends.tell(append),
          log.tell(row),
        ]);
      }
    }
  }

  /** What was acknowledged is where it was said to be, at every node. */
  #checkAcknowledged(log: LogTable, isLongest: boolean): void {
    const appends = this.#appends;
    /** By entry: the append that was acknowledged there. */
    const acknowledged = new Float64Array(log.count).fill(NO_ROW);
    const elsewhere = new Map<number, Row>();
    for (let append = 0; append < appends.count; append += 1) {
      if (appends.outcome.at(append) !== Outcome.ok) continue;
      const index = appends.index.at(append);
      const row = log.find(index);
      const other = row === NO_ROW ? (elsewhere.get(index) ?? NO_ROW) : (acknowledged[row] ?? NO_ROW);
      if (other !== NO_ROW && isLongest) {
        this.#verdict.violated('two-values-at-one-index', `two appends were acknowledged at ${index}`, [
          appends.tell(other),
          appends.tell(append),
        ]);
      }
      if (row === NO_ROW) elsewhere.set(index, append);
      else acknowledged[row] = append;
      if (index < log.firstIndex || (row !== NO_ROW && this.#holds(log, row, append))) continue;
      this.#verdict.violated(
        'acknowledged-lost',
        `what was acknowledged at ${index} is not there at ${log.node}`,
        [
          appends.tell(append),
          row === NO_ROW ? `no records there; committed up to ${log.commitIndex}` : log.tell(row),
        ],
      );
    }
  }

  /**
   * What was known to be stored before an append began lies before it: known by an acknowledgement, or because somebody
   * read it. Where the append is of unknown outcome, the log tells its place.
   */
  #checkOrder(log: LogTable): void {
    const appends = this.#appends;
    const placeOf = new Float64Array(appends.count);
    for (let row = 0; row < log.count; row += 1) {
      const append = log.valueCount(row) === 0 ? NO_ROW : appends.ofValue(log.value(row, 0));
      if (append !== NO_ROW) placeOf[append] = log.index.at(row);
    }
    const known = new Known(appends, this.#reads);
    for (let append = 0; append < appends.count; append += 1) {
      known.advanceTo(appends.invokedAt.at(append));
      const place = appends.index.at(append) || (placeOf[append] ?? 0);
      if (place === 0 || known.index < place) continue;
      this.#verdict.violated(
        'real-time-order',
        'an append lies before what was known to be stored before it began',
        [known.tell(), appends.tell(append), `it lies at ${place}`],
      );
    }
  }

  /** What one producer sent lies in the order in which it sent it. */
  #checkProducers(): void {
    const appends = this.#appends;
    const last = new Map<number, Row>();
    for (let append = 0; append < appends.count; append += 1) {
      if (appends.outcome.at(append) !== Outcome.ok) continue;
      const producer = appends.producer.at(append);
      const before = last.get(producer);
      if (before !== undefined && appends.index.at(before) >= appends.index.at(append)) {
        const who = this.#names.textOf(producer);
        this.#verdict.violated('producer-order', `${who} sent them in the other order`, [
          appends.tell(before),
          appends.tell(append),
        ]);
      }
      last.set(producer, append);
    }
  }

  /** A read brings an unbroken run of the log, and nothing before it was appended. */
  #checkRead(read: Row, log: LogTable): void {
    const reads = this.#reads;
    let place = log.recordsFrom(log.firstFrom(reads.from.at(read)));
    let previous: Row = NO_ROW;
    for (let page = reads.firstPage(read); page !== NO_ROW; page = reads.nextPage(page)) {
      for (let record = reads.pageFrom(page); record < reads.pageTo(page); record += 1) {
        if (previous !== NO_ROW && !comesAfter(reads, record, previous)) {
          this.#verdict.violated('reader-went-back', `${reads.tell(read)} goes back`, [
            reads.tellRecord(previous),
            reads.tellRecord(record),
          ]);
          return;
        }
        // What is not kept any more can be compared with nothing.
        if (reads.index(record) < log.firstIndex) {
          previous = record;
          continue;
        }
        const row = log.find(reads.index(record));
        const ordinal = reads.ordinal(record);
        const isThere = row !== NO_ROW && ordinal < log.valueCount(row);
        const at = isThere ? log.recordsFrom(row) + ordinal : NO_ROW;
        if (!isThere || log.value(row, ordinal) !== reads.value(record)) {
          this.#tellForeign(read, record, at === NO_ROW ? null : log.tellRecord(at));
          return;
        }
        if (at !== place) {
          this.#verdict.violated('reader-skipped', `${reads.tell(read)} leaves records out`, [
            `before ${reads.tellRecord(record)}`,
            `first left out: ${log.tellRecord(Math.min(place, log.records - 1))}`,
          ]);
          return;
        }
        const append = this.#appends.ofValue(reads.value(record));
        if (append !== NO_ROW && this.#appends.invokedAt.at(append) > reads.pageAt.at(page)) {
          this.#verdict.violated(
            'read-too-early',
            `${reads.tell(read)} brings what was appended only later`,
            [
              `${reads.tellRecord(record)}, read at event ${reads.pageAt.at(page)}`,
              this.#appends.tell(append),
            ],
          );
          return;
        }
        place += 1;
        previous = record;
      }
    }
    // Batches are stored as a whole, so a reader that was told that this is all has all of the last one.
    if (previous === NO_ROW || reads.outcome.at(read) !== Outcome.ok) return;
    if (reads.index(previous) < log.firstIndex) return;
    const row = log.find(reads.index(previous));
    if (reads.ordinal(previous) + 1 === log.valueCount(row)) return;
    this.#verdict.violated('reader-skipped', `${reads.tell(read)} ends in the middle of a batch`, [
      `its last: ${reads.tellRecord(previous)}`,
      log.tell(row),
    ]);
  }

  #tellForeign(read: Row, record: Row, there: string | null): void {
    const { tellRecord, append } = {
      tellRecord: this.#reads.tellRecord(record),
      append: this.#appends.ofValue(this.#reads.value(record)),
    };
    const evidence = [
      `read: ${tellRecord}`,
      there === null ? `at the end there is no such record` : `at the end: ${there}`,
    ];
    const who = this.#reads.tell(read);
    if (append === NO_ROW) {
      this.#verdict.violated('never-attempted', `${who} brings what nobody appended`, evidence);
    } else {
      const message = `${who} brings what is not in the log`;
      this.#verdict.violated('two-values-at-one-index', message, [...evidence, this.#appends.tell(append)]);
    }
  }

  /** A linearizable read brings all that was known to be stored before it began. */
  #checkFreshness(): void {
    const reads = this.#reads;
    const known = new Known(this.#appends, reads);
    for (let read = 0; read < reads.count; read += 1) {
      known.advanceTo(reads.invokedAt.at(read));
      const isWhole = reads.isLinearizable.at(read) === 1 && reads.outcome.at(read) === Outcome.ok;
      if (!isWhole || known.index < reads.from.at(read)) continue;
      const last = reads.lastRecord(read);
      if (last !== NO_ROW && reads.index(last) >= known.index) continue;
      this.#verdict.violated('stale-read', `${reads.tell(read)} lacks what was known before it began`, [
        known.tell(),
        last === NO_ROW ? 'it brought nothing' : `it ended with ${reads.tellRecord(last)}`,
      ]);
    }
  }

  #holds(log: LogTable, row: Row, append: Row): boolean {
    const count = this.#appends.valueCount(append);
    if (log.valueCount(row) !== count) return false;
    for (let at = 0; at < count; at += 1) {
      if (log.value(row, at) !== this.#appends.value(append, at)) return false;
    }
    return true;
  }
}

/** The highest index that anybody knew to be stored at a moment, and how. */
class Known {
  readonly #appends: AppendTable;
  readonly #reads: ReadTable;
  #index = 0;
  #nextAcknowledged = 0;
  #nextPage = 0;
  #append: Row = NO_ROW;
  #page: Row = NO_ROW;

  constructor(appends: AppendTable, reads: ReadTable) {
    this.#appends = appends;
    this.#reads = reads;
  }

  get index(): number {
    return this.#index;
  }

  /** Takes in all that was told before this moment. Moments ascend. */
  advanceTo(at: number): void {
    const { acknowledged, endedAt, index } = this.#appends;
    for (; this.#nextAcknowledged < acknowledged.length; this.#nextAcknowledged += 1) {
      const append = acknowledged.at(this.#nextAcknowledged);
      if (endedAt.at(append) >= at) break;
      if (index.at(append) <= this.#index) continue;
      this.#index = index.at(append);
      this.#append = append;
      this.#page = NO_ROW;
    }
    const reads = this.#reads;
    for (; this.#nextPage < reads.pages && reads.pageAt.at(this.#nextPage) < at; this.#nextPage += 1) {
      const last = reads.index(reads.pageTo(this.#nextPage) - 1);
      if (last <= this.#index) continue;
      this.#index = last;
      this.#page = this.#nextPage;
      this.#append = NO_ROW;
    }
  }

  tell(): string {
    if (this.#page === NO_ROW) return this.#appends.tell(this.#append);
    const record = this.#reads.tellRecord(this.#reads.pageTo(this.#page) - 1);
    const read = this.#reads.tell(this.#reads.pageRead.at(this.#page));
    return `${read} brought ${record} at event ${this.#reads.pageAt.at(this.#page)}`;
  }
}

/** The same at once, for histories that are in memory anyway. @throws HistoryError */
export function checkHistory(events: readonly HistoryEvent[], logs: readonly FinalLog[]): CheckResult {
  const checker = new HistoryChecker();
  for (const event of events) checker.add(event);
  for (const { node, firstIndex, commitIndex, entries } of logs) {
    checker.beginLog(node, firstIndex, commitIndex);
    for (const entry of entries) checker.addEntry(entry);
  }
  return checker.result();
}

function isSameEntry(one: LogTable, row: Row, other: LogTable, otherRow: Row): boolean {
  const count = one.valueCount(row);
  if (one.term.at(row) !== other.term.at(otherRow) || other.valueCount(otherRow) !== count) return false;
  for (let at = 0; at < count; at += 1) {
    if (one.value(row, at) !== other.value(otherRow, at)) return false;
  }
  return true;
}

function comesAfter(reads: ReadTable, record: Row, previous: Row): boolean {
  const [index, before] = [reads.index(record), reads.index(previous)];
  return index > before || (index === before && reads.ordinal(record) > reads.ordinal(previous));
}
