import { describe, expect, test } from 'vitest';
import { parseEntries, type Entry } from '../../src/base/entry.ts';
import { mutationsOf, NO_MUTATIONS } from '../../src/base/mutations.ts';
import { Prng } from '../../src/base/prng.ts';
import { BLOCK_HEADER_BYTES, SEGMENT_HEADER_BYTES } from '../../src/wal/format.ts';
import { readIdentity } from '../../src/wal/identity.ts';
import { SegmentMender, type EntrySource, type MendingReport } from '../../src/wal/mending/mender.ts';
import { outlineOnDisk, type SegmentOutline } from '../../src/wal/mending/segment-outline.ts';
import { diesIn } from '../support/dies-in.ts';
import { Bench, DIRECTORY, index, term } from './harness.ts';

/** Another node with the same log. */
class Twin implements EntrySource {
  readonly entries: ReadonlyMap<number, Entry>;
  asked = 0;

  constructor(entries: readonly Entry[]) {
    this.entries = new Map(entries.map((entry) => [entry.index, entry]));
  }

  fetch(
    first: number,
    last: number,
    previousChecksum: number | null,
    done: (entries: Entry[] | string) => void,
  ): void {
    this.asked += 1;
    const bytes: Buffer[] = [];
    for (let at = first; at <= last; at += 1) {
      const entry = this.entries.get(at);
      if (entry === undefined) {
        done(`nobody has ${at}`);
        return;
      }
      bytes.push(Buffer.from(entry.bytes));
    }
    try {
      done(parseEntries(Buffer.concat(bytes), { previousChecksum, firstIndex: index(first) }));
    } catch (error) {
      done(String(error));
    }
  }
}

function mendSegment(
  bench: Bench,
  outline: SegmentOutline,
  source: EntrySource,
  mutations = NO_MUTATIONS,
): MendingReport {
  let ended: MendingReport | null = null;
  new SegmentMender(bench.disk, outline, source, mutations).run((error, report) => {
    expect(error).toBeNull();
    ended = report;
  });
  bench.settle();
  if (ended === null) throw new Error('mending did not end');
  return ended;
}

function outlineOpen(bench: Bench, sequence: number): SegmentOutline {
  const outline = bench.wal.outline(nameOf(bench, sequence));
  if (outline === null) throw new Error(`no segment ${sequence}`);
  return outline;
}

function nameOf(bench: Bench, sequence: number): string {
  return bench.segmentPath(sequence).slice(DIRECTORY.length + 1);
}

/** Several segments of a few blocks each, some with many entries and some with one. */
function filled(): { readonly bench: Bench; readonly twin: Twin } {
  const bench = new Bench();
  bench.open();
  const prng = new Prng(7);
  for (let count = 0; count < 60; count += 1)
    bench.write(1 + prng.below(6), { bodyBytes: 20 + prng.below(count % 9 === 0 ? 9000 : 300) });
  bench.pass(100);
  return { bench, twin: new Twin(bench.entries()) };
}

const endOf = (bench: Bench, sequence: number): number =>
  outlineOpen(bench, sequence).borders.at(-1)?.position ?? 0;

