import { describe, expect, test } from 'vitest';
import { EntryKind, type Entry } from '../../src/base/entry.ts';
import { DiskError } from '../../src/base/ports/disk.ts';
import type { WalReadError } from '../../src/wal/errors.ts';
import { Bench, DIRECTORY, index, makeEntries, N1, N2, term } from './harness.ts';

interface ReadAnswer {
  error: Error | null;
  entries: Entry[];
  previousChecksum: number;
}

function read(bench: Bench, first: number, entriesMax = 100, bytesMax = 1 << 20): ReadAnswer {
  const answer = startRead(bench, first, entriesMax, bytesMax);
  bench.settle();
  return answer;
}

function startRead(bench: Bench, first: number, entriesMax = 100, bytesMax = 1 << 20): ReadAnswer {
  const answer: ReadAnswer = { error: new Error('no answer'), entries: [], previousChecksum: 0 };
  bench.wal.read(index(first), entriesMax, bytesMax, (error, entries, previousChecksum) => {
    Object.assign(answer, { error, entries, previousChecksum });
  });
  return answer;
}

function opened(...options: ConstructorParameters<typeof Bench>): Bench {
  const bench = new Bench(...options);
  bench.open();
  return bench;
}

describe('opening', () => {
  test('a new log is empty', () => {
    const { wal } = opened();
    expect([wal.firstIndex, wal.lastIndex, wal.lastTerm, wal.lastChecksum, wal.durableIndex]).toEqual([
      1, 0, 0, 0, 0,
    ]);
    expect(wal.hardState).toEqual({ term: 0, votedFor: null });
    expect(wal.hardStateTrusted).toBe(true);
    expect(wal.termRuns()).toEqual([]);
    expect([wal.termAt(index(0)), wal.termAt(index(1))]).toEqual([0, null]);
    expect(wal.tail(1000)).toEqual([]);
  });

  test('what was written is there after a clean stop', () => {
    const bench = opened();
    bench.write(3, { hardState: { term: term(1), votedFor: N1 } });
    bench.write(2, { term: 2, hardState: { term: term(2), votedFor: null } });
    bench.close();
    const wal = bench.open();
    expect(bench.content()).toEqual(['1.1', '2.1', '3.1', '4.2', '5.2']);
    expect(wal.hardState).toEqual({ term: 2, votedFor: null });
    expect(wal.termRuns()).toEqual([
      { firstIndex: 1, term: 1 },
      { firstIndex: 4, term: 2 },
    ]);
    expect([3, 4, 5, 6].map((at) => wal.termAt(index(at)))).toEqual([1, 2, 2, null]);
  });

  test('is refused while another process has the directory', () => {
    const bench = opened();
    expect(() => bench.open()).toThrow(expect.objectContaining({ code: 'ELOCKED' }));
    bench.close();
    bench.open();
  });

  test('of a log of many segments reads only the last', () => {
    const bench = opened();
    for (let count = 0; count < 40; count += 1) bench.write(10, { bodyBytes: 2000 });
    bench.close();
    const segments = bench.disk.listSync(DIRECTORY).filter((name) => name.startsWith('segment-')).length;
    expect(segments).toBeGreaterThan(10);
    let bytesRead = 0;
    bench.disk.onOperation = ({ kind, bytes }) => {
      if (kind === 'read') bytesRead += bytes;
    };
    bench.open();
    expect(bench.wal.lastIndex).toBe(400);
    expect(bytesRead).toBeLessThan(4 * 64 * 1024);
  });

  test('gives the configuration entries and the tail', () => {
    const bench = opened();
    bench.write(1, { kind: EntryKind.configuration });
    bench.write(30, { bodyBytes: 5000 });
    bench.write(1, { kind: EntryKind.configuration });
    bench.write(2, { bodyBytes: 100 });
    bench.close();
    const wal = bench.open();
    expect(wal.configurationEntries(index(0)).map((entry) => entry.index)).toEqual([1, 32]);
    expect(wal.configurationEntries(index(1)).map((entry) => entry.index)).toEqual([32]);
    const tail = wal.tail(20_000);
    expect(tail.at(-1)?.index).toBe(34);
    expect(tail.map((entry) => entry.index)).toEqual(tail.map((_, at) => 34 - tail.length + 1 + at));
    const bytes = tail.reduce((sum, entry) => sum + entry.bytes.length, 0);
    expect(bytes).toBeLessThanOrEqual(20_000);
    expect(bytes).toBeGreaterThan(14_000);
    expect(wal.tail(1 << 20)).toHaveLength(34);
    // However little there is room for: the next leader must know the time of the newest.
    expect(wal.tail(1).map((entry) => entry.index)).toEqual([34]);
  });
});

