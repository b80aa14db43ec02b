import fs from 'node:fs';
import type { Readable } from 'node:stream';
import { DledgerError } from '../client/index.ts';
import { LIMITS } from '../wire/limits.ts';
import { CliError, usageError } from './cli-error.ts';
import { text, type Call, type Flag, type Positional } from './command.ts';
import { ExitCode } from './exit-code.ts';
import { LineTooLongError, splitLines } from './lines.ts';

/** Records that a command was given: one, or the lines of a file or of stdin. */
export interface RecordInput {
  /** As they come in: some at a time. */
  readonly chunks: AsyncIterable<Uint8Array[]>;
  /** Ends the reading, whatever it waits for. */
  stop(): void;
}

export const INPUT_FLAGS: readonly Flag[] = [
  { name: 'data', alias: 'd', type: 'string', describe: 'one record, as it is' },
  { name: 'file', alias: 'f', type: 'string', describe: 'file with a record on each line; "-" is stdin' },
];

export const INPUT_SOURCE: Positional = {
  name: 'source',
  describe: '"-" reads records from stdin',
  isRequired: false,
};

const READ_BYTES = 256 * 1024;

/**
 * @param verb for messages: append, produce.
 * @throws CliError where it is not clear what is meant, or it cannot be read.
 */
export function inputOf(call: Call, verb: string): RecordInput {
  const data = text(call, 'data');
  const file = sourceFile(call);
  if (data !== null && file !== null) throw usageError('give either -d or a file, not both');
  if (data !== null) {
    const bytes = new TextEncoder().encode(data);
    if (bytes.length > LIMITS.recordBytesMax) {
      throw tooLarge(`the record has ${bytes.length} bytes`, 'nothing was sent');
    }
    return { chunks: one([bytes]), stop: () => undefined };
  }
  if (file === null) throw usageError(`nothing to ${verb}`, 'give -d DATA, -f FILE, or - for stdin');
  const input = file === '-' ? process.stdin : openFile(file);
  return { chunks: splitLines(input, LIMITS.recordBytesMax), stop: () => input.destroy() };
}

/** The input could not be read to its end. @param before what became of the records before. */
export function inputError(error: unknown, before: string): unknown {
  if (error instanceof LineTooLongError) {
    return tooLarge(
      `record ${error.line} has ${error.isWhole ? '' : 'at least '}${error.bytes} bytes`,
      `${before}; nothing after it was sent`,
    );
  }
  if (error instanceof DledgerError || !(error instanceof Error && 'code' in error)) return error;
  return unreadable('the input', error, before);
}

export function storedBefore(acknowledged: number): string {
  if (acknowledged === 0) return 'nothing was stored';
  return acknowledged === 1 ? 'the record before is stored' : `the ${acknowledged} records before are stored`;
}

/** The file to read, "-" for stdin; null where none is named. The parser hands a lone dash on as an empty text. */
function sourceFile(call: Call): string | null {
  const file = text(call, 'file');
  if (file !== null) return file === '' ? '-' : file;
  const alone = call.positionals.get('source');
  if (alone === undefined) return null;
  if (alone === '' || alone === '-') return '-';
  throw usageError(
    `${JSON.stringify(alone)} is not understood`,
    `give files with -f FILE and records with -d DATA; only "-" stands alone`,
  );
}

function openFile(file: string): Readable {
  try {
    return fs.createReadStream('', { fd: fs.openSync(file, 'r'), highWaterMark: READ_BYTES });
  } catch (error) {
    throw unreadable(file, error);
  }
}

async function* one(group: Uint8Array[]): AsyncGenerator<Uint8Array[]> {
  yield group;
}

function tooLarge(what: string, next: string): CliError {
  return new CliError('RECORD_TOO_LARGE', ExitCode.usage, `${what}; the limit is ${LIMITS.recordBytesMax}`, {
    next,
  });
}

function unreadable(what: string, error: unknown, next?: string): CliError {
  return usageError(`cannot read ${what}: ${(error as Error).message}`, next);
}
