import { describe, expect, test } from 'vitest';
import { SimulatedCluster, type SimulatedClusterOptions } from '../../src/sim/simulated-cluster.ts';
import { Driver } from './support/driver.ts';

// Disks without room, on whole nodes in virtual time.

const SEGMENT_BYTES = 64 * 1024;

interface Scene {
  readonly cluster: SimulatedCluster;
  readonly driver: Driver;
  readonly leader: string;
  readonly followers: readonly string[];
  /** Lets time pass while records are appended at whoever leads. @returns those that were acknowledged. */
  readonly passMs: (ms: number) => string[];
  readonly codes: (id: string) => string[];
  readonly counter: (id: string, name: string) => number;
}

function start(options: Partial<SimulatedClusterOptions> = {}): Scene {
  const cluster = new SimulatedCluster({
    seed: 11,
    size: 3,
    node: { segmentBytes: SEGMENT_BYTES },
    ...options,
  });
  cluster.startAll();
  const leader = cluster.runUntilLeader();
  const driver = new Driver(cluster);
  let count = 0;
  const passMs = (ms: number): string[] => {
    const acknowledged: string[] = [];
    const endMs = cluster.clock.monotonicMs() + ms;
    while (cluster.clock.monotonicMs() < endMs) {
      const to = cluster.leader();
      count += 1;
      const record = `${count} ${'x'.repeat(3000)}`;
      if (to !== null) {
        const { value } = driver.append(to, [record]);
        if (value !== null) acknowledged.push(record);
      }
      cluster.clock.advanceBy(20);
    }
    return acknowledged;
  };
  passMs(300);
  return {
    cluster,
    driver,
    leader,
    followers: cluster.followers(),
    passMs,
    codes: (id) => cluster.events(id).map(({ code }) => code),
    counter: (id, name) => cluster.status(id).counters[name] ?? -1,
  };
}

function terms({ cluster }: Scene): number[] {
  return cluster.ids.map((id) => cluster.group(id).term);
}

describe('a leader without room', () => {
  test('hands over, goes on as a follower, and takes records again when there is room', () => {
    const scene = start();
    const { cluster, driver, leader, passMs, codes, counter } = scene;
    cluster.disk(leader).setFull(true);
    const during = passMs(4000);
    const next = cluster.leader() ?? '';
    expect(next).not.toBe(leader);
    expect(cluster.fatal(leader)).toBeNull();
    expect(during.length).toBeGreaterThan(100);
    expect(codes(leader)).toEqual(expect.arrayContaining(['disk-full', 'full-leader', 'log-waits']));
    expect(counter(leader, 'diskIsFull')).toBe(1);
    // Its log waits, and it serves what it has.
    expect(cluster.group(leader).durableIndex).toBeLessThan(cluster.group(next).commitIndex);
    expect(driver.readAll(leader, 'committed').length).toBeGreaterThan(10);

    cluster.disk(leader).setFull(false);
    passMs(1500);
    expect(codes(leader)).toEqual(expect.arrayContaining(['disk-has-room', 'log-goes-on']));
    expect(counter(leader, 'diskIsFull')).toBe(0);
    expect(cluster.group(leader).durableIndex).toBeGreaterThanOrEqual(cluster.group(next).commitIndex - 2);
    expect(cluster.leader()).toBe(next);
    const stored = driver.readAll(next).map(({ text }) => text);
    expect(during.filter((record) => !stored.includes(record))).toEqual([]);
  });

  test('that is alone refuses records, serves reads, stays in office, and goes on by itself', () => {
    const scene = start({ size: 1 });
    const { cluster, driver, leader, counter, passMs } = scene;
    const before = passMs(100);
    cluster.disk(leader).setFull(true);
    cluster.clock.advanceBy(1000);
    const { error } = driver.append(leader, ['no room for this']);
    expect(error).toMatchObject({ code: 'DISK_FULL', retryable: true, outcome: 'none' });
    const texts = driver.readAll(leader).map(({ text }) => text);
    expect(texts).toEqual(expect.arrayContaining(before));
    expect(texts).not.toContain('no room for this');
    expect([cluster.leader(), counter(leader, 'fullDiskHandOvers')]).toEqual([leader, 0]);
    cluster.disk(leader).setFull(false);
    cluster.clock.advanceBy(1000);
    expect(driver.append(leader, ['room for this']).value).not.toBeNull();
  });

  test('stops below a reserve, before anything is refused by the disk', () => {
    const scene = start();
    const { cluster, leader, passMs, codes } = scene;
    // Somebody else takes all but a little less than two segments.
    const disk = cluster.disk(leader);
    const room = disk.spaceSync('/').freeBytes;
    const file = disk.openSync('/data/ballast', 'create');
    file.writevSync([new Uint8Array(1)], room - 2 * SEGMENT_BYTES);
    passMs(2000);
    expect(cluster.leader()).not.toBe(leader);
    expect(codes(leader)).toContain('disk-full');
    expect(codes(leader)).not.toContain('log-waits');
    file.closeSync();
    disk.unlinkSync('/data/ballast');
    cluster.clock.advanceBy(1000);
    expect(codes(leader)).toContain('disk-has-room');
  });
});