describe('group commit', () => {
  test('writes at once when idle, and gathers while a sync runs', () => {
    const bench = opened();
    bench.submit(1);
    expect(bench.disk.pending.filter(({ kind }) => kind === 'sync')).toHaveLength(1);
    bench.submit(2);
    bench.submit(3);
    expect(bench.wal.lastIndex).toBe(1);
    bench.settle();
    expect(bench.durable).toEqual([1, 3]);
    expect(bench.wal.stats()).toMatchObject({ blocks: 2, syncs: 2, entries: 6 });
    expect(bench.wal.durableIndex).toBe(6);
  });

  test('reports nothing before its sync has ended', () => {
    const bench = opened();
    bench.submit(1, { hardState: { term: term(1), votedFor: N1 } });
    const paths: string[] = [];
    while (bench.durable.length === 0) {
      const next = bench.disk.pending.findIndex(({ path }) => !path.endsWith('spare.tmp'));
      paths.push(bench.disk.pending[next]?.path ?? 'nothing is pending');
      bench.disk.complete(next);
    }
    expect(paths).toEqual([`${DIRECTORY}/hard-state`, `${DIRECTORY}/hard-state`, bench.segmentPath(1)]);
  });

  test('what is submitted in answer to a report goes in one write', () => {
    const bench = opened({
      onDurable: (number) => {
        bench.durable.push(number);
        if (number > 1) return;
        bench.submit(1);
        bench.submit(1);
      },
    });
    bench.submit(1);
    bench.settle();
    expect(bench.durable).toEqual([1, 3]);
    expect(bench.wal.stats().blocks).toBe(2);
  });

  test('work that changes nothing is reported too, in a turn of its own', () => {
    const bench = opened();
    bench.submit(0);
    expect(bench.durable).toEqual([]);
    bench.settle();
    bench.write(2);
    bench.submit(0, { truncateFrom: 3 });
    bench.settle();
    expect(bench.durable).toEqual([1, 2, 3]);
    expect(bench.wal.stats()).toMatchObject({ blocks: 1, epoch: 0 });
  });

  test('refuses entries that do not continue the log', () => {
    const bench = opened();
    bench.write(2);
    const far = makeEntries(4, 1, 0);
    expect(() => bench.wal.submit({ number: 2, hardState: null, truncateFrom: null, entries: far })).toThrow(
      'entry 4 where 3 is next',
    );
    const other = opened();
    other.write(2, { mark: 9 });
    const entries = other.entries();
    expect(() =>
      bench.wal.submit({ number: 9, hardState: null, truncateFrom: index(2), entries: entries.slice(1) }),
    ).toThrow('entry 2 does not chain to the entry before it');
  });

  test('much work takes several blocks, each synced', () => {
    const bench = opened({ segmentBytes: 16 * 1024 * 1024 });
    bench.write(12, { bodyBytes: 1024 * 1024 });
    expect(bench.wal.stats().blocks).toBe(4);
    expect(bench.durable).toEqual([1]);
    bench.cutPowerAndOpen('none');
    expect(bench.wal.lastIndex).toBe(12);
  });
});

