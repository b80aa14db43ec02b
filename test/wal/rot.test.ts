import { describe, expect, test } from 'vitest';
import { WalRotError } from '../../src/wal/errors.ts';
import { BLOCK_HEADER, BLOCK_HEADER_BYTES, SEGMENT_HEADER_BYTES } from '../../src/wal/format.ts';
import { verifyLog } from '../../src/wal/verify.ts';
import { Bench, DIRECTORY, index, N1, N2, term } from './harness.ts';

const HARD_STATE = `${DIRECTORY}/hard-state`;
const WATERMARK = `${DIRECTORY}/watermark`;

function endOf(bench: Bench, path: string): number {
  return bench.disk.visible(path).findLastIndex((byte) => byte !== 0) + 1;
}

/** What opening says: where the rot is, or null if it was not noticed. */
function rotAtOpen(bench: Bench): WalRotError | null {
  try {
    bench.open();
  } catch (error) {
    if (error instanceof WalRotError) return error;
    throw error;
  }
  return null;
}

function filled(work: (bench: Bench) => void): Bench {
  const bench = new Bench();
  bench.open();
  work(bench);
  bench.disk.powerCut('none');
  return bench;
}

/** Opens after a change of each byte in turn, and puts it back. @returns the positions at which nothing was noticed. */
function unnoticed(bench: Bench, path: string, from: number, to: number, mask: number): number[] {
  const missed: number[] = [];
  const before = bench.disk.visible(path);
  for (let position = from; position < to; position += 1) {
    bench.flip(path, position, mask);
    const damaged = bench.disk.visible(path);
    const rot = rotAtOpen(bench);
    if (rot === null) {
      missed.push(position);
      bench.disk.powerCut('none');
      bench.put(path, 0, before);
      continue;
    }
    // Refused means untouched.
    expect(Buffer.compare(bench.disk.visible(path), damaged)).toBe(0);
    bench.flip(path, position, mask);
  }
  return missed;
}

describe('a byte changed at rest', () => {
  const mixed = (bench: Bench): void => {
    bench.write(2, { hardState: { term: term(2), votedFor: N1 } });
    bench.write(1, { bodyBytes: 700 });
    bench.write(2, { truncateFrom: 3, term: 2, mark: 7 });
    bench.write(0, { truncateFrom: 4 });
    bench.write(1, { term: 2, mark: 9 });
  };

  test.each([0x01, 0x80, 0xff])('is noticed wherever it is below the watermark (mask %i)', (mask) => {
    const bench = filled((open) => {
      mixed(open);
      open.pass(100);
    });
    const path = bench.segmentPath(1);
    expect(unnoticed(bench, path, 0, endOf(bench, path), mask)).toEqual([]);
  });

  test('is noticed in every block but the last even without a watermark: what follows proves that it was durable', () => {
    const bench = filled(mixed);
    const path = bench.segmentPath(1);
    const last = BLOCK_HEADER_BYTES + 64 + 24 + 4 + 40;
    expect(unnoticed(bench, path, 0, endOf(bench, path) - last, 0x10)).toEqual([]);
  });

  test('is noticed in the last block too, if no write that was torn leaves it like that', () => {
    const bench = filled(mixed);
    const path = bench.segmentPath(1);
    const end = endOf(bench, path);
    expect(unnoticed(bench, path, end - 200, end, 0x55)).toEqual([]);
  });

  test('after the end is noticed, unless a torn write explains it', () => {
    const bench = filled((open) => open.write(3));
    const path = bench.segmentPath(1);
    const end = endOf(bench, path);
    // Where a block header would have arrived as a whole, with something else in it.
    expect(unnoticed(bench, path, end, end + 4, 0x20)).toEqual([end, end + 1, end + 2, end + 3]);
    bench.put(path, end, new Uint8Array(40).fill(7));
    expect(rotAtOpen(bench)?.what).toContain('although every sector of it was written');
  });

  test('in a sealed segment is noticed when it is read, with its place, and never served', () => {
    const bench = filled((open) => {
      for (let count = 0; count < 20; count += 1) open.write(10, { bodyBytes: 1000 });
    });
    const path = bench.segmentPath(2);
    const position = 20_000;
    bench.flip(path, position);
    const wal = bench.open();
    const damaged = verifyLog(bench.disk, DIRECTORY).firstBad;
    expect(damaged).toMatchObject({ file: 'segment-0000000002' });
    const at = damaged?.index ?? index(0);
    expect(position - (damaged?.position ?? 0)).toBeLessThan(1200);
    let answers = 0;
    wal.read(index(at - 3), 10, 1 << 20, (error, entries) => {
      answers += 1;
      expect(error).toBeInstanceOf(WalRotError);
      expect((error as WalRotError).place).toEqual({
        file: 'segment-0000000002',
        position: damaged?.position,
        index: at,
      });
      expect(entries).toEqual([]);
    });
    wal.read(index(at + 60), 1, 1000, (error, entries) => {
      answers += 1;
      expect(error).toBe(null);
      expect(entries).toHaveLength(1);
    });
    bench.settle();
    expect(answers).toBe(2);
  });

  test('in a sealed segment header is noticed at the start', () => {
    const bench = filled((open) => {
      for (let count = 0; count < 20; count += 1) open.write(10, { bodyBytes: 1000 });
    });
    for (const position of [0, 9, 17, 33, 41, 49, 57, 65, 509]) {
      bench.flip(bench.segmentPath(2), position);
      expect(rotAtOpen(bench)?.place).toMatchObject({ file: 'segment-0000000002', position: 0 });
      bench.flip(bench.segmentPath(2), position);
    }
  });
});

