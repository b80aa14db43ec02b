import { Column, Interner } from './columns.ts';
import type { EventOf, FinalEntry, ReadRecord } from './history.ts';

/** A row of one of the tables. */
export type Row = number;

export const NO_ROW: Row = -1;

/** How an operation ended. */
export const Outcome = { open: 0, ok: 1, failed: 2, unknown: 3 } as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

/** All appends, in the order in which they were invoked. */
export class AppendTable {
  /** Moments are places in the history. */
  readonly invokedAt: Column = Column.numbers();
  readonly endedAt: Column = Column.numbers();
  readonly outcome: Column = Column.bytes();
  /** Where it was acknowledged; 0 if it was not. */
  readonly index: Column = Column.numbers();
  readonly producer: Column = Column.rows();
  readonly sequence: Column = Column.numbers();
  /** Rows of those that were acknowledged, in the order of that. */
  readonly acknowledged: Column = Column.rows();
  readonly #valuesFrom = Column.rows();
  /** Of all appends behind one another: numbers of the interned values. */
  readonly #values = Column.rows();
  /** By value: its append + 1, or 0. */
  readonly #appendOfValue = Column.rows();
  readonly #names: Interner;

  constructor(names: Interner) {
    this.#names = names;
  }

  get count(): number {
    return this.invokedAt.length;
  }

