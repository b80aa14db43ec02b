import { describe, expect, test } from 'vitest';
import type { NodeOptions } from '../../src/node/index.ts';
import { SimulatedCluster } from '../../src/sim/simulated-cluster.ts';
import type { ReadResult } from '../../src/wire/client-codec.ts';
import { recordsOf, TopicsDriver } from './support/topics.ts';

// The log of a cluster that keeps so much of it, or for so long.

const SMALL: Partial<NodeOptions> = {
  segmentBytes: 64 * 1024,
  checkpointEveryBytes: 32 * 1024,
  cacheBytesMax: 16 * 1024,
  retentionMs: null,
  retentionBytes: 300 * 1024,
};

const KILOBYTE = 'x'.repeat(1000);

function start(node: Partial<NodeOptions> = SMALL): {
  cluster: SimulatedCluster;
  driver: TopicsDriver;
  leader: string;
} {
  const cluster = new SimulatedCluster({ seed: 11, size: 3, node });
  cluster.startAll();
  const leader = cluster.runUntilLeader();
  return { cluster, driver: new TopicsDriver(cluster), leader };
}

function write(driver: TopicsDriver, leader: string, kilobytes: number): void {
  for (let at = 0; at < kilobytes; at += 10)
    driver.append(
      leader,
      Array.from({ length: 10 }, () => KILOBYTE),
    );
}

const logStarts = (cluster: SimulatedCluster): number[] =>
  cluster.ids.map((id) => (cluster.isRunning(id) ? cluster.group(id).firstIndex : 0));