describe('a block that verifies', () => {
  function withBlockField(field: number, value: number): WalRotError | null {
    const bench = filled((open) => {
      open.write(2);
      open.write(2);
    });
    const path = bench.segmentPath(1);
    const position = endOf(bench, path) - BLOCK_HEADER_BYTES - 2 * (64 + 24 + 4 + 40);
    bench.disk.setByte(path, position + field, () => value);
    bench.fixBlockChecksum(path, position);
    return rotAtOpen(bench);
  }

  test.each([
    ['of another sequence', BLOCK_HEADER.sequence, 3],
    ['of another epoch', BLOCK_HEADER.epoch, 1],
    ['that leaves a gap', BLOCK_HEADER.firstIndex, 4],
    ['that repeats an index without a truncation', BLOCK_HEADER.firstIndex, 2],
    ['with another number of entries', BLOCK_HEADER.entryCount, 3],
  ])('%s does not continue the log', (_name, field, value) => {
    expect(withBlockField(field, value)).not.toBe(null);
  });

  test('is not found in what a client wrote', () => {
    const bench = filled((open) => open.write(1));
    const path = bench.segmentPath(1);
    const block = bench.disk.visible(path).subarray(SEGMENT_HEADER_BYTES, endOf(bench, path));
    // The same bytes in a segment with another nonce are no block.
    const other = filled((open) => open.write(1));
    other.put(other.segmentPath(1), endOf(other, other.segmentPath(1)) + 600, block.subarray(0, 20));
    expect(other.open().lastIndex).toBe(1);
  });
});

