import { decodeBatch, encodeBatch, type ProducerStamp } from '../../../src/base/batch.ts';
import { entryBody } from '../../../src/base/entry.ts';
import { decodeMessage, encodeMessage, type Message } from '../../../src/base/message.ts';
import type { SimulatedCluster } from '../../../src/sim/simulated-cluster.ts';
import {
  bitmapHas,
  type Fetch,
  type FetchResult,
  type ProduceResult,
} from '../../../src/wire/broker-codec.ts';
import type {
  AdminRequest,
  AdminResult,
  GroupRequest,
  GroupResult,
  GroupView,
  TopicInfo,
} from '../../../src/wire/broker-schema.ts';
import { Driver, type Outcome } from './driver.ts';
import { ANONYMOUS, type Undated } from './raw-client.ts';

export interface Sent {
  readonly text: string;
  readonly key?: string;
  readonly tag?: string;
}

export function batchOf(records: readonly Sent[], stamp: ProducerStamp = ANONYMOUS): Uint8Array {
  const messages = records.map(({ text, key, tag }): Uint8Array => {
    const message: Message = {
      bornTimeMs: 5,
      key: key ?? null,
      tag: tag ?? null,
      orderingGroup: null,
      headers: [],
      body: new TextEncoder().encode(text),
    };
    return encodeMessage(message);
  });
  return encodeBatch(stamp, messages);
}

/** What a client makes of an answer: the records that match and are not before what it asked for. */
export function recordsOf(result: FetchResult, offset: number): { offset: number; text: string }[] {
  return result.batches.flatMap(({ baseOffset, bitmap, entry }) =>
    decodeBatch(entryBody(entry)).flatMap((record, ordinal) => {
      const at = baseOffset + ordinal;
      if (at < offset || !bitmapHas(bitmap, ordinal)) return [];
      return [{ offset: at, text: new TextDecoder().decode(decodeMessage(record).body) }];
    }),
  );
}

/** A driver that knows of topics. */
export class TopicsDriver extends Driver {
  constructor(cluster: SimulatedCluster, name = 'client') {
    super(cluster, name);
  }

  admin<Op extends AdminRequest['op']>(
    id: string,
    request: Extract<Undated<AdminRequest>, { op: Op }>,
  ): Outcome<Extract<AdminResult, { op: Op }>> {
    const client = this.to(id);
    return this.settle((done) => client.admin(request, done as never), 60_000);
  }

  group<Op extends GroupRequest['op']>(
    id: string,
    request: Extract<Undated<GroupRequest>, { op: Op }>,
  ): Outcome<Extract<GroupResult, { op: Op }>> {
    const client = this.to(id);
    return this.settle((done) => client.group(request, done as never), 60_000);
  }

  createTopic(
    id: string,
    name: string,
    queues: number,
    retention: { readonly retentionMs?: number; readonly retentionBytes?: number } = {},
  ): TopicInfo {
    const { error, value } = this.admin(id, {
      op: 'createTopic',
      name,
      queues,
      retentionMs: retention.retentionMs ?? null,
      retentionBytes: retention.retentionBytes ?? null,
    });
    if (value === null) throw new Error(`no topic: ${error?.message ?? 'closed'}`);
    return value.topic;
  }

  produce(
    id: string,
    queue: number,
    records: readonly (string | Sent)[],
    stamp: ProducerStamp = ANONYMOUS,
  ): Outcome<ProduceResult> {
    const sent = records.map((record) => (typeof record === 'string' ? { text: record } : record));
    const client = this.to(id);
    return this.settle((done) => client.produce(queue, batchOf(sent, stamp), done));
  }

  fetch(id: string, request: Partial<Fetch> & { readonly queue: number }): Outcome<FetchResult> {
    const client = this.to(id);
    return this.settle((done) => client.fetch(request, done), 60_000);
  }

  /** All records of a queue. */
  consume(id: string, queue: number, request: Partial<Fetch> = {}): { offset: number; text: string }[] {
    const records: { offset: number; text: string }[] = [];
    let offset = request.offset ?? 0;
    for (;;) {
      const { error, value } = this.fetch(id, { ...request, queue, offset });
      if (value === null) throw new Error(`fetch failed: ${error?.code ?? 'closed'} ${error?.message ?? ''}`);
      records.push(...recordsOf(value, offset));
      if (value.nextOffset >= value.endOffset) return records;
      offset = value.nextOffset;
    }
  }

  join(
    id: string,
    group: string,
    instance: string,
    topics: readonly string[],
    sessionTimeoutMs = 5000,
  ): GroupView {
    const { error, value } = this.group(id, {
      op: 'join',
      group,
      instance,
      clientName: 'test',
      topics: [...topics],
      sessionTimeoutMs,
    });
    if (value === null) throw new Error(`not joined: ${error?.message ?? 'closed'}`);
    return value;
  }
}
