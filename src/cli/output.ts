import { Document, visit } from 'yaml';
import type { CliError } from './cli-error.ts';
import { hasHidden, printable, printableJson, printableYaml } from './printable.ts';

/** Every answer can be had in these forms. */
export const ANSWER_FORMATS = ['table', 'wide', 'json', 'ndjson', 'yaml'] as const;

/** `raw` is for payloads only. */
export type OutputFormat = (typeof ANSWER_FORMATS)[number] | 'raw';

/** Whom the data of an answer came from. */
export interface Source {
  readonly node: string;
  readonly ok: boolean;
  readonly error: string | null;
}

export const API_VERSION = 'dledger/v1';

/** The form of every structured answer. Unknown is null, never 0. */
export interface Envelope {
  readonly apiVersion: typeof API_VERSION;
  readonly kind: string;
  /** ISO 8601. */
  readonly at: string;
  readonly sources: readonly Source[];
  readonly data: unknown;
  readonly warnings: readonly string[];
}

export interface Answer {
  readonly kind: string;
  readonly data: unknown;
  readonly sources?: readonly Source[];
  readonly warnings?: readonly string[];
  /** For people; the first row is the head. */
  readonly table: (wide: boolean) => readonly (readonly string[])[];
  /** Lines above the table. */
  readonly headline?: readonly string[];
}

/** Writes to stdout, which is for data only. Resolves when it is taken; a reader that left ends the program quietly. */
export async function writeOut(text: string | Uint8Array): Promise<void> {
  if (process.stdout.write(text)) return;
  await new Promise<void>((resolve) => process.stdout.once('drain', resolve));
}

/** Writes to stderr, which is for talk. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

export async function writeAnswer(answer: Answer, format: OutputFormat, now: Date): Promise<void> {
  if (format === 'json' || format === 'ndjson' || format === 'yaml') {
    await writeOut(structured(envelopeOf(answer, now), format));
    return;
  }
  const lines = [...(answer.headline ?? []).map(printable), ...layOut(answer.table(format === 'wide'))];
  await writeOut(lines.map((line) => `${line}\n`).join(''));
  for (const warning of answer.warnings ?? []) say(`warning: ${printable(warning)}`);
}

export function envelopeOf(
  answer: Pick<Answer, 'kind' | 'data' | 'sources' | 'warnings'>,
  now: Date,
): Envelope {
  return {
    apiVersion: API_VERSION,
    kind: answer.kind,
    at: now.toISOString(),
    sources: answer.sources ?? [],
    data: answer.data,
    warnings: answer.warnings ?? [],
  };
}

/** With a line feed at the end. Nothing in it moves a terminal. */
export function structured(value: unknown, format: 'json' | 'ndjson' | 'yaml'): string {
  if (format !== 'yaml') return `${printableJson(JSON.stringify(value, null, format === 'json' ? 2 : 0))}\n`;
  const document = new Document(value);
  visit(document, {
    Scalar(_, node) {
      if (typeof node.value === 'string' && hasHidden(node.value)) node.type = 'QUOTE_DOUBLE';
    },
  });
  return printableYaml(document.toString({ lineWidth: 0 }));
}

/** Columns as wide as they need to be, numbers to the right. */
export function layOut(rows: readonly (readonly string[])[]): string[] {
  const shown = rows.map((row) => row.map(printable));
  const widths: number[] = [];
  for (const row of shown)
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  const isNumeric = widths.map((_, at) => shown.slice(1).every((row) => /^[\d,.?-]*$/.test(row[at] ?? '')));
  return shown.map((row) =>
    row
      .map((cell, at) =>
        isNumeric[at] === true ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
}

export function writeError(error: CliError, format: OutputFormat, now: Date): void {
  process.stderr.write(errorText(error, format, now));
}

/** With a line feed at the end. */
export function errorText(error: CliError, format: OutputFormat, now: Date): string {
  if (format === 'json' || format === 'ndjson' || format === 'yaml') {
    return structured(
      {
        apiVersion: API_VERSION,
        kind: 'Error',
        at: now.toISOString(),
        code: error.code,
        message: error.message,
        tried: error.tried,
        hint: error.next,
        retryable: error.retryable,
        outcome: error.outcome,
      },
      format,
    );
  }
  return [
    `error[${error.code}]: ${printable(error.message)}`,
    ...(error.tried.length === 0 ? [] : [`  tried: ${error.tried.map(printable).join(', ')}`]),
    ...(error.next === null ? [] : [`  next:  ${printable(error.next)}`]),
    '',
  ].join('\n');
}
