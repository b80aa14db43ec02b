import { describe, expect, test } from 'vitest';
import { SEGMENT_HEADER_BYTES } from '../../src/wal/format.ts';
import { SimulatedCluster } from '../../src/sim/simulated-cluster.ts';
import { Driver } from './support/driver.ts';

const FIRST_SEGMENT = '/data/segment-0000000001';

interface Filled {
  readonly cluster: SimulatedCluster;
  readonly driver: Driver;
  readonly leader: string;
  readonly followers: readonly string[];
  readonly records: readonly string[];
}

/** Three nodes with the same log of some hundred KiB in segments of 64 KiB, of which little is in memory. */
function fill(node: { readonly scrubBytesPerSecond?: number } = {}): Filled {
  const cluster = new SimulatedCluster({
    seed: 11,
    size: 3,
    node: { segmentBytes: 64 * 1024, cacheBytesMax: 16 * 1024, scrubBytesPerSecond: 0, ...node },
  });
  cluster.startAll();
  const leader = cluster.runUntilLeader();
  const driver = new Driver(cluster);
  const records = Array.from({ length: 100 }, (_, at) => `${at} ${'x'.repeat(3000)}`);
  for (const record of records) expect(driver.append(leader, [record]).error).toBeNull();
  cluster.clock.advanceBy(1000);
  return { cluster, driver, leader, followers: cluster.followers(), records };
}

function flip(cluster: SimulatedCluster, id: string, path: string, position: number): void {
  cluster.disk(id).setByte(path, position, (byte) => byte ^ 0x10);
}

const codes = (cluster: SimulatedCluster, id: string): string[] =>
  cluster
    .events(id)
    .map(({ code }) => code)
    .filter((code) => code.startsWith('rot'));

const texts = (records: readonly { readonly text: string }[]): string[] => records.map(({ text }) => text);

/** The last segment, and where its blocks end. */
function lastSegment(cluster: SimulatedCluster, id: string): { readonly path: string; readonly end: number } {
  const name = cluster
    .disk(id)
    .listSync('/data')
    .findLast((each) => each.startsWith('segment-'));
  const path = `/data/${name}`;
  return {
    path,
    end:
      cluster
        .disk(id)
        .visible(path)
        .findLastIndex((byte) => byte !== 0) + 1,
  };
}

describe('rot in the log of a running node', () => {
  test('is put back from the others, byte for byte, when the log is read in the background', () => {
    const { cluster, followers } = fill({ scrubBytesPerSecond: 256 * 1024 });
    const [rotten = ''] = followers;
    cluster.clock.advanceBy(10_000);
    const before = cluster.disk(rotten).visible(FIRST_SEGMENT);
    for (const at of [SEGMENT_HEADER_BYTES + 3, 20_000, 40_000]) flip(cluster, rotten, FIRST_SEGMENT, at);
    cluster.clock.advanceBy(620_000);
    expect(Buffer.compare(cluster.disk(rotten).visible(FIRST_SEGMENT), before)).toBe(0);
    expect(codes(cluster, rotten)).toContain('rot-found');
    expect(codes(cluster, rotten).filter((code) => code === 'rot-repaired').length).toBe(3);
    expect(cluster.status(rotten).counters).toMatchObject({ rotRepaired: 3, rotLeft: 0, rotHandOvers: 0 });
  });

  test('in the first header of a segment, which no reader needs, is put back all the same', () => {
    const { cluster, followers } = fill({ scrubBytesPerSecond: 256 * 1024 });
    const [rotten = ''] = followers;
    cluster.clock.advanceBy(10_000);
    const path = FIRST_SEGMENT.replace(/1$/, '2');
    const before = cluster.disk(rotten).visible(path);
    flip(cluster, rotten, path, SEGMENT_HEADER_BYTES + 8);
    cluster.clock.advanceBy(620_000);
    expect(codes(cluster, rotten)).toEqual(['rot-found', 'rot-repaired']);
    expect(Buffer.compare(cluster.disk(rotten).visible(path), before)).toBe(0);
  });

  test('is put back when a reader meets it, who is not served what is damaged', () => {
    const { cluster, driver, followers, records } = fill();
    const [rotten = ''] = followers;
    flip(cluster, rotten, FIRST_SEGMENT, 30_000);
    expect(() => driver.readAll(rotten, 'committed')).toThrow(/DAMAGED/);
    cluster.clock.advanceBy(500);
    expect(texts(driver.readAll(rotten, 'committed'))).toEqual(records);
    expect(codes(cluster, rotten)).toEqual(['rot-found', 'rot-repaired']);
  });

  test('makes a leader hand over, and is put back there too', () => {
    const { cluster, driver, leader, records } = fill();
    flip(cluster, leader, FIRST_SEGMENT, 30_000);
    expect(() => driver.readAll(leader)).toThrow(/DAMAGED/);
    cluster.clock.advanceBy(1000);
    expect(cluster.leader()).not.toBe(leader);
    expect(codes(cluster, leader)).toEqual(['rot-found', 'rotten-leader', 'rot-repaired']);
    expect(texts(driver.readAll(leader, 'committed'))).toEqual(records);
  });

  test('in the same entry of two nodes is put back at both from the third', () => {
    const { cluster, driver, followers, records } = fill();
    for (const id of followers) {
      flip(cluster, id, FIRST_SEGMENT, 30_000);
      expect(() => driver.readAll(id, 'committed')).toThrow(/DAMAGED/);
    }
    cluster.clock.advanceBy(5000);
    for (const id of followers) expect(texts(driver.readAll(id, 'committed'))).toEqual(records);
  });

  test('in the same entry of all nodes is said to be missing, and none of them serves it', () => {
    const { cluster, driver } = fill();
    for (const id of cluster.ids) flip(cluster, id, FIRST_SEGMENT, 30_000);
    for (const id of cluster.ids) expect(() => driver.readAll(id, 'committed')).toThrow(/DAMAGED/);
    cluster.clock.advanceBy(20_000);
    for (const id of cluster.ids) {
      expect(() => driver.readAll(id, 'committed')).toThrow(/DAMAGED/);
      const told = cluster.events(id).find(({ code }) => code === 'rot-unrepaired');
      expect(told?.text).toMatch(
        /no node has what stood at segment-0000000001, byte \d+, index \d+.*n\d: cannot read/,
      );
      expect(cluster.status(id).counters).toMatchObject({ rotRepaired: 0, rotLeft: 1 });
    }
    // It goes on all the same with what is new.
    const leader = cluster.runUntilLeader();
    expect(driver.append(leader, ['after']).error).toBeNull();
  });
});

