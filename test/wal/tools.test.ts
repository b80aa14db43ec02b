import { describe, expect, test } from 'vitest';
import { EntryKind } from '../../src/base/entry.ts';
import { dumpLog, type DumpItem } from '../../src/wal/dump.ts';
import { DirectoryRefusedError, WalRotError } from '../../src/wal/errors.ts';
import { OfflineLog } from '../../src/wal/offline-log.ts';
import { planRepair } from '../../src/wal/repair-plan.ts';
import { verifyLog } from '../../src/wal/verify.ts';
import { Bench, DIRECTORY, index, N1, term } from './harness.ts';

function filled(): Bench {
  const bench = new Bench();
  bench.open();
  bench.write(1, { kind: EntryKind.noop, hardState: { term: term(1), votedFor: N1 } });
  for (let count = 0; count < 9; count += 1) bench.write(10, { bodyBytes: 1000 });
  bench.write(2, { truncateFrom: 70, term: 2, hardState: { term: term(2), votedFor: null } });
  bench.close();
  return bench;
}

/** Runs a tool and makes sure that it wrote nothing. */
function readingOnly<T>(bench: Bench, tool: () => T): T {
  bench.disk.onOperation = ({ kind, path }) => {
    throw new Error(`${kind} ${path}`);
  };
  try {
    return tool();
  } finally {
    bench.disk.onOperation = null;
  }
}

describe('verify', () => {
  test('reports a sound log', () => {
    const bench = filled();
    expect(readingOnly(bench, () => verifyLog(bench.disk, DIRECTORY))).toMatchObject({
      ok: true,
      identity: { nodeId: 'n1' },
      firstIndex: 1,
      lastIndex: 71,
      lastTerm: 2,
      segments: 2,
      blocks: 11,
      truncations: 1,
      watermarkIndex: 71,
      tornBytes: 0,
      hardState: { term: 2, votedFor: null },
      hardStateTrusted: true,
      firstBad: null,
      repairable: [],
    });
  });

  test('does not mind a node that is running', () => {
    const bench = filled();
    bench.open();
    for (let count = 0; count < 30; count += 1) {
      bench.submit(7, { bodyBytes: 700 });
      expect(verifyLog(bench.disk, DIRECTORY).ok).toBe(true);
      if (count % 3 === 0) bench.settle();
    }
  });

  test('follows a log that grows while it is read', () => {
    const bench = filled();
    bench.open();
    const items: DumpItem[] = [];
    for (const item of dumpLog(bench.disk, DIRECTORY)) {
      items.push(item);
      if (item.type === 'block' && items.length < 2000) bench.write(5, { bodyBytes: 1500 });
    }
    expect(items.filter(({ type }) => type === 'rot')).toEqual([]);
    expect(items.filter(({ type }) => type === 'segment').length).toBeGreaterThan(3);
    expect(items.at(-1)?.type).toBe('end');
  });

  test('reports a torn tail as what a start will cut', () => {
    const bench = filled();
    bench.open();
    bench.disk.failWrite((path) => path === bench.segmentPath(2), 'ENOSPC', 700);
    bench.submit(5, { bodyBytes: 900 });
    bench.settle();
    bench.disk.kill();
    expect(verifyLog(bench.disk, DIRECTORY)).toMatchObject({ ok: true, lastIndex: 71, tornBytes: 700 });
  });

  test('names the first thing that is bad', () => {
    const bench = filled();
    bench.flip(bench.segmentPath(1), 30_000);
    const report = readingOnly(bench, () => verifyLog(bench.disk, DIRECTORY));
    expect(report).toMatchObject({
      ok: false,
      firstIndex: 1,
      firstBad: { file: 'segment-0000000001', what: 'the body of the entry does not verify' },
    });
    expect(report.firstBad?.index).toBeGreaterThan(report.lastIndex);
    const position = report.firstBad?.position ?? 0;
    expect(30_000 - position).toBeGreaterThan(0);
    expect(30_000 - position).toBeLessThan(1200);
  });

  test('reports a first segment or a watermark that cannot be read', () => {
    const bench = filled();
    bench.flip(bench.segmentPath(1), 20);
    expect(verifyLog(bench.disk, DIRECTORY)).toMatchObject({
      ok: false,
      lastIndex: 0,
      firstBad: { position: 0 },
    });
    bench.flip(bench.segmentPath(1), 20);
    bench.disk.unlinkSync(`${DIRECTORY}/watermark`);
    expect(verifyLog(bench.disk, DIRECTORY)).toMatchObject({ ok: false, firstBad: { file: 'watermark' } });
  });

  test('reports a log that is sound and not the one that the watermark saw', () => {
    const bench = filled();
    const other = new Bench({ seed: 9 });
    other.open();
    for (let count = 0; count < 9; count += 1) other.write(10, { bodyBytes: 1000, mark: 3 });
    other.close();
    const path = bench.segmentPath(2);
    bench.put(path, 0, other.disk.visible(path));
    bench.put(bench.segmentPath(1), 0, other.disk.visible(bench.segmentPath(1)));
    const report = verifyLog(bench.disk, DIRECTORY);
    expect([report.ok, report.firstBad?.file]).toEqual([false, 'segment-0000000002']);
    expect(() => bench.open()).toThrow(WalRotError);
  });

  test('reports a lost vote and a lost slot', () => {
    const bench = filled();
    bench.flip(`${DIRECTORY}/hard-state`, 26);
    expect(verifyLog(bench.disk, DIRECTORY)).toMatchObject({
      hardStateTrusted: true,
      repairable: ['one of the two slots of hard-state does not verify'],
    });
    bench.flip(`${DIRECTORY}/hard-state`, 4096 + 26);
    expect(verifyLog(bench.disk, DIRECTORY)).toMatchObject({
      ok: true,
      hardState: null,
      hardStateTrusted: false,
    });
  });

  test('refuses what is no data directory', () => {
    const bench = new Bench();
    bench.disk.mkdirSync(DIRECTORY);
    expect(() => verifyLog(bench.disk, DIRECTORY)).toThrow(DirectoryRefusedError);
  });
});

