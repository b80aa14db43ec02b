import type { Client } from '../../client/index.ts';
import { CliError, asCliError } from '../cli-error.ts';
import { explain, withClient } from '../cluster-client.ts';
import { flag, type Call, type Command } from '../command.ts';
import { ExitCode } from '../exit-code.ts';
import { Interruption } from '../interruption.ts';
import { writeAnswer } from '../output.ts';
import { INPUT_FLAGS, INPUT_SOURCE, inputError, inputOf, storedBefore } from '../record-input.ts';
import { RecordSender } from '../record-sender.ts';

/** With --batch so many lines or bytes become one entry. */
const BATCH_RECORDS_MAX = 1000;
const BATCH_BYTES_MAX = 64 * 1024;
/** Batches read ahead of the cluster: enough to keep it busy, and little to be in doubt about. */
const QUEUE_MAX = 8192;
const PROGRESS_EVERY_MS = 500;

export const append: Command = {
  path: 'append',
  describe: 'append records to the log: one, or each line of a file or of stdin',
  isClient: true,
  positionals: [INPUT_SOURCE],
  flags: [
    ...INPUT_FLAGS,
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
  // Whoever asks twice does not want to wait for the answers to what is on its way.
  const interruption = new Interruption();
  const { signal } = interruption;
  signal.addEventListener('abort', () => records.stop());
  let cut: unknown = null;
  try {
    for await (const group of records.groups) {
      sender.send(group);
      await sender.room();
      if (sender.firstError !== null || signal.aborted) break;
    }
  } catch (error) {
    cut = signal.aborted ? null : error;
  }
  try {
    await sender.settled();
  } finally {
    interruption.release();
    if (progress !== undefined) {
      clearInterval(progress);
      process.stderr.write('\r\u001b[K');
    }
    producer.close();
    records.stop();
  }
  if (sender.firstError !== null) throw failure(sender, await explain(client, sender.firstError));
  if (cut !== null) throw inputError(cut, storedBefore(sender.acknowledged));
  if (signal.aborted) {
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
  const input = inputOf(call, 'append');
  const { chunks } = input;
  return { groups: flag(call, 'batch') ? inBatches(chunks) : oneByOne(chunks), stop: () => input.stop() };
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

function showProgress(sender: RecordSender): void {
  const underWay = sender.sent - sender.acknowledged;
  process.stderr.write(`\r\u001b[K${sender.acknowledged} acknowledged, ${underWay} on their way`);
}