describe('truncation', () => {
  test('takes no sync of its own, and holds after a restart', () => {
    const bench = opened();
    bench.write(10);
    const { syncs } = bench.wal.stats();
    bench.write(2, { truncateFrom: 4, term: 2, hardState: { term: term(2), votedFor: null } });
    expect(bench.wal.stats().syncs).toBe(syncs + 1);
    const expected = ['1.1', '2.1', '3.1', '4.2', '5.2'];
    expect(bench.content()).toEqual(expected);
    bench.cutPowerAndOpen('none');
    expect(bench.content()).toEqual(expected);
    expect(bench.wal.termRuns()).toEqual([
      { firstIndex: 1, term: 1 },
      { firstIndex: 4, term: 2 },
    ]);
  });

  test('without entries', () => {
    const bench = opened();
    bench.write(10);
    bench.write(0, { truncateFrom: 4 });
    expect([bench.wal.lastIndex, bench.wal.durableIndex, bench.wal.stats().epoch]).toEqual([3, 3, 1]);
    bench.cutPowerAndOpen('none');
    bench.write(2, { mark: 3 });
    expect(bench.content()).toHaveLength(5);
    bench.write(0, { truncateFrom: 1 });
    bench.cutPowerAndOpen('none');
    expect([bench.wal.firstIndex, bench.wal.lastIndex, bench.wal.stats().epoch]).toEqual([1, 0, 2]);
    bench.write(1);
    expect(bench.content()).toEqual(['1.1']);
  });

  test('of entries that were not written yet just leaves them out', () => {
    const bench = opened();
    bench.write(2);
    bench.submit(1);
    bench.submit(5);
    bench.submit(2, { truncateFrom: 6, mark: 7 });
    bench.submit(0, { truncateFrom: 7 });
    bench.settle();
    expect(bench.wal.lastIndex).toBe(6);
    expect(bench.wal.stats().epoch).toBe(0);
    bench.submit(1);
    bench.submit(1);
    bench.submit(3, { truncateFrom: 3, mark: 8 });
    bench.settle();
    expect(bench.wal.lastIndex).toBe(5);
    const before = bench.entries();
    bench.cutPowerAndOpen('none');
    expect(bench.entries()).toEqual(before);
  });

  test('across segments: the older ones stay as they are', () => {
    const bench = opened();
    for (let count = 0; count < 20; count += 1) bench.write(10, { bodyBytes: 1000 });
    const sealed = bench.disk.visible(bench.segmentPath(2));
    bench.write(3, { truncateFrom: 30, mark: 1 });
    for (let count = 0; count < 20; count += 1) bench.write(10, { bodyBytes: 1000, mark: 2 });
    bench.write(1, { truncateFrom: 20, mark: 4 });
    expect(bench.disk.visible(bench.segmentPath(2))).toEqual(sealed);
    const before = bench.entries();
    expect(before.map((entry) => entry.index)).toEqual(before.map((_, at) => at + 1));
    expect(before).toHaveLength(20);
    bench.cutPowerAndOpen();
    expect(bench.entries()).toEqual(before);
  });
});

