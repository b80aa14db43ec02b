import fs from 'node:fs';
import type { Readable } from 'node:stream';
import { DledgerError, type Client } from '../../client/index.ts';
import { LIMITS } from '../../wire/limits.ts';
import { CliError, asCliError, usageError } from '../cli-error.ts';
import { explain, withClient } from '../cluster-client.ts';
import { flag, text, type Call, type Command } from '../command.ts';
import { ExitCode } from '../exit-code.ts';
import { LineTooLongError, splitLines } from '../lines.ts';
import { writeAnswer } from '../output.ts';
import { RecordSender } from '../record-sender.ts';

/** With --batch so many lines or bytes become one entry. */
const BATCH_RECORDS_MAX = 1000;
const BATCH_BYTES_MAX = 64 * 1024;
const READ_BYTES = 256 * 1024;
/** Batches read ahead of the cluster: enough to keep it busy, and little to be in doubt about. */
const QUEUE_MAX = 8192;
const PROGRESS_EVERY_MS = 500;

export const append: Command = {
  path: 'append',
  describe: 'append records to the log: one, or each line of a file or of stdin',
  isClient: true,
  positionals: [{ name: 'source', describe: '"-" reads records from stdin', isRequired: false }],
  flags: [
    { name: 'data', alias: 'd', type: 'string', describe: 'one record, as it is' },
    { name: 'file', alias: 'f', type: 'string', describe: 'file with a record on each line; "-" is stdin' },
    {
      name: 'batch',
      type: 'boolean',
      describe: `put up to ${BATCH_RECORDS_MAX} lines into one entry: faster, and one index for many records`,
      default: false,
    },
  ],
  examples: [
    ['$0 append -d hello', 'one record'],
    ['$0 append -f orders.ndjson', 'a record for each line'],
    ['tail -f app.log | $0 append -', 'what another program writes'],
  ],
  run: async (call) => {
    const records = recordsOf(call);
    return withClient(call, async (client) => appendAll(call, client, records));
  },
};

/** Records in groups: each becomes one entry. */
interface Records {
  readonly groups: AsyncIterable<Uint8Array[]>;
  /** Ends the reading, whatever it waits for. */
  stop(): void;
}

async function appendAll(call: Call, client: Client, records: Records): Promise<number> {
  const producer = client.createProducer({ queueMax: QUEUE_MAX });
  const sender = new RecordSender(producer);
  const progress = process.stderr.isTTY
    ? setInterval(() => showProgress(sender), PROGRESS_EVERY_MS)
    : undefined;
  let interrupted = false;
  const interrupt = (): void => {
    interrupted = true;
    records.stop();
  };
  // Once: whoever asks twice does not want to wait for the answers to what is on its way.
  process.once('SIGINT', interrupt);
  let cut: unknown = null;
  try {
    for await (const group of records.groups) {
      sender.send(group);
      await sender.room();
      if (sender.firstError !== null || interrupted) break;
    }
  } catch (error) {
    cut = interrupted ? null : error;
  }
  try {
    await sender.settled();
  } finally {
    process.off('SIGINT', interrupt);
    if (progress !== undefined) {
      clearInterval(progress);
      process.stderr.write('\r\u001b[K');
    }
    producer.close();
    records.stop();
  }
  if (sender.firstError !== null) throw failure(sender, await explain(client, sender.firstError));
  if (cut !== null) throw endOfInput(sender, cut);
  if (interrupted) {
    throw new CliError('INTERRUPTED', ExitCode.interrupted, `interrupted: ${stored(sender)}`);
  }
  await writeAnswer(
    {
      kind: 'Appended',
      data: {
        records: sender.acknowledged,
        firstIndex: sender.firstIndex,
        lastIndex: sender.lastIndex,
        retries: producer.resent,
      },
      table: () => [
        ['RECORDS', 'FIRST', 'LAST', 'RETRIES'],
        [
          String(sender.acknowledged),
          String(sender.firstIndex ?? '-'),
          String(sender.lastIndex ?? '-'),
          String(producer.resent),
        ],
      ],
    },
    call.format,
    call.now(),
  );
  return ExitCode.ok;
}

