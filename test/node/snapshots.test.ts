import { describe, expect, test } from 'vitest';
import type { NodeOptions } from '../../src/node/index.ts';
import { SimulatedCrash } from '../../src/sim/crashable-disk.ts';
import { SimulatedCluster } from '../../src/sim/simulated-cluster.ts';
import { recordsOf, TopicsDriver } from './support/topics.ts';
import { trimToCheckpoint } from './support/trimmed.ts';

// A node that needs what the others do not keep any more gets a snapshot, and the log behind it.

interface Bench {
  readonly cluster: SimulatedCluster;
  readonly driver: TopicsDriver;
  /** Down since the first ten records. */
  readonly behind: string;
  /** Those that do not keep what it lacks. */
  readonly others: readonly string[];
  /** The last entry that is not kept. */
  readonly base: number;
}

/** Three nodes, one of which missed entries that the others have trimmed away. Those do not run. */
function trimmedCluster(
  options: {
    seed?: number;
    node?: Partial<NodeOptions>;
    producers?: number;
    /** More that the cluster is told, before and while the one is down. */
    early?: (leader: string, driver: TopicsDriver) => void;
    missed?: (leader: string, driver: TopicsDriver) => void;
  } = {},
): Bench {
  const cluster = new SimulatedCluster({
    seed: options.seed ?? 5,
    size: 3,
    ...(options.node === undefined ? {} : { node: options.node }),
  });
  cluster.startAll();
  const leader = cluster.runUntilLeader();
  const driver = new TopicsDriver(cluster);
  options.early?.(leader, driver);
  for (let at = 0; at < 10; at += 1) driver.append(leader, [`early ${at}`]);
  const behind = cluster.followers()[0] as string;
  cluster.clock.advanceBy(500);
  cluster.kill(behind);
  options.missed?.(leader, driver);
  for (let at = 0; at < (options.producers ?? 0); at += 1) driver.openProducer(leader);
  for (let at = 0; at < 60; at += 1) driver.append(leader, [`trimmed ${at}`]);
  cluster.clock.advanceBy(500);
  const others = [...cluster.followers(), leader];
  let base = 0;
  for (const id of others) {
    cluster.shutDown(id, 100);
    if (!cluster.clock.runUntil(() => !cluster.isRunning(id), 3000)) throw new Error(`${id} does not stop`);
    let isTrimmed = false;
    trimToCheckpoint({ disk: cluster.disk(id), clock: cluster.clock, directory: '/data', id }, (index) => {
      base = index;
      isTrimmed = true;
    });
    cluster.clock.runUntil(() => isTrimmed, 1000);
    cluster.disk(id).kill();
  }
  return { cluster, driver, behind, others, base };
}

function startOthers({ cluster, driver, others }: Bench): string {
  for (const id of others) cluster.start(id);
  const leader = cluster.runUntilLeader();
  for (let at = 0; at < 20; at += 1) driver.append(leader, [`late ${at}`]);
  return leader;
}

function caughtUp({ cluster, behind }: Bench, leader: string): boolean {
  if (!cluster.isRunning(behind)) return false;
  const { appliedIndex, firstIndex } = cluster.group(behind);
  return firstIndex > 1 && appliedIndex >= cluster.group(leader).commitIndex;
}

function codes(cluster: SimulatedCluster, id: string): string[] {
  return cluster.events(id).map(({ code }) => code);
}

/** The state of a cluster that has seen these many producers is large enough for many pieces of a slow transfer. */
const SLOW: Parameters<typeof trimmedCluster>[0] = {
  producers: 1000,
  node: { snapshotBytesPerSecondMax: 80_000 },
};

function startSlow(seed = 5): Bench & { readonly leader: string } {
  const bench = trimmedCluster({ ...SLOW, seed });
  const leader = startOthers(bench);
  bench.cluster.start(bench.behind);
  return { ...bench, leader };
}

