import { AbortedError, type LogRecord } from '../../client/index.ts';
import { withClient } from '../cluster-client.ts';
import { flag, positive, type Call, type Command } from '../command.ts';
import { ExitCode } from '../exit-code.ts';
import { Interruption, OutputStuckError } from '../interruption.ts';
import { ItemWriter, type ItemForms } from '../item-writer.ts';
import { timeOf } from '../log-line.ts';
import { writeOut } from '../output.ts';
import { PAYLOAD_OUTPUT, asText, payloadFormatOf, rawLine, shownText } from '../payload.ts';

const INDEX_WIDTH = 10;
const TERM_WIDTH = 4;

export const read: Command = {
  path: 'read',
  describe: 'print records of the log, in order, each once',
  isClient: true,
  flags: [
    { name: 'from', type: 'number', describe: 'first index; default: the first that is kept' },
    { name: 'count', type: 'number', describe: 'records at most; default: all' },
    {
      name: 'follow',
      alias: 'F',
      type: 'boolean',
      describe: 'go on with what comes, until interrupted',
      default: false,
    },
    PAYLOAD_OUTPUT,
  ],
  examples: [
    ['$0 read', 'everything; payloads only when piped'],
    ['$0 read --from 1000 --count 10 -o ndjson', 'ten records, one JSON object for each'],
    ['$0 read --follow', 'everything, and what comes'],
  ],
  run: async (call) => {
    const from = positive(call, 'from');
    const begins = from === null ? {} : { from };
    const count = positive(call, 'count');
    const isFollowing = flag(call, 'follow');
    return withClient(call, async (client) => {
      if (!isFollowing) {
        const records = client.read({ ...begins, ...(count === null ? {} : { count }) });
        await print(records, call, { count, isFollowing, write: writeOut });
        return ExitCode.ok;
      }
      const interruption = new Interruption();
      const records = client.tail({ ...begins, signal: interruption.signal });
      const write = async (bytes: Uint8Array): Promise<void> => interruption.write(bytes);
      return print(records, call, { count, isFollowing, write }).then(
        () => ExitCode.ok,
        (error: unknown) => {
          if (error instanceof AbortedError || error instanceof OutputStuckError) return ExitCode.interrupted;
          throw error;
        },
      );
    });
  },
};

async function print(
  records: AsyncIterable<LogRecord>,
  call: Call,
  how: { count: number | null; isFollowing: boolean; write: (bytes: Uint8Array) => Promise<void> },
): Promise<void> {
  const { count, isFollowing, write } = how;
  const writer = new ItemWriter(payloadFormatOf(call), FORMS, call.now(), write);
  let left = count ?? Number.POSITIVE_INFINITY;
  try {
    if (isFollowing) await writer.flush();
    for await (const record of records) {
      const hasRoom = writer.add(record);
      if (!hasRoom || isFollowing) await writer.flush();
      left -= 1;
      if (left === 0) break;
    }
  } finally {
    // Also where it ends badly: what was read is printed, and what is printed is whole.
    await writer.end();
  }
}

const FORMS: ItemForms<LogRecord> = {
  kind: 'Records',
  plural: 'records',
  head: `${'INDEX'.padStart(INDEX_WIDTH)}  ${'TERM'.padStart(TERM_WIDTH)}  TIME          DATA`,
  object: (record) => {
    const { data, encoding } = asText(record.data);
    return {
      index: record.index,
      ...(record.ordinal === 0 ? {} : { ordinal: record.ordinal }),
      term: record.term,
      time: record.time,
      data,
      ...(encoding === null ? {} : { encoding }),
    };
  },
  line: (record) => {
    const place = record.ordinal === 0 ? String(record.index) : `${record.index}.${record.ordinal}`;
    return `${place.padStart(INDEX_WIDTH)}  ${String(record.term).padStart(TERM_WIDTH)}  ${timeOf(record.time)}  ${shownText(record.data)}`;
  },
  raw: ({ index, ordinal, data }) => rawLine(data, `record ${index}.${ordinal}`),
};