describe('a log of limited size', () => {
  test('begins later as it grows, at the same index everywhere, and its disk stays flat', () => {
    const { cluster, driver, leader } = start();
    const sizes: number[] = [];
    const starts: number[] = [];
    for (let round = 0; round < 8; round += 1) {
      write(driver, leader, 300);
      cluster.clock.advanceBy(3000);
      expect(new Set(logStarts(cluster)).size).toBe(1);
      starts.push(logStarts(cluster)[0] ?? 0);
      sizes.push(...cluster.ids.map((id) => cluster.status(id).counters['walSegmentBytes'] ?? 0));
    }
    expect(starts).toEqual([...new Set(starts)].toSorted((one, other) => one - other));
    expect(starts.at(-1)).toBeGreaterThan(150);
    // The first segment has a megabyte at most, and each node rounds up by a segment or two.
    expect(Math.max(...sizes.slice(-9))).toBeLessThan(600 * 1024);
    const checksums = cluster.ids.map((id) =>
      cluster.core(id)?.checksumAt(cluster.core(id)?.lastIndex ?? (0 as never)),
    );
    expect(new Set(checksums).size).toBe(1);
  });

  test('says to a reader who comes too late what it holds', () => {
    const { cluster, driver, leader } = start();
    write(driver, leader, 1500);
    cluster.clock.advanceBy(3000);
    for (const id of cluster.ids) {
      const { firstIndex } = cluster.group(id);
      expect(firstIndex).toBeGreaterThan(1);
      const read = (from: number): ReturnType<typeof driver.settle<ReadResult>> =>
        driver.settle<ReadResult>((done) =>
          driver.to(id).read({ from: from as never, consistency: 'committed' }, done),
        );
      expect(read(firstIndex - 1).error).toMatchObject({
        code: 'OUT_OF_RANGE',
        firstIndex,
        retryable: false,
      });
      expect(read(firstIndex).error).toBeNull();
    }
  });

  test('is the same after a restart, whatever dies', () => {
    const { cluster, driver, leader } = start();
    write(driver, leader, 1500);
    cluster.clock.advanceBy(3000);
    const [before] = logStarts(cluster);
    for (const id of cluster.ids) cluster.powerCut(id);
    cluster.startAll();
    const next = cluster.runUntilLeader();
    cluster.clock.advanceBy(1000);
    expect(logStarts(cluster)).toEqual([before, before, before]);
    write(driver, next, 900);
    cluster.clock.advanceBy(3000);
    expect(new Set(logStarts(cluster)).size).toBe(1);
    expect(logStarts(cluster)[0]).toBeGreaterThan(before ?? 0);
  });

  test('does not wait for a node that is down; that one gets a snapshot and has what the others have', () => {
    const { cluster, driver, leader } = start();
    write(driver, leader, 50);
    const behind = cluster.followers()[0] as string;
    cluster.clock.advanceBy(500);
    const last = cluster.group(behind).lastIndex;
    cluster.kill(behind);
    write(driver, leader, 1500);
    cluster.clock.advanceBy(3000);
    expect(cluster.group(leader).firstIndex).toBeGreaterThan(last + 1);
    cluster.start(behind);
    const isThere = (): boolean => cluster.group(behind).appliedIndex === cluster.group(leader).appliedIndex;
    expect(cluster.clock.runUntil(isThere, 20_000)).toBe(true);
    const codes = cluster.events(behind).map(({ code }) => code);
    expect(codes).toContain('snapshot-installed');
    const from = Math.max(...logStarts(cluster));
    expect(driver.readAll(behind, 'committed', from)).toEqual(driver.readAll(leader, 'committed', from));
    // And it goes on trimming with them.
    write(driver, leader, 900);
    cluster.clock.advanceBy(3000);
    expect(new Set(logStarts(cluster)).size).toBe(1);
  });

  test('is all there at a node whose disk was lost, and still is when all disks were lost in turn', () => {
    const { cluster, driver, leader } = start();
    write(driver, leader, 1500);
    cluster.clock.advanceBy(3000);
    const [first = 0] = logStarts(cluster);
    expect(first).toBeGreaterThan(1);
    const before = driver.readAll(leader, 'linearizable', first);
    expect(before.length).toBeGreaterThan(200);
    for (const id of cluster.ids) {
      cluster.kill(id);
      cluster.wipe(id);
      cluster.start(id);
      const isBack = (): boolean => {
        const other = cluster.ids.find((one) => one !== id && cluster.group(one).role === 'leader');
        return other !== undefined && cluster.group(id).appliedIndex === cluster.group(other).appliedIndex;
      };
      expect(cluster.clock.runUntil(isBack, 20_000)).toBe(true);
      expect(cluster.events(id).map(({ code }) => code)).toContain('snapshot-installed');
      cluster.clock.advanceBy(2000);
    }
    expect(logStarts(cluster)).toEqual([first, first, first]);
    for (const id of cluster.ids) expect(driver.readAll(id, 'committed', first)).toEqual(before);
  });

  test('takes the queues along: their first offsets are raised before', () => {
    const { cluster, driver, leader } = start();
    driver.createTopic(leader, 'orders', 1);
    for (let at = 0; at < 120; at += 1)
      driver.produce(
        leader,
        1,
        Array.from({ length: 10 }, (_, nth) => ({ text: `${at * 10 + nth} ${KILOBYTE}`, key: `k${at}` })),
      );
    cluster.clock.advanceBy(5000);
    const first = cluster.group(leader).firstIndex;
    expect(first).toBeGreaterThan(1);
    const described = driver.admin(leader, { op: 'describeTopic', name: 'orders' }).value?.topic.queues[0];
    expect(described?.firstOffset).toBeGreaterThan(0);
    for (const id of cluster.ids) {
      const offset = described?.firstOffset ?? 0;
      const { value } = driver.fetch(id, { queue: 1, offset, consistency: 'committed' });
      const [record] = value === null ? [] : recordsOf(value, offset);
      expect(record?.text.startsWith(`${offset} `)).toBe(true);
      expect(driver.fetch(id, { queue: 1, offset: offset - 1, consistency: 'committed' }).error?.code).toBe(
        'OFFSET_EXPIRED',
      );
    }
    const found = (key: string): readonly unknown[] =>
      driver.admin(leader, { op: 'findByKey', topic: 'orders', key, max: 5 }).value?.found ?? [];
    expect(found('k1')).toEqual([]);
    expect(found('k119')).not.toEqual([]);
  });
});