describe('mending a segment of an open log', () => {
  test('a sound one is left alone, and nobody is asked', () => {
    const { bench, twin } = filled();
    for (const sequence of [1, 2]) {
      const before = bench.disk.visible(bench.segmentPath(sequence));
      expect(mendSegment(bench, outlineOpen(bench, sequence), twin)).toEqual({ mended: [], left: null });
      expect(Buffer.compare(bench.disk.visible(bench.segmentPath(sequence)), before)).toBe(0);
    }
    expect(twin.asked).toBe(0);
  });

  test.each([1, 2])('puts back every byte of segment %i, whichever is hit', (sequence) => {
    const { bench, twin } = filled();
    const path = bench.segmentPath(sequence);
    const before = bench.disk.visible(path);
    const outline = outlineOpen(bench, sequence);
    const end = endOf(bench, sequence);
    // Every byte of the first blocks, and one in 37 of the rest.
    for (let at = SEGMENT_HEADER_BYTES; at < end; at += at < 4000 ? 1 : 37) {
      bench.flip(path, at, 1 << (at % 8));
      const report = mendSegment(bench, outline, twin);
      expect(report.left, `byte ${at}`).toBeNull();
      expect(report.mended.length, `byte ${at}`).toBe(1);
      expect(Buffer.compare(bench.disk.visible(path), before), `byte ${at}`).toBe(0);
    }
    // What was put back is durable.
    bench.disk.powerCut('none');
    expect(Buffer.compare(bench.disk.visible(path), before)).toBe(0);
  });

  test.each([
    ['sectors that were lost', 512, () => 0],
    ['pages that were lost', 4096, () => 0],
    ['pages of noise', 4096, (prng: Prng) => prng.below(256)],
    ['long stretches of noise', 12_000, (prng: Prng) => prng.below(256)],
  ])('puts back %s', (_what, bytes, byte) => {
    for (let seed = 1; seed <= 40; seed += 1) {
      const prng = new Prng(seed);
      const { bench, twin } = filled();
      const sequence = 1 + prng.below(2);
      const end = endOf(bench, sequence);
      const pages = Math.ceil(end / 512);
      const from = Math.max(SEGMENT_HEADER_BYTES, prng.below(pages) * 512);
      bench.put(
        bench.segmentPath(sequence),
        from,
        Uint8Array.from({ length: Math.min(bytes, end - from) }, () => byte(prng)),
      );
      const report = mendSegment(bench, outlineOpen(bench, sequence), twin);
      expect(report.left, `seed ${seed}`).toBeNull();
      // Reading goes by what is noted about the places of entries.
      expect(
        bench.entries().map(({ checksum }) => checksum),
        `seed ${seed}`,
      ).toEqual([...twin.entries.values()].map(({ checksum }) => checksum));
      bench.close();
      expect(bench.open().lastIndex).toBe(twin.entries.size);
      // Without a footer the blocks are read one by one.
      bench.close();
      bench.flip(bench.segmentPath(1), bench.disk.visible(bench.segmentPath(1)).length - 20);
      expect(bench.open().lastIndex, `seed ${seed}`).toBe(twin.entries.size);
    }
  });

  test('puts back a page that another page was written over', () => {
    for (let seed = 1; seed <= 40; seed += 1) {
      const prng = new Prng(seed);
      const { bench, twin } = filled();
      const path = bench.segmentPath(1);
      const before = bench.disk.visible(path);
      const pages = Math.floor(endOf(bench, 1) / 4096);
      const from = prng.below(pages);
      const to = 1 + prng.below(pages - 1);
      bench.put(path, to * 4096, before.subarray(from * 4096, (from + 1) * 4096));
      const report = mendSegment(bench, outlineOpen(bench, 1), twin);
      expect(report.left, `seed ${seed}`).toBeNull();
      expect(bench.entries().length).toBe(twin.entries.size);
    }
  });

  test('several places in one segment', () => {
    const { bench, twin } = filled();
    const path = bench.segmentPath(1);
    const before = bench.disk.visible(path);
    for (const at of [600, 5000, 5100, 20_000]) bench.flip(path, at);
    const report = mendSegment(bench, outlineOpen(bench, 1), twin);
    expect(report.left).toBeNull();
    expect(report.mended.length).toBeGreaterThan(2);
    expect(Buffer.compare(bench.disk.visible(path), before)).toBe(0);
  });

  test('writes nothing where nobody has the entries, and says which', () => {
    const { bench } = filled();
    const path = bench.segmentPath(1);
    bench.flip(path, 1000);
    const damaged = bench.disk.visible(path);
    const { mended, left } = mendSegment(bench, outlineOpen(bench, 1), new Twin([]));
    expect(mended).toEqual([]);
    expect(left).toMatchObject({ file: nameOf(bench, 1), why: expect.stringContaining('nobody has') });
    expect(left?.position).toBeLessThanOrEqual(1000);
    expect(Buffer.compare(bench.disk.visible(path), damaged)).toBe(0);
  });

  test.each([
    ['writes nothing of another log', NO_MUTATIONS, false],
    ['writes what is of another log, where nobody asks for proof', mutationsOf(['mendsUnproven']), true],
  ])('%s', (_what, mutations, isWritten) => {
    const bench = new Bench();
    const other = new Bench();
    for (const [each, mark] of [
      [bench, 0],
      [other, 100],
    ] as const) {
      each.open();
      for (let count = 0; count < 60; count += 1) each.write(4, { bodyBytes: 500, mark });
    }
    const path = bench.segmentPath(1);
    // All of the first entries: nothing before them tells the two logs apart, and their lengths are the same.
    bench.put(path, SEGMENT_HEADER_BYTES + BLOCK_HEADER_BYTES, new Uint8Array(2200));
    const damaged = bench.disk.visible(path);
    const report = mendSegment(bench, outlineOpen(bench, 1), new Twin(other.entries()), mutations);
    expect(report.mended.length > 0).toBe(isWritten);
    expect(Buffer.compare(bench.disk.visible(path), damaged) !== 0).toBe(isWritten);
    expect(report.left === null).toBe(isWritten);
  });

  test('a crash at any step leaves what can be mended again', () => {
    for (let step = 1; step < 40; step += 1) {
      const { bench, twin } = filled();
      bench.put(bench.segmentPath(1), 2048, new Uint8Array(4096));
      bench.cutPowerAt(bench.disk.operations + step);
      const died = diesIn(bench.disk, () => mendSegment(bench, outlineOpen(bench, 1), twin));
      if (!died) bench.close();
      bench.open();
      expect(mendSegment(bench, outlineOpen(bench, 1), twin).left, `step ${step}`).toBeNull();
      expect(bench.entries().length).toBe(twin.entries.size);
      if (!died) {
        expect(step).toBeGreaterThan(3);
        return;
      }
    }
    throw new Error('there was no end of steps');
  });
});