/** @throws CliError where it is not clear what is to be appended, or it cannot be read. */
function recordsOf(call: Call): Records {
  const data = text(call, 'data');
  const file = sourceFile(call);
  if (data !== null && file !== null) throw usageError('give either -d or a file, not both');
  if (data !== null) {
    const bytes = new TextEncoder().encode(data);
    if (bytes.length > LIMITS.recordBytesMax) {
      throw tooLarge(`the record has ${bytes.length} bytes`, 'nothing was sent');
    }
    return { groups: one([bytes]), stop: () => undefined };
  }
  if (file === null) throw usageError('nothing to append', 'give -d DATA, -f FILE, or - for stdin');
  const input = file === '-' ? process.stdin : openFile(file);
  const lines = splitLines(input, LIMITS.recordBytesMax);
  return {
    groups: flag(call, 'batch') ? inBatches(lines) : oneByOne(lines),
    stop: () => input.destroy(),
  };
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

async function* oneByOne(lines: AsyncIterable<Uint8Array[]>): AsyncGenerator<Uint8Array[]> {
  for await (const some of lines) for (const line of some) yield [line];
}

async function* inBatches(lines: AsyncIterable<Uint8Array[]>): AsyncGenerator<Uint8Array[]> {
  for await (const some of lines) {
    let batch: Uint8Array[] = [];
    let bytes = 0;
    for (const line of some) {
      if (batch.length > 0 && (batch.length >= BATCH_RECORDS_MAX || bytes + line.length > BATCH_BYTES_MAX)) {
        yield batch;
        batch = [];
        bytes = 0;
      }
      batch.push(line);
      bytes += line.length;
    }
    // What has arrived is sent: it does not wait for what may come much later.
    if (batch.length > 0) yield batch;
  }
}

/** Says to the record what is stored and what is not known. */
function failure(sender: RecordSender, error: unknown): unknown {
  const shown = asCliError(error);
  if (shown === null) return error;
  const isUnknown = sender.unknown > 0;
  return new CliError(
    shown.code,
    isUnknown ? ExitCode.unknown : shown.exitCode,
    `${shown.message}; ${stored(sender)}`,
    {
      tried: shown.tried,
      next: isUnknown
        ? `read the log from index ${(sender.lastIndex ?? 0) + 1} on to see which of the unknown ones are there`
        : (shown.next ?? 'append what was not stored again'),
      outcome: isUnknown ? 'unknown' : 'none',
      retryable: !isUnknown && shown.retryable,
      cause: error,
    },
  );
}

function stored(sender: RecordSender): string {
  const { acknowledged, sent, unknown, refused, lastIndex } = sender;
  return [
    `${acknowledged} of ${sent} records were acknowledged${lastIndex === null ? '' : `, up to index ${lastIndex}`}`,
    ...(unknown > 0 ? [`${unknown} are unknown: they may be stored or not`] : []),
    ...(refused > 0 ? [`${refused} were not stored`] : []),
  ].join('; ');
}

/** The input could not be read to its end; what came before is stored. */
function endOfInput(sender: RecordSender, error: unknown): unknown {
  if (error instanceof LineTooLongError) {
    return tooLarge(
      `record ${error.line} has ${error.isWhole ? '' : 'at least '}${error.bytes} bytes`,
      `${storedBefore(sender)}; nothing after it was sent`,
    );
  }
  if (error instanceof DledgerError || !(error instanceof Error && 'code' in error)) return error;
  return unreadable('the input', error, storedBefore(sender));
}

function storedBefore({ acknowledged }: RecordSender): string {
  if (acknowledged === 0) return 'nothing was stored';
  return acknowledged === 1 ? 'the record before is stored' : `the ${acknowledged} records before are stored`;
}

function tooLarge(what: string, next: string): CliError {
  return new CliError('RECORD_TOO_LARGE', ExitCode.usage, `${what}; the limit is ${LIMITS.recordBytesMax}`, {
    next,
  });
}

function unreadable(what: string, error: unknown, next?: string): CliError {
  return usageError(`cannot read ${what}: ${(error as Error).message}`, next);
}

function showProgress(sender: RecordSender): void {
  const underWay = sender.sent - sender.acknowledged;
  process.stderr.write(`\r\u001b[K${sender.acknowledged} acknowledged, ${underWay} on their way`);
}
