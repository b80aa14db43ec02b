import { describe, expect, test } from 'vitest';
import { BLOCK_HEADER_BYTES } from '../../src/wal/format.ts';
import { Bench, DIRECTORY, N1, N2, term } from './harness.ts';

const HARD_STATE = `${DIRECTORY}/hard-state`;
const WATERMARK = `${DIRECTORY}/watermark`;
const SPARE = `${DIRECTORY}/spare.tmp`;

function opened(): Bench {
  const bench = new Bench();
  bench.open();
  bench.settle();
  return bench;
}

/** Ends what is in flight for one file; for others it goes on being in flight. */
function completeFor(bench: Bench, path: string): void {
  bench.disk.complete(bench.disk.pending.findIndex((operation) => operation.path === path));
}

/** One test a row of the table "Crash here, recovery does" of the format page. */
describe('crash here, recovery does', () => {
  test('1: while a block is synced, none of its sectors arrived: it is not there', () => {
    const bench = opened();
    bench.write(2);
    bench.submit(20);
    bench.cutPowerAndOpen('none');
    expect(bench.wal.lastIndex).toBe(2);
    expect(bench.wal.stats().tornBytesAtOpen).toBe(0);
  });

  test('1: all of them arrived: it is kept', () => {
    const bench = opened();
    bench.write(2);
    bench.submit(20);
    bench.cutPowerAndOpen('all');
    expect(bench.wal.lastIndex).toBe(22);
  });

  test('1: some of them arrived, whichever: it is cut, and what was there before stays', () => {
    const bench = opened();
    bench.write(2);
    const before = bench.disk.durable(bench.segmentPath(1)) ?? new Uint8Array(0);
    bench.submit(20, { bodyBytes: 60 });
    const path = bench.segmentPath(1);
    const after = bench.disk.visible(path);
    const firstSector = 1;
    const sectors = Math.ceil((after.findLastIndex((byte) => byte !== 0) + 1) / 512) - firstSector;
    expect(sectors).toBeGreaterThan(5);
    bench.disk.powerCut('none');
    for (let subset = 0; subset < 2 ** sectors; subset += 1) {
      for (let sector = 0; sector < sectors; sector += 1) {
        const from = (firstSector + sector) * 512;
        const source = (subset & (1 << sector)) === 0 ? before : after;
        bench.put(path, from, source.subarray(from, from + 512));
      }
      const wal = bench.open();
      const isWhole = subset === 2 ** sectors - 1;
      expect(wal.lastIndex).toBe(isWhole ? 22 : 2);
      const end = bench.disk.durable(path)?.findLastIndex((byte) => byte !== 0);
      expect(end).toBe((isWhole ? after : before).findLastIndex((byte) => byte !== 0));
      bench.disk.kill();
      // For the next subset as it was: the watermark must not know of the block.
      if (isWhole) break;
    }
  });

  test('2: after the sync, before it was reported: it is kept', () => {
    const bench = opened();
    bench.submit(3);
    // The kernel ends the sync, and the process that waited for it is gone.
    bench.disk.powerCut('all');
    expect(bench.durable).toEqual([]);
    bench.disk.powerCut('none');
    expect(bench.open().lastIndex).toBe(3);
  });

  test('3: killed before the sync: what is shown after the start stays, even if power is cut at once', () => {
    for (let seed = 1; seed < 20; seed += 1) {
      const bench = new Bench({ seed });
      bench.open();
      bench.submit(3, { hardState: { term: term(1), votedFor: N1 } });
      bench.disk.complete();
      bench.disk.complete();
      const { lastIndex, hardState } = bench.killAndOpen();
      expect(hardState).toEqual({ term: 1, votedFor: N1 });
      const shown = bench.content();
      bench.cutPowerAndOpen('none');
      expect([bench.wal.lastIndex, bench.content()]).toEqual([lastIndex, shown]);
    }
  });

  test('4: a failed sync, exit, restart, power cut: as 3, though the pages were clean', () => {
    for (let seed = 1; seed < 20; seed += 1) {
      const bench = new Bench({ seed });
      bench.open();
      bench.write(1);
      bench.disk.failSync((path) => path === bench.segmentPath(1));
      bench.submit(8, { bodyBytes: 300 });
      bench.settle();
      expect(bench.failures).toHaveLength(1);
      expect(bench.durable).toEqual([1]);
      bench.killAndOpen();
      const shown = bench.content();
      expect(shown).toHaveLength(9);
      bench.cutPowerAndOpen('none');
      expect(bench.content()).toEqual(shown);
    }
  });

  test('5: while the watermark is written: the other slot serves', () => {
    for (const slot of [0, 4096]) {
      const bench = opened();
      bench.write(3);
      bench.pass(100);
      bench.write(3);
      bench.pass(100);
      bench.disk.powerCut('none');
      bench.put(WATERMARK, slot, new Uint8Array(100));
      expect(bench.open().lastIndex).toBe(6);
      bench.cutPowerAndOpen('none');
      expect(bench.wal.lastIndex).toBe(6);
    }
  });

  test.each([
    ['6: while slot A of the hard state is written, torn', 0, [0]],
    ['6: the same, but slot B was hit', 0, [4096]],
    ['7: between slot A and slot B', 1, []],
    ['7: between them, A is torn', 1, [0]],
    ['7: while slot B is written, torn', 1, [4096]],
  ])('%s', (_name, syncs, torn) => {
    const bench = opened();
    const old = { term: term(3), votedFor: N1 };
    const fresh = { term: term(4), votedFor: N2 };
    bench.write(0, { hardState: old });
    bench.submit(0, { hardState: fresh });
    for (let sync = 0; sync < syncs; sync += 1) completeFor(bench, HARD_STATE);
    bench.disk.powerCut('all');
    for (const slot of torn) bench.flip(HARD_STATE, slot + 30);
    const wal = bench.open();
    expect(wal.hardStateTrusted).toBe(true);
    expect([old, fresh]).toContainEqual(wal.hardState);
    const shown = wal.hardState;
    // Whole again: either slot alone serves from now on.
    for (const slot of [0, 4096]) {
      bench.disk.powerCut('none');
      const whole = bench.disk.visible(HARD_STATE);
      bench.flip(HARD_STATE, slot + 30);
      expect(bench.open().hardState).toEqual(shown);
      expect(bench.disk.durable(HARD_STATE)).toEqual(whole);
    }
  });

  test('8 and 9: while a truncating block is written: it happened with its entries, or not at all', () => {
    const outcomes = new Set<string>();
    for (let seed = 1; seed < 40; seed += 1) {
      const bench = new Bench({ seed });
      bench.open();
      bench.write(6, { term: 1, hardState: { term: term(2), votedFor: null } });
      bench.submit(3, { truncateFrom: 4, term: 2, bodyBytes: 400 });
      bench.cutPowerAndOpen('some');
      outcomes.add(bench.content().join(' '));
    }
    expect([...outcomes].sort()).toEqual(['1.1 2.1 3.1 4.1 5.1 6.1', '1.1 2.1 3.1 4.2 5.2 6.2']);
  });

  test('10: while the footer is written, no successor: the segment goes on', () => {
    for (const survival of ['none', 'some', 'all'] as const) {
      const bench = opened();
      bench.write(50, { bodyBytes: 1000 });
      const before = bench.entries();
      bench.submit(10, { bodyBytes: 1000 });
      expect(bench.disk.pending).toMatchObject([{ kind: 'sync', path: bench.segmentPath(1) }]);
      bench.cutPowerAndOpen(survival);
      expect(bench.entries()).toEqual(before);
      expect(bench.wal.stats().segments).toBe(1);
      bench.write(40, { bodyBytes: 1000 });
      expect(bench.wal.lastIndex).toBe(90);
      const all = bench.entries();
      bench.cutPowerAndOpen(survival);
      expect(bench.entries()).toEqual(all);
    }
  });

  test('11: while the spare is zeroed: it is removed', () => {
    const bench = new Bench();
    bench.open();
    expect(bench.disk.existsSync(SPARE)).toBe(true);
    bench.disk.powerCut('all');
    bench.open();
    bench.settle();
    bench.write(70, { bodyBytes: 1000 });
    expect(bench.wal.stats().segments).toBe(2);
  });

  test('12: after the rename: the new segment is there and empty', () => {
    const bench = opened();
    bench.write(50, { bodyBytes: 1000 });
    bench.submit(10, { bodyBytes: 1000 });
    completeFor(bench, bench.segmentPath(1));
    completeFor(bench, SPARE);
    bench.cutPowerAndOpen('none');
    expect(bench.wal.stats().segments).toBe(2);
    expect(bench.wal.lastIndex).toBe(50);
    bench.write(1);
    bench.cutPowerAndOpen('none');
    expect(bench.wal.lastIndex).toBe(51);
  });

  test('13: during the zeroing of a torn tail: the same again', () => {
    const bench = opened();
    bench.write(2);
    bench.submit(20);
    const path = bench.segmentPath(1);
    bench.disk.powerCut('all');
    const sectors = Math.ceil((bench.disk.visible(path).findLastIndex((byte) => byte !== 0) + 1) / 512);
    // The header arrived and something behind it did not.
    bench.put(path, (sectors - 2) * 512, new Uint8Array(512));
    for (let cut = 0; cut < 6; cut += 1) {
      bench.disk.onOperation = ({ kind }) => {
        if (kind !== 'sync') return;
        bench.disk.onOperation = null;
        bench.disk.powerCut('some');
        throw new Error('power cut');
      };
      expect(() => bench.open()).toThrow('power cut');
    }
    bench.disk.onOperation = null;
    expect(bench.open().lastIndex).toBe(2);
    expect(
      bench.disk
        .durable(path)
        ?.subarray((sectors - 1) * 512)
        .every((byte) => byte === 0),
    ).toBe(true);
  });

  test('13: the write of zeros stops at any byte', () => {
    for (let bytes = 0; bytes < 600; bytes += 7) {
      const bench = opened();
      bench.write(2);
      bench.disk.failWrite((path) => path === bench.segmentPath(1), 'ENOSPC', 600);
      bench.submit(20);
      bench.disk.clearFaults();
      bench.disk.kill();
      bench.disk.failWrite((path) => path === bench.segmentPath(1), 'EIO', bytes);
      expect(() => bench.open()).toThrow(expect.objectContaining({ code: 'EIO' }));
      bench.disk.clearFaults();
      expect(bench.killAndOpen().lastIndex).toBe(2);
      expect(bench.wal.stats().tornBytesAtOpen).toBeGreaterThan(600 - bytes - 40);
    }
  });

  test('14: during the first start: everything is made anew', () => {
    let survivors = 0;
    for (let at = 1; ; at += 1) {
      const bench = new Bench({ seed: at });
      bench.disk.onOperation = ({ number }) => {
        if (number !== at) return;
        bench.disk.powerCut('some');
        throw new Error('power cut');
      };
      try {
        bench.open();
        break;
      } catch {
        bench.disk.onOperation = null;
        bench.open();
        bench.write(1);
        survivors += 1;
      }
    }
    expect(survivors).toBeGreaterThan(15);
  });

  test('15: while the cluster id is set: either', () => {
    const found = new Set<string | null>();
    for (let at = 1; at < 8; at += 1) {
      const bench = opened();
      const first = bench.disk.operations;
      bench.disk.onOperation = ({ number }) => {
        if (number !== first + at) return;
        bench.disk.powerCut('some');
        throw new Error('power cut');
      };
      try {
        bench.wal.setClusterId('ab'.repeat(16));
        bench.disk.onOperation = null;
        bench.disk.powerCut('none');
      } catch {
        bench.disk.onOperation = null;
      }
      found.add(bench.open().identity.clusterId);
      expect(bench.disk.existsSync(`${DIRECTORY}/identity.tmp`)).toBe(false);
    }
    expect(found).toEqual(new Set([null, 'ab'.repeat(16)]));
  });
});

describe('a start writes nothing that it need not', () => {
  test('below the watermark', () => {
    const bench = opened();
    bench.write(30, { bodyBytes: 100 });
    bench.pass(100);
    bench.write(2);
    const path = bench.segmentPath(1);
    const end = bench.disk.visible(path).findLastIndex((byte) => byte !== 0) + 1;
    bench.disk.kill();
    const written: number[] = [];
    bench.disk.onOperation = ({ kind, path: of, position, bytes }) => {
      if (kind === 'write' && of === path) written.push(position, position + bytes);
    };
    bench.open();
    expect(written[1]).toBe(end);
    expect(written[0]).toBeGreaterThan(end - 2 * (BLOCK_HEADER_BYTES + 64 + 24 + 4 + 40 + 32));
  });
});
