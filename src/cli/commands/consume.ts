import type {
  Client,
  ConsumeFrom,
  ConsumedPage,
  ConsumedRecord,
  Consumer,
  ConsumerSettings,
} from '../../client/index.ts';
import { withClient } from '../cluster-client.ts';
import { flag, positive, text, type Call, type Command } from '../command.ts';
import { ExitCode } from '../exit-code.ts';
import { Interruption, OutputStuckError } from '../interruption.ts';
import { ItemWriter, type ItemForms } from '../item-writer.ts';
import { beforeLeaving } from '../leaving.ts';
import { timeOf } from '../log-line.ts';
import { say } from '../output.ts';
import { PAYLOAD_OUTPUT, asText, payloadFormatOf, rawLine, shownText } from '../payload.ts';
import { parsePlace } from '../place.ts';
import { printable } from '../printable.ts';

const PLACE_WIDTH = 14;
const SESSION_MS = 10_000;
const HINT_AFTER_MS = 1000;
const WAITING = 'waiting for the group to store how far this got; the next Ctrl-C does not wait';

export const consume: Command = {
  path: 'consume',
  describe: 'print records of a topic; as a member of a group, what was printed is committed',
  isClient: true,
  positionals: [{ name: 'topic', describe: 'which one', isRequired: true }],
  flags: [
    {
      name: 'group',
      alias: 'g',
      type: 'string',
      describe: 'share the queues with the other members, and go on where the group stopped',
    },
    {
      name: 'from',
      type: 'string',
      describe: 'where to begin where nothing was committed: earliest, latest, an offset, or a time: @-5m',
      default: 'earliest',
    },
    { name: 'count', type: 'number', describe: 'records at most; default: all' },
    { name: 'tag', alias: 't', type: 'string', describe: 'only records with one of these tags: TAG,TAG' },
    {
      name: 'follow',
      alias: 'F',
      type: 'boolean',
      describe: 'go on with what comes, until interrupted; default: end where the topic ends',
      default: false,
    },
    PAYLOAD_OUTPUT,
  ],
  examples: [
    ['$0 consume orders', 'everything; payloads only when piped'],
    [
      '$0 consume orders --group billing --follow -o ndjson',
      'as a member of a group, a JSON object for each',
    ],
    ['$0 consume orders --from @-5m --follow', 'the last five minutes, and what comes'],
  ],
  run: async (call) => {
    const settings = settingsOf(call);
    const count = positive(call, 'count');
    return withClient(call, async (client) => print(call, client, settings, count));
  },
};

async function print(
  call: Call,
  client: Client,
  settings: ConsumerSettings,
  count: number | null,
): Promise<number> {
  const isFollowing = flag(call, 'follow');
  const interruption = new Interruption();
  const { signal } = interruption;
  const writer = new ItemWriter(payloadFormatOf(call), FORMS, call.now(), async (bytes) =>
    interruption.write(bytes),
  );
  const end = new End();
  const consumer = client.createConsumer({
    ...settings,
    onAssigned: () => end.cancel(),
    onIdle: () => {
      if (isFollowing) return;
      // Others may have all queues, or have died with them: then they are free when their session is over.
      const hasToWait = settings.group !== undefined && consumer.queues.length === 0;
      end.reach(hasToWait ? SESSION_MS + 1000 : 0, consumer);
    },
    onLost: (queues, why) =>
      say(
        `warning: the group has gone on without this consumer (${printable(why)}): it joins again, and what it printed last may come again`,
      ),
  });
  beforeLeaving(async () => end.close(consumer));
  let isPrinting = false;
  // What is being printed is printed first: then it is committed, and does not come again.
  signal.addEventListener('abort', () => {
    if (!isPrinting) end.reach(0, consumer);
  });
  let left = count ?? Number.POSITIVE_INFINITY;
  try {
    try {
      if (isFollowing) await writer.flush();
      while (left > 0 && !signal.aborted) {
        const page = await consumer.nextPage();
        if (page === null) break;
        isPrinting = true;
        left -= await printPage(page, writer, left);
        isPrinting = false;
      }
    } finally {
      end.cancel();
      const hint = signal.aborted ? setTimeout(() => say(WAITING), HINT_AFTER_MS) : undefined;
      await end.close(consumer).finally(() => clearTimeout(hint));
      await writer.end();
    }
  } catch (error) {
    if (!(error instanceof OutputStuckError)) throw error;
  }
  if (signal.aborted) return ExitCode.interrupted;
  if (settings.group !== undefined && end.wasWithoutQueues)
    say(`note: other members of group ${printable(settings.group)} have all queues`);
  return ExitCode.ok;
}

