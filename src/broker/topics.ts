import { assert } from '../base/assert.ts';
import { isBrokerName } from '../base/message.ts';
import type { AlterTopic, CreateTopic } from './commands.ts';
import { Writer, type Reader } from './fields.ts';
import { FrozenViews } from './frozen-views.ts';
import { refusal, type QueueOffset, type Refusal } from './outcomes.ts';

export interface Topic {
  readonly name: string;
  /** Index of the entry that created it: a topic that is created again under the name has another one. */
  readonly topicId: number;
  /** Unix milliseconds: that entry's time. */
  readonly createdAtMs: number;
  readonly retentionMs: number | null;
  readonly retentionBytes: number | null;
  /** By ordinal; their ids follow each other. */
  readonly queues: readonly Queue[];
}

export interface Queue {
  /** Number in the cluster, from 1 on, never given twice: what stands in the header of its entries. */
  readonly id: number;
  readonly topic: Topic;
  /** Place in the topic, from 0 on. */
  readonly ordinal: number;
  /** Offset of the first record that retention has left. */
  readonly firstOffset: number;
  /** Offset that the next record gets. */
  readonly endOffset: number;
}

export interface TopicLimits {
  readonly queuesMax: number;
  readonly queuesPerTopicMax: number;
}

/** The same on every node of a cluster: a part of the format, as SESSION_LIMITS. */
export const TOPIC_LIMITS: TopicLimits = { queuesMax: 65_536, queuesPerTopicMax: 4096 };

interface MutableTopic extends Topic {
  retentionMs: number | null;
  retentionBytes: number | null;
  readonly queues: MutableQueue[];
}

interface MutableQueue extends Queue {
  readonly topic: MutableTopic;
  firstOffset: number;
  endOffset: number;
}

/** Topics and their queues: names, numbers, and where each queue begins and ends. */
export class Topics {
  readonly #limits: TopicLimits;
  readonly #topics = new Map<string, MutableTopic>();
  readonly #queues = new Map<number, MutableQueue>();
  readonly #views = new FrozenViews<MutableTopic>(encodeTopic);
  #nextQueue = 1;

  constructor(limits: TopicLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#topics.size;
  }

  get queueCount(): number {
    return this.#queues.size;
  }

  /** The number that the next queue gets. */
  get nextQueue(): number {
    return this.#nextQueue;
  }

  find(name: string): Topic | null {
    return this.#topics.get(name) ?? null;
  }

  /** Null: there never was such a queue, or its topic was deleted. */
  queue(id: number): Queue | null {
    return this.#queues.get(id) ?? null;
  }

  all(): IterableIterator<Topic> {
    return this.#topics.values();
  }

