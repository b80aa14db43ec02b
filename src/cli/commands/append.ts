import fs from 'node:fs';
import type { DledgerError, Producer } from '../../client/index.ts';
import { LIMITS } from '../../wire/limits.ts';
import { CliError, asCliError, usageError } from '../cli-error.ts';
import { withClient } from '../cluster-client.ts';
import { flag, text, type Call, type Command } from '../command.ts';
import { ExitCode } from '../exit-code.ts';
import { splitLines } from '../lines.ts';
import { say, writeAnswer } from '../output.ts';

/** With --batch so many lines or bytes become one entry. */
const BATCH_RECORDS_MAX = 1000;
const BATCH_BYTES_MAX = 64 * 1024;
const PROGRESS_EVERY_MS = 500;

export const append: Command = {
  path: 'append',
  describe: 'append records to the log: one, or each line of a file or of stdin',
  isClient: true,
  positionals: [{ name: 'source', describe: '"-" reads records from stdin', isRequired: false }],
  flags: [
    { name: 'data', alias: 'd', type: 'string', describe: 'one record' },
    { name: 'file', alias: 'f', type: 'string', describe: 'file with a record on each line; "-" is stdin' },
    {
      name: 'batch',
      type: 'boolean',
      describe: 'put many lines into one entry: faster, and one index for many records',
      default: false,
    },
  ],
  examples: [
    ['$0 append -d hello', 'one record'],
    ['$0 append -f orders.ndjson', 'a record for each line'],
  ],
  run: async (call) => withClient(call, async (client) => runAppend(call, client.createProducer())),
};

interface Tally {
  /** Read from the source and handed to the producer. */
  sent: number;
  acknowledged: number;
  unknown: number;
  refused: number;
  firstIndex: number | null;
  lastIndex: number | null;
  firstError: DledgerError | null;
}

async function runAppend(call: Call, producer: Producer): Promise<number> {
  const tally: Tally = {
    sent: 0,
    acknowledged: 0,
    unknown: 0,
    refused: 0,
    firstIndex: null,
    lastIndex: null,
    firstError: null,
  };
  const progress = process.stderr.isTTY ? setInterval(() => showProgress(tally), PROGRESS_EVERY_MS) : null;
  let tooLong: { line: number; bytes: number } | null = null;
  try {
    for await (const records of source(call)) {
      if (tally.firstError !== null) break;
      const long = records.findIndex((record) => record.length > LIMITS.recordBytesMax);
      const good = long === -1 ? records : records.slice(0, long);
      if (good.length > 0) {
        send(producer, good, tally);
        if (!producer.isWritable) await writable(producer);
      }
      if (long !== -1) {
        tooLong = { line: tally.sent + 1, bytes: records[long]?.length ?? 0 };
        break;
      }
    }
    await settled(producer, tally);
  } finally {
    if (progress !== null) {
      clearInterval(progress);
      process.stderr.write('\r\u001b[K');
    }
    producer.close();
  }
  if (tally.firstError !== null) throw failure(tally, tally.firstError);
  if (tooLong !== null) throw tooLongError(tooLong, tally);
  await writeAnswer(
    {
      kind: 'Appended',
      data: {
        records: tally.acknowledged,
        firstIndex: tally.firstIndex,
        lastIndex: tally.lastIndex,
        retries: producer.resent,
      },
      table: () => [
        ['RECORDS', 'FIRST', 'LAST', 'RETRIES'],
        [
          String(tally.acknowledged),
          String(tally.firstIndex ?? '-'),
          String(tally.lastIndex ?? '-'),
          String(producer.resent),
        ],
      ],
    },
    call.format,
    call.now(),
  );
  return ExitCode.ok;
}

function send(producer: Producer, records: readonly Uint8Array[], tally: Tally): void {
  const count = records.length;
  tally.sent += count;
  producer.send(records, (error, index) => {
    if (error === null) {
      tally.acknowledged += count;
      tally.firstIndex = tally.firstIndex === null ? index : Math.min(tally.firstIndex, index);
      tally.lastIndex = tally.lastIndex === null ? index : Math.max(tally.lastIndex, index);
    } else {
      tally.firstError ??= error;
      if (error.outcome === 'unknown') tally.unknown += count;
      else tally.refused += count;
    }
    if (isSettled(tally)) wake(producer);
  });
}