describe('rot that is met at a start', () => {
  test('in the last segment keeps the node out until it is put back', () => {
    const { cluster, driver, followers, records } = fill();
    const [rotten = ''] = followers;
    const { path, end } = lastSegment(cluster, rotten);
    cluster.kill(rotten);
    const before = cluster.disk(rotten).visible(path);
    flip(cluster, rotten, path, end - 2000);
    cluster.start(rotten);
    expect(cluster.node(rotten).status()).toBeNull();
    cluster.clock.advanceBy(2000);
    expect(cluster.disk(rotten).visible(path).subarray(0, end)).toEqual(before.subarray(0, end));
    expect(codes(cluster, rotten)).toEqual(['rot-found', 'rot-repaired']);
    expect(texts(driver.readAll(rotten, 'committed'))).toEqual(records);
  });

  test('is waited for while the others are away, and can be stopped', () => {
    const { cluster, driver, followers, leader, records } = fill();
    const [rotten = ''] = followers;
    const { path, end } = lastSegment(cluster, rotten);
    for (const id of cluster.ids) cluster.kill(id);
    flip(cluster, rotten, path, end - 2000);
    cluster.start(rotten);
    cluster.clock.advanceBy(5000);
    expect(codes(cluster, rotten)).toEqual(['rot-found', 'rot-unrepaired']);
    cluster.shutDown(rotten, 1000);
    cluster.clock.advanceBy(100);
    expect(cluster.isRunning(rotten)).toBe(false);

    cluster.start(rotten);
    cluster.clock.advanceBy(3000);
    for (const id of cluster.ids) if (id !== rotten) cluster.start(id);
    cluster.clock.advanceBy(15_000);
    expect(texts(driver.readAll(rotten, 'committed'))).toEqual(records);
    expect(cluster.ids).toContain(leader);
  });

  test('in a segment whose footer is damaged too', () => {
    const { cluster, driver, followers, records } = fill();
    const [rotten = ''] = followers;
    cluster.kill(rotten);
    const bytes = cluster.disk(rotten).visible(FIRST_SEGMENT).length;
    flip(cluster, rotten, FIRST_SEGMENT, bytes - 20);
    flip(cluster, rotten, FIRST_SEGMENT, 20_000);
    cluster.start(rotten);
    cluster.clock.advanceBy(2000);
    expect(texts(driver.readAll(rotten, 'committed'))).toEqual(records);
  });

  test('in what is read into memory is put back first', () => {
    const { cluster, driver, followers, records } = fill();
    const [rotten = ''] = followers;
    cluster.kill(rotten);
    flip(cluster, rotten, FIRST_SEGMENT, 40_000);
    cluster.start(rotten, { cacheBytesMax: 16 * 1024 * 1024 });
    expect(cluster.node(rotten).status()).toBeNull();
    cluster.clock.advanceBy(2000);
    expect(codes(cluster, rotten)).toEqual(['rot-found', 'rot-repaired']);
    expect(texts(driver.readAll(rotten, 'committed'))).toEqual(records);
  });

  test('in what is to be applied is put back first', () => {
    const { cluster, driver, followers, records } = fill();
    const [rotten = ''] = followers;
    cluster.kill(rotten);
    for (const name of cluster.disk(rotten).listSync('/data'))
      if (name.startsWith('checkpoint-')) cluster.disk(rotten).unlinkSync(`/data/${name}`);
    flip(cluster, rotten, FIRST_SEGMENT, 20_000);
    cluster.start(rotten);
    cluster.clock.advanceBy(3000);
    expect(codes(cluster, rotten)).toEqual(['rot-found', 'rot-repaired']);
    expect(texts(driver.readAll(rotten, 'committed'))).toEqual(records);
  });

  test('is refused by a node that is alone', () => {
    const cluster = new SimulatedCluster({ seed: 3, size: 1, node: { scrubBytesPerSecond: 0 } });
    cluster.startAll();
    const id = cluster.runUntilLeader();
    const driver = new Driver(cluster);
    for (let at = 0; at < 10; at += 1) driver.append(id, [`${at} ${'x'.repeat(300)}`]);
    cluster.clock.advanceBy(1000);
    cluster.kill(id);
    const { path, end } = lastSegment(cluster, id);
    flip(cluster, id, path, end - 1500);
    expect(cluster.start(id)).toBe(false);
    expect(cluster.machine(id).fatal?.code).toBe('LOG_ROT');
  });
});
