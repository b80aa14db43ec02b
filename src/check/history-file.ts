import type { HistoryChecker } from './checker.ts';
import { HistoryError, type FinalEntry, type HistoryEvent } from './history.ts';

/** The first line of a history. docs/history.md describes the format. */
export interface HistoryHeader {
  readonly type: 'history';
  readonly version: 1;
  /** Who recorded it, for people. */
  readonly recordedBy: string;
}

/** A line that is not what the format wants there, or contradicts the lines before. */
export class HistoryFormatError extends Error {
  override readonly name = 'HistoryFormatError';
  readonly code = 'HISTORY_FORMAT';
  /** From 1. */
  readonly line: number;

  constructor(line: number, what: string) {
    super(`line ${line}: ${what}`);
    this.line = line;
  }
}

export const HISTORY_VERSION = 1;

/** Turns what was seen into lines, one call after the other; `write` gets whole lines with their line feed. */
export class HistoryWriter {
  readonly #write: (text: string) => void;
  #events = 0;

  constructor(recordedBy: string, write: (text: string) => void) {
    this.#write = write;
    this.#line({ type: 'history', version: HISTORY_VERSION, recordedBy } satisfies HistoryHeader);
  }

  event(event: HistoryEvent): void {
    this.#events += 1;
    this.#line(event);
  }

  /** The log of a node, as it was found at the end; its entries follow. */
  beginLog(node: string, firstIndex: number, commitIndex: number): void {
    this.#line({ type: 'log', node, firstIndex, commitIndex });
  }

  entry({ index, term, values }: FinalEntry): void {
    this.#line({ type: 'entry', index, term, values });
  }

  /** A history without this line was cut off. */
  end(): void {
    this.#line({ type: 'end', events: this.#events });
  }

  #line(value: object): void {
    this.#write(`${JSON.stringify(value)}\n`);
  }
}

/**
 * Reads a history from text that comes in pieces, into a checker. Holds no more than a piece and a line.
 * @throws HistoryFormatError from `push` and `end`.
 */
export class HistoryReader {
  readonly #checker: HistoryChecker;
  #rest = '';
  #line = 0;
  #events = 0;
  #header: HistoryHeader | null = null;
  #hasLogs = false;
  #isEnded = false;

  constructor(checker: HistoryChecker) {
    this.#checker = checker;
  }

  /** Null before the first line. */
  get header(): HistoryHeader | null {
    return this.#header;
  }

  get events(): number {
    return this.#events;
  }

  push(text: string): void {
    let from = 0;
    for (let to = text.indexOf('\n'); to >= 0; to = text.indexOf('\n', from)) {
      this.#take(this.#rest + text.slice(from, to));
      this.#rest = '';
      from = to + 1;
    }
    this.#rest += text.slice(from);
  }

  /** The text is at its end. */
  end(): void {
    if (this.#rest !== '') {
      this.#line += 1;
      this.#refuse('the file ends in the middle of this line');
    }
    if (!this.#isEnded) this.#refuse('the file ends without an "end" line: it was cut off');
  }

  #take(line: string): void {
    this.#line += 1;
    if (this.#isEnded) this.#refuse('there is more behind the "end" line');
    const fields = this.#parse(line);
    if (this.#header === null) {
      this.#header = this.#headerOf(fields);
      return;
    }
    try {
      this.#add(fields);
    } catch (error) {
      if (error instanceof HistoryError) this.#refuse(error.message);
      throw error;
    }
  }

  #parse(line: string): Fields {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (error) {
      this.#refuse(`no JSON: ${error instanceof Error ? error.message : String(error)}`);
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) this.#refuse('no JSON object');
    return value as Fields;
  }

  #headerOf({ type, version, recordedBy }: Fields): HistoryHeader {
    if (type !== 'history') this.#refuse('a history begins with a line of type "history"');
    if (version !== HISTORY_VERSION) {
      this.#refuse(`version ${JSON.stringify(version)}, this program reads version ${HISTORY_VERSION}`);
    }
    return {
      type: 'history',
      version: HISTORY_VERSION,
      recordedBy: typeof recordedBy === 'string' ? recordedBy : '',
    };
  }

  #add(fields: Fields): void {
    switch (fields.type) {
      case 'log':
        this.#hasLogs = true;
        this.#checker.beginLog(
          this.#text(fields, 'node'),
          this.#number(fields, 'firstIndex'),
          this.#number(fields, 'commitIndex'),
        );
        return;
      case 'entry':
        this.#checker.addEntry({
          index: this.#number(fields, 'index'),
          term: this.#number(fields, 'term'),
          values: this.#values(fields),
        });
        return;
      case 'end':
        if (this.#number(fields, 'events') !== this.#events) {
          this.#refuse(`it speaks of ${String(fields['events'])} events, the file holds ${this.#events}`);
        }
        this.#isEnded = true;
        return;
      default:
        if (this.#hasLogs) this.#refuse('an event behind a log: the logs come last');
        this.#checker.add(this.#eventOf(fields));
        this.#events += 1;
    }
  }

  /** Fields that the format does not know are let be: a recorder may note more than the checker wants. */
  #eventOf(fields: Fields): HistoryEvent {
    const { type } = fields;
    switch (type) {
      case 'append-invoked':
        this.#number(fields, 'operation');
        this.#text(fields, 'producer');
        this.#number(fields, 'sequence');
        this.#values(fields);
        break;
      case 'append-ok':
        this.#number(fields, 'operation');
        this.#number(fields, 'index');
        this.#number(fields, 'term');
        break;
      case 'append-failed':
      case 'append-unknown':
      case 'read-ok':
      case 'read-failed':
        this.#number(fields, 'operation');
        break;
      case 'read-invoked':
        this.#number(fields, 'operation');
        this.#text(fields, 'reader');
        this.#number(fields, 'from');
        if (fields['consistency'] !== 'linearizable' && fields['consistency'] !== 'committed') {
          this.#refuse('"consistency" must be "linearizable" or "committed"');
        }
        break;
      case 'read-page':
        this.#number(fields, 'operation');
        this.#records(fields);
        break;
      case 'leader':
        this.#text(fields, 'node');
        this.#number(fields, 'term');
        break;
      case 'term':
        this.#text(fields, 'node');
        this.#number(fields, 'incarnation');
        this.#number(fields, 'term');
        break;
      default:
        this.#refuse(`type ${JSON.stringify(type)} is not known`);
    }
    return fields as unknown as HistoryEvent;
  }

  #number(fields: Fields, key: string): number {
    const value = fields[key];
    if (!Number.isSafeInteger(value) || (value as number) < 0) {
      this.#refuse(`"${key}" must be a whole number, 0 or above`);
    }
    return value as number;
  }

  #text(fields: Fields, key: string): string {
    const value = fields[key];
    if (typeof value !== 'string') this.#refuse(`"${key}" must be a text`);
    return value;
  }

  #values(fields: Fields): string[] {
    const { values } = fields;
    if (!Array.isArray(values) || !values.every((value) => typeof value === 'string')) {
      this.#refuse('"values" must be a list of texts');
    }
    return values;
  }

  #records(fields: Fields): void {
    const { records } = fields;
    if (!Array.isArray(records)) this.#refuse('"records" must be a list');
    for (const record of records as unknown[]) {
      if (typeof record !== 'object' || record === null) this.#refuse('a record must be an object');
      this.#number(record as Fields, 'index');
      this.#number(record as Fields, 'ordinal');
      this.#text(record as Fields, 'value');
    }
  }

  #refuse(what: string): never {
    throw new HistoryFormatError(this.#line, what);
  }
}

type Fields = Readonly<Record<string, unknown>>;
