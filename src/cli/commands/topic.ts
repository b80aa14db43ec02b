import type { TopicInfo, TopicSummary } from '../../client/index.ts';
import { usageError } from '../cli-error.ts';
import { withClient } from '../cluster-client.ts';
import { flag, number, text, type Call, type Command, type Flag } from '../command.ts';
import { parseDuration, showDuration } from '../duration.ts';
import { ExitCode } from '../exit-code.ts';
import { dateTimeOf } from '../log-line.ts';
import { writeAnswer } from '../output.ts';

const NAME = { name: 'name', describe: 'of the topic', isRequired: true } as const;
const NONE = 'none';

const RETENTION: readonly Flag[] = [
  {
    name: 'retention',
    type: 'string',
    describe: 'drop records that are older: a number with ms, s, m or h; or none',
  },
  {
    name: 'retention-bytes',
    type: 'string',
    describe: 'drop the oldest records of a queue that has more bytes; or none',
  },
];

export const topicCreate: Command = {
  path: 'topic create',
  describe: 'make a topic',
  isClient: true,
  positionals: [NAME],
  flags: [
    {
      name: 'queues',
      type: 'number',
      describe: 'how many, 1 to 4096: records in one queue keep their order',
      default: 1,
    },
    ...RETENTION,
  ],
  examples: [['$0 topic create orders --queues 8', 'eight queues, kept as long as the log']],
  run: async (call) => {
    const queues = number(call, 'queues') ?? 1;
    if (!Number.isInteger(queues) || queues < 1)
      throw usageError(`--queues ${queues} is not a number of queues`, 'give 1 to 4096');
    const { retentionMs = null, retentionBytes = null } = retentionOf(call);
    return withClient(call, async (client) => {
      await showTopic(
        call,
        'TopicCreated',
        await client.admin.createTopic({ name: nameOf(call), queues, retentionMs, retentionBytes }),
      );
      return ExitCode.ok;
    });
  },
};

export const topicList: Command = {
  path: 'topic list',
  describe: 'all topics',
  isClient: true,
  flags: [],
  run: async (call) =>
    withClient(call, async (client) => {
      const topics = await client.admin.listTopics();
      await writeAnswer(
        {
          kind: 'Topics',
          data: { topics },
          table: (wide) => [
            ['TOPIC', 'QUEUES', 'RECORDS', ...(wide ? ['RETENTION', 'BYTES', 'CREATED'] : [])],
            ...topics.map((topic) => rowOf(topic, wide)),
          ],
        },
        call.format,
        call.now(),
      );
      return ExitCode.ok;
    }),
};

export const topicDescribe: Command = {
  path: 'topic describe',
  describe: 'a topic with its queues: first offset kept and end',
  isClient: true,
  positionals: [NAME],
  flags: [],
  run: async (call) =>
    withClient(call, async (client) => {
      await showTopic(call, 'Topic', await client.admin.describeTopic(nameOf(call)));
      return ExitCode.ok;
    }),
};

export const topicAlter: Command = {
  path: 'topic alter',
  describe: 'change how long a topic keeps its records',
  isClient: true,
  positionals: [NAME],
  flags: RETENTION,
  examples: [['$0 topic alter orders --retention 168h', 'a week']],
  run: async (call) => {
    const wanted = retentionOf(call);
    if (Object.keys(wanted).length === 0)
      throw usageError('nothing to change', 'give --retention or --retention-bytes');
    return withClient(call, async (client) => {
      const { retentionMs, retentionBytes } = await client.admin.describeTopic(nameOf(call));
      const altered = await client.admin.alterTopic(nameOf(call), { retentionMs, retentionBytes, ...wanted });
      await showTopic(call, 'TopicAltered', altered);
      return ExitCode.ok;
    });
  },
};

export const topicDelete: Command = {
  path: 'topic delete',
  describe: 'delete a topic with its records, and what groups know of it',
  isClient: true,
  positionals: [NAME],
  flags: [{ name: 'yes', type: 'boolean', describe: 'really', default: false }],
  run: async (call) => {
    if (!flag(call, 'yes'))
      throw usageError(
        `the records of ${nameOf(call)} cannot be brought back`,
        'if that is meant, say --yes',
      );
    return withClient(call, async (client) => {
      const data = await client.admin.deleteTopic(nameOf(call));
      await writeAnswer(
        { kind: 'TopicDeleted', data, table: () => [['TOPIC'], [data.name]] },
        call.format,
        call.now(),
      );
      return ExitCode.ok;
    });
  },
};

function nameOf(call: Call): string {
  return call.positionals.get('name') ?? '';
}

/** Only what was given. */
function retentionOf(call: Call): { retentionMs?: number | null; retentionBytes?: number | null } {
  const age = text(call, 'retention');
  const bytes = text(call, 'retention-bytes');
  return {
    ...(age === null ? {} : { retentionMs: age === NONE ? null : ageOf(age) }),
    ...(bytes === null ? {} : { retentionBytes: bytes === NONE ? null : bytesOf(bytes) }),
  };
}

function ageOf(given: string): number {
  const ms = Math.ceil(parseDuration(given, 'retention'));
  if (ms >= 1 && Number.isSafeInteger(ms)) return ms;
  throw usageError(`--retention ${given} is out of bounds`, 'give 1ms or more, or none');
}

function bytesOf(given: string): number {
  const bytes = Number(given);
  if (/^\d+$/.test(given) && bytes >= 1 && Number.isSafeInteger(bytes)) return bytes;
  throw usageError(`--retention-bytes ${given} is no number of bytes`, 'give 1 or more, or none');
}

async function showTopic(call: Call, kind: string, topic: TopicInfo): Promise<void> {
  const { name, retentionMs, retentionBytes, queues } = topic;
  await writeAnswer(
    {
      kind,
      data: topic,
      headline: [
        `topic ${name}: ${queues.length} ${queues.length === 1 ? 'queue' : 'queues'}, ${kept(retentionMs, retentionBytes)}`,
        '',
      ],
      table: (wide) => [
        ['QUEUE', 'FIRST', 'END', 'RECORDS', ...(wide ? ['ID'] : [])],
        ...queues.map(({ ordinal, id, firstOffset, endOffset }) =>
          [ordinal, firstOffset, endOffset, endOffset - firstOffset, ...(wide ? [id] : [])].map(String),
        ),
      ],
    },
    call.format,
    call.now(),
  );
}

/** Records lie in the log, and go with it if nothing takes them before. */
function kept(retentionMs: number | null, retentionBytes: number | null): string {
  const bounds = [
    ...(retentionMs === null ? [] : [`for ${showDuration(retentionMs)} at most`]),
    ...(retentionBytes === null ? [] : [`up to ${retentionBytes} bytes a queue`]),
  ];
  return `kept ${['as long as the log', ...bounds].join(', ')}`;
}

function rowOf(topic: TopicSummary, wide: boolean): string[] {
  const { name, queueCount, records, retentionMs, retentionBytes, createdAtMs } = topic;
  const more = [
    retentionMs === null ? '-' : showDuration(retentionMs),
    String(retentionBytes ?? '-'),
    dateTimeOf(createdAtMs),
  ];
  return [name, String(queueCount), String(records), ...(wide ? more : [])];
}
