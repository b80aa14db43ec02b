import type { Client, ConsumedRecord, TopicInfo } from '../client/index.ts';
import type { Position } from './position.ts';
import type { StreamEntry } from './redis-stream.ts';
import type { Source } from './sink.ts';

/** Beside its payload an entry carries some bytes of names and numbers. */
const OVERHEAD_BYTES = 96;
/** The first offset is 0, and Redis takes no entry `0-0`. */
const MINOR = 1;

/** The position of an offset: `OFFSET-1`. */
export function positionOf(offset: number): Position {
  return { major: offset, minor: MINOR };
}

/** The records of one queue of a topic, from an offset on: those that are there, and, if asked, those that will be. */
export class TopicSource implements Source {
  readonly identity: string;
  readonly #client: Client;
  readonly #topic: string;
  readonly #queue: number;
  readonly #isFollowing: boolean;

  /** @param topic one that was deleted and made again is another one: offsets of the old one mean nothing in it. */
  constructor(client: Client, clusterId: string, topic: TopicInfo, queue: number, isFollowing: boolean) {
    this.identity = `cluster ${clusterId}, topic ${topic.name} (${topic.topicId}), queue ${queue}`;
    this.#client = client;
    this.#topic = topic.name;
    this.#queue = queue;
    this.#isFollowing = isFollowing;
  }

  async *read(from: Position, signal: AbortSignal): AsyncGenerator<StreamEntry, void, undefined> {
    const offset = from.minor > MINOR ? from.major + 1 : from.major;
    const close = (): void => void consumer.close();
    const consumer = this.#client.createConsumer({
      topics: this.#topic,
      queues: { [this.#queue]: offset },
      ...(this.#isFollowing ? {} : { onIdle: close }),
    });
    signal.addEventListener('abort', close, { once: true });
    try {
      for await (const record of consumer) yield entryOf(record);
    } finally {
      signal.removeEventListener('abort', close);
      await consumer.close();
    }
  }
}

function entryOf(record: ConsumedRecord): StreamEntry {
  const { offset, body, storedTimeMs, bornTimeMs, key, tag, orderingGroup, headers } = record;
  const fields: (string | Uint8Array)[] = [
    'data',
    body,
    'time',
    String(storedTimeMs),
    'born',
    String(bornTimeMs),
  ];
  if (key !== null) fields.push('key', key);
  if (tag !== null) fields.push('tag', tag);
  if (orderingGroup !== null) fields.push('group', orderingGroup);
  for (const { name, value } of headers) fields.push(`header:${name}`, value);
  const bytes = fields.reduce((sum, field) => sum + field.length, OVERHEAD_BYTES);
  return { position: positionOf(offset), fields, bytes };
}