describe('where the log took something back', () => {
  /** In the middle of segment 1: 11..20 of term 1 are replaced by others of term 2. */
  function truncated(): {
    readonly bench: Bench;
    readonly twin: Twin;
    readonly dead: readonly [number, number];
  } {
    const bench = new Bench();
    bench.open();
    bench.write(10);
    const from = outlineOpen(bench, 1).borders.at(-1)?.position ?? 0;
    bench.write(10);
    const to = outlineOpen(bench, 1).borders.at(-1)?.position ?? 0;
    bench.write(3, { truncateFrom: 11, term: 2, mark: 5 });
    bench.write(0, { truncateFrom: 13 });
    bench.write(4, { term: 2, mark: 9 });
    for (let count = 0; count < 60; count += 1) bench.write(4, { bodyBytes: 500, term: 2 });
    bench.pass(100);
    return { bench, twin: new Twin(bench.entries()), dead: [from, to] };
  }

  test('what nobody can read any more is passed over, and the rest is put back', () => {
    const { bench, twin, dead } = truncated();
    const path = bench.segmentPath(1);
    const before = bench.disk.visible(path);
    const end = endOf(bench, 1);
    const left: number[] = [];
    for (let at = SEGMENT_HEADER_BYTES; at < Math.min(end, 9000); at += 1) {
      bench.flip(path, at, 1 << (at % 8));
      const report = mendSegment(bench, outlineOpen(bench, 1), twin);
      const isBack = Buffer.compare(bench.disk.visible(path), before) === 0;
      if (!isBack) {
        left.push(at);
        bench.flip(path, at, 1 << (at % 8));
      } else expect(report.left, `byte ${at}`).toBeNull();
    }
    const isDead = (at: number): boolean => at >= dead[0] && at < dead[1];
    const isExpected = left.filter((at) => !isDead(at));
    // The header of a block that holds nothing but a truncation is all that tells of it; and what it took back is dead too.
    const deadEntry = twin.entries.get(1)?.bytes.length ?? 0;
    expect(isExpected.length).toBeLessThanOrEqual(2 * BLOCK_HEADER_BYTES + deadEntry);
    expect(
      bench
        .entries()
        .map(({ term: of }) => of)
        .filter((of) => of === term(2)).length,
    ).toBeGreaterThan(200);
  });

  test('also where the next segment took it back', () => {
    const bench = new Bench();
    bench.open();
    while (bench.wal.stats().segments === 1) bench.write(5, { bodyBytes: 1000 });
    const boundary = bench.wal.lastIndex;
    bench.write(5, { truncateFrom: boundary - 12, term: 2 });
    bench.pass(100);
    const twin = new Twin(bench.entries());
    const path = bench.segmentPath(1);
    const before = bench.disk.visible(path);
    // Of the last block, and of one that still counts.
    bench.flip(path, endOf(bench, 1) - 10);
    bench.flip(path, 2000);
    const { mended, left } = mendSegment(bench, outlineOpen(bench, 1), twin);
    expect(left).toBeNull();
    expect(mended).toHaveLength(1);
    bench.flip(path, endOf(bench, 1) - 10);
    expect(Buffer.compare(bench.disk.visible(path), before)).toBe(0);
  });
});

describe('mending a directory that does not open', () => {
  test.each([0, 1])('damage below the watermark of the last segment (header: %i)', (isHeader) => {
    const bench = new Bench();
    bench.open();
    for (let count = 0; count < 8; count += 1) bench.write(3);
    bench.pass(100);
    const twin = new Twin(bench.entries());
    bench.close();
    const path = bench.segmentPath(1);
    const before = bench.disk.visible(path);
    const identity = readIdentity(bench.disk, DIRECTORY);
    if (identity === null) throw new Error('no identity');
    const end = before.findLastIndex((byte) => byte !== 0) + 1;
    const at = isHeader === 1 ? SEGMENT_HEADER_BYTES + 5 : end - 10;
    bench.flip(path, at);
    expect(() => bench.open()).toThrow(/damaged/);
    const outline = outlineOnDisk(bench.disk, DIRECTORY, nameOf(bench, 1), identity);
    if (outline === null) throw new Error('no outline');
    expect(mendSegment(bench, outline, twin).left).toBeNull();
    expect(Buffer.compare(bench.disk.visible(path), before)).toBe(0);
    expect(bench.open().lastIndex).toBe(24);
  });
});
