import { describe, expect, test } from 'vitest';
import { EntryKind } from '../../src/base/entry.ts';
import { dumpLog, type DumpItem } from '../../src/wal/dump.ts';
import { DirectoryRefusedError } from '../../src/wal/errors.ts';
import { verifyLog } from '../../src/wal/verify.ts';
import { Bench, DIRECTORY, N1, term } from './harness.ts';

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