describe('a follower without room', () => {
  test('stalls nobody, and votes when the leader dies', () => {
    const scene = start();
    const { cluster, leader, followers, passMs } = scene;
    const [full, well] = followers as [string, string];
    cluster.disk(full).setFull(true);
    const during = passMs(3000);
    expect([cluster.leader(), during.length]).toEqual([leader, expect.toSatisfy((n: number) => n > 100)]);
    expect(cluster.group(full).durableIndex).toBeLessThan(cluster.group(leader).commitIndex);
    cluster.kill(leader);
    expect(cluster.runUntilLeader(2000)).toBe(well);
    // A majority of three, one of them dead and one full, can commit nothing more until there is room.
    cluster.disk(full).setFull(false);
    cluster.clock.advanceBy(2000);
    const stored = scene.driver.readAll(well).map(({ text }) => text);
    expect(during.filter((record) => !stored.includes(record))).toEqual([]);
  });

  test('lets one be elected that lacks what waits for room: it was promised to nobody', () => {
    const scene = start();
    const { cluster, leader, followers, driver } = scene;
    const [full, other] = followers as [string, string];
    cluster.disk(full).failWrite((path) => path.includes('segment-') || path.includes('spare'), 'ENOSPC', 0);
    cluster.network.cut(leader, other);
    cluster.network.cut(other, leader);
    // The full one gets it and cannot write it, the other does not get it: nobody is told that it is stored.
    driver.to(leader).append(['in doubt'], { producerId: 0, epoch: 0, sequence: 0 }, () => undefined);
    cluster.clock.advanceBy(100);
    expect(cluster.group(full).lastIndex).toBeGreaterThan(cluster.group(other).lastIndex);
    cluster.kill(leader);
    expect(cluster.clock.runUntil(() => cluster.group(other).role === 'leader', 3000)).toBe(true);
    cluster.disk(full).clearFaults();
    cluster.clock.advanceBy(2000);
    expect(driver.append(other, ['on']).value).not.toBeNull();
    expect(cluster.group(full).lastTerm).toBe(cluster.group(other).lastTerm);
  });

  test('and another one make the leader refuse what nobody could commit, and stay', () => {
    const scene = start();
    const { cluster, leader, followers, driver } = scene;
    for (const id of followers) cluster.disk(id).setFull(true);
    cluster.clock.advanceBy(1000);
    const before = terms(scene);
    const { error } = driver.append(leader, ['for nobody']);
    expect(error).toMatchObject({ code: 'DISK_FULL', outcome: 'none' });
    cluster.clock.advanceBy(5000);
    expect([cluster.leader(), terms(scene)]).toEqual([leader, before]);
    for (const id of followers) cluster.disk(id).setFull(false);
    cluster.clock.advanceBy(1000);
    expect(driver.append(leader, ['for all']).value).not.toBeNull();
  });
});

test('a node with a full disk shuts down and starts again', () => {
  const { cluster, followers } = start();
  const [full] = followers as [string];
  cluster.disk(full).setFull(true);
  cluster.clock.advanceBy(1000);
  cluster.shutDown(full, 500);
  expect(cluster.clock.runUntil(() => !cluster.isRunning(full), 3000)).toBe(true);
  expect(cluster.fatal(full)).toBeNull();
  expect(cluster.start(full)).toBe(true);
  cluster.clock.advanceBy(1000);
  expect(cluster.group(full).role).toBe('follower');
});
