import { describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { NODE_DEFAULTS, startNode, type NodeError } from '../../src/node/index.ts';
import { CrashableDisk } from '../../src/sim/crashable-disk.ts';
import { NODE_PORT, SimulatedCluster } from '../../src/sim/simulated-cluster.ts';
import { SimulatedProcess } from '../../src/sim/simulated-process.ts';
import { Driver } from './support/driver.ts';
import { ANONYMOUS } from './support/raw-client.ts';

// Whole nodes on simulated machines: no test here waits for real time.

function start(size = 3, seed = 1): { cluster: SimulatedCluster; driver: Driver; leader: string } {
  const cluster = new SimulatedCluster({ seed, size });
  cluster.startAll();
  const leader = cluster.runUntilLeader();
  return { cluster, driver: new Driver(cluster), leader };
}

function elections(cluster: SimulatedCluster): number {
  return cluster.ids
    .filter((id) => cluster.isRunning(id))
    .reduce((sum, id) => sum + (cluster.status(id).counters['electionsStarted'] ?? 0), 0);
}

describe('a cluster', () => {
  test('is founded by its first leader: one id, everybody named', () => {
    const { cluster } = start();
    cluster.clock.advanceBy(1000);
    const ids = new Set(cluster.ids.map((id) => cluster.status(id).clusterId));
    expect(ids.size).toBe(1);
    for (const id of cluster.ids) {
      const { members } = cluster.group(id);
      expect(members.map((member) => member.id)).toEqual(['n1', 'n2', 'n3']);
      expect(members.every((member) => member.incarnation !== null)).toBe(true);
    }
  });

  test('of one node works alone', () => {
    const { driver, leader } = start(1);
    expect(driver.append(leader, ['a']).value).not.toBeNull();
    expect(driver.readAll(leader).map(({ text }) => text)).toEqual(['a']);
  });

  test('binds a node that was not there when it was founded', () => {
    const cluster = new SimulatedCluster({ seed: 3, size: 3 });
    cluster.start('n1');
    cluster.start('n2');
    const leader = cluster.runUntilLeader();
    cluster.start('n3');
    cluster.clock.advanceBy(2000);
    const bound = cluster.group(leader).members.find((member) => member.id === 'n3');
    expect(bound?.incarnation).toBe(cluster.status('n3').incarnation);
    expect(cluster.group('n3').eligible).toBe(true);
  });
});

describe('records', () => {
  test('are acknowledged, readable and the same on every node', () => {
    const { cluster, driver, leader } = start();
    const acknowledged = ['a', 'b', 'c'].map((text) => ({
      text,
      index: driver.append(leader, [text]).value?.index,
    }));
    expect(driver.readAll(leader)).toEqual(acknowledged.map(({ text, index }) => ({ index, text })));
    cluster.clock.advanceBy(500);
    for (const id of cluster.ids)
      expect(driver.readAll(id, 'committed').map(({ text }) => text)).toEqual(['a', 'b', 'c']);
  });

  test('a follower says who leads', () => {
    const { cluster, driver, leader } = start();
    const { error } = driver.append(cluster.followers()[0] as string, ['a']);
    expect(error).toMatchObject({
      code: 'NOT_LEADER',
      leaderId: leader,
      leaderAddress: `${leader}:7100`,
      outcome: 'none',
    });
  });

  test('survive the power cut of all machines at once', () => {
    const { cluster, driver, leader } = start();
    const indexes = Array.from({ length: 50 }, (_, at) => driver.append(leader, [`r${at}`]).value?.index);
    for (const id of cluster.ids) cluster.powerCut(id);
    cluster.startAll();
    const next = cluster.runUntilLeader();
    expect(driver.readAll(next)).toEqual(indexes.map((index, at) => ({ index, text: `r${at}` })));
  });

  test('survive the death of the leader, and a retry with the same stamp is stored once', () => {
    const { cluster, driver, leader } = start();
    const { producerId, epoch } = driver.openProducer(leader);
    const first = driver.append(leader, ['once'], { producerId, epoch, sequence: 1 });
    cluster.kill(leader);
    const next = cluster.runUntilLeader();
    const again = driver.append(next, ['once'], { producerId, epoch, sequence: 1 });
    expect(again.value?.index).toBe(first.value?.index);
    expect(driver.readAll(next).map(({ text }) => text)).toEqual(['once']);
  });

  test('a gap in a producer’s sequence is refused and names what is expected', () => {
    const { driver, leader } = start();
    const { producerId, epoch } = driver.openProducer(leader);
    driver.append(leader, ['a'], { producerId, epoch, sequence: 1 });
    const { error } = driver.append(leader, ['c'], { producerId, epoch, sequence: 3 });
    expect(error?.code).toBe('OUT_OF_ORDER');
    expect(error?.message).toContain('2');
    expect(driver.append(leader, ['b'], { producerId, epoch, sequence: 2 }).value).not.toBeNull();
  });

  test('a producer nobody knows is told so', () => {
    const { driver, leader } = start();
    const { error } = driver.append(leader, ['a'], { producerId: 999, epoch: 1, sequence: 1 });
    expect(error).toMatchObject({ code: 'SESSION_EXPIRED', outcome: 'unknown' });
  });

  test('a batch that was damaged on its way is refused', () => {
    const { driver, leader } = start();
    const client = driver.to(leader);
    const { error } = driver.settle((done) => client.appendBytes(new Uint8Array(40), 1, done));
    expect(error?.code).toBe('BAD_CHECKSUM');
  });

  test('a follower that was away for longer than the cache is caught up from disk', () => {
    const cluster = new SimulatedCluster({ seed: 5, size: 3, node: { cacheBytesMax: 4096 } });
    cluster.startAll();
    const leader = cluster.runUntilLeader();
    const driver = new Driver(cluster);
    const away = cluster.followers()[0] as string;
    cluster.kill(away);
    for (let at = 0; at < 200; at += 1) driver.append(leader, [`record ${at} ${'x'.repeat(100)}`]);
    cluster.start(away);
    const caughtUp = cluster.clock.runUntil(
      () => cluster.group(away).appliedIndex === cluster.group(leader).appliedIndex,
      10_000,
    );
    expect(caughtUp).toBe(true);
    expect(driver.readAll(away, 'committed').length).toBe(200);
  });

  test('a node that restarts before its first checkpoint still takes one', () => {
    const cluster = new SimulatedCluster({ seed: 8, size: 1, node: { checkpointEveryBytes: 2000 } });
    cluster.startAll();
    const leader = cluster.runUntilLeader();
    const driver = new Driver(cluster);
    driver.append(leader, ['before']);
    cluster.clock.advanceBy(500);
    cluster.kill(leader);
    cluster.start(leader);
    cluster.runUntilLeader();
    for (let at = 0; at < 50; at += 1) driver.append(leader, [`record ${at}`]);
    cluster.clock.advanceBy(100);
    expect(cluster.status(leader).counters['checkpointIndex']).toBeGreaterThan(0);
  });

  test('are restored through a checkpoint: a restart does not forget what producers sent', () => {
    const cluster = new SimulatedCluster({ seed: 6, size: 1, node: { checkpointEveryBytes: 2000 } });
    cluster.startAll();
    const leader = cluster.runUntilLeader();
    const driver = new Driver(cluster);
    const { producerId, epoch } = driver.openProducer(leader, 64);
    for (let sequence = 1; sequence <= 60; sequence += 1)
      driver.append(leader, [`r${sequence}`], { producerId, epoch, sequence });
    cluster.clock.advanceBy(100);
    expect(cluster.status(leader).counters['checkpointIndex']).toBeGreaterThan(0);
    cluster.kill(leader);
    cluster.start(leader);
    cluster.runUntilLeader();
    const before = driver.readAll(leader);
    const again = driver.append(leader, ['r60'], { producerId, epoch, sequence: 60 });
    expect(again.value?.index).toBe(before.at(-1)?.index);
    expect(driver.readAll(leader)).toEqual(before);
  });
});

describe('elections', () => {
  test('a killed leader is replaced within tens of milliseconds, long before its lease would end', () => {
    const { cluster, leader } = start();
    cluster.clock.advanceBy(500);
    const before = cluster.clock.monotonicMs();
    cluster.kill(leader);
    cluster.runUntilLeader();
    expect(cluster.clock.monotonicMs() - before).toBeLessThan(60);
  });

  test('a leader that dies right after a follower came back is replaced as fast: who calls is called back at once', () => {
    for (let seed = 1; seed <= 8; seed += 1) {
      const { cluster, leader } = start(3, seed);
      cluster.clock.advanceBy(500);
      const away = cluster.ids.find((id) => id !== leader) as string;
      cluster.kill(away);
      cluster.clock.advanceBy(3000 + seed * 70);
      cluster.start(away);
      cluster.clock.advanceBy(30);
      cluster.kill(leader);
      const killedAtMs = cluster.clock.monotonicMs();
      cluster.runUntilLeader();
      expect(cluster.clock.monotonicMs() - killedAtMs).toBeLessThan(80);
    }
  });

  test('resets on a living leader’s links cause none', () => {
    const { cluster, leader } = start();
    cluster.clock.advanceBy(500);
    const before = elections(cluster);
    const term = cluster.group(leader).term;
    for (let round = 0; round < 200; round += 1) {
      for (const follower of cluster.followers()) cluster.network.reset(leader, follower);
      cluster.clock.advanceBy(20);
    }
    expect(cluster.leader()).toBe(leader);
    expect(cluster.group(leader).term).toBe(term);
    expect(elections(cluster)).toBe(before);
  });

  test('a follower that is cut off and comes back changes neither term nor leader', () => {
    const { cluster, leader } = start();
    cluster.clock.advanceBy(500);
    const { term } = cluster.group(leader);
    const [follower] = cluster.followers() as [string];
    for (const id of cluster.ids) {
      cluster.network.cut(id, follower);
      cluster.network.cut(follower, id);
    }
    cluster.clock.advanceBy(10_000);
    cluster.network.healAll();
    cluster.clock.advanceBy(5000);
    expect(cluster.leader()).toBe(leader);
    expect(cluster.group(leader).term).toBe(term);
    expect(cluster.group(follower).appliedIndex).toBe(cluster.group(leader).appliedIndex);
  });

  test('a leader that is cut off steps down, and what it had in flight is unknown', () => {
    const { cluster, driver, leader } = start();
    const client = driver.to(leader);
    for (const follower of cluster.followers()) {
      cluster.network.cut(leader, follower);
      cluster.network.cut(follower, leader);
    }
    const { error } = driver.settle((done) =>
      client.append(['lost?'], { producerId: 0, epoch: 0, sequence: 0 }, done),
    );
    expect(error).toMatchObject({ code: 'LEADERSHIP_LOST', outcome: 'unknown' });
    expect(cluster.group(leader).role).not.toBe('leader');
  });

  test('a leader that stood still acknowledges nothing after it wakes that the others do not have', () => {
    const { cluster, driver, leader } = start();
    driver.append(leader, ['before']);
    cluster.stop(leader);
    const client = driver.to(leader);
    let answer: { code: string | null; index: number | null } | null = null;
    client.append(['while it slept'], { producerId: 0, epoch: 0, sequence: 0 }, (error, value) => {
      answer = { code: error?.code ?? null, index: value?.index ?? null };
    });
    cluster.clock.advanceBy(2000);
    const other = new Driver(cluster, 'other');
    const next = cluster.runUntilLeader();
    expect(next).not.toBe(leader);
    other.append(next, ['after']);
    cluster.continue(leader);
    cluster.clock.advanceBy(1000);
    expect(answer).not.toBeNull();
    expect((answer as unknown as { index: number | null }).index).toBeNull();
    expect(other.readAll(next).map(({ text }) => text)).toEqual(['before', 'after']);
    expect(cluster.group(leader).role).toBe('follower');
  });

  test('leadership is handed over on request, and on the way out', () => {
    const { cluster, driver, leader } = start();
    cluster.clock.advanceBy(500);
    const client = driver.to(leader);
    const target = cluster.followers()[1] as string;
    const { value } = driver.settle<{ to: string }>((done) => client.transfer(target as never, done));
    expect(value?.to).toBe(target);
    cluster.clock.advanceBy(500);
    let stopped = false;
    cluster.node(target).stop({ handOver: true, timeoutMs: 1000 }, () => {
      stopped = true;
    });
    expect(cluster.clock.runUntil(() => stopped, 2000)).toBe(true);
    cluster.kill(target);
    expect(cluster.runUntilLeader()).not.toBe(target);
  });
});

describe('identity', () => {
  test('a node whose disk was wiped is bound anew by the others and loses nothing of theirs', () => {
    const { cluster, driver, leader } = start();
    for (let at = 0; at < 20; at += 1) driver.append(leader, [`r${at}`]);
    const [follower] = cluster.followers() as [string];
    cluster.wipe(follower);
    cluster.start(follower);
    cluster.clock.advanceBy(3000);
    const bound = cluster.group(leader).members.find((member) => member.id === follower);
    expect(bound?.incarnation).toBe(cluster.status(follower).incarnation);
    expect(driver.readAll(follower, 'committed').length).toBe(20);
  });

  test('a node whose operator named fewer peers learns the others from the log', () => {
    const { cluster, driver, leader } = start();
    const [follower] = cluster.followers() as [string];
    cluster.kill(follower);
    cluster.start(follower, {
      peers: [follower, leader].sort().map((id) => ({ id, address: `${id}:${NODE_PORT}` })),
    });
    cluster.clock.advanceBy(1000);
    cluster.kill(leader);
    const next = cluster.runUntilLeader();
    expect(driver.append(next, ['with all that are left']).value).not.toBeNull();
    expect(cluster.fatal(follower)).toBeNull();
  });

  test('one that was never there and one whose disk was wiped do not found another cluster beside the one that is left', () => {
    for (let seed = 1; seed <= 10; seed += 1) {
      const cluster = new SimulatedCluster({ seed, size: 3 });
      for (const id of ['n2', 'n3']) cluster.start(id);
      cluster.runUntilLeader();
      cluster.clock.advanceBy(300);
      const { clusterId } = cluster.status('n2');
      expect(new Driver(cluster).append(cluster.leader() as string, ['kept']).value).not.toBeNull();
      // n3 loses its disk, and n1, which nobody has seen yet, comes up with it. n2 alone has the record.
      cluster.wipe('n3');
      cluster.start('n3');
      cluster.start('n1');
      cluster.clock.advanceBy(5000);
      for (const id of cluster.ids) expect([null, clusterId]).toContain(cluster.status(id).clusterId);
      expect(cluster.core('n2')?.lastIndex).toBeGreaterThan(1);
      for (const id of ['n1', 'n3']) expect(cluster.core(id)?.role).not.toBe('leader');
    }
  });

  test('a wiped node behind a cut is believed once the cut is healed', () => {
    const { cluster, driver, leader } = start();
    driver.append(leader, ['a']);
    const [follower] = cluster.followers() as [string];
    for (const id of cluster.ids) {
      cluster.network.cut(id, follower);
      cluster.network.cut(follower, id);
    }
    cluster.clock.advanceBy(700);
    cluster.wipe(follower);
    cluster.start(follower);
    cluster.clock.advanceBy(300);
    cluster.network.healAll();
    cluster.clock.advanceBy(5000);
    expect(cluster.fatal(follower)).toBeNull();
    expect(
      cluster.group(cluster.runUntilLeader()).members.find((member) => member.id === follower)?.incarnation,
    ).toBe(cluster.status(follower).incarnation);
  });

  test('a node that lost its disk and its power at once comes back, though others still take its old connections for alive', () => {
    const { cluster } = start(3, 4);
    cluster.clock.advanceBy(500);
    const [follower] = cluster.followers() as [string];
    cluster.powerCut(follower, true);
    cluster.wipe(follower);
    cluster.start(follower);
    cluster.clock.advanceBy(5000);
    expect(cluster.fatal(follower)).toBeNull();
    expect(cluster.group(follower).eligible).toBe(true);
  });

  test('a second node of the same id is turned away, and the cluster does not notice', () => {
    const { cluster, leader } = start();
    cluster.clock.advanceBy(500);
    const before = cluster.group(leader);
    const process = new SimulatedProcess(cluster.clock, cluster.network.host('elsewhere'));
    let fatal: NodeError | null = null;
    startNode(
      {
        ...NODE_DEFAULTS,
        id: 'n1',
        peers: cluster.ids.map((id) => ({ id, address: `${id}:${NODE_PORT}` })),
        listen: { host: 'elsewhere', port: NODE_PORT },
        dataDirectory: '/data',
      },
      {
        disk: new CrashableDisk({ prng: new Prng(1), clock: cluster.clock }),
        network: process.network,
        clock: process.clock,
        prng: new Prng(2),
      },
      {
        onEvent: () => undefined,
        onReady: () => undefined,
        onFatal: (error) => {
          fatal = error;
        },
      },
    );
    cluster.clock.advanceBy(3000);
    expect(fatal).toMatchObject({ code: 'DUPLICATE_NODE' });
    expect(cluster.leader()).toBe(leader);
    expect(cluster.group(leader).term).toBe(before.term);
    expect(cluster.group(leader).members).toEqual(before.members);
  });
});

describe('a slow disk', () => {
  /** A cluster under steady load, whose disks are as slow as the map says, in milliseconds a sync. */
  function underLoad(seed: number): {
    readonly cluster: SimulatedCluster;
    readonly slowMs: Map<string, number>;
    /** Who led, in turn. */
    readonly leaders: string[];
    readonly passMs: (ms: number) => void;
  } {
    const slowMs = new Map<string, number>();
    const cluster = new SimulatedCluster({
      seed,
      size: 3,
      diskLatencyMs: (id, kind) => (kind === 'sync' ? 0.2 + (slowMs.get(id) ?? 0) : 0.05),
    });
    cluster.startAll();
    cluster.runUntilLeader();
    const leaders: string[] = [];
    const passMs = (ms: number): void => {
      const endMs = cluster.clock.monotonicMs() + ms;
      while (cluster.clock.monotonicMs() < endMs) {
        const leader = cluster.leader();
        if (leader !== null && leader !== leaders.at(-1)) leaders.push(leader);
        if (leader !== null) clients.to(leader).append(['x'], ANONYMOUS, () => undefined);
        cluster.clock.advanceBy(20);
      }
    };
    const clients = new Driver(cluster);
    passMs(500);
    return { cluster, slowMs, leaders, passMs };
  }

  test('makes a leader hand over within three seconds, and not be chosen again before it has been well for a while', () => {
    for (const seed of [1, 2, 3]) {
      const { cluster, slowMs, leaders, passMs } = underLoad(seed);
      const first = leaders.at(-1) as string;
      slowMs.set(first, 300);
      passMs(3000);
      expect(leaders).toHaveLength(2);
      expect(leaders[1]).not.toBe(first);
      expect(cluster.status(first).counters).toMatchObject({ diskIsSlow: 1, slowDiskHandOvers: 1 });
      // The one that took over dies: the third is next, not the slow one, though it would do in need.
      slowMs.clear();
      cluster.kill(leaders[1] as string);
      passMs(3000);
      expect(leaders.at(-1)).not.toBe(first);
      passMs(30_000);
      expect(cluster.status(first).counters['diskIsSlow']).toBe(0);
    }
  });

  test('that all have makes nobody hand over to and fro', () => {
    const { cluster, slowMs, leaders, passMs } = underLoad(4);
    for (const id of cluster.ids) slowMs.set(id, 250);
    passMs(10_000);
    expect(leaders).toHaveLength(1);
    expect(cluster.status(leaders[0] as string).counters).toMatchObject({
      diskIsSlow: 1,
      slowDiskHandOvers: 0,
    });
  });

  test('of a follower changes nothing', () => {
    const { cluster, slowMs, leaders, passMs } = underLoad(5);
    slowMs.set(cluster.followers()[0] as string, 1000);
    passMs(5000);
    expect(leaders).toHaveLength(1);
  });
});

describe('a sick disk', () => {
  test('a failed sync ends the node: nothing is acknowledged after it, and the others go on', () => {
    const { cluster, driver, leader } = start();
    driver.append(leader, ['good']);
    cluster.disk(leader).failSync(() => true);
    const { value } = driver.append(leader, ['doomed?']);
    expect(cluster.clock.runUntil(() => cluster.fatal(leader) !== null, 1000)).toBe(true);
    expect(cluster.fatal(leader)?.code).toBe('DISK_FAILED');
    const diedMs = cluster.clock.monotonicMs();
    const next = cluster.runUntilLeader();
    // It said itself who was to stand: nobody had to find out first that it is gone.
    expect(cluster.clock.monotonicMs() - diedMs).toBeLessThan(10);
    const campaigns = cluster.events(next).filter(({ code }) => code === 'campaign-started');
    expect(campaigns.at(-1)?.fields).toMatchObject({ kind: 'vote', reason: 'transfer' });
    const texts = driver.readAll(next).map(({ text }) => text);
    expect(texts).toContain('good');
    if (value !== null) expect(texts).toContain('doomed?');
    expect(driver.append(next, ['on']).value).not.toBeNull();
  });
});