describe('what keeps a log from going', () => {
  test('a checkpoint that does not verify: it is said, and another is waited for', () => {
    const { cluster, driver, leader } = start();
    const one = cluster.followers()[0] as string;
    const disk = cluster.disk(one);
    const spoil = (): void => {
      for (const name of disk.listSync('/data'))
        if (name.startsWith('checkpoint-') && !name.endsWith('.tmp'))
          disk.setByte(`/data/${name}`, disk.visible(`/data/${name}`).length - 1, () => 0x5a);
    };
    for (let round = 0; round < 40; round += 1) {
      write(driver, leader, 20);
      spoil();
    }
    cluster.clock.advanceBy(3000);
    expect(cluster.events(one).map(({ code }) => code)).toContain('checkpoint-unproven');
    expect(cluster.events(leader).map(({ code }) => code)).not.toContain('checkpoint-unproven');
    // With those that are written from now on the log goes there too.
    write(driver, leader, 900);
    cluster.clock.advanceBy(3000);
    expect(logStarts(cluster)[0]).toBeGreaterThan(1);
    expect(new Set(logStarts(cluster)).size).toBe(1);
  });
});

describe('a log of limited age', () => {
  test('lets go of what is old, when a segment has nothing that is not', () => {
    const { cluster, driver, leader } = start({ ...SMALL, retentionBytes: null, retentionMs: 60_000 });
    write(driver, leader, 1500);
    cluster.clock.advanceBy(30_000);
    expect(new Set(logStarts(cluster))).toEqual(new Set([1]));
    write(driver, leader, 100);
    cluster.clock.advanceBy(40_000);
    const [first] = logStarts(cluster);
    expect(new Set(logStarts(cluster)).size).toBe(1);
    expect(first).toBeGreaterThan(100);
    // What is young enough is all there.
    const records = driver.readAll(leader, 'linearizable', first);
    expect(records.length).toBeGreaterThanOrEqual(100);
  });

  test('is kept for ever where nothing limits it', () => {
    const { cluster, driver, leader } = start({ ...SMALL, retentionBytes: null });
    write(driver, leader, 900);
    cluster.clock.advanceBy(100_000);
    expect(new Set(logStarts(cluster))).toEqual(new Set([1]));
  });
});

describe('a log on disks that are to have room left', () => {
  /** The simulated disks have a GiB. */
  const ROOM: Partial<NodeOptions> = { ...SMALL, retentionBytes: null, retentionDiskShare: 1 / 1024 };

  test('lets go of what is oldest when its disk is too full, and of no more', () => {
    const { cluster, driver, leader } = start(ROOM);
    write(driver, leader, 600);
    cluster.clock.advanceBy(20_000);
    expect(new Set(logStarts(cluster))).toEqual(new Set([1]));
    for (let round = 0; round < 4; round += 1) {
      write(driver, leader, 600);
      cluster.clock.advanceBy(20_000);
      const used = cluster.ids.map((id) => usedKiB(cluster, id));
      expect(Math.max(...used)).toBeLessThan(1024 + 2 * 64);
      expect(Math.min(...used)).toBeGreaterThan(1024 - 4 * 64);
      expect(new Set(logStarts(cluster)).size).toBe(1);
    }
    expect(cluster.events(leader).map(({ code }) => code)).toContain('log-trimmed-for-room');
  });

  test('lets go of it when a follower asks for room', () => {
    const { cluster, driver, leader } = start({ ...ROOM, retentionDiskShare: null });
    const short = cluster.followers()[0] as string;
    cluster.kill(short);
    cluster.start(short, { retentionDiskShare: 1 / 1024 });
    write(driver, leader, 2400);
    cluster.clock.advanceBy(20_000);
    expect(usedKiB(cluster, short)).toBeLessThan(1024 + 2 * 64);
    expect(new Set(logStarts(cluster)).size).toBe(1);
    expect(logStarts(cluster)[0]).toBeGreaterThan(1);
  });

  test('keeps all of it where something else fills the disk', () => {
    const { cluster, driver, leader } = start(ROOM);
    const file = cluster.disk(leader).openSync('/other', 'create');
    file.writevSync([new Uint8Array(8 * 1024 * 1024)], 0);
    file.closeSync();
    write(driver, leader, 1500);
    cluster.clock.advanceBy(20_000);
    expect(new Set(logStarts(cluster))).toEqual(new Set([1]));
  });
});

function usedKiB(cluster: SimulatedCluster, id: string): number {
  const { freeBytes, totalBytes } = cluster.disk(id).spaceSync('/data');
  return (totalBytes - freeBytes) / 1024;
}
