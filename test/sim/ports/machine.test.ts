import { describe, expect, test } from 'vitest';
import { DiskError } from '../../../src/base/ports/disk.ts';
import { Prng } from '../../../src/base/prng.ts';
import { CrashableDisk } from '../../../src/sim/crashable-disk.ts';
import { damage } from '../../../src/sim/rot.ts';
import { SimulatedNetwork } from '../../../src/sim/simulated-network.ts';
import { SimulatedProcess } from '../../../src/sim/simulated-process.ts';
import { VirtualClock } from '../../../src/sim/virtual-clock.ts';

describe('the clock of a machine', () => {
  test('goes at its own rate, timers included', () => {
    const clock = new VirtualClock();
    const network = new SimulatedNetwork(clock, new Prng(1));
    const fast = new SimulatedProcess(clock, network.host('a'), { rate: 2, unixOffsetMs: 0 });
    let firedAt = -1;
    fast.clock.setTimer(100, () => {
      firedAt = clock.monotonicMs();
    });
    clock.advanceBy(200);
    expect(firedAt).toBe(50);
    expect(fast.clock.monotonicMs()).toBe(400);
  });

  test('may have a calendar that jumps, and nothing else does', () => {
    const clock = new VirtualClock();
    const oscillator = { rate: 1, unixOffsetMs: 0 };
    const process = new SimulatedProcess(
      clock,
      new SimulatedNetwork(clock, new Prng(1)).host('a'),
      oscillator,
    );
    const before = process.clock.unixMs();
    oscillator.unixOffsetMs = -3_600_000;
    expect(process.clock.unixMs()).toBe(before - 3_600_000);
    expect(process.clock.monotonicMs()).toBe(clock.monotonicMs());
  });
});

describe('a disk', () => {
  function filled(): CrashableDisk {
    const disk = new CrashableDisk({ prng: new Prng(1) });
    disk.mkdirSync('/data');
    for (const name of ['a', 'b']) {
      const file = disk.openSync(`/data/${name}`, 'create');
      file.writevSync([new Uint8Array(2048).fill(name.charCodeAt(0))], 0);
      file.datasyncSync();
      file.closeSync();
    }
    disk.syncDirectorySync('/data');
    return disk;
  }

  test('that is full takes no more, but what it has may be written over', () => {
    const disk = filled();
    disk.setFull(true);
    expect(disk.spaceSync('/data').freeBytes).toBe(0);
    const file = disk.openSync('/data/a', 'write');
    file.writevSync([new Uint8Array(512)], 0);
    expect(() => file.writevSync([new Uint8Array(1024)], 1536)).toThrow(DiskError);
    expect(file.size()).toBe(2048);
    disk.setFull(false);
    file.writevSync([new Uint8Array(1024)], 1536);
    expect(file.size()).toBe(2560);
  });

  test('that rots differs in bits, or in one sector, of one file, also after the power was cut', () => {
    const before = new Map(filled().paths.map((path) => [path, filled().visible(path)]));
    for (let seed = 1; seed <= 200; seed += 1) {
      const disk = filled();
      const what = damage(disk, new Prng(seed));
      expect(what).not.toBeNull();
      disk.powerCut();
      const changed = disk.paths.filter((path) => !same(disk.visible(path), before.get(path)));
      expect(changed.length).toBeLessThanOrEqual(1);
      expect(disk.paths.every((path) => disk.visible(path).length === 2048)).toBe(true);
    }
  });
});

function same(one: Uint8Array, other: Uint8Array | undefined): boolean {
  return other !== undefined && Buffer.compare(one, other) === 0;
}