describe('segments', () => {
  test('an entry larger than a segment gets one of its own size', () => {
    const bench = opened();
    bench.write(1);
    bench.write(1, { bodyBytes: 300_000 });
    bench.write(3);
    expect(bench.wal.stats().segments).toBe(2);
    bench.write(60, { bodyBytes: 1000 });
    expect(bench.wal.stats().segments).toBe(3);
    const before = bench.entries();
    bench.cutPowerAndOpen('none');
    expect(bench.entries()).toEqual(before);
  });

  test('the next one is prepared before it is needed', () => {
    const bench = opened();
    bench.settle();
    expect(bench.disk.durable(`${DIRECTORY}/spare.tmp`)).toBe(null);
    expect(bench.disk.visible(`${DIRECTORY}/spare.tmp`)).toHaveLength(64 * 1024);
  });

  test('is prepared in whole steps, not along with every commit', () => {
    const bench = opened({ segmentBytes: 4 * 1024 * 1024 });
    bench.settle();
    let syncs = 0;
    bench.disk.onOperation = ({ kind, path }) => {
      if (kind === 'sync' && path.endsWith('spare.tmp')) syncs += 1;
    };
    for (let count = 0; count < 50; count += 1) bench.write(1);
    expect(syncs).toBe(0);
  });

  test('is prepared further by many small blocks than by a few large ones of the same length', () => {
    const spareAfter = (blocks: number, bodyBytes: number): number => {
      const bench = opened({ segmentBytes: 16 * 1024 * 1024 });
      for (let count = 0; count < blocks; count += 1) bench.write(1, { bodyBytes });
      bench.settle();
      return bench.disk.visible(`${DIRECTORY}/spare.tmp`)?.length ?? 0;
    };
    const [few, many] = [spareAfter(4, 1_000_000), spareAfter(400, 10_000)];
    expect(few).toBe(spareAfter(0, 0));
    expect(many).toBeGreaterThan(few + 2_000_000);
  });

  test('preparing fails quietly, needing it waits until there is room', () => {
    const bench = opened();
    bench.disk.failWrite((path) => path.endsWith('spare.tmp'));
    bench.settle();
    bench.write(10, { bodyBytes: 1000 });
    expect(bench.failures).toEqual([]);
    const number = bench.submit(60, { bodyBytes: 1000 });
    bench.settle();
    bench.pass(1000);
    bench.settle();
    expect(bench.durable).not.toContain(number);
    bench.disk.clearFaults();
    bench.pass(250);
    bench.settle();
    expect(bench.durable.at(-1)).toBe(number);
    expect(bench.failures).toEqual([]);
  });
});

describe('reading', () => {
  test('gives at least one entry, and no more than asked for', () => {
    const bench = opened();
    bench.write(20, { bodyBytes: 1000 });
    const counts = [
      [1, 5, 1 << 20],
      [1, 100, 0],
      [18, 100, 1 << 20],
      [7, 100, 3500],
    ].map(([first = 0, entriesMax, bytesMax]) => {
      const { error, entries } = read(bench, first, entriesMax, bytesMax);
      expect(error).toBe(null);
      expect(entries[0]?.index).toBe(first);
      return entries.length;
    });
    expect(counts).toEqual([5, 1, 3, 3]);
  });

  test('says what the first entry chains to', () => {
    const bench = opened();
    bench.write(200, { bodyBytes: 1000 });
    const entries = bench.entries();
    for (const first of [1, 2, 64, 65, 150, 200]) {
      expect(read(bench, first).previousChecksum).toBe(entries[first - 2]?.checksum ?? 0);
      expect(bench.wal.checksumAt(index(first))).toBe(entries[first - 1]?.checksum);
    }
    expect(bench.wal.checksumAt(index(0))).toBe(0);
  });

  test('finds every entry in blocks of any size, across truncations and segments', () => {
    const bench = opened();
    for (let count = 1; count < 60; count += 1) {
      const { lastIndex } = bench.wal;
      const bodyBytes = bench.prng.below(bench.prng.chance(0.1) ? 50_000 : 3000);
      const truncateFrom = bench.prng.chance(0.2)
        ? Math.max(1, lastIndex - bench.prng.below(20))
        : lastIndex + 1;
      bench.write(bench.prng.between(1, 15), { bodyBytes, truncateFrom, mark: count });
    }
    const entries = bench.entries();
    expect(entries).toHaveLength(bench.wal.lastIndex);
    for (const entry of entries) expect(read(bench, entry.index, 1).entries).toEqual([entry]);
  });

  test('refuses what is not there', () => {
    const bench = opened();
    bench.write(3);
    const codes = [0, 4].map((first) => (read(bench, first).error as WalReadError).code);
    expect(codes).toEqual(['WAL_RANGE', 'WAL_RANGE']);
    bench.close();
  });

  test('a truncation meanwhile is an error, never another entry', () => {
    const bench = opened();
    bench.write(10);
    const answers = [2, 6].map((first) => startRead(bench, first, 3));
    bench.submit(4, { truncateFrom: 6, mark: 5 });
    bench.settle();
    expect(answers.map(({ error }) => (error as WalReadError | null)?.code ?? null)).toEqual([
      null,
      'WAL_TRUNCATED',
    ]);
    expect(answers[0]?.entries.map((entry) => entry.index)).toEqual([2, 3, 4]);
    expect(read(bench, 6).entries).toHaveLength(4);
  });
});