function receivedBytes({ cluster, behind }: Bench): number {
  return cluster.status(behind).snapshots.find(({ direction }) => direction === 'in')?.doneBytes ?? 0;
}

function runUntilReceived(bench: Bench, bytes: number): void {
  const isThere = (): boolean => bench.cluster.isRunning(bench.behind) && receivedBytes(bench) >= bytes;
  if (!bench.cluster.clock.runUntil(isThere, 10_000)) throw new Error(`no ${bytes} bytes of a snapshot came`);
}

function elections(cluster: SimulatedCluster): number {
  return cluster.ids.reduce((sum, id) => sum + (cluster.status(id).counters['electionsStarted'] ?? 0), 0);
}

describe('a node that needs what the others do not keep', () => {
  test('gets a snapshot, and the log behind it', () => {
    const bench = trimmedCluster();
    const { cluster, behind, base } = bench;
    const leader = startOthers(bench);
    cluster.start(behind);
    expect(cluster.clock.runUntil(() => caughtUp(bench, leader), 10_000)).toBe(true);
    expect(cluster.group(behind).firstIndex).toBe(base + 1);
    cluster.clock.advanceBy(400);
    expect(codes(cluster, leader)).toContain('snapshot-sent');
    const told = codes(cluster, behind).filter((code) => code.startsWith('snapshot-'));
    expect(told).toEqual(['snapshot-receiving', 'snapshot-received', 'snapshot-installed']);
    const records = bench.driver.readAll(behind, 'committed', base + 1);
    expect(records).toEqual(bench.driver.readAll(leader, 'committed', base + 1));
    expect(records.map(({ text }) => text)).toContain('late 19');
  });

  test('counts again, and can lead', () => {
    const bench = trimmedCluster();
    const { cluster, driver, behind } = bench;
    const leader = startOthers(bench);
    cluster.start(behind);
    cluster.clock.runUntil(() => caughtUp(bench, leader), 10_000);
    cluster.clock.advanceBy(500);
    const { error } = driver.settle<unknown>((done) => driver.to(leader).transfer(behind as never, done));
    expect(error).toBeNull();
    expect(cluster.runUntilLeader()).toBe(behind);
    expect(driver.append(behind, ['from the new leader']).value).not.toBeNull();
  });

  test('says how far it is, and so does who sends it', () => {
    const bench = startSlow();
    const { cluster, behind, leader, base } = bench;
    runUntilReceived(bench, 20_000);
    const [incoming] = cluster.status(behind).snapshots;
    const [outgoing] = cluster.status(leader).snapshots;
    expect(incoming).toMatchObject({ direction: 'in', peer: leader, index: base });
    expect(outgoing).toMatchObject({ direction: 'out', peer: behind, index: base, bytes: incoming?.bytes });
    expect(outgoing?.doneBytes).toBeLessThanOrEqual(incoming?.doneBytes ?? 0);
    expect(incoming?.doneBytes).toBeLessThan(incoming?.bytes ?? 0);
  });

  test('keeps nobody waiting meanwhile, and is sent no faster than allowed', () => {
    const bench = startSlow();
    const { cluster, driver, behind, leader } = bench;
    runUntilReceived(bench, 4096);
    const before = elections(cluster);
    const startedMs = cluster.clock.monotonicMs();
    let slowestMs = 0;
    while (!caughtUp(bench, leader)) {
      const askedMs = cluster.clock.monotonicMs();
      expect(driver.append(leader, ['meanwhile']).value).not.toBeNull();
      slowestMs = Math.max(slowestMs, cluster.clock.monotonicMs() - askedMs);
      cluster.clock.advanceBy(20);
    }
    const sentBytes = cluster.status(leader).counters['snapshotBytesSent'] ?? 0;
    const tookMs = cluster.clock.monotonicMs() - startedMs;
    expect(slowestMs).toBeLessThan(50);
    expect(elections(cluster)).toBe(before);
    expect(sentBytes).toBeGreaterThan(30_000);
    expect(tookMs).toBeGreaterThan(((sentBytes - 4096 * 5) / 80_000) * 1000);
    expect(cluster.group(behind).firstIndex).toBeGreaterThan(60);
  });

  test('goes on where it was when the connection was cut', () => {
    const bench = startSlow();
    const { cluster, behind, leader } = bench;
    runUntilReceived(bench, 20_000);
    cluster.network.cut(leader, behind);
    cluster.network.cut(behind, leader);
    cluster.clock.advanceBy(150);
    const before = receivedBytes(bench);
    cluster.network.heal(leader, behind);
    cluster.network.heal(behind, leader);
    expect(receivedBytes(bench)).toBe(before);
    expect(cluster.clock.runUntil(() => caughtUp(bench, leader), 20_000)).toBe(true);
    cluster.clock.advanceBy(400);
    const { bytes } = (cluster.events(leader).find(({ code }) => code === 'snapshot-sent')?.fields ?? {}) as {
      bytes: number;
    };
    expect(cluster.status(leader).counters['snapshotBytesSent']).toBeLessThan(bytes + 8 * 4096);
  });

  test.each([1000, 20_000, 35_000])('begins anew when its process died at byte %i', (bytes) => {
    const bench = startSlow();
    const { cluster, behind, leader } = bench;
    runUntilReceived(bench, bytes);
    cluster.kill(behind);
    cluster.clock.advanceBy(100);
    cluster.start(behind);
    expect(cluster.clock.runUntil(() => caughtUp(bench, leader), 20_000)).toBe(true);
  });

  test('is sent it by the next leader when the first one dies', () => {
    const bench = startSlow();
    const { cluster, behind, leader, others } = bench;
    runUntilReceived(bench, 20_000);
    cluster.kill(leader);
    // The one that is left has nobody to lead with before the third is back: a node without the log cannot vote it down.
    const next = cluster.runUntilLeader();
    expect(others).toContain(next);
    expect(cluster.clock.runUntil(() => caughtUp(bench, next), 20_000)).toBe(true);
    expect(bench.driver.append(next, ['by two of three']).value).not.toBeNull();
    expect(cluster.group(behind).eligible).toBe(true);
  });

  test('may have lost its disk: it counts when the others have taken it in again', () => {
    const bench = trimmedCluster();
    const { cluster, behind, base } = bench;
    const leader = startOthers(bench);
    cluster.wipe(behind);
    cluster.start(behind);
    expect(cluster.clock.runUntil(() => caughtUp(bench, leader), 10_000)).toBe(true);
    cluster.clock.advanceBy(1000);
    expect(cluster.group(behind)).toMatchObject({ firstIndex: base + 1, eligible: true });
    expect(cluster.status(behind).clusterId).toBe(cluster.status(leader).clusterId);
    cluster.kill(behind);
    cluster.start(behind);
    expect(cluster.status(behind).clusterId).toBe(cluster.status(leader).clusterId);
  });

  test('serves the queues of topics from where the log begins', () => {
    const bench = trimmedCluster({
      early: (leader, driver) => {
        driver.createTopic(leader, 'orders', 2);
        for (let at = 0; at < 5; at += 1) driver.produce(leader, 1, [`early ${at}`]);
        driver.produce(leader, 2, ['only one']);
      },
      missed: (leader, driver) => {
        for (let at = 0; at < 7; at += 1) driver.produce(leader, 1, [`missed ${at}`]);
      },
    });
    const { cluster, driver, behind } = bench;
    const leader = startOthers(bench);
    for (let at = 0; at < 4; at += 1) driver.produce(leader, 1, [{ text: `late ${at}`, key: 'k' }]);
    cluster.start(behind);
    expect(cluster.clock.runUntil(() => caughtUp(bench, leader), 10_000)).toBe(true);
    for (const restart of [false, true]) {
      if (restart) {
        cluster.shutDown(behind, 100);
        cluster.clock.runUntil(() => !cluster.isRunning(behind), 3000);
        cluster.start(behind);
        cluster.clock.runUntil(() => caughtUp(bench, leader), 10_000);
      }
      for (const id of [behind, leader]) {
        const expired = driver.fetch(id, { queue: 1, offset: 11, consistency: 'committed' });
        expect(expired.error).toMatchObject({ code: 'OFFSET_EXPIRED', firstIndex: 12, lastIndex: 16 });
        const { value } = driver.fetch(id, { queue: 1, offset: 12, consistency: 'committed' });
        expect(
          value === null ? [] : recordsOf(value, 12).map(({ offset, text }) => `${offset} ${text}`),
        ).toEqual(['12 late 0', '13 late 1', '14 late 2', '15 late 3']);
      }
    }
    expect(cluster.fatal(behind)).toBeNull();
  });

  test('is not sent one that has rotted; it is told when there is no other', () => {
    const bench = trimmedCluster();
    const { cluster, driver, behind, base } = bench;
    const leader = startOthers(bench);
    const name = `/data/checkpoint-${String(base).padStart(16, '0')}`;
    for (const id of bench.others)
      cluster.disk(id).setByte(name, cluster.disk(id).visible(name).length - 1, (byte) => byte ^ 1);
    cluster.start(behind);
    cluster.clock.advanceBy(2000);
    // The first one is how the log of this test was trimmed.
    const told = codes(cluster, leader).filter((code) => code.startsWith('snapshot-'));
    expect(told.slice(1)).toEqual(['snapshot-unreadable', 'snapshot-missing']);
    expect(cluster.group(behind).firstIndex).toBe(1);
    // With the next checkpoint there is one again.
    while (cluster.status(leader).counters['checkpointIndex'] === base)
      driver.append(
        leader,
        Array.from({ length: 20 }, () => 'x'.repeat(1000)),
      );
    expect(cluster.clock.runUntil(() => caughtUp(bench, leader), 10_000)).toBe(true);
    expect(cluster.group(behind).firstIndex).toBeGreaterThan(base + 1);
  });

  test('starts from it again, also after a power cut', () => {
    const bench = trimmedCluster();
    const { cluster, behind, base } = bench;
    const leader = startOthers(bench);
    cluster.start(behind);
    cluster.clock.runUntil(() => caughtUp(bench, leader), 10_000);
    cluster.powerCut(behind);
    cluster.start(behind);
    expect(cluster.clock.runUntil(() => caughtUp(bench, leader), 10_000)).toBe(true);
    expect(cluster.group(behind).firstIndex).toBe(base + 1);
    expect(cluster.status(behind).counters['checkpointIndex']).toBeGreaterThanOrEqual(base);
  });
});