/**
 * Printed first, then worked off: what is lost with this process was not committed. Where a record cannot be printed,
 * those before it are.
 * @returns how many were printed.
 */
async function printPage(
  page: ConsumedPage,
  writer: ItemWriter<ConsumedRecord>,
  countMax: number,
): Promise<number> {
  let printed = 0;
  try {
    for (const record of page.records) {
      if (printed === countMax) break;
      writer.add(record);
      printed += 1;
    }
  } finally {
    await writer.flush();
    const last = page.records[printed - 1];
    if (last !== undefined) page.workedOff(last.offset + 1);
  }
  return printed;
}

/** Ends a consumer once, now or after a while in which nothing was assigned to it. */
class End {
  #timer: NodeJS.Timeout | null = null;
  #closed: Promise<void> | null = null;
  wasWithoutQueues = false;

  reach(afterMs: number, consumer: Consumer): void {
    this.cancel();
    this.#timer = setTimeout(() => {
      this.wasWithoutQueues = afterMs > 0;
      // Whoever waits for pages gets none any more, and asks here how it ended.
      this.close(consumer).catch(() => undefined);
    }, afterMs);
  }

  cancel(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Resolves, however often it is asked for, when what was printed is committed and the group is left. */
  async close(consumer: Consumer): Promise<void> {
    this.#closed ??= consumer.close();
    return this.#closed;
  }
}

function settingsOf(call: Call): ConsumerSettings {
  const group = text(call, 'group');
  const tags = text(call, 'tag');
  return {
    topics: call.positionals.get('topic') ?? '',
    from: fromOf(call),
    clientName: 'dledger consume',
    sessionTimeoutMs: SESSION_MS,
    ...(group === null ? {} : { group }),
    ...(tags === null ? {} : { tags: tags.split(',') }),
  };
}

function fromOf(call: Call): ConsumeFrom {
  const place = parsePlace(text(call, 'from') ?? 'earliest', 'from', call.now());
  switch (place.kind) {
    case 'offset':
      return { offset: place.value };
    case 'time':
      return { timeMs: place.value };
    default:
      return place.kind;
  }
}

const FORMS: ItemForms<ConsumedRecord> = {
  kind: 'ConsumedRecords',
  plural: 'records',
  head: `${'QUEUE:OFFSET'.padStart(PLACE_WIDTH)}  TIME          KEY  DATA`,
  object: (record) => {
    const { topic, queue, offset, key, tag, orderingGroup, bornTimeMs, storedTimeMs } = record;
    const { data, encoding } = asText(record.body);
    const headers = record.headers.map(({ name, value }) => [name, asText(value).data]);
    return {
      topic,
      queue,
      offset,
      key,
      tag,
      ...(orderingGroup === null ? {} : { orderingGroup }),
      ...(headers.length === 0 ? {} : { headers: Object.fromEntries(headers) as object }),
      bornTimeMs,
      storedTimeMs,
      data,
      ...(encoding === null ? {} : { encoding }),
    };
  },
  line: ({ queue, offset, key, storedTimeMs, body }) =>
    `${`${queue}:${offset}`.padStart(PLACE_WIDTH)}  ${timeOf(storedTimeMs)}  ${key === null ? '-' : printable(key)}  ${shownText(body)}`,
  raw: ({ queue, offset, body }) => rawLine(body, `record ${queue}:${offset}`),
};