describe('the watermark', () => {
  function watermarksDuring(bench: Bench, work: () => void): number {
    const { watermarks } = bench.wal.stats();
    work();
    return bench.wal.stats().watermarks - watermarks;
  }

  test('follows once after the log fell idle', () => {
    const bench = opened();
    bench.write(3);
    expect(watermarksDuring(bench, () => bench.pass(60))).toBe(1);
    expect(watermarksDuring(bench, () => bench.pass(1000))).toBe(0);
  });

  test('is never older than 100 ms while the log moves', () => {
    const bench = opened();
    let lastMs = 0;
    let ageMs = 0;
    for (let ms = 0; ms < 2000; ms += 5) {
      if (watermarksDuring(bench, () => bench.write(1)) > 0) lastMs = ms;
      if (watermarksDuring(bench, () => bench.pass(5)) > 0) lastMs = ms;
      ageMs = Math.max(ageMs, ms - lastMs);
    }
    expect(ageMs).toBeLessThanOrEqual(100);
    expect(ageMs).toBeGreaterThan(30);
  });

  test('carries what is known to be committed', () => {
    const bench = opened();
    bench.write(5);
    bench.wal.noteCommit(index(4));
    bench.wal.noteCommit(index(3));
    bench.pass(60);
    bench.cutPowerAndOpen('none');
    expect(bench.wal.commitHint).toBe(4);
    bench.wal.noteCommit(index(400));
    bench.write(1);
    bench.close();
    expect(bench.open().commitHint).toBe(6);
  });
});

