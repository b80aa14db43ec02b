import type { LogRecord } from '../../client/index.ts';
import { CliError, usageError } from '../cli-error.ts';
import { withClient } from '../cluster-client.ts';
import { flag, number, type Call, type Command } from '../command.ts';
import { ExitCode } from '../exit-code.ts';
import { API_VERSION, writeOut, type OutputFormat } from '../output.ts';
import { printable } from '../printable.ts';

const LINE_FEED = 10;
const WRITE_BYTES = 256 * 1024;

export const read: Command = {
  path: 'read',
  describe: 'print records of the log, in order, each once',
  isClient: true,
  flags: [
    { name: 'from', type: 'number', describe: 'first index', default: 1 },
    { name: 'count', type: 'number', describe: 'records at most' },
    {
      name: 'follow',
      alias: 'F',
      type: 'boolean',
      describe: 'go on with what comes, until interrupted',
      default: false,
    },
  ],
  examples: [
    ['$0 read', 'everything, payloads only when piped'],
    ['$0 read --follow -o ndjson', 'one JSON object for each record, as they come'],
  ],
  run: async (call) =>
    withClient(call, async (client) => {
      const from = index(call, 'from') ?? 1;
      const count = index(call, 'count');
      const format = formatOf(call);
      const stopped = new AbortController();
      if (flag(call, 'follow')) process.once('SIGINT', () => stopped.abort());
      const records = flag(call, 'follow')
        ? client.tail({ from, signal: stopped.signal })
        : client.read({ from, ...(count === null ? {} : { count }) });
      await print(records, format, count ?? Number.POSITIVE_INFINITY, flag(call, 'follow'), call);
      return ExitCode.ok;
    }),
};

/** Raw when piped, a table for eyes. */
function formatOf(call: Call): OutputFormat {
  if (call.isFormatChosen) return call.format;
  return process.stdout.isTTY ? 'table' : 'raw';
}

async function print(
  records: AsyncIterable<LogRecord>,
  format: OutputFormat,
  count: number,
  isFollowing: boolean,
  call: Call,
): Promise<void> {
  const collected: object[] = [];
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  let printed = 0;
  const flush = async (): Promise<void> => {
    if (pending.length === 0) return;
    const out = Buffer.concat(pending);
    pending = [];
    pendingBytes = 0;
    await writeOut(out);
  };
  if (format === 'table' || format === 'wide') await writeOut('     INDEX  TERM  TIME          DATA\n');
  try {
    for await (const record of records) {
      if (format === 'json' || format === 'yaml') collected.push(asObject(record));
      else {
        const line = lineOf(record, format);
        pending.push(line);
        pendingBytes += line.length;
        if (pendingBytes >= WRITE_BYTES || isFollowing) await flush();
      }
      printed += 1;
      if (printed >= count) break;
    }
  } finally {
    await flush();
  }
  if (format === 'json' || format === 'yaml') {
    const envelope = {
      apiVersion: API_VERSION,
      kind: 'Records',
      at: call.now().toISOString(),
      sources: [],
      data: { records: collected },
      warnings: [],
    };
    await writeOut(`${JSON.stringify(envelope, null, 2)}\n`);
  }
}

const LF = Buffer.from('\n');

function lineOf(record: LogRecord, format: OutputFormat): Uint8Array {
  if (format === 'raw') {
    if (record.data.includes(LINE_FEED)) {
      throw new CliError(
        'LINE_FEED_IN_RECORD',
        ExitCode.usage,
        `record ${record.index}.${record.ordinal} contains a line feed, which raw output uses between records`,
        {
          next: 'use -o ndjson',
        },
      );
    }
    return Buffer.concat([record.data, LF]);
  }
  if (format === 'ndjson') return Buffer.from(`${JSON.stringify(asObject(record))}\n`);
  const time = new Date(record.time).toISOString().slice(11, 23);
  const { data, encoding } = asText(record.data);
  const shown = printable(encoding === null ? data : `base64:${data}`);
  return Buffer.from(
    `${String(record.index).padStart(10)}  ${String(record.term).padStart(4)}  ${time}  ${shown}\n`,
  );
}

function asObject(record: LogRecord): object {
  const { data, encoding } = asText(record.data);
  return {
    index: record.index,
    ...(record.ordinal === 0 ? {} : { ordinal: record.ordinal }),
    term: record.term,
    time: record.time,
    data,
    ...(encoding === null ? {} : { encoding }),
  };
}

const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function asText(bytes: Uint8Array): { data: string; encoding: 'base64' | null } {
  try {
    return { data: STRICT_UTF8.decode(bytes), encoding: null };
  } catch {
    return { data: Buffer.from(bytes).toString('base64'), encoding: 'base64' };
  }
}

function index(call: Call, name: string): number | null {
  const value = number(call, name);
  if (value === null) return null;
  if (!Number.isSafeInteger(value) || value < 1)
    throw usageError(`--${name} ${value} is not an integer in 1..2^53-1`);
  return value;
}
