import { describe, expect, test } from 'vitest';
import { NODE_PORT, SimulatedCluster } from '../../src/sim/simulated-cluster.ts';
import type { ErrorInfo } from '../../src/wire/errors.ts';
import { ANONYMOUS, RawClient, type Appended } from './support/raw-client.ts';
import { TopicsDriver, batchOf } from './support/topics.ts';

// Nodes that pass on what only the leader does, for clients that do not follow redirects.

class Setting {
  readonly cluster: SimulatedCluster;
  readonly leader: string;
  readonly answers: {
    readonly name: string;
    readonly error: ErrorInfo | null;
    readonly index: number | null;
  }[] = [];

  constructor(seed = 1) {
    this.cluster = new SimulatedCluster({ seed, size: 3 });
    this.cluster.startAll();
    this.leader = this.cluster.runUntilLeader();
    this.cluster.clock.advanceBy(500);
  }

  get follower(): string {
    return this.cluster.followers()[0] as string;
  }

  /** A connection to a node by somebody who goes nowhere else. */
  stays(at: string, hello: { redirects?: boolean; forwarded?: boolean } = {}): RawClient {
    const client = new RawClient(this.cluster.network.host('stays'), at, NODE_PORT, {
      redirects: false,
      ...hello,
    });
    this.until(() => client.ack !== null);
    return client;
  }

  append(client: RawClient, name: string, stamp = ANONYMOUS): void {
    client.append([name], stamp, (error: ErrorInfo | null, value: Appended | null) => {
      this.answers.push({ name, error, index: value?.index ?? null });
    });
  }

  until(condition: () => boolean, withinMs = 20_000): void {
    if (!this.cluster.clock.runUntil(condition, withinMs)) throw new Error(`not so within ${withinMs} ms`);
  }
}

