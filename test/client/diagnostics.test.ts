import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { Client, type DiagnosticEvents } from '../../src/client/index.ts';
import { NODE_PORT, SimulatedCluster } from '../../src/sim/simulated-cluster.ts';

test('whoever subscribes is told what is produced and consumed, and by whom', async () => {
  const cluster = new SimulatedCluster({ seed: 5, size: 3 });
  cluster.startAll();
  cluster.runUntilLeader();
  const ports = { network: cluster.network.host('client'), clock: cluster.clock, prng: new Prng(5) };
  const client = new Client({ endpoints: cluster.ids.map((id) => `${id}:${NODE_PORT}`), ports });
  const told: [string, unknown][] = [];
  const names: (keyof DiagnosticEvents)[] = [
    'dledger:produce',
    'dledger:consume',
    'dledger:assigned',
    'dledger:committed',
  ];
  const note = (message: unknown, name: string | symbol): void => {
    told.push([String(name), message]);
  };
  for (const name of names) subscribe(name, note);
  let isDone = false;
  const work = (async () => {
    await client.admin.createTopic({ name: 't', queues: 1 });
    const producer = client.createTopicProducer();
    await producer.send('t', { body: 'a' });
    await producer.send('nix', { body: 'b' }).catch(() => undefined);
    const consumer = client.createConsumer({ topics: 't', group: 'g' });
    for await (const record of consumer) {
      consumer.done(record);
      break;
    }
    await consumer.close();
    await producer.close();
    await client.close();
  })();
  void work.finally(() => {
    isDone = true;
  });
  while (!isDone) {
    for (let at = 0; at < 10; at += 1) cluster.clock.step();
    for (let at = 0; at < 10; at += 1) await Promise.resolve();
  }
  await work;
  for (const name of names) unsubscribe(name, note);
  expect(new Set(told.map(([name]) => name))).toEqual(new Set(names));
  expect(told[0]?.[1]).toMatchObject({ topic: 't', error: null, produced: { queue: 0, offset: 0 } });
  expect(told[1]?.[1]).toMatchObject({ topic: 'nix', produced: null, error: { code: 'UNKNOWN_TOPIC' } });
  expect(told.find(([name]) => name === 'dledger:consume')?.[1]).toEqual({
    topic: 't',
    queue: 0,
    firstOffset: 0,
    records: 1,
  });
  expect(told.findLast(([name]) => name === 'dledger:committed')?.[1]).toEqual({
    group: 'g',
    positions: [{ queue: 1, offset: 1 }],
  });
});
