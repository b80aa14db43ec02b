import { randomUUID } from 'node:crypto';
import type { Client } from '../../src/client/index.ts';
import { awaiting, closedLoop } from '../closed-loop.ts';
import type { Operation, Scenario } from '../scenario.ts';

const QUEUES = 8;
/** Read again and again, by a new group each time: so many records, or of large ones as many as have so many bytes. */
const PRODUCED_MAX = 200_000;
const PRODUCED_BYTES_MAX: number = 64 * 1024 * 1024;
const PRODUCED_AT_ONCE = 8192;
const PRODUCED_BYTES_AT_ONCE: number = 8 * 1024 * 1024;

async function newTopic(client: Client): Promise<string> {
  const name = `bench-${randomUUID()}`;
  await client.admin.createTopic({ name, queues: QUEUES });
  return name;
}

/** Records of a topic, without a key, gathered into batches by the producer. */
export const PRODUCE_256: Scenario = {
  name: 'produce-256',
  inFlight: null,
  async setUp(client: Client, recordBytes: number): Promise<Operation> {
    const topic = await newTopic(client);
    const producer = client.createTopicProducer({ lingerMs: 0 });
    const body = new Uint8Array(recordBytes).fill(120);
    return {
      run: (durationMs, latencies) =>
        closedLoop(
          awaiting(() => producer.send(topic, { body })),
          256,
          durationMs,
          latencies,
        ),
      close: () => producer.close(),
    };
  },
};

/** A member of a group that reads everything there is, page by page, and commits as it goes. */
export const CONSUME: Scenario = {
  name: 'consume',
  inFlight: null,
  async setUp(client: Client, recordBytes: number): Promise<Operation> {
    const topic = await newTopic(client);
    const producer = client.createTopicProducer({ lingerMs: 5 });
    const record = { body: new Uint8Array(recordBytes).fill(120) };
    const produced = Math.min(PRODUCED_MAX, Math.floor(PRODUCED_BYTES_MAX / recordBytes));
    const atOnce = Math.min(PRODUCED_AT_ONCE, Math.floor(PRODUCED_BYTES_AT_ONCE / recordBytes));
    for (let sent = 0; sent < produced; sent += atOnce) {
      const count = Math.min(atOnce, produced - sent);
      await producer.sendBatch(
        topic,
        Array.from({ length: count }, () => record),
      );
    }
    await producer.close();
    return { run: (durationMs) => consume(client, topic, produced, durationMs), close: () => undefined };
  },
};

async function consume(client: Client, topic: string, produced: number, durationMs: number): Promise<number> {
  const endMs = performance.now() + durationMs;
  let total = 0;
  while (performance.now() < endMs) {
    const consumer = client.createConsumer({ topics: topic, group: `bench-${randomUUID()}` });
    for (let read = 0; read < produced && performance.now() < endMs; ) {
      const page = await consumer.nextPage();
      if (page === null) break;
      for (const record of page.records) page.workedOff(record.offset + 1);
      read += page.records.length;
      total += page.records.length;
    }
    await consumer.close();
  }
  return total;
}
