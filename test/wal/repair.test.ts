import { describe, expect, test } from 'vitest';
import { encodeConfiguration } from '../../src/base/configuration.ts';
import { EntryKind } from '../../src/base/entry.ts';
import { Prng } from '../../src/base/prng.ts';
import type { Incarnation } from '../../src/base/units.ts';
import { WalRotError } from '../../src/wal/errors.ts';
import { planRepair, type RepairCost } from '../../src/wal/repair-plan.ts';
import { repairLog, RepairRefusedError } from '../../src/wal/repair.ts';
import { verifyLog } from '../../src/wal/verify.ts';
import { diesIn } from '../support/dies-in.ts';
import { Bench, DIRECTORY, index, N1, term } from './harness.ts';

const COPIES = '/data.before';

/** Index 1 names the members; three segments; entry 120 is of term 2. */
function filled(seed = 1): Bench {
  const bench = new Bench({ seed });
  const { identity } = bench.open();
  const body = encodeConfiguration({
    clusterId: '0123456789abcdef0123456789abcdef',
    formatVersion: 1,
    members: [
      {
        id: N1,
        incarnation: identity.incarnation,
        role: 'voter',
        peerAddress: 'a:1',
        clientAddress: 'a:1',
      },
    ],
  });
  bench.write(1, { kind: EntryKind.configuration, body, hardState: { term: term(1), votedFor: N1 } });
  for (let count = 0; count < 12; count += 1) bench.write(10, { bodyBytes: 1300 });
  bench.write(9, { truncateFrom: 120, term: 2, hardState: { term: term(3), votedFor: N1 } });
  bench.close();
  return bench;
}

function repair(bench: Bench, allowed: RepairCost): ReturnType<typeof repairLog> {
  return repairLog(bench.disk, DIRECTORY, { allowed, copies: COPIES, prng: new Prng(7) });
}

function snapshotOf({ disk }: Bench, directory: string): Map<string, string> {
  const paths = disk.paths.filter((path) => path.startsWith(`${directory}/`) && !path.includes('/lock'));
  return new Map(
    paths.map((path) => [path.slice(directory.length), Buffer.from(disk.visible(path)).toString('latin1')]),
  );
}

function refusal(bench: Bench, allowed: RepairCost): string {
  const before = snapshotOf(bench, '');
  try {
    repair(bench, allowed);
  } catch (error) {
    if (!(error instanceof RepairRefusedError)) throw error;
    expect(snapshotOf(bench, '')).toEqual(before);
    return error.code;
  }
  return 'repaired';
}