const waiters = new Map<Producer, () => void>();

function wake(producer: Producer): void {
  const waiter = waiters.get(producer);
  waiters.delete(producer);
  waiter?.();
}

async function writable(producer: Producer): Promise<void> {
  await new Promise<void>((resolve) => {
    waiters.set(producer, resolve);
    producer.onWritable = () => wake(producer);
  });
}

/** Resolves when every record that was sent has an answer. */
async function settled(producer: Producer, tally: Tally): Promise<void> {
  while (!isSettled(tally)) {
    await new Promise<void>((resolve) => {
      waiters.set(producer, resolve);
    });
  }
}

function isSettled(tally: Tally): boolean {
  return tally.acknowledged + tally.unknown + tally.refused === tally.sent;
}

async function* source(call: Call): AsyncGenerator<Uint8Array[]> {
  const data = text(call, 'data');
  const file = sourceFile(call);
  if (data !== null && file !== null) throw usageError('give either -d or a file, not both');
  if (data !== null) {
    yield [new TextEncoder().encode(data)];
    return;
  }
  if (file === null) throw usageError('nothing to append', 'give -d DATA, -f FILE, or - for stdin');
  const chunks = file === '-' ? process.stdin : openFile(file);
  if (!flag(call, 'batch')) {
    for await (const lines of splitLines(chunks)) for (const line of lines) yield [line];
    return;
  }
  let batch: Uint8Array[] = [];
  let bytes = 0;
  for await (const lines of splitLines(chunks)) {
    for (const line of lines) {
      if (batch.length > 0 && (batch.length >= BATCH_RECORDS_MAX || bytes + line.length > BATCH_BYTES_MAX)) {
        yield batch;
        batch = [];
        bytes = 0;
      }
      batch.push(line);
      bytes += line.length;
    }
  }
  if (batch.length > 0) yield batch;
}

/** The file to read, "-" for stdin; null where none is named. The parser hands a lone dash on as an empty text. */
function sourceFile(call: Call): string | null {
  const file = text(call, 'file');
  if (file !== null) return file === '' ? '-' : file;
  const alone = call.positionals.get('source');
  if (alone === undefined) return null;
  if (alone === '' || alone === '-') return '-';
  throw usageError(`${JSON.stringify(alone)} is not understood`, 'give files with -f FILE; only "-" stands alone');
}

function openFile(file: string): AsyncIterable<Uint8Array> {
  try {
    return fs.createReadStream('', { fd: fs.openSync(file, 'r'), highWaterMark: 256 * 1024 });
  } catch (error) {
    throw usageError(`cannot read ${file}: ${(error as Error).message}`);
  }
}

/** Says to the record what is stored and what is not known. */
function failure(tally: Tally, error: DledgerError): CliError {
  const counts = [
    `${tally.acknowledged} of ${tally.sent} records sent were acknowledged`,
    ...(tally.unknown > 0 ? [`${tally.unknown} are unknown: they may be stored or not`] : []),
    ...(tally.refused > 0 ? [`${tally.refused} were not stored`] : []),
  ].join('; ');
  const shown = asCliError(error);
  return new CliError(
    error.code,
    tally.unknown > 0 ? ExitCode.unknown : (shown?.exitCode ?? ExitCode.internal),
    `${error.message} (${counts})`,
    {
      next:
        tally.unknown > 0
          ? `read the log from index ${(tally.lastIndex ?? 0) + 1} on to see which of them are there`
          : 'nothing after the acknowledged records was stored',
      outcome: tally.unknown > 0 ? 'unknown' : 'none',
      retryable: error.retryable,
      cause: error,
    },
  );
}

function tooLongError({ line, bytes }: { line: number; bytes: number }, tally: Tally): CliError {
  return new CliError(
    'RECORD_TOO_LARGE',
    ExitCode.usage,
    `record ${line} has ${bytes} bytes; the limit is ${LIMITS.recordBytesMax}`,
    { next: `the ${tally.acknowledged} records before it are stored; nothing after it was sent` },
  );
}

function showProgress(tally: Tally): void {
  process.stderr.write(
    `\r\u001b[K${tally.acknowledged} acknowledged, ${tally.sent - tally.acknowledged} on their way`,
  );
  if (tally.firstError !== null) say('');
}
