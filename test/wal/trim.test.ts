import { describe, expect, test } from 'vitest';
import { verifyLog, WalReadError } from '../../src/wal/index.ts';
import { SimulatedCrash } from '../../src/sim/crashable-disk.ts';
import { diesIn } from '../support/dies-in.ts';
import { Bench, DIRECTORY, index } from './harness.ts';

/** So many entries of a kilobyte: about sixty fill a segment. */
function filled(entries: number, seed = 1): Bench {
  const bench = new Bench({ seed });
  bench.open();
  for (let at = 0; at < entries; at += 10) bench.write(10, { bodyBytes: 1000 });
  bench.pass(200);
  return bench;
}

function segments(bench: Bench): string[] {
  return bench.disk.listSync(DIRECTORY).filter((name) => name.startsWith('segment-'));
}

function indexes(bench: Bench): [number, number] {
  const entries = bench.entries();
  expect(entries.map((entry) => entry.index)).toEqual(entries.map((_, at) => bench.wal.firstIndex + at));
  return [bench.wal.firstIndex, bench.wal.lastIndex];
}

describe('trimming', () => {
  test('lets go of whole segments, and of nothing above the index', () => {
    const bench = filled(400);
    expect(segments(bench).length).toBeGreaterThan(5);
    const first = bench.wal.trimTo(index(200));
    expect(first).toBeGreaterThan(130);
    expect(first).toBeLessThanOrEqual(201);
    bench.settle();
    expect(indexes(bench)).toEqual([first, 400]);
    expect(bench.wal.stats().segments).toBe(segments(bench).length);
    expect(verifyLog(bench.disk, DIRECTORY)).toMatchObject({
      firstIndex: first,
      lastIndex: 400,
      repairable: [],
    });
  });

  test('makes room where the log waits for it', () => {
    const bench = filled(400);
    bench.disk.setFull(true);
    const number = bench.submit(80, { bodyBytes: 1000 });
    bench.settle();
    expect(bench.durable).not.toContain(number);
    const before = segments(bench).length;
    bench.wal.trimTo(index(200));
    bench.settle();
    expect(segments(bench).length).toBeLessThan(before - 2);
    bench.disk.setFull(false);
    bench.pass(250);
    bench.settle();
    expect(bench.durable).toContain(number);
    expect(indexes(bench)).toEqual([bench.wal.firstIndex, 480]);
  });

  test('never takes the newest segment', () => {
    const bench = filled(400);
    const first = bench.wal.trimTo(index(400));
    bench.settle();
    expect(first).toBeLessThanOrEqual(400);
    expect(segments(bench)).toHaveLength(1);
    expect(indexes(bench)).toEqual([first, 400]);
  });

  test('takes nothing where no segment ends before the index', () => {
    const bench = filled(400);
    expect(bench.wal.trimTo(index(20))).toBe(1);
    bench.settle();
    expect(indexes(bench)).toEqual([1, 400]);
  });

  test('is known to the next start, which reads and writes on', () => {
    const bench = filled(400);
    const first = bench.wal.trimTo(index(250));
    bench.settle();
    bench.cutPowerAndOpen('none');
    expect(indexes(bench)).toEqual([first, 400]);
    bench.write(50, { bodyBytes: 1000 });
    bench.killAndOpen();
    expect(indexes(bench)).toEqual([first, 450]);
    expect(bench.wal.termAt(index(first - 1))).toBe(1);
    expect(bench.wal.termAt(index(first - 2))).toBeNull();
    expect(bench.wal.termRuns()).toEqual([{ firstIndex: first - 1, term: 1 }]);
  });

  test('again and again keeps the log and what is known of it small', () => {
    const bench = filled(0);
    for (let round = 0; round < 30; round += 1) {
      for (let at = 0; at < 10; at += 1) bench.write(10, { bodyBytes: 1000 });
      bench.wal.trimTo(index(Math.max(0, bench.wal.lastIndex - 150)));
      bench.settle();
    }
    expect(segments(bench).length).toBeLessThan(7);
    expect(bench.wal.firstIndex).toBeGreaterThan(2700);
    bench.killAndOpen();
    expect(bench.wal.lastIndex).toBe(3000);
  });

  test('waits for a segment whose beginning was taken back', () => {
    const bench = filled(120);
    // The segment of the newest entries begins with one that a truncation takes back, together with some before it.
    const begun = segments(bench).length;
    while (segments(bench).length === begun) bench.write(1, { bodyBytes: 1000 });
    const boundary = bench.wal.lastIndex;
    bench.write(5, { truncateFrom: boundary - 8, term: 2 });
    bench.write(20, { bodyBytes: 1000, term: 2 });
    bench.pass(200);
    expect(bench.wal.trimTo(bench.wal.lastIndex)).toBeLessThan(boundary - 8);
    bench.settle();
    bench.write(100, { bodyBytes: 1000, term: 2 });
    bench.pass(200);
    const first = bench.wal.trimTo(index(bench.wal.lastIndex));
    bench.settle();
    expect(first).toBeGreaterThan(boundary);
    bench.killAndOpen();
    expect(indexes(bench)[0]).toBe(first);
  });

  test('takes the ground from under a read, which says so', () => {
    const bench = filled(400);
    const results: (Error | null)[] = [];
    bench.wal.read(index(20), 10, 100_000, (error) => results.push(error));
    bench.wal.trimTo(index(200));
    bench.wal.read(index(20), 10, 100_000, (error) => results.push(error));
    bench.settle();
    expect(results).toHaveLength(2);
    for (const error of results) expect(error).toBeInstanceOf(WalReadError);
    expect(results.map((error) => (error as WalReadError).code)).toEqual(['WAL_RANGE', 'WAL_RANGE']);
    const rest: number[] = [];
    bench.wal.read(bench.wal.firstIndex, 10, 100_000, (_error, entries) => rest.push(entries.length));
    bench.settle();
    expect(rest).toEqual([10]);
  });

  test('is not gone on with by a start that the watermark may not outlive', () => {
    for (let seed = 1; seed <= 4; seed += 1) {
      for (let step = 1, isOver = false; !isOver; step += 1) {
        const bench = filled(400, seed);
        bench.wal.trimTo(index(200));
        // Killed between the writing of the watermark and its sync: the next start finds it in the page cache.
        bench.disk.onOperation = ({ kind, path }) => {
          if (kind !== 'sync' || !path.endsWith('/watermark')) return;
          bench.disk.kill();
          throw new SimulatedCrash();
        };
        expect(diesIn(bench.disk, () => bench.settle())).toBe(true);
        bench.cutPowerAt(bench.disk.operations + step);
        isOver = !diesIn(bench.disk, () => bench.open());
        if (isOver) bench.disk.powerCut('some');
        bench.open();
        expect(indexes(bench)[1], `seed ${seed}, step ${step}`).toBe(400);
      }
    }
  });

  test('a first segment that is gone although the log begins with it is missed', () => {
    const bench = filled(400);
    bench.wal.trimTo(index(200));
    bench.settle();
    bench.close();
    const [first = ''] = segments(bench);
    bench.disk.unlinkSync(`${DIRECTORY}/${first}`);
    expect(() => bench.open()).toThrow(`the segment is missing (${first}`);
    expect(verifyLog(bench.disk, DIRECTORY)).toMatchObject({ ok: false });
  });

  test('is not mistaken for a loss where the watermark that knew of it has rotted', () => {
    for (const slot of [0, 4096]) {
      const bench = filled(400);
      const first = bench.wal.trimTo(index(200));
      bench.settle();
      bench.disk.kill();
      bench.flip(`${DIRECTORY}/watermark`, slot + 40);
      bench.open();
      expect(indexes(bench)).toEqual([first, 400]);
    }
  });

  test('a disk that cannot remove a file ends the log', () => {
    const bench = filled(400);
    bench.wal.trimTo(index(200));
    bench.disk.unlinkSync(bench.segmentPath(1));
    bench.settle();
    expect(bench.failures).toHaveLength(1);
  });
});
