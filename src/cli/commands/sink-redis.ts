import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '../../client/index.ts';
import type { Position, Source } from '../../sink/index.ts';
import { CliError, usageError } from '../cli-error.ts';
import { timeoutOf, withClient } from '../cluster-client.ts';
import { flag, positive, text, type Call, type Command } from '../command.ts';
import { ExitCode } from '../exit-code.ts';
import { say, writeAnswer } from '../output.ts';
import { printable } from '../printable.ts';

/** Readable by others too: whatever is in it is no secret. */
const OTHERS_MODE = 0o077;

export const sinkRedis: Command = {
  path: 'sink redis',
  describe: 'follow the log, or a topic, into Redis Streams, each record once',
  isClient: true,
  flags: [
    {
      name: 'url',
      type: 'string',
      describe: 'the Redis: redis://[USER@]HOST:PORT[/DATABASE]; rediss:// for TLS',
      default: 'redis://127.0.0.1:6379',
      inConfig: true,
    },
    {
      name: 'password-file',
      type: 'string',
      describe: 'file with the password, readable by its owner only; default: none, or that in the URL',
      inConfig: true,
    },
    {
      name: 'topic',
      type: 'string',
      describe: 'a stream for each queue of this topic, instead of one for the log',
    },
    {
      name: 'prefix',
      type: 'string',
      describe: 'of the keys: PREFIX:{log}, or PREFIX:{TOPIC}:QUEUE',
      default: 'dledger',
      inConfig: true,
    },
    {
      name: 'from',
      type: 'string',
      describe:
        'where to begin if Redis holds no checkpoint: earliest, latest, or an index (of a topic: an offset)',
      default: 'earliest',
    },
    { name: 'max-len', type: 'number', describe: 'records to keep in the stream, about; default: all' },
    {
      name: 'once',
      type: 'boolean',
      describe: 'end at what is committed now, instead of following',
      default: false,
    },
  ],
  examples: [
    ['$0 sink redis --url redis://127.0.0.1:6379', 'everything, and what comes, until interrupted'],
    ['$0 sink redis --once -o json', 'what is there now'],
  ],
  run: async (call) => {
    const from = fromOf(call);
    const lengthMax = positive(call, 'max-len') ?? 0;
    const prefix = prefixOf(call);
    const password = passwordOf(call);
    return withClient(call, async (client) => follow(call, client, { from, lengthMax, prefix, password }));
  },
};

interface Wanted {
  readonly from: 'earliest' | 'latest' | number;
  readonly lengthMax: number;
  readonly prefix: string;
  readonly password: string | null;
}

async function follow(call: Call, client: Client, wanted: Wanted): Promise<ExitCode> {
  // Here, so that no other command waits for a library that it does not use.
  const { RedisStream, connectRedis, formatPosition, runSink } = await import('../../sink/index.ts');
  const tell = (line: string): void => say(printable(line));
  const { clusterId, commitIndex } = await clusterOf(call, client);
  const feeds = await feedsOf(call, client, { clusterId, commitIndex }, wanted);
  const redis = await connectRedis({
    url: text(call, 'url') ?? '',
    password: wanted.password,
    timeoutMs: timeoutOf(call),
    say: tell,
  });
  const stopped = new AbortController();
  const abandoned = new AbortController();
  let status: ExitCode = ExitCode.ok;
  const stop = (code: ExitCode): void => {
    status = code;
    stopped.abort();
    // What is on its way may be answered; what waits for a Redis that is not there would wait for ever.
    if (redis.status === 'ready') redis.once('close', () => abandoned.abort());
    else abandoned.abort();
  };
  const interrupt = (): void => stop(ExitCode.interrupted);
  const terminate = (): void => stop(ExitCode.ok);
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', terminate);
  try {
    const owner = randomUUID();
    const filled = await Promise.all(
      feeds.map(async ({ key, source, first }): Promise<Filled> => {
        const { identity } = source;
        const stream = new RedisStream(redis, { key, source: identity, owner, lengthMax: wanted.lengthMax });
        const { records, next } = await runSink({
          source,
          stream,
          first,
          signal: stopped.signal,
          abandon: abandoned.signal,
          say: tell,
          pause: async (ms) => delay(ms, undefined, { signal: stopped.signal }).catch(() => undefined),
        });
        return { stream: key, records, next: formatPosition(next) };
      }),
    ).finally(() => stopped.abort());
    await answer(call, filled);
    return status;
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', terminate);
    redis.disconnect();
  }
}

