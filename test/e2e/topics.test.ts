import { afterEach, expect, test } from 'vitest';
import { ConsumptionCheck } from '../../src/check/index.ts';
import { Client, type Consumer, type DledgerError } from '../../src/client/index.ts';
import { Cluster, Command, run } from './support/cluster.ts';

// Producers and members of a group on real processes, while the leader is killed again and again.

const TOPIC = 'orders';
const QUEUES = 6;
const KILLS = 10;
const PRODUCERS = 4;
const MEMBERS = 3;

let cluster: Cluster | null = null;
const clients: Client[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  await cluster?.stop();
  cluster = null;
});

function connected(to: Cluster): Client {
  const client = new Client({ endpoints: to.endpoints, requestTimeoutMs: 60_000 });
  clients.push(client);
  return client;
}

/** What one group was told, as it was told, on one timeline: this process's. */
class Ledger {
  readonly check: ConsumptionCheck = new ConsumptionCheck();
  readonly stored = new Set<string>();
  readonly delivered = new Set<string>();
  unknown = 0;
  rebalances = 0;
  /** Cluster-wide numbers of the queues, by ordinal. */
  ids: readonly number[] = [];
  #wake: (() => void) | null = null;

  noted(): void {
    this.#wake?.();
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** Sends until it is told to stop, a few at a time. */
async function produce(client: Client, name: string, ledger: Ledger, mayGoOn: () => boolean): Promise<void> {
  const producer = client.createTopicProducer({ batchBytesMax: 4096 });
  let number = 0;
  const lane = async (): Promise<void> => {
    while (mayGoOn()) {
      number += 1;
      const body = `${name}#${number}`;
      try {
        const key = number % 3 === 0 ? null : `${name}-${number % 7}`;
        const { queue, offset } = await producer.send(TOPIC, { key, body });
        ledger.check.acknowledged(ledger.ids[queue] as number, offset, [body]);
        ledger.stored.add(body);
      } catch (error) {
        // Nothing else is a possible answer to a record that is not refused.
        expect((error as DledgerError).outcome).toBe('unknown');
        ledger.unknown += 1;
      }
      ledger.noted();
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  await producer.close();
}

function join(client: Client, name: string, ledger: Ledger): { consumer: Consumer; done: Promise<void> } {
  const { check } = ledger;
  const text = new TextDecoder();
  const consumer = client.createConsumer({
    topics: TOPIC,
    group: 'billing',
    instance: name,
    autoCommitMs: 50,
    onAssigned: (queues) => {
      ledger.rebalances += 1;
      for (const { id, position } of queues) check.assigned(name, id, position);
    },
    onRevoked: (queues) => {
      for (const { id } of queues) check.revoked(name, id);
    },
    onLost: (_queues, why) => {
      throw new Error(`${name} lost its place: ${why}`);
    },
    onCommitted: (positions) => {
      for (const { queue, offset } of positions) check.committed(queue, offset);
    },
  });
  const work = async (): Promise<void> => {
    for await (const { queue, offset, body } of consumer) {
      const value = text.decode(body);
      check.delivered(name, ledger.ids[queue] as number, offset, value);
      ledger.delivered.add(value);
      ledger.noted();
    }
  };
  return { consumer, done: work() };
}

test('four producers, three members, ten dead leaders: each record is consumed, none twice, none out of order', async () => {
  cluster = await Cluster.start(3);
  const admin = connected(cluster);
  const { queues } = await admin.admin.createTopic({ name: TOPIC, queues: QUEUES });
  const ledger = new Ledger();
  ledger.ids = queues.map(({ id }) => id);
  let kills = 0;
  const mayGoOn = (): boolean => kills < KILLS;
  const producers = Array.from({ length: PRODUCERS }, async (_, at) =>
    produce(connected(cluster as Cluster), `p${at}`, ledger, mayGoOn),
  );
  const members = Array.from({ length: MEMBERS }, (_, at) =>
    join(connected(cluster as Cluster), `m${at}`, ledger),
  );
  try {
    while (kills < KILLS) {
      // Work goes on in between: a few hundred records more, stored and consumed.
      const [stored, delivered] = [ledger.stored.size, ledger.delivered.size];
      await ledger.until(
        () => ledger.stored.size >= stored + 200 && ledger.delivered.size >= delivered + 100,
      );
      // One at a time: with two of three gone nobody can be elected.
      const { leaderId } = await cluster.untilStatus(
        (status) =>
          status.leaderId !== null && status.nodes.every(({ commitIndex }) => (commitIndex ?? 0) > 0),
      );
      await cluster.kill(leaderId as string);
      kills += 1;
      cluster.startNode(leaderId as string);
    }
    await Promise.all(producers);
    await ledger.until(() => [...ledger.stored].every((body) => ledger.delivered.has(body)));
  } finally {
    for (const { consumer } of members) await consumer.close();
    await Promise.all(members.map(async ({ done }) => done));
  }
  expect(ledger.check.end()).toEqual([]);
  expect(ledger.unknown).toBe(0);
  const lag = await admin.admin.groupLag('billing');
  expect(lag.map(({ lag: left }) => left)).toEqual(queues.map(() => 0));
  // Each member got its share once, whatever happened to the leaders.
  expect(ledger.rebalances).toBeLessThan(20);
});

test('what the command line prints of a group is committed, and what it did not print is not', async () => {
  cluster = await Cluster.start(3);
  const at = ['--endpoints', cluster.endpoints];
  const lines = Array.from({ length: 300 }, (_, line) => `line ${line}`);
  const created = await run(['topic', 'create', TOPIC, '--queues', '3', ...at]);
  expect(created).toMatchObject({
    code: 0,
    stdout: expect.stringContaining(`topic ${TOPIC}: 3 queues, kept as long as the log\n`),
  });
  const produced = await run(['produce', TOPIC, '-f', '-', '-o', 'json', ...at], {
    input: `${lines.join('\n')}\n`,
  });
  expect(produced.code).toBe(0);
  const { data } = JSON.parse(produced.stdout) as { data: { records: number; perQueue: number[] } };
  expect(data.records).toBe(300);
  expect(data.perQueue).toHaveLength(3);
  expect(data.perQueue.reduce((sum, count) => sum + count, 0)).toBe(300);

  const consume = ['consume', TOPIC, '--group', 'g', ...at];
  const first = await run([...consume, '--count', '100']);
  const second = await run(consume);
  const third = await run(consume);
  expect([first.code, second.code, third.code]).toEqual([0, 0, 0]);
  const printed = [...first.stdout.split('\n'), ...second.stdout.split('\n')].filter((line) => line !== '');
  expect(first.stdout.split('\n')).toHaveLength(101);
  expect([...printed].sort()).toEqual([...lines].sort());
  expect(third.stdout).toBe('');

  // Killed while it follows: what it had printed was printed before it was committed, so nothing is missed.
  const follower = new Command([...consume, '--follow', '-o', 'ndjson']);
  await run(['produce', TOPIC, '-d', 'one more', '-k', 'k', '-t', 'late', ...at]);
  await follower.untilPrinted((stdout) => stdout.includes('one more'));
  follower.signal('SIGINT');
  expect((await follower.finished).code).toBe(130);
  expect((await run(consume)).stdout).toBe('');
  const tagged = await run(['consume', TOPIC, '--tag', 'late', '-o', 'ndjson', ...at]);
  expect(JSON.parse(tagged.stdout)).toMatchObject({ key: 'k', tag: 'late', data: 'one more' });

  const beyond = await run(['consume', TOPIC, '--from', '5000', ...at]);
  expect(beyond).toMatchObject({ code: 8, stdout: '' });
  expect(beyond.stderr).toMatch(/OFFSET_OUT_OF_RANGE.*holds 0 to \d+/);
  const unknown = await run(['produce', 'nowhere', '-d', 'x', ...at]);
  expect(unknown.code).toBe(8);
  expect(unknown.stderr).toContain('UNKNOWN_TOPIC');
});
