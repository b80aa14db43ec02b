import { API_VERSION, envelopeOf, structured, writeOut, type OutputFormat } from './output.ts';
import { printableJson } from './printable.ts';

const WRITE_BYTES = 256 * 1024;
const LINE_FEED = Buffer.from('\n');

/** Forms of an answer that consists of many items, one after the other. */
export interface ItemForms<Item> {
  /** For `json` and `yaml`: what kind of answer it is, and what the items are called in its data. */
  readonly kind: string;
  readonly plural: string;
  object(item: Item): object;
  /** For people, without a line feed. */
  line(item: Item): string;
  /** For people: what stands above. */
  readonly head: string | null;
  /** Raw bytes, without a line feed. */
  readonly raw?: (item: Item) => Uint8Array;
}

/** Writes items as they come, however many there are: nothing is gathered but what goes out in one write. */
export class ItemWriter<Item> {
  readonly #format: OutputFormat;
  readonly #forms: ItemForms<Item>;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #count = 0;
  readonly #foot: string;
  readonly #write: (bytes: Uint8Array) => Promise<void>;

  /** @param write where it goes; default: stdout. */
  constructor(
    format: OutputFormat,
    forms: ItemForms<Item>,
    now: Date,
    write: (bytes: Uint8Array) => Promise<void> = writeOut,
  ) {
    this.#write = write;
    this.#format = format;
    this.#forms = forms;
    const [head, foot] = this.#frame(now);
    this.#foot = foot;
    if (head !== '') this.#push(Buffer.from(head));
  }

  /** Takes an item. @returns false when `flush` should come before the next. */
  add(item: Item): boolean {
    switch (this.#format) {
      case 'raw': {
        const { raw } = this.#forms;
        this.#push(raw === undefined ? Buffer.from(this.#forms.line(item)) : raw(item));
        this.#push(LINE_FEED);
        break;
      }
      case 'table':
      case 'wide':
        this.#push(Buffer.from(`${this.#forms.line(item)}\n`));
        break;
      case 'ndjson':
        this.#push(Buffer.from(`${this.#json(item)}\n`));
        break;
      case 'json':
        this.#push(Buffer.from(`${this.#count === 0 ? '' : ','}\n      ${this.#json(item)}`));
        break;
      case 'yaml':
        // A line of JSON is YAML.
        this.#push(Buffer.from(`\n    - ${this.#json(item)}`));
    }
    this.#count += 1;
    return this.#pendingBytes < WRITE_BYTES;
  }

  /** Resolves when what was taken so far has been written. */
  async flush(): Promise<void> {
    if (this.#pendingBytes === 0) return;
    const out = Buffer.concat(this.#pending, this.#pendingBytes);
    this.#pending = [];
    this.#pendingBytes = 0;
    await this.#write(out);
  }

  /** Writes the rest and what closes the whole. */
  async end(): Promise<void> {
    if (this.#format === 'yaml') this.#push(Buffer.from(this.#count === 0 ? ' []\n' : '\n'));
    else if (this.#foot !== '') this.#push(Buffer.from(this.#foot));
    await this.flush();
  }

  #json(item: Item): string {
    return printableJson(JSON.stringify(this.#forms.object(item)));
  }

  #push(bytes: Uint8Array): void {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
  }

  /** What stands before and after the items: the envelope, cut open where they go. */
  #frame(now: Date): readonly [string, string] {
    const { kind, plural, head } = this.#forms;
    switch (this.#format) {
      case 'table':
      case 'wide':
        return [head === null ? '' : `${head}\n`, ''];
      case 'raw':
      case 'ndjson':
        return ['', ''];
      case 'json': {
        const whole = structured(envelopeOf({ kind, data: { [plural]: [] } }, now), 'json');
        const cut = whole.indexOf(`"${plural}": []`) + plural.length + 5;
        return [whole.slice(0, cut), `\n    ${whole.slice(cut)}`];
      }
      case 'yaml':
        return [
          `apiVersion: ${API_VERSION}\nkind: ${kind}\nat: ${now.toISOString()}\nsources: []\nwarnings: []\ndata:\n  ${plural}:`,
          '',
        ];
    }
  }
}
