import { describe, expect, test } from 'vitest';
import type { DiskError, DiskFile } from '../../src/base/ports/disk.ts';
import { Prng } from '../../src/base/prng.ts';
import { CrashableDisk, SimulatedCrash } from '../../src/sim/crashable-disk.ts';
import { ManualClock } from './harness.ts';

function disk(seed = 1): CrashableDisk {
  const made = new CrashableDisk({ prng: new Prng(seed) });
  made.mkdirSync('/d');
  return made;
}

/** A file whose name is durable. */
function create(on: CrashableDisk, path = '/d/a'): DiskFile {
  const file = on.openSync(path, 'create');
  on.syncDirectorySync('/d');
  return file;
}

const sectors = (count: number, value: number): Uint8Array => new Uint8Array(count * 512).fill(value);

function valuesOf(bytes: Uint8Array): number[] {
  return Array.from({ length: Math.ceil(bytes.length / 512) }, (_, at) => bytes[at * 512] ?? 0);
}

describe('a power cut', () => {
  test('keeps what was synced and loses what was not', () => {
    const crashable = disk();
    const file = create(crashable);
    file.writevSync([sectors(2, 1)], 0);
    file.datasyncSync();
    file.writevSync([sectors(2, 2)], 512);
    crashable.powerCut('none');
    expect(valuesOf(crashable.visible('/d/a'))).toEqual([1, 1]);
  });

  test('may keep any unsynced sector, and the file is as long as that takes', () => {
    const seen = new Set<string>();
    for (let seed = 1; seed < 200; seed += 1) {
      const crashable = disk(seed);
      const file = create(crashable);
      file.writevSync([sectors(1, 1)], 0);
      file.datasyncSync();
      file.writevSync([sectors(3, 2)], 0);
      crashable.powerCut('some');
      seen.add(valuesOf(crashable.visible('/d/a')).join(''));
    }
    expect([...seen].sort()).toEqual(['1', '102', '12', '122', '2', '202', '22', '222']);
  });

  test('during a sync may keep what the sync was begun with, or what was written since', () => {
    const seen = new Set<string>();
    for (let seed = 1; seed < 200; seed += 1) {
      const crashable = disk(seed);
      const file = create(crashable);
      file.writevSync([sectors(1, 1)], 0);
      file.datasync(() => {});
      file.writevSync([sectors(1, 2)], 0);
      crashable.powerCut('some');
      seen.add(valuesOf(crashable.visible('/d/a')).join(''));
    }
    expect([...seen].sort()).toEqual(['', '1', '2']);
  });

  test('loses names whose directory was not synced', () => {
    const crashable = disk();
    create(crashable, '/d/old').datasyncSync();
    crashable.openSync('/d/new', 'create').datasyncSync();
    crashable.renameSync('/d/old', '/d/renamed');
    crashable.powerCut('none');
    expect(crashable.listSync('/d')).toEqual(['old']);
    crashable.renameSync('/d/old', '/d/renamed');
    crashable.syncDirectorySync('/d');
    crashable.unlinkSync('/d/renamed');
    crashable.powerCut('none');
    expect(crashable.listSync('/d')).toEqual(['renamed']);
    crashable.unlinkSync('/d/renamed');
    crashable.powerCut('all');
    expect(crashable.listSync('/d')).toEqual([]);
  });
});

describe('a killed process', () => {
  test('leaves what it wrote to the next one, unsynced', () => {
    const crashable = disk();
    const file = create(crashable);
    file.writevSync([sectors(1, 3)], 0);
    crashable.kill();
    expect(() => file.size()).toThrow(SimulatedCrash);
    expect(valuesOf(crashable.visible('/d/a'))).toEqual([3]);
    crashable.powerCut('none');
    expect(crashable.visible('/d/a')).toHaveLength(0);
  });

  test('is never called back, and its lock is free', () => {
    const crashable = disk();
    const file = create(crashable);
    crashable.lockDirectorySync('/d');
    expect(() => crashable.lockDirectorySync('/d')).toThrow(expect.objectContaining({ code: 'ELOCKED' }));
    let calls = 0;
    file.datasync(() => {
      calls += 1;
    });
    crashable.kill();
    expect(crashable.completeAll()).toBe(0);
    expect(calls).toBe(0);
    crashable.lockDirectorySync('/d').release();
  });

  test('has its unsynced bytes synced by another', () => {
    for (let seed = 1; seed < 20; seed += 1) {
      const crashable = disk(seed);
      const file = create(crashable);
      file.writevSync([sectors(2, 4)], 0);
      file.datasync(() => {});
      crashable.kill();
      crashable.openSync('/d/a', 'write').datasyncSync();
      crashable.powerCut('none');
      expect(valuesOf(crashable.visible('/d/a'))).toEqual([4, 4]);
    }
  });
});