  /** @returns the row; or the value that was appended before, as no value may be twice. */
  add(event: EventOf<'append-invoked'>, at: number): Row | string {
    const row = this.count;
    for (const value of event.values) {
      const number = this.#names.intern(value);
      while (this.#appendOfValue.length <= number) this.#appendOfValue.push(0);
      if (this.#appendOfValue.at(number) !== 0) return value;
      this.#appendOfValue.set(number, row + 1);
    }
    this.invokedAt.push(at);
    this.endedAt.push(Infinity);
    this.outcome.push(Outcome.open);
    this.index.push(0);
    this.producer.push(this.#names.intern(event.producer));
    this.sequence.push(event.sequence);
    this.#valuesFrom.push(this.#values.length);
    for (const value of event.values) this.#values.push(this.#names.intern(value));
    return row;
  }

  end(row: Row, outcome: Outcome, at: number, index: number): void {
    this.outcome.set(row, outcome);
    this.endedAt.set(row, at);
    if (outcome !== Outcome.ok) return;
    this.index.set(row, index);
    this.acknowledged.push(row);
  }

  /** The append that a value came from, or NO_ROW. */
  ofValue(value: number): Row {
    return this.#appendOfValue.at(value) - 1;
  }

  valueCount(row: Row): number {
    const end = row + 1 < this.count ? this.#valuesFrom.at(row + 1) : this.#values.length;
    return end - this.#valuesFrom.at(row);
  }

  value(row: Row, ordinal: number): number {
    return this.#values.at(this.#valuesFrom.at(row) + ordinal);
  }

  tell(row: Row): string {
    const values = Array.from({ length: this.valueCount(row) }, (_, at) =>
      this.#names.textOf(this.value(row, at)),
    );
    const outcome = this.outcome.at(row);
    const name = Object.entries(Outcome).find(([, number]) => number === outcome)?.[0];
    const where = outcome === Outcome.ok ? ` at ${this.index.at(row)}` : '';
    const end = outcome === Outcome.open ? 'no answer' : `${name}${where}, event ${this.endedAt.at(row)}`;
    const producer = this.#names.textOf(this.producer.at(row));
    return `append ${this.sequence.at(row)} of ${producer} (${values.join(', ')}), event ${this.invokedAt.at(row)}: ${end}`;
  }
}

/** All reads, in the order in which they were invoked, and the pages that they brought, in the order of arrival. */
export class ReadTable {
  readonly invokedAt: Column = Column.numbers();
  readonly outcome: Column = Column.bytes();
  readonly from: Column = Column.numbers();
  readonly isLinearizable: Column = Column.bytes();
  readonly #reader = Column.rows();
  readonly #firstPage = Column.rows();
  readonly #lastPage = Column.rows();
  readonly pageAt: Column = Column.numbers();
  readonly pageRead: Column = Column.rows();
  /** + 1; 0 behind the last. */
  readonly #nextPage = Column.rows();
  readonly #pageFrom = Column.rows();
  readonly #index = Column.numbers();
  readonly #ordinal = Column.rows();
  readonly #value = Column.rows();
  readonly #names: Interner;

  constructor(names: Interner) {
    this.#names = names;
  }

  get count(): number {
    return this.invokedAt.length;
  }

  get pages(): number {
    return this.pageAt.length;
  }

  get records(): number {
    return this.#index.length;
  }

  add({ reader, from, consistency }: EventOf<'read-invoked'>, at: number): Row {
    this.invokedAt.push(at);
    this.outcome.push(Outcome.open);
    this.from.push(from);
    this.isLinearizable.push(consistency === 'linearizable' ? 1 : 0);
    this.#reader.push(this.#names.intern(reader));
    this.#firstPage.push(0);
    this.#lastPage.push(0);
    return this.count - 1;
  }

  addPage(row: Row, records: readonly ReadRecord[], at: number): void {
    if (records.length === 0) return;
    const page = this.pages + 1;
    if (this.#firstPage.at(row) === 0) this.#firstPage.set(row, page);
    else this.#nextPage.set(this.#lastPage.at(row) - 1, page);
    this.#lastPage.set(row, page);
    this.pageAt.push(at);
    this.pageRead.push(row);
    this.#nextPage.push(0);
    this.#pageFrom.push(this.records);
    for (const { index, ordinal, value } of records) {
      this.#index.push(index);
      this.#ordinal.push(ordinal);
      this.#value.push(this.#names.intern(value));
    }
  }

  /** The pages of a read: from the first on with `nextPage`, until NO_ROW. */
  firstPage(row: Row): Row {
    return this.#firstPage.at(row) - 1;
  }

  nextPage(page: Row): Row {
    return this.#nextPage.at(page) - 1;
  }

  /** Records are numbered through; those of a page follow one another. */
  pageFrom(page: Row): Row {
    return this.#pageFrom.at(page);
  }

  pageTo(page: Row): Row {
    return page + 1 < this.pages ? this.#pageFrom.at(page + 1) : this.records;
  }

  index(record: Row): number {
    return this.#index.at(record);
  }

  ordinal(record: Row): number {
    return this.#ordinal.at(record);
  }

  value(record: Row): number {
    return this.#value.at(record);
  }

  /** The last record that a read brought, or NO_ROW. */
  lastRecord(row: Row): Row {
    const page = this.#lastPage.at(row) - 1;
    return page < 0 ? NO_ROW : this.pageTo(page) - 1;
  }

  tell(row: Row): string {
    const consistency = this.isLinearizable.at(row) === 1 ? 'linearizable' : 'committed';
    const reader = this.#names.textOf(this.#reader.at(row));
    return `the ${consistency} read of ${reader} from ${this.from.at(row)} (event ${this.invokedAt.at(row)})`;
  }

  tellRecord(record: Row): string {
    return tellRecord(this.index(record), this.ordinal(record), this.#names.textOf(this.value(record)));
  }
}

/** The log of one node that lives at the end. */
export class LogTable {
  readonly node: string;
  readonly firstIndex: number;
  readonly commitIndex: number;
  readonly index: Column = Column.numbers();
  readonly term: Column = Column.numbers();
  readonly #valuesFrom = Column.rows();
  readonly #values = Column.rows();
  readonly #names: Interner;
  /** Where indexes do not ascend, which is a violation by itself: places by index. */
  #places: Map<number, Row> | null = null;
  /** Found last: most of what is looked for lies there, or behind it. */
  #near: Row = 0;

  constructor(node: string, firstIndex: number, commitIndex: number, names: Interner) {
    this.node = node;
    this.firstIndex = firstIndex;
    this.commitIndex = commitIndex;
    this.#names = names;
  }

  get count(): number {
    return this.index.length;
  }

  /** Records of all entries. */
  get records(): number {
    return this.#values.length;
  }

  add({ index, term, values }: FinalEntry): void {
    const row = this.count;
    if (this.#places === null && row > 0 && index <= this.index.at(row - 1)) {
      this.#places = new Map(Array.from({ length: row }, (_, at) => [this.index.at(at), at]));
    }
    this.#places?.set(index, row);
    this.index.push(index);
    this.term.push(term);
    this.#valuesFrom.push(this.#values.length);
    for (const value of values) this.#values.push(this.#names.intern(value));
  }

  /** The row of the entry at an index, or NO_ROW. */
  find(index: number): Row {
    if (this.#places !== null) return this.#places.get(index) ?? NO_ROW;
    const { count } = this;
    const near = this.#near;
    if (near < count && this.index.at(near) === index) return near;
    const isNext = near + 1 < count && this.index.at(near + 1) === index;
    const row = isNext ? near + 1 : this.firstFrom(index);
    if (row === count || this.index.at(row) !== index) return NO_ROW;
    this.#near = row;
    return row;
  }

  /** The first entry at or behind an index. */
  firstFrom(index: number): Row {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.index.at(middle) < index) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Where the records of an entry begin; `records` behind the last one. */
  recordsFrom(row: Row): Row {
    return row < this.count ? this.#valuesFrom.at(row) : this.records;
  }

  valueCount(row: Row): number {
    return this.recordsFrom(row + 1) - this.recordsFrom(row);
  }

  value(row: Row, ordinal: number): number {
    return this.#values.at(this.#valuesFrom.at(row) + ordinal);
  }

  /** A record by its number among all. */
  tellRecord(record: Row): string {
    let row = 0;
    let high = this.count;
    while (row + 1 < high) {
      const middle = (row + high) >>> 1;
      if (this.recordsFrom(middle) <= record) row = middle;
      else high = middle;
    }
    const value = this.#names.textOf(this.#values.at(record));
    return tellRecord(this.index.at(row), record - this.recordsFrom(row), value);
  }

  tell(row: Row): string {
    const values = Array.from({ length: this.valueCount(row) }, (_, at) =>
      this.#names.textOf(this.value(row, at)),
    );
    return `entry ${this.index.at(row)} of term ${this.term.at(row)}: ${values.join(', ')}`;
  }
}

function tellRecord(index: number, ordinal: number, value: string): string {
  return `record ${ordinal} of entry ${index}: ${value}`;
}