describe('a repair', () => {
  test('leaves a sound log alone', () => {
    const bench = filled();
    const before = snapshotOf(bench, '');
    expect(repair(bench, 'lose-records')).toMatchObject({ steps: [], cost: 'tidy', hopeless: null });
    expect(snapshotOf(bench, '')).toEqual(before);
  });

  test('puts right what costs nothing, and keeps what was there before', () => {
    const bench = filled();
    bench.open();
    bench.disk.failWrite((path) => path === bench.segmentPath(3), 'ENOSPC', 700);
    bench.submit(5, { bodyBytes: 900, term: 2 });
    bench.settle();
    bench.disk.kill();
    bench.disk.clearFaults();
    bench.flip(bench.segmentPath(1), bench.disk.visible(bench.segmentPath(1)).length - 30);
    bench.flip(`${DIRECTORY}/hard-state`, 4096 + 26);
    const before = snapshotOf(bench, DIRECTORY);
    const plan = repair(bench, 'tidy');
    expect(plan.steps.map((step) => step.what)).toEqual([
      'write the damaged one of the two slots of hard-state again',
      'rebuild the index at the end of segment-0000000001',
      'cut 700 bytes of a write that was never finished',
    ]);
    expect(verifyLog(bench.disk, DIRECTORY)).toMatchObject({
      ok: true,
      lastIndex: 128,
      tornBytes: 0,
      hardState: { term: 3, votedFor: 'n1' },
      repairable: [],
    });
    for (const [name, bytes] of snapshotOf(bench, COPIES))
      expect([name, bytes]).toEqual([name, before.get(name)]);
    expect([...snapshotOf(bench, COPIES).keys()]).toContain('/segment-0000000001');
    expect(bench.open().hardStateTrusted).toBe(true);
  });

  test('cuts at the damage only where that is agreed to, and makes the node come back as another', () => {
    const bench = filled();
    const { incarnation } = verifyLog(bench.disk, DIRECTORY).identity;
    bench.flip(bench.segmentPath(2), 20_000);
    const { firstBad, lastIndex } = verifyLog(bench.disk, DIRECTORY);
    // Also what is good of the block that is not.
    const good = (firstBad?.index ?? 0) - 1;
    expect(good).toBeGreaterThan(lastIndex);
    expect(good).toBeLessThan(119);
    expect(refusal(bench, 'tidy')).toBe('REPAIR_COSTS_MORE');
    expect(refusal(bench, 'new-incarnation')).toBe('REPAIR_COSTS_MORE');
    const before = snapshotOf(bench, DIRECTORY);
    expect(repair(bench, 'lose-records')).toMatchObject({ cost: 'lose-records', lastIndex: good });
    const kept = snapshotOf(bench, COPIES);
    for (const name of [
      '/segment-0000000002',
      '/segment-0000000003',
      '/identity',
      '/hard-state',
      '/watermark',
    ])
      expect(kept.get(name)).toBe(before.get(name));
    expect(verifyLog(bench.disk, DIRECTORY)).toMatchObject({
      ok: true,
      lastIndex: good,
      watermarkIndex: good,
    });
    const wal = bench.open();
    expect(wal.identity.incarnation).not.toBe(incarnation);
    expect([wal.hardStateTrusted, wal.hardState]).toEqual([true, { term: 3, votedFor: null }]);
    bench.write(40, { bodyBytes: 2000, term: 3 });
    bench.close();
    expect(verifyLog(bench.disk, DIRECTORY)).toMatchObject({ ok: true, lastIndex: good + 40 });
  });

  test('goes through every place where a log may be damaged', () => {
    for (let seed = 1; seed <= 60; seed += 1) {
      const bench = filled(seed);
      const prng = new Prng(seed);
      const content = new Set(bench.open() === undefined ? [] : bench.content());
      bench.close();
      const path = bench.segmentPath(prng.between(1, 3));
      bench.flip(path, prng.below(bench.disk.visible(path).length), 1 << prng.below(8));
      const report = verifyLog(bench.disk, DIRECTORY);
      if (report.ok) continue;
      if (planRepair(bench.disk, DIRECTORY).hopeless !== null) {
        expect(report.lastIndex).toBeLessThan(1);
        continue;
      }
      repair(bench, 'lose-records');
      bench.open();
      const left = bench.content();
      expect(left.length).toBeGreaterThanOrEqual(report.lastIndex);
      expect(left.filter((entry) => !content.has(entry))).toEqual([]);
    }
  });

  test('takes the end that is there where the watermark is lost, and gives up the vote', () => {
    for (const lost of ['watermark', 'hard-state']) {
      const bench = filled();
      const { incarnation } = verifyLog(bench.disk, DIRECTORY).identity;
      bench.flip(`${DIRECTORY}/${lost}`, 26);
      bench.flip(`${DIRECTORY}/${lost}`, 4096 + 26);
      expect(refusal(bench, 'tidy')).toBe('REPAIR_COSTS_MORE');
      expect(repair(bench, 'new-incarnation').lastIndex).toBe(128);
      const wal = bench.open();
      expect([wal.lastIndex, wal.hardStateTrusted]).toEqual([128, true]);
      expect(wal.identity.incarnation).not.toBe(incarnation);
    }
  });

  test('puts a checkpoint aside that is damaged, or ahead of what is left', () => {
    const bench = filled();
    for (const at of [50, 128]) bench.writeCheckpoint({ index: index(at) }, 100);
    bench.flip(bench.segmentPath(2), 20_000);
    repair(bench, 'lose-records');
    expect(verifyLog(bench.disk, DIRECTORY)).toMatchObject({ ok: true, checkpoints: [50] });
    expect([...snapshotOf(bench, COPIES).keys()]).toContain('/checkpoint-0000000000000128');
  });

  test('refuses what cannot be repaired, and a directory in use', () => {
    const bench = filled();
    bench.flip(bench.segmentPath(1), 20);
    expect(refusal(bench, 'lose-records')).toBe('REPAIR_HOPELESS');
    bench.flip(bench.segmentPath(1), 20);
    // Nothing would be left that says who this node was.
    bench.flip(bench.segmentPath(1), 560);
    expect(refusal(bench, 'lose-records')).toBe('REPAIR_HOPELESS');
    bench.flip(bench.segmentPath(1), 560);
    bench.open();
    expect(() => repair(bench, 'tidy')).toThrow(expect.objectContaining({ code: 'ELOCKED' }));
  });

  test('leaves a log alone whose place a snapshot is about to take, unless that is damaged', () => {
    const bench = filled();
    bench.writeCheckpoint(
      { index: index(500), term: term(3), checksum: 7, configuration: new Uint8Array(30) },
      100,
    );
    bench.disk.renameSync(`${DIRECTORY}/checkpoint-0000000000000500`, `${DIRECTORY}/snapshot`);
    bench.flip(bench.segmentPath(2), 20_000);
    expect(planRepair(bench.disk, DIRECTORY)).toMatchObject({ steps: [], hopeless: null });
    expect(refusal(bench, 'lose-records')).toBe('repaired');
    expect(bench.open().firstIndex).toBe(501);
    bench.close();
    const other = filled();
    other.put(`${DIRECTORY}/hard-state`, 0, new Uint8Array(1));
    const file = other.disk.openSync(`${DIRECTORY}/snapshot`, 'create');
    file.writevSync([new Uint8Array(600)], 0);
    file.closeSync();
    expect(refusal(other, 'lose-records')).toBe('REPAIR_HOPELESS');
  });

  test('may be interrupted anywhere: then the node does not start as who it was with less than it had', () => {
    let at = 0;
    for (let ended = false; !ended; at += 1) {
      const bench = filled();
      const { incarnation } = verifyLog(bench.disk, DIRECTORY).identity;
      bench.flip(bench.segmentPath(2), 20_000);
      const good = planRepair(bench.disk, DIRECTORY).lastIndex;
      bench.cutPowerAt(bench.disk.operations + at);
      ended = !diesIn(bench.disk, () => repair(bench, 'lose-records'));
      // A start does not read the whole of a sealed segment: as long as all is there, it is who it was.
      const started = startOf(bench);
      if (started?.incarnation === incarnation) expect(started.lastIndex).toBe(128);
      else if (started !== null) expect(started.lastIndex).toBe(good);
      repairLog(bench.disk, DIRECTORY, { allowed: 'lose-records', copies: `${COPIES}-2`, prng: new Prng(9) });
      const wal = bench.open();
      expect([wal.lastIndex, wal.hardStateTrusted]).toEqual([good, true]);
    }
    expect(at).toBeGreaterThan(20);
  });
});

/** @returns null if it does not start. */
function startOf(bench: Bench): { readonly incarnation: Incarnation; readonly lastIndex: number } | null {
  try {
    const { identity, lastIndex } = bench.open();
    bench.close();
    return { incarnation: identity.incarnation, lastIndex };
  } catch (error) {
    if (!(error instanceof WalRotError)) throw error;
    return null;
  }
}