  create(command: CreateTopic, topicId: number, createdAtMs: number): Topic | Refusal {
    const { name, queues: count, retentionMs, retentionBytes } = command;
    const { queuesMax, queuesPerTopicMax } = this.#limits;
    if (!isBrokerName(name)) return badName('topic', name);
    if (this.#topics.has(name)) return refusal('TOPIC_EXISTS', `topic ${name} exists already`);
    if (count < 1 || count > queuesPerTopicMax)
      return refusal('LIMIT_EXCEEDED', `${count} queues, a topic has 1 to ${queuesPerTopicMax}`);
    if (this.#queues.size + count > queuesMax || this.#nextQueue + count > 2 ** 32) {
      const all = `${this.#queues.size} queues and ${count} more`;
      return refusal('LIMIT_EXCEEDED', `${all}, a cluster has at most ${queuesMax}`);
    }
    const topic: MutableTopic = { name, topicId, createdAtMs, retentionMs, retentionBytes, queues: [] };
    for (let ordinal = 0; ordinal < count; ordinal += 1) {
      topic.queues.push({ id: this.#nextQueue + ordinal, topic, ordinal, firstOffset: 0, endOffset: 0 });
    }
    this.#nextQueue += count;
    this.#add(topic);
    return topic;
  }

  alter(command: AlterTopic): Topic | Refusal {
    const topic = this.#topics.get(command.name);
    if (topic === undefined) return unknownTopic(command.name);
    this.#views.preserve(topic);
    topic.retentionMs = command.retentionMs;
    topic.retentionBytes = command.retentionBytes;
    return topic;
  }

  delete(name: string): Topic | Refusal {
    const topic = this.#topics.get(name);
    if (topic === undefined) return unknownTopic(name);
    // A view keeps the topic as it is: nobody changes it any more.
    this.#topics.delete(name);
    for (const { id } of topic.queues) this.#queues.delete(id);
    return topic;
  }

  /** Gives the next `count` offsets of a queue away. @returns the first of them. */
  append(id: number, count: number): number {
    const queue = this.#queues.get(id);
    assert(queue !== undefined, () => `${count} records for the unknown queue ${id}`);
    this.#views.preserve(queue.topic);
    const base = queue.endOffset;
    queue.endOffset += count;
    return base;
  }

  /** Never back, and never beyond the end. @returns what was raised. */
  raise(offsets: readonly QueueOffset[]): QueueOffset[] {
    const raised: QueueOffset[] = [];
    for (const { queue: id, offset } of offsets) {
      const queue = this.#queues.get(id);
      if (queue === undefined) continue;
      const to = Math.min(offset, queue.endOffset);
      if (to <= queue.firstOffset) continue;
      this.#views.preserve(queue.topic);
      queue.firstOffset = to;
      raised.push({ queue: id, offset: to });
    }
    return raised;
  }

  /** The topics as they are now, encoded one at a time. */
  freeze(): IterableIterator<Uint8Array> {
    return this.#views.freeze(this.#topics.values());
  }

  /** Fills an empty table with `count` topics, in any order. @throws RangeError */
  restore(reader: Reader, count: number, nextQueue: number): void {
    const topics = Array.from({ length: count }, () => decodeTopic(reader));
    // In the order in which they were created, as a machine has them that never was restarted.
    for (const topic of topics.toSorted((one, other) => one.topicId - other.topicId)) this.#add(topic);
    this.#nextQueue = nextQueue;
    for (const id of this.#queues.keys())
      if (id >= nextQueue) throw new RangeError(`queue ${id}, the next one is ${nextQueue}`);
  }

  #add(topic: MutableTopic): void {
    this.#topics.set(topic.name, topic);
    for (const queue of topic.queues) this.#queues.set(queue.id, queue);
  }
}

export function badName(what: 'topic' | 'group', name: string): Refusal {
  const shown = JSON.stringify(name.slice(0, 140));
  return refusal(
    'BAD_NAME',
    `${shown} is no name for a ${what}: 1 to 127 of A-Z a-z 0-9 . _ -, not beginning with __`,
  );
}

export function unknownTopic(name: string): Refusal {
  return refusal('UNKNOWN_TOPIC', `there is no topic ${JSON.stringify(name.slice(0, 140))}`);
}

// Of a checkpoint: text name, u64 topicId, u64 createdAtMs, u64 retentionMs, u64 retentionBytes, u32 first queue,
//                  u32 queues, each u64 firstOffset, u64 endOffset.

function encodeTopic(topic: MutableTopic): Uint8Array {
  const writer = new Writer(64 + topic.name.length + topic.queues.length * 16)
    .text(topic.name)
    .uint53(topic.topicId)
    .uint53(topic.createdAtMs)
    .nullable(topic.retentionMs)
    .nullable(topic.retentionBytes)
    .u32(topic.queues[0]?.id ?? 0)
    .u32(topic.queues.length);
  for (const { firstOffset, endOffset } of topic.queues) writer.uint53(firstOffset).uint53(endOffset);
  return writer.finish();
}

function decodeTopic(reader: Reader): MutableTopic {
  const topic: MutableTopic = {
    name: reader.text(),
    topicId: reader.uint53(),
    createdAtMs: reader.uint53(),
    retentionMs: reader.nullable(),
    retentionBytes: reader.nullable(),
    queues: [],
  };
  const firstQueue = reader.u32();
  reader.list(() => {
    const ordinal = topic.queues.length;
    const [firstOffset, endOffset] = [reader.uint53(), reader.uint53()];
    if (firstOffset > endOffset) throw new RangeError(`queue from ${firstOffset} to ${endOffset}`);
    topic.queues.push({ id: firstQueue + ordinal, topic, ordinal, firstOffset, endOffset });
  });
  return topic;
}