describe('a client that stays where it is', () => {
  test('has everything that only the leader does done through a follower', () => {
    const setting = new Setting();
    const { cluster, follower } = setting;
    const driver = new TopicsDriver(cluster, 'stays');
    const client = setting.stays(follower);
    const opened = driver.settle<{ producerId: number; epoch: number }>((done) =>
      client.openProducer(8, done),
    ).value;
    const stamp = { producerId: opened?.producerId ?? 0, epoch: opened?.epoch ?? 0, sequence: 1 };
    const appended = driver.settle<Appended>((done) => client.append(['a'], stamp, done));
    expect(appended.error).toBeNull();
    const again = driver.settle<Appended>((done) => client.append(['a'], stamp, done));
    expect(again.value?.index).toBe(appended.value?.index);
    const topic = driver.settle((done) =>
      client.admin(
        { op: 'createTopic', name: 't', queues: 2, retentionMs: null, retentionBytes: null },
        done,
      ),
    );
    expect(topic).toMatchObject({ error: null, value: { topic: { name: 't' } } });
    const produced = driver.settle((done) =>
      client.produce(1, batchOf([{ text: 'x' }, { text: 'y' }]), done),
    );
    expect(produced).toMatchObject({ error: null, value: { baseOffset: 0 } });
    const fetched = driver.settle((done) => client.fetch({ queue: 1 }, done));
    expect(fetched).toMatchObject({ error: null, value: { endOffset: 2 } });
    const joined = driver.settle((done) =>
      client.group(
        { op: 'join', group: 'g', instance: 'i', clientName: 'c', topics: ['t'], sessionTimeoutMs: 5000 },
        done,
      ),
    );
    expect(joined.error).toBeNull();
    const read = driver.settle((done) => client.read({}, done));
    expect(read.error).toBeNull();
    // What the leader refuses is refused in its words.
    const unknown = driver.settle((done) => client.admin({ op: 'describeTopic', name: 'nix' }, done));
    expect(unknown.error?.code).toBe('UNKNOWN_TOPIC');
    expect(cluster.status(follower).counters['requestsForwarded']).toBeGreaterThan(8);
  });

  test('is answered by the follower itself where any node can answer', () => {
    const setting = new Setting();
    const { cluster, follower } = setting;
    const driver = new TopicsDriver(cluster, 'stays');
    const client = setting.stays(follower);
    expect(driver.settle((done) => client.read({ consistency: 'committed' }, done)).error).toBeNull();
    expect(cluster.status(follower).counters['requestsForwarded']).toBe(0);
  });

  test('waits through an election, in its order, and a retry that the old leader had is not stored twice', () => {
    for (let seed = 1; seed <= 6; seed += 1) {
      const setting = new Setting(seed);
      const { cluster, follower, leader } = setting;
      const driver = new TopicsDriver(cluster, 'stays');
      const client = setting.stays(follower);
      const { value } = driver.settle<{ producerId: number; epoch: number }>((done) =>
        client.openProducer(64, done),
      );
      const producer = { producerId: value?.producerId ?? 0, epoch: value?.epoch ?? 0 };
      for (let sequence = 1; sequence <= 40; sequence += 1) {
        setting.append(client, `r${sequence}`, { ...producer, sequence });
        if (sequence === 20) {
          // Somewhere between arrival and answer.
          cluster.clock.advanceBy(seed % 3);
          cluster.kill(leader);
        }
        if (sequence % 5 === 0) cluster.clock.advanceBy(4);
      }
      setting.until(() => setting.answers.length === 40);
      expect(setting.answers.filter(({ error }) => error !== null)).toEqual([]);
      const stored = driver.readAll(cluster.leader() as string).map(({ text }) => text);
      expect(stored).toEqual(Array.from({ length: 40 }, (_, at) => `r${at + 1}`));
    }
  });

  test('hears that the outcome is unknown where the leader died with something that may not be sent twice', () => {
    const setting = new Setting();
    const { cluster, follower, leader } = setting;
    const client = setting.stays(follower);
    setting.append(client, 'warm');
    setting.until(() => setting.answers.length === 1);
    for (const other of cluster.ids) if (other !== leader) cluster.network.cut(leader, other);
    setting.append(client, 'anonymous');
    cluster.clock.advanceBy(20);
    cluster.kill(leader);
    setting.until(() => setting.answers.length === 2);
    expect(setting.answers[1]?.error).toMatchObject({ code: 'TIMEOUT_UNKNOWN', outcome: 'unknown' });
  });

  test('is told so just before its time is up if nobody leads, and nothing came of it', () => {
    const setting = new Setting();
    const { cluster, follower } = setting;
    const client = setting.stays(follower);
    for (const id of cluster.ids) if (id !== follower) cluster.kill(id);
    cluster.clock.advanceBy(1000);
    const before = cluster.clock.monotonicMs();
    setting.append(client, 'nobody');
    setting.until(() => setting.answers.length === 1);
    const tookMs = cluster.clock.monotonicMs() - before;
    expect(setting.answers[0]?.error).toMatchObject({ code: 'TIMEOUT', outcome: 'none' });
    expect(tookMs).toBeGreaterThan(9900);
    expect(tookMs).toBeLessThan(10_000);
    expect(cluster.status(follower).counters['requestsParked']).toBe(0);
  });

  test('is refused where too many wait already, and forgotten when its connection ends', () => {
    const setting = new Setting();
    const { cluster, follower } = setting;
    const client = setting.stays(follower);
    for (const id of cluster.ids) if (id !== follower) cluster.kill(id);
    cluster.clock.advanceBy(1000);
    const large = 'x'.repeat(900_000);
    for (let at = 0; at < 20; at += 1) setting.append(client, large);
    cluster.clock.advanceBy(100);
    expect(setting.answers.map(({ error }) => error?.code)).toEqual(['OVERLOADED', 'OVERLOADED']);
    expect(cluster.status(follower).counters['requestsParked']).toBe(18);
    client.connection.destroy();
    cluster.clock.advanceBy(100);
    expect(cluster.status(follower).counters['requestsParked']).toBe(0);
  });
});

describe('one hop is enough', () => {
  test('what another node passed on is not passed on again', () => {
    const setting = new Setting();
    const client = setting.stays(setting.follower, { forwarded: true });
    setting.append(client, 'a');
    setting.until(() => setting.answers.length === 1);
    expect(setting.answers[0]?.error).toMatchObject({ code: 'NOT_LEADER', leaderId: setting.leader });
  });

  test('who follows redirects is told who leads, and at once that nobody does', () => {
    const setting = new Setting();
    const { cluster, follower, leader } = setting;
    const client = setting.stays(follower, { redirects: true });
    setting.append(client, 'a');
    setting.until(() => setting.answers.length === 1);
    expect(setting.answers[0]?.error).toMatchObject({ code: 'NOT_LEADER', leaderId: leader });
    for (const id of cluster.ids) if (id !== follower) cluster.kill(id);
    cluster.clock.advanceBy(1000);
    setting.append(client, 'b');
    setting.until(() => setting.answers.length === 2, 50);
    expect(setting.answers[1]?.error?.code).toBe('NO_LEADER');
  });
});