describe('a log that begins later', () => {
  /** The first segments are gone; what was in them may be in a checkpoint. */
  function trimmed(checkpointAt: number | null): Bench {
    const bench = new Bench();
    bench.open();
    for (let at = 0; at < 400; at += 10) bench.write(10, { bodyBytes: 1000 });
    if (checkpointAt !== null) {
      const checksum = bench.wal.checksumAt(index(checkpointAt));
      bench.writeCheckpoint({ index: index(checkpointAt), checksum, configurationIndex: index(0) }, 10);
    }
    expect(bench.wal.trimTo(index(200))).toBeGreaterThan(100);
    bench.settle();
    bench.close();
    return bench;
  }

  test('is sound with a checkpoint of what came before', () => {
    const bench = trimmed(250);
    const report = readingOnly(bench, () => verifyLog(bench.disk, DIRECTORY));
    expect(report).toMatchObject({ ok: true, lastIndex: 400, checkpoints: [250], firstBad: null });
    expect(report.firstIndex).toBeGreaterThan(100);
    const [segment] = readingOnly(bench, () => [...dumpLog(bench.disk, DIRECTORY)]);
    expect(segment).toMatchObject({ type: 'segment', firstIndex: report.firstIndex });
    const log = readingOnly(bench, () => new OfflineLog(bench.disk, DIRECTORY));
    expect([log.firstIndex, log.lastIndex, log.damage]).toEqual([report.firstIndex, 400, null]);
    const indexes = [...log.entries(log.firstIndex, log.lastIndex)].map((entry) => entry.index);
    expect(indexes).toEqual(indexes.map((_, at) => report.firstIndex + at));
  });

  test('is not without one', () => {
    for (const at of [null, 50]) {
      const bench = trimmed(at);
      const { ok, firstBad } = verifyLog(bench.disk, DIRECTORY);
      expect([ok, firstBad?.file.startsWith('checkpoint-')]).toEqual([false, true]);
      expect(planRepair(bench.disk, DIRECTORY).hopeless).toContain('with what came before');
    }
  });

  test('may be damaged and cut like any other', () => {
    const bench = trimmed(250);
    const last = bench.disk.listSync(DIRECTORY).findLast((name) => name.startsWith('segment-')) ?? '';
    bench.flip(`${DIRECTORY}/${last}`, 3000);
    const { firstBad, lastIndex } = verifyLog(bench.disk, DIRECTORY);
    expect(firstBad?.file).toBe(last);
    expect(lastIndex).toBeGreaterThan(250);
    // Two entries of the damaged block come before the damage.
    const plan = { cost: 'lose-records', lastIndex: lastIndex + 2 };
    expect(planRepair(bench.disk, DIRECTORY)).toMatchObject(plan);
  });
});

describe('dump', () => {
  test('lists everything where it stands', () => {
    const bench = filled();
    const items = readingOnly(bench, () => [...dumpLog(bench.disk, DIRECTORY)]);
    expect(items.slice(0, 3)).toEqual([
      { type: 'segment', file: 'segment-0000000001', sequence: 1, firstIndex: 1, epoch: 0, bytes: 65_536 },
      {
        type: 'block',
        file: 'segment-0000000001',
        position: 512,
        sequence: 1,
        epoch: 0,
        firstIndex: 1,
        entries: 1,
        bytes: 64,
        truncates: false,
      },
      {
        type: 'entry',
        file: 'segment-0000000001',
        position: 544,
        index: 1,
        term: 1,
        kind: EntryKind.noop,
        time: 1_700_000_000_000,
        queue: 0,
        records: 0,
        bytes: 64,
        checksum: expect.any(Number),
      },
    ]);
    expect(items.filter(({ type }) => type === 'entry')).toHaveLength(1 + 90 + 2);
    expect(items.filter((item) => item.type === 'block' && item.truncates)).toMatchObject([
      { firstIndex: 70, epoch: 1 },
    ]);
    expect(items.filter(({ type }) => type === 'sealed')).toMatchObject([{ footerVerifies: true }]);
    expect(items.at(-1)).toMatchObject({ type: 'end', file: 'segment-0000000002', tornBytes: 0 });
  });

  test('ends with what does not verify', () => {
    const bench = filled();
    bench.flip(bench.segmentPath(1), 30_000);
    const items = [...dumpLog(bench.disk, DIRECTORY)];
    expect(items.at(-1)).toMatchObject({ type: 'rot', file: 'segment-0000000001' });
    expect(items.length).toBeGreaterThan(20);
  });
});