describe('a failed disk', () => {
  test('is reported once; nothing is durable any more, and no sync is repeated', () => {
    const bench = opened();
    bench.write(1);
    bench.settle();
    bench.disk.failSync((path) => path === bench.segmentPath(1));
    bench.submit(1);
    bench.submit(1);
    bench.settle();
    expect(bench.failures).toEqual([expect.any(DiskError)]);
    expect(bench.failures).toMatchObject([{ code: 'EIO', operation: 'sync' }]);
    let operations = 0;
    bench.disk.onOperation = () => {
      operations += 1;
    };
    bench.wal.submit({ number: 9, hardState: null, truncateFrom: null, entries: [] });
    bench.pass(200);
    expect(bench.durable).toEqual([1]);
    expect(operations).toBe(0);
    expect(bench.failures).toHaveLength(1);
    bench.close();
  });

  describe('that is full', () => {
    /** A log with one entry, whose next block is written in part. */
    function full(): { bench: Bench; rooms: boolean[]; votes: number[]; number: number } {
      const rooms: boolean[] = [];
      const votes: number[] = [];
      const bench = opened({
        onRoom: (hasRoom) => rooms.push(hasRoom),
        onHardStateDurable: (n) => votes.push(n),
      });
      bench.write(1);
      bench.disk.failWrite((path) => path === bench.segmentPath(1), 'ENOSPC', 100);
      const number = bench.submit(5);
      expect(rooms).toEqual([]);
      bench.settle();
      return { bench, rooms, votes, number };
    }

    test('makes the log wait and go on by itself, and says both', () => {
      const { bench, rooms, number } = full();
      bench.pass(1000);
      bench.settle();
      expect([bench.failures, bench.durable, rooms]).toEqual([[], [1], [false]]);
      bench.disk.clearFaults();
      bench.pass(250);
      bench.settle();
      expect([bench.durable, rooms]).toEqual([
        [1, number],
        [false, true],
      ]);
      expect(bench.killAndOpen().lastIndex).toBe(6);
    });

    test('keeps nothing of what waits: a part of it is a torn tail', () => {
      const { bench } = full();
      bench.disk.clearFaults();
      expect(bench.killAndOpen().lastIndex).toBe(1);
      expect(bench.wal.stats().tornBytesAtOpen).toBeGreaterThan(90);
    });

    test('lets term and vote pass by, durably, and takes what waits afterwards', () => {
      const { bench, votes, number } = full();
      bench.submit(0, { hardState: { term: term(3), votedFor: N1 } });
      bench.submit(1, { hardState: { term: term(4), votedFor: N2 } });
      bench.settle();
      expect(votes).toEqual([number, number + 1, number + 2]);
      expect(bench.durable).toEqual([1]);
      bench.disk.clearFaults();
      bench.pass(250);
      bench.settle();
      expect(bench.durable.at(-1)).toBe(number + 2);
      expect(bench.wal.lastIndex).toBe(7);
      expect(bench.killAndOpen().hardState).toEqual({ term: 4, votedFor: N2 });
    });

    test('does not lose the vote to a power cut while the log waits', () => {
      const { bench } = full();
      bench.submit(0, { hardState: { term: term(4), votedFor: N2 } });
      bench.settle();
      bench.disk.clearFaults();
      bench.disk.powerCut('none');
      bench.open();
      expect(bench.wal.hardState).toEqual({ term: 4, votedFor: N2 });
      expect(bench.wal.lastIndex).toBe(1);
    });

    test('can be closed: what waits is given up', () => {
      const { bench, number } = full();
      let isClosed = false;
      bench.wal.close(() => {
        isClosed = true;
      });
      bench.settle();
      expect([isClosed, bench.durable.includes(number), bench.failures]).toEqual([true, false, []]);
    });

    test('ends the log where there is no room even for the vote', () => {
      const { bench } = full();
      bench.disk.failWrite((path) => path.endsWith('hard-state'), 'ENOSPC', 0);
      bench.submit(0, { hardState: { term: term(4), votedFor: N2 } });
      bench.settle();
      expect(bench.failures).toMatchObject([{ code: 'ENOSPC', operation: 'write' }]);
    });
  });

  test('fails the vote as well', () => {
    const bench = opened();
    bench.disk.failSync((path) => path.endsWith('hard-state'));
    bench.submit(0, { hardState: { term: term(1), votedFor: N2 } });
    bench.settle();
    expect(bench.failures).toHaveLength(1);
    expect(bench.durable).toEqual([]);
  });
});

describe('closing', () => {
  test('makes durable what was submitted, and its watermark', () => {
    const bench = opened();
    bench.submit(1);
    bench.submit(2);
    bench.close();
    expect(bench.durable).toEqual([1, 2]);
    bench.disk.powerCut('none');
    let rewritten = 0;
    bench.disk.onOperation = ({ kind, path }) => {
      if (kind === 'write' && path === bench.segmentPath(1)) rewritten += 1;
    };
    expect(bench.open().lastIndex).toBe(3);
    expect(rewritten).toBe(0);
  });

  test('ends reads and work', () => {
    const bench = opened();
    const { wal } = bench;
    bench.close();
    let code = '';
    wal.read(index(1), 1, 1, (error) => {
      code = (error as WalReadError).code;
    });
    expect(code).toBe('WAL_CLOSED');
    expect(() => wal.submit({ number: 1, hardState: null, truncateFrom: null, entries: [] })).toThrow(
      'for a closed log',
    );
  });
});