describe('something missing', () => {
  function many(): Bench {
    return filled((open) => {
      for (let count = 0; count < 20; count += 1) open.write(10, { bodyBytes: 1000 });
    });
  }

  test('a segment in the middle, or the last one', () => {
    for (const sequence of [2, 4]) {
      const bench = many();
      bench.disk.unlinkSync(bench.segmentPath(sequence));
      expect(rotAtOpen(bench)?.message).toContain(`the segment is missing (segment-000000000${sequence}`);
    }
  });

  test('the last one even if no watermark followed its entries', () => {
    const bench = new Bench();
    bench.open();
    bench.write(50, { bodyBytes: 1000 });
    bench.write(20, { bodyBytes: 1000 });
    expect(bench.wal.stats().segments).toBe(2);
    bench.disk.powerCut('none');
    bench.disk.unlinkSync(bench.segmentPath(2));
    expect(rotAtOpen(bench)?.what).toBe('the segment is missing');
  });

  test('the end of the last segment', () => {
    const bench = many();
    const path = bench.segmentPath(4);
    bench.open();
    bench.pass(100);
    bench.disk.powerCut('none');
    bench.disk.shrink(path, endOf(bench, path) - 500);
    expect(rotAtOpen(bench)?.what).toContain('below the watermark');
  });

  test('both watermarks', () => {
    const bench = many();
    bench.flip(WATERMARK, 40);
    expect(rotAtOpen(bench)).toBe(null);
    bench.disk.powerCut('none');
    bench.flip(WATERMARK, 40);
    bench.flip(WATERMARK, 4096 + 40);
    expect(rotAtOpen(bench)?.place).toEqual({ file: 'watermark', position: 0, index: null });
    bench.disk.unlinkSync(WATERMARK);
    expect(rotAtOpen(bench)?.place.file).toBe('watermark');
  });

  test('the index at the end of a sealed segment: it is rebuilt', () => {
    const bench = many();
    bench.open();
    const before = bench.entries();
    const configurations = bench.wal.termRuns();
    bench.disk.powerCut('none');
    const path = bench.segmentPath(2);
    const whole = bench.disk.visible(path);
    bench.flip(path, whole.length - 30);
    expect(verifyLog(bench.disk, DIRECTORY)).toMatchObject({
      ok: true,
      repairable: ['the index at the end of segment-0000000002 does not verify'],
    });
    bench.open();
    expect(bench.entries()).toEqual(before);
    expect(bench.wal.termRuns()).toEqual(configurations);
    expect(bench.disk.durable(path)).toEqual(whole);
  });

  test('an index that cannot be rebuilt is rot', () => {
    const bench = many();
    const path = bench.segmentPath(2);
    bench.flip(path, bench.disk.visible(path).length - 30);
    bench.flip(path, 5000);
    expect(rotAtOpen(bench)?.place.file).toBe('segment-0000000002');
  });
});

describe('the vote', () => {
  function voted(): Bench {
    return filled((open) => open.write(1, { term: 3, hardState: { term: term(3), votedFor: N2 } }));
  }

  test('survives the loss of either slot', () => {
    for (const slot of [0, 4096]) {
      const bench = voted();
      bench.flip(HARD_STATE, slot + 26);
      const { hardState, hardStateTrusted } = bench.open();
      expect([hardState, hardStateTrusted]).toEqual([{ term: 3, votedFor: N2 }, true]);
    }
  });

  test.each([
    [
      'both slots',
      (bench: Bench): void => [26, 4096 + 26].forEach((position) => bench.flip(HARD_STATE, position)),
    ],
    ['the file', (bench: Bench): void => bench.disk.unlinkSync(HARD_STATE)],
  ])('is lost with %s, for good', (_what, lose) => {
    const bench = voted();
    lose(bench);
    expect(bench.open().hardStateTrusted).toBe(false);
    expect(bench.wal.hardState).toEqual({ term: 3, votedFor: null });
    bench.write(0, { hardState: { term: term(9), votedFor: null } });
    bench.cutPowerAndOpen('none');
    expect(bench.wal.hardStateTrusted).toBe(false);
    expect(bench.wal.hardState.term).toBe(9);
  });

  test('is not trusted if the log knows a later term', () => {
    const bench = voted();
    bench.open();
    bench.write(1, { term: 5 });
    bench.cutPowerAndOpen('none');
    expect(bench.wal.hardStateTrusted).toBe(false);
    expect(bench.wal.hardState).toEqual({ term: 5, votedFor: null });
  });
});
