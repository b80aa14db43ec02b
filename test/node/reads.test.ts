import { expect, test } from 'vitest';
import type { LogIndex } from '../../src/base/units.ts';
import { SimulatedCluster } from '../../src/sim/simulated-cluster.ts';
import type { ReadResult } from '../../src/wire/client-codec.ts';
import { Driver } from './support/driver.ts';

test('one old entry is read from the disk without the MiB behind it', () => {
  const node = { segmentBytes: 4 * 1024 * 1024, cacheBytesMax: 16 * 1024, scrubBytesPerSecond: 0 };
  const readBytes: number[] = [];
  const diskLatencyMs = (_node: string, kind: string, bytes: number): number => {
    if (kind === 'read') readBytes.push(bytes);
    return 0.1;
  };
  const cluster = new SimulatedCluster({ seed: 3, size: 1, node, diskLatencyMs });
  cluster.startAll();
  const leader = cluster.runUntilLeader();
  const driver = new Driver(cluster);
  const text = 'x'.repeat(100_000);
  const first = driver.append(leader, [text]).value?.index ?? 0;
  for (let count = 0; count < 10; count += 1) driver.append(leader, [text]);
  const read = (entriesMax: number): number => {
    readBytes.length = 0;
    const { value } = driver.settle<ReadResult>((done) =>
      driver.to(leader).read({ from: first as LogIndex, entriesMax }, done),
    );
    expect(value?.entries).toHaveLength(Math.min(entriesMax, 10));
    expect(value?.entries[0]?.index).toBe(first);
    return readBytes.reduce((sum, bytes) => sum + bytes, 0);
  };
  expect(read(10)).toBeGreaterThan(1_000_000);
  const single = read(1);
  // The entry, and as much again at most: where it begins is known to 64 KiB only.
  expect(single).toBeGreaterThanOrEqual(text.length);
  expect(single).toBeLessThan(2.5 * text.length);
});
