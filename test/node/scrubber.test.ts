import { describe, expect, test } from 'vitest';
import { SimulatedCluster } from '../../src/sim/simulated-cluster.ts';
import { Driver } from './support/driver.ts';

const SEGMENT = '/data/segment-0000000001';

/** Some hundred KiB of log in segments of 64 KiB, read in the background. */
function start(scrubBytesPerSecond: number, size = 3): { cluster: SimulatedCluster; reader: string } {
  const cluster = new SimulatedCluster({
    seed: 5,
    size,
    node: { segmentBytes: 64 * 1024, cacheBytesMax: 16 * 1024, scrubBytesPerSecond },
  });
  cluster.startAll();
  const leader = cluster.runUntilLeader();
  const driver = new Driver(cluster);
  for (let at = 0; at < 100; at += 1) driver.append(leader, [`${at} ${'x'.repeat(3000)}`]);
  cluster.clock.advanceBy(500);
  return { cluster, reader: cluster.followers()[0] ?? leader };
}

function counter(cluster: SimulatedCluster, id: string, name: string): number {
  return cluster.status(id).counters[name] ?? -1;
}

describe('the log in the background', () => {
  test('is read whole, at its pace, and not again at once', () => {
    const { cluster, reader } = start(64 * 1024);
    const before = counter(cluster, reader, 'scrubbedBytes');
    cluster.clock.advanceBy(2000);
    const read = counter(cluster, reader, 'scrubbedBytes') - before;
    expect(read).toBeGreaterThan(60_000);
    expect(read).toBeLessThan(260_000);
    cluster.clock.advanceBy(20_000);
    expect(counter(cluster, reader, 'scrubPasses')).toBe(1);
    const whole = counter(cluster, reader, 'scrubbedBytes');
    expect(whole).toBeGreaterThan(300_000);
    cluster.clock.advanceBy(60_000);
    expect(counter(cluster, reader, 'scrubbedBytes')).toBe(whole);
    expect(counter(cluster, reader, 'rotFound')).toBe(0);
  });

  test('shows a bit that flipped where nobody else has it, once, and the rest is read on', () => {
    const { cluster, reader } = start(64 * 1024, 1);
    cluster.clock.advanceBy(20_000);
    cluster.disk(reader).setByte(SEGMENT, 30_000, (byte) => byte ^ 4);
    // The second pass and the third.
    cluster.clock.advanceBy(2 * 610_000);
    expect(counter(cluster, reader, 'scrubPasses')).toBe(3);
    expect(counter(cluster, reader, 'rotFound')).toBe(1);
    const told = cluster.events(reader).filter(({ code }) => code === 'rot-found');
    expect(told).toMatchObject([{ level: 'error', fields: { file: 'segment-0000000001' } }]);
    expect(told[0]?.text).toContain('the log is damaged');
    expect(counter(cluster, reader, 'rotLeft')).toBe(1);
    const left = cluster.events(reader).filter(({ code }) => code === 'rot-unrepaired');
    expect(left.map(({ text }) => text)).toEqual([expect.stringContaining('there is no other node')]);
  });

  test('is left alone where that is asked for', () => {
    const { cluster, reader } = start(0);
    cluster.clock.advanceBy(20_000);
    expect(counter(cluster, reader, 'scrubbedBytes')).toBe(0);
  });
});

describe('a leader that cannot read what a follower needs', () => {
  test('says so and hands over, and the follower gets it from the next one', () => {
    const cluster = new SimulatedCluster({
      seed: 6,
      size: 3,
      node: { segmentBytes: 64 * 1024, scrubBytesPerSecond: 0, cacheBytesMax: 16 * 1024 },
    });
    cluster.startAll();
    const rotten = cluster.runUntilLeader();
    const [late, intact] = cluster.followers();
    if (late === undefined || intact === undefined) throw new Error('two followers');
    cluster.kill(late);
    const driver = new Driver(cluster);
    const records = Array.from({ length: 100 }, (_, at) => `${at} ${'x'.repeat(3000)}`);
    for (const record of records) expect(driver.append(rotten, [record]).error).toBeNull();
    cluster.disk(rotten).setByte(SEGMENT, 30_000, (byte) => byte ^ 4);
    cluster.start(late);
    cluster.clock.advanceBy(10_000);

    expect(cluster.leader()).toBe(intact);
    expect(driver.readAll(late, 'committed').map(({ text }) => text)).toEqual(records);
    const told = cluster.events(rotten).filter(({ code }) => code.startsWith('rot'));
    expect(told.map(({ code }) => code)).toEqual(['rot-found', 'rotten-leader', 'rot-repaired']);
    expect(counter(cluster, rotten, 'rotFound')).toBe(1);
    expect(counter(cluster, rotten, 'rotHandOvers')).toBe(1);
    expect(counter(cluster, rotten, 'rotLeft')).toBe(0);
  });
});