/** A stream and what fills it. */
interface Feed {
  readonly key: string;
  readonly source: Source;
  readonly first: Position;
}

interface Filled {
  readonly stream: string;
  readonly records: number;
  readonly next: string;
}

async function feedsOf(
  call: Call,
  client: Client,
  { clusterId, commitIndex }: { readonly clusterId: string; readonly commitIndex: number },
  { from, prefix }: Wanted,
): Promise<Feed[]> {
  const { LogSource, TopicSource, positionOf } = await import('../../sink/index.ts');
  const isFollowing = !flag(call, 'once');
  const name = text(call, 'topic');
  if (name === null) {
    const source = new LogSource(client, clusterId, isFollowing);
    return [{ key: `${prefix}:{log}`, source, first: firstOf(from, commitIndex) }];
  }
  const topic = await client.admin.describeTopic(name);
  return topic.queues.map(({ ordinal, firstOffset, endOffset }) => ({
    key: `${prefix}:{${name}}:${ordinal}`,
    source: new TopicSource(client, clusterId, topic, ordinal, isFollowing),
    first: positionOf(from === 'earliest' ? firstOffset : from === 'latest' ? endOffset : from),
  }));
}

async function answer(call: Call, streams: readonly Filled[]): Promise<void> {
  await writeAnswer(
    {
      kind: 'Sunk',
      data: { streams },
      table: () => [
        ['STREAM', 'RECORDS', 'NEXT'],
        ...streams.map(({ stream, records, next }) => [stream, String(records), next]),
      ],
    },
    call.format,
    call.now(),
  );
}

/** @throws CliError NO_LEADER where nobody can say yet which cluster this is, and how far its log goes. */
async function clusterOf(call: Call, client: Client): Promise<{ clusterId: string; commitIndex: number }> {
  const deadlineMs = performance.now() + timeoutOf(call);
  for (;;) {
    const { clusterId, leaderId, nodes } = await client.status();
    const leader = nodes.find(({ nodeId }) => nodeId === leaderId)?.status?.groups[0];
    if (clusterId !== null && leader !== undefined) return { clusterId, commitIndex: leader.commitIndex };
    if (performance.now() > deadlineMs) {
      throw new CliError('NO_LEADER', ExitCode.notNow, 'the cluster has no leader', {
        next: 'see `dledger cluster health`',
        retryable: true,
      });
    }
    await delay(100);
  }
}

function firstOf(from: Wanted['from'], commitIndex: number): Position {
  if (from === 'latest') return { major: commitIndex + 1, minor: 0 };
  return { major: from === 'earliest' ? 1 : from, minor: 0 };
}

function fromOf(call: Call): Wanted['from'] {
  const given = text(call, 'from') ?? 'earliest';
  if (given === 'earliest' || given === 'latest') return given;
  const index = Number(given);
  const lowest = text(call, 'topic') === null ? 1 : 0;
  if (/^\d+$/.test(given) && Number.isSafeInteger(index) && index >= lowest) return index;
  const where = lowest === 1 ? 'in the log' : 'in a topic';
  const what = lowest === 1 ? 'an index from 1 on' : 'an offset';
  throw usageError(`--from ${given} is no place ${where}`, `write earliest, latest, or ${what}`);
}

function prefixOf(call: Call): string {
  const prefix = text(call, 'prefix') ?? '';
  // Braces decide on which shard of a Redis Cluster a key lies: the first pair counts, and that is to be ours.
  if (/^[^{}\s]{1,200}$/.test(prefix)) return prefix;
  throw usageError(`--prefix ${JSON.stringify(prefix)} cannot begin a key`, 'use no braces and no spaces');
}

/** On the command line every process of the machine could read it. */
function passwordOf(call: Call): string | null {
  const file = text(call, 'password-file');
  if (file === null) return null;
  try {
    if ((fs.statSync(file).mode & OTHERS_MODE) !== 0) {
      throw usageError(`${file} can be read by others`, `run: chmod 600 ${file}`);
    }
    return fs.readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw usageError(`cannot read ${file}: ${(error as Error).message}`);
  }
}