describe('a failed sync', () => {
  test('leaves pages that look clean: only writing them again brings them to the medium', () => {
    for (const again of [false, true]) {
      let lost = 0;
      for (let seed = 1; seed < 30; seed += 1) {
        const crashable = disk(seed);
        const file = create(crashable);
        file.writevSync([sectors(4, 5)], 0);
        crashable.failSync((path) => path === '/d/a');
        expect(() => file.datasyncSync()).toThrow(
          expect.objectContaining({ code: 'EIO', operation: 'sync' }),
        );
        expect(valuesOf(crashable.visible('/d/a'))).toEqual([5, 5, 5, 5]);
        if (again) file.writevSync([sectors(4, 5)], 0);
        file.datasyncSync();
        crashable.powerCut('all');
        if (valuesOf(crashable.visible('/d/a')).join('') !== '5555') lost += 1;
      }
      if (again) expect(lost).toBe(0);
      else expect(lost).toBeGreaterThan(10);
    }
  });
});

describe('operations', () => {
  test('complete when the test says so, in any order', () => {
    const crashable = disk();
    const file = create(crashable);
    const order: string[] = [];
    file.write(Uint8Array.of(1), 0, () => order.push('write'));
    file.datasync(() => order.push('sync'));
    file.read(new Uint8Array(1), 0, (_error, bytes) => order.push(`read ${bytes}`));
    expect(crashable.pending.map(({ kind }) => kind)).toEqual(['write', 'sync', 'read']);
    crashable.complete(1);
    expect(crashable.completeAll()).toBe(2);
    expect(order).toEqual(['sync', 'write', 'read 1']);
    expect(crashable.durable('/d/a')).toHaveLength(0);
  });

  test('complete by a clock, after their latency', () => {
    const clock = new ManualClock();
    const crashable = new CrashableDisk({ prng: new Prng(1), clock, latencyMs: () => 5 });
    crashable.mkdirSync('/d');
    let isDone = false;
    create(crashable).datasync(() => {
      isDone = true;
    });
    clock.advance(4);
    expect(isDone).toBe(false);
    clock.advance(1);
    expect(isDone).toBe(true);
  });

  test('write up to the limit and then fail', () => {
    const crashable = disk();
    const file = create(crashable);
    crashable.failWrite(() => true, 'ENOSPC', 10);
    expect(() => file.writevSync([new Uint8Array(6).fill(1), new Uint8Array(6).fill(2)], 0)).toThrow(
      expect.objectContaining({ code: 'ENOSPC' }),
    );
    expect([...crashable.visible('/d/a')]).toEqual([1, 1, 1, 1, 1, 1, 2, 2, 2, 2]);
    let failure: DiskError | null = null;
    file.write(Uint8Array.of(1), 0, (error) => {
      failure = error;
    });
    crashable.completeAll();
    expect(failure).toMatchObject({ code: 'ENOSPC' });
    crashable.clearFaults();
    file.writevSync([Uint8Array.of(9)], 0);
  });

  test('refuse what the system refuses', () => {
    const crashable = disk();
    create(crashable);
    expect(() => create(crashable)).toThrow(expect.objectContaining({ code: 'EEXIST' }));
    for (const missing of [
      () => crashable.openSync('/d/none', 'write'),
      () => crashable.openSync('/none/a', 'create'),
      () => crashable.unlinkSync('/d/none'),
      () => crashable.renameSync('/d/none', '/d/b'),
      () => crashable.listSync('/none'),
    ]) {
      expect(missing).toThrow(expect.objectContaining({ code: 'ENOENT' }));
    }
  });
});
