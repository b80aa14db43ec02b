import { stringify } from 'yaml';
import type { CliError } from './cli-error.ts';
import { printable } from './printable.ts';

export type OutputFormat = 'table' | 'wide' | 'json' | 'ndjson' | 'yaml' | 'raw';

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
  const envelope: Envelope = {
    apiVersion: API_VERSION,
    kind: answer.kind,
    at: now.toISOString(),
    sources: answer.sources ?? [],
    data: answer.data,
    warnings: answer.warnings ?? [],
  };
  switch (format) {
    case 'json':
      await writeOut(`${JSON.stringify(envelope, null, 2)}\n`);
      return;
    case 'ndjson':
      await writeOut(`${JSON.stringify(envelope)}\n`);
      return;
    case 'yaml':
      await writeOut(stringify(envelope));
      return;
    case 'table':
    case 'wide':
    case 'raw': {
      const lines = [...(answer.headline ?? []), ...layOut(answer.table(format === 'wide'))];
      await writeOut(lines.map((line) => `${line}\n`).join(''));
      for (const warning of answer.warnings ?? []) say(`warning: ${printable(warning)}`);
    }
  }
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
  if (format === 'json' || format === 'ndjson' || format === 'yaml') {
    const envelope = {
      apiVersion: API_VERSION,
      kind: 'Error',
      at: now.toISOString(),
      code: error.code,
      message: error.message,
      hint: error.next,
      retryable: error.retryable,
      outcome: error.outcome,
    };
    say(
      format === 'yaml'
        ? stringify(envelope).trimEnd()
        : JSON.stringify(envelope, null, format === 'json' ? 2 : 0),
    );
    return;
  }
  say(`error[${error.code}]: ${printable(error.message)}`);
  if (error.next !== null) say(`  next: ${printable(error.next)}`);
}
