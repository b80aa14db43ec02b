import { describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { connect, type Client, type ConnectOptions, type LogRecord } from '../../src/client/index.ts';
import { NODE_PORT, SimulatedCluster } from '../../src/sim/simulated-cluster.ts';
import { text } from './support/world.ts';

// The client against whole nodes, the real code on both sides, under virtual time.

class Setting {
  readonly cluster: SimulatedCluster;
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
    this.cluster = new SimulatedCluster({ seed, size: 3 });
    this.cluster.startAll();
    this.cluster.runUntilLeader();
  }

  async client(
    hosts: readonly string[] = this.cluster.ids,
    options: Partial<ConnectOptions> = {},
  ): Promise<Client> {
    const { cluster } = this;
    const ports = {
      network: cluster.network.host('client'),
      clock: cluster.clock,
      prng: new Prng(this.#seed),
    };
    return this.settle(
      connect({ endpoints: hosts.map((host) => `${host}:${NODE_PORT}`), ports, ...options }),
    );
  }

  /** Lets time pass until the promise is settled. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const note = (): void => {
      isSettled = true;
    };
    promise.then(note, note);
    await this.until(() => isSettled);
    return promise;
  }

  /** Lets time pass until the condition holds. */
  async until(condition: () => boolean): Promise<void> {
    const { clock } = this.cluster;
    const endMs = clock.monotonicMs() + 120_000;
    while (!condition()) {
      if (clock.monotonicMs() > endMs) throw new Error('not so within two minutes');
      // Ten callbacks a turn: nodes tick for ever, and most of it has nothing to do with what is waited for.
      for (let at = 0; at < 10; at += 1) clock.step();
      for (let at = 0; at < 10; at += 1) await Promise.resolve();
    }
  }

  async readAll(client: Client): Promise<LogRecord[]> {
    return this.settle(
      (async () => {
        const records: LogRecord[] = [];
        for await (const record of client.read()) records.push(record);
        return records;
      })(),
    );
  }
}

describe('a client of a real cluster', () => {
  test('finds the leader from any one node, stores, gets and reads back', async () => {
    const setting = new Setting(1);
    for (const id of setting.cluster.ids) {
      const client = await setting.client([id]);
      const { index, ordinal } = await setting.settle(client.append(`by ${id}`));
      const batch = await setting.settle(client.appendBatch(['x', 'y', 'z']));
      const got = await setting.settle(client.get(index));
      expect(got?.map((record) => [record.index, record.ordinal, text(record.data)])).toEqual([
        [index, ordinal, `by ${id}`],
      ]);
      const all = await setting.settle(client.get(batch.index));
      expect(all?.map((record) => text(record.data))).toEqual(['x', 'y', 'z']);
      expect(await setting.settle(client.get(batch.index + 1))).toBeNull();
      // Index 1 founded the cluster: it holds no records.
      expect(await setting.settle(client.get(1))).toBeNull();
      await setting.settle(client.close());
    }
  });

  test('stores each record once and in order though leaders are killed, stopped and cut off all the while', async () => {
    for (const seed of [2, 3, 4]) {
      const setting = new Setting(seed);
      const { cluster } = setting;
      const prng = new Prng(seed);
      // Few in flight, so that the disturbances lie apart.
      const client = await setting.client(cluster.ids, { inFlightMax: 8 });
      const records = Array.from({ length: 1500 }, (_, at) => `r${at}`);
      let acknowledged = 0;
      const appends = Promise.all(
        records.map(async (record) => {
          const { index } = await client.append(record);
          acknowledged += 1;
          return index;
        }),
      );
      for (let round = 1; round <= 6; round += 1) {
        const goal = round * 200;
        await setting.until(() => acknowledged >= goal);
        await setting.until(() => cluster.leader() !== null);
        disturb(cluster, cluster.leader() as string, round, prng);
      }
      const indexes = await setting.settle(appends);
      expect(cluster.group(cluster.leader() as string).term).toBeGreaterThan(3);
      const found = await setting.readAll(client);
      expect(found.map((record) => text(record.data))).toEqual(records);
      expect(found.map((record) => record.index)).toEqual(indexes);
      await setting.settle(client.close());
    }
  });

  test('follows the tail across a failover', async () => {
    const setting = new Setting(5);
    const client = await setting.client();
    const seen: string[] = [];
    const following = (async () => {
      for await (const record of client.tail()) {
        seen.push(text(record.data));
        if (seen.length === 4) return;
      }
    })();
    for (const record of ['a', 'b']) await setting.settle(client.append(record));
    setting.cluster.kill(setting.cluster.leader() as string);
    for (const record of ['c', 'd']) await setting.settle(client.append(record));
    await setting.settle(following);
    expect(seen).toEqual(['a', 'b', 'c', 'd']);
  });

  test('hands leadership over while it appends and follows', async () => {
    const setting = new Setting(6);
    const { cluster } = setting;
    const client = await setting.client();
    await setting.settle(client.append('a'));
    const next = client.tail({ from: 1_000_000 }).next();
    next.catch(() => undefined);
    const from = cluster.leader() as string;
    const [target = ''] = cluster.followers();
    const append = client.append('b');
    expect(await setting.settle(client.transferLeadership(target))).toMatchObject({ from, to: target });
    await setting.settle(append);
    await setting.settle(client.append('c'));
    const found = await setting.readAll(client);
    expect(found.map((record) => text(record.data))).toEqual(['a', 'b', 'c']);
  });

  test('shows a cluster without a leader, and reads what is committed there', async () => {
    const setting = new Setting(7);
    const { cluster } = setting;
    const client = await setting.client();
    await setting.settle(client.append('a'));
    cluster.clock.advanceBy(500);
    const leader = cluster.leader() as string;
    const [follower = ''] = cluster.followers();
    cluster.kill(leader);
    cluster.kill(follower);
    cluster.clock.advanceBy(3000);
    const status = await setting.settle(client.status());
    expect(status.leaderId).toBeNull();
    expect(status.nodes.map(({ nodeId }) => nodeId)).toEqual(cluster.ids);
    expect(status.nodes.filter((node) => node.status === null).map(({ nodeId }) => nodeId)).toEqual(
      [leader, follower].sort(),
    );
    const found: string[] = [];
    await setting.settle(
      (async () => {
        for await (const record of client.read({ consistency: 'committed' })) found.push(text(record.data));
      })(),
    );
    expect(found).toEqual(['a']);
  });
});

/** Takes the leader away in one of three ways, and brings back what was taken away before. */
function disturb(cluster: SimulatedCluster, leader: string, round: number, prng: Prng): void {
  for (const id of cluster.ids) {
    if (!cluster.isRunning(id)) cluster.start(id);
    cluster.continue(id);
  }
  cluster.network.healAll();
  if (round % 3 === 0) {
    cluster.kill(leader);
  } else if (round % 3 === 1) {
    cluster.stop(leader);
    cluster.clock.setTimer(prng.between(200, 4000), () => cluster.continue(leader));
  } else {
    for (const other of cluster.ids) {
      if (other === leader) continue;
      cluster.network.cut(leader, other);
      cluster.network.cut(other, leader);
    }
  }
}
