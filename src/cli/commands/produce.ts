import type { Client, DledgerError, NewRecord, Produced, TopicProducer } from '../../client/index.ts';
import { CliError, asCliError, usageError } from '../cli-error.ts';
import { explain, withClient } from '../cluster-client.ts';
import { text, type Call, type Command } from '../command.ts';
import { ExitCode } from '../exit-code.ts';
import { Interruption } from '../interruption.ts';
import { writeAnswer } from '../output.ts';
import {
  INPUT_FLAGS,
  INPUT_SOURCE,
  inputError,
  inputOf,
  storedBefore,
  type RecordInput,
} from '../record-input.ts';

export const produce: Command = {
  path: 'produce',
  describe: 'send records to a topic: one, or each line of a file or of stdin',
  isClient: true,
  positionals: [{ name: 'topic', describe: 'where to', isRequired: true }, INPUT_SOURCE],
  flags: [
    ...INPUT_FLAGS,
    {
      name: 'key',
      alias: 'k',
      type: 'string',
      describe: 'of each record: what it is about. Records of one key stay in order',
    },
    { name: 'tag', alias: 't', type: 'string', describe: 'of each record: what kind it is' },
    { name: 'header', alias: 'H', type: 'string', describe: 'of each record: NAME=VALUE,NAME=VALUE' },
  ],
  examples: [
    ['$0 produce orders -k customer-7 -d "two apples"', 'one record'],
    ['$0 produce orders -f orders.ndjson', 'a record for each line'],
    ['tail -f app.log | $0 produce logs -', 'what another program writes'],
  ],
  run: async (call) => {
    const shape = shapeOf(call);
    const input = inputOf(call, 'produce');
    return withClient(call, async (client) => produceAll(call, client, input, shape));
  },
};

type Shape = Pick<NewRecord, 'key' | 'tag' | 'headers'>;

/** The books of one call: each record is, in the end, one of acknowledged, unknown and refused. */
class Books {
  sent = 0;
  acknowledged = 0;
  unknown = 0;
  refused = 0;
  firstError: DledgerError | null = null;
  /** By ordinal of the queue. */
  readonly perQueue: number[];

  constructor(queueCount: number) {
    this.perQueue = Array.from({ length: queueCount }, () => 0);
  }

  stored({ queue }: Produced): void {
    this.acknowledged += 1;
    this.perQueue[queue] = (this.perQueue[queue] ?? 0) + 1;
  }

  failed(error: DledgerError): void {
    this.firstError ??= error;
    if (error.outcome === 'unknown') this.unknown += 1;
    else this.refused += 1;
  }

  toString(): string {
    return [
      `${this.acknowledged} of ${this.sent} records were acknowledged`,
      ...(this.unknown > 0 ? [`${this.unknown} are unknown: they may be stored or not`] : []),
      ...(this.refused > 0 ? [`${this.refused} were not stored`] : []),
    ].join('; ');
  }
}

async function produceAll(call: Call, client: Client, input: RecordInput, shape: Shape): Promise<number> {
  const topic = call.positionals.get('topic') ?? '';
  const { queues } = await client.admin.describeTopic(topic);
  const producer = client.createTopicProducer();
  const books = new Books(queues.length);
  // Whoever asks twice does not want to wait for the answers to what is on its way.
  const interruption = new Interruption();
  const { signal } = interruption;
  signal.addEventListener('abort', () => input.stop());
  let cut: unknown = null;
  try {
    for await (const chunk of input.chunks) {
      for (const body of chunk) await sendOne(producer, topic, { ...shape, body }, books);
      if (books.firstError !== null || signal.aborted) break;
    }
  } catch (error) {
    cut = signal.aborted ? null : error;
  }
  try {
    await producer.flush();
  } finally {
    interruption.release();
    input.stop();
  }
  const retries = producer.resent;
  await producer.close();
  if (books.firstError !== null) throw failure(books, await explain(client, books.firstError));
  if (cut !== null) throw inputError(cut, storedBefore(books.acknowledged));
  if (signal.aborted)
    throw new CliError('INTERRUPTED', ExitCode.interrupted, `interrupted: ${books.toString()}`);
  await writeAnswer(
    {
      kind: 'Produced',
      data: { topic, records: books.acknowledged, perQueue: books.perQueue, retries },
      table: () => [
        ['QUEUE', 'RECORDS'],
        ...books.perQueue.map((count, queue) => [String(queue), String(count)]),
        ['all', String(books.acknowledged)],
      ],
    },
    call.format,
    call.now(),
  );
  return ExitCode.ok;
}

/** Resolves when there is room for the next one. */
async function sendOne(
  producer: TopicProducer,
  topic: string,
  record: NewRecord,
  books: Books,
): Promise<void> {
  books.sent += 1;
  void producer.send(topic, record).then(
    (produced) => books.stored(produced),
    (error: unknown) => books.failed(error as DledgerError),
  );
  if (!producer.isWritable) await producer.writable();
}

/** Says to the record what is stored and what is not known. */
function failure(books: Books, error: unknown): unknown {
  const shown = asCliError(error);
  if (shown === null) return error;
  const isUnknown = books.unknown > 0;
  return new CliError(
    shown.code,
    isUnknown ? ExitCode.unknown : shown.exitCode,
    `${shown.message}; ${books.toString()}`,
    {
      tried: shown.tried,
      next: isUnknown
        ? 'consume the topic to see which of the unknown ones are there'
        : (shown.next ?? 'send what was not stored again'),
      outcome: isUnknown ? 'unknown' : 'none',
      retryable: !isUnknown && shown.retryable,
      cause: error,
    },
  );
}

function shapeOf(call: Call): Shape {
  const key = text(call, 'key');
  const tag = text(call, 'tag');
  const given = text(call, 'header');
  if (given === null) return { key, tag };
  const headers = given.split(',').map((pair): [string, string] => {
    const at = pair.indexOf('=');
    if (at > 0) return [pair.slice(0, at).trim(), pair.slice(at + 1)];
    throw usageError(`--header ${JSON.stringify(pair)} is not NAME=VALUE`, 'write -H trace=17,source=web');
  });
  const names = headers.map(([name]) => name);
  const twice = names.find((name, place) => names.indexOf(name) !== place);
  // The last one alone would be kept.
  if (twice !== undefined) throw usageError(`--header names ${JSON.stringify(twice)} more than once`);
  return { key, tag, headers: Object.fromEntries(headers) };
}