describe('a crash of the node that gets a snapshot', () => {
  // Each kind of crash takes every other operation.
  test.each([
    ['kill', 1],
    ['power', 2],
  ] as const)('(%s) at any operation of its disk ends well', (crash, first) => {
    let died = 0;
    for (let operation = first; operation <= 42; operation += 2) {
      const bench = trimmedCluster({ seed: 20 + operation });
      const { cluster, behind } = bench;
      const leader = startOthers(bench);
      const disk = cluster.disk(behind);
      let seen = 0;
      let isArmed = false;
      disk.onOperation = ({ path }) => {
        isArmed ||= path.endsWith('snapshot.tmp');
        if (!isArmed) return;
        seen += 1;
        if (seen !== operation) return;
        died += 1;
        if (crash === 'kill') cluster.kill(behind);
        else cluster.powerCut(behind);
        throw new SimulatedCrash(`at operation ${operation}`);
      };
      cluster.start(behind);
      cluster.clock.advanceBy(300);
      if (!cluster.isRunning(behind)) cluster.start(behind);
      expect(cluster.clock.runUntil(() => caughtUp(bench, leader), 10_000)).toBe(true);
      expect(cluster.fatal(behind)).toBeNull();
    }
    expect(died).toBeGreaterThan(17);
  });
});
