import { describe, expect, test } from 'vitest';
import type { LogIndex } from '../../src/base/units.ts';
import { UNITS_PER_FILE, UNIT_BYTES } from '../../src/queue/unit.ts';
import { Bench, FOLDER, timeOf } from './support/bench.ts';

const records = (count: number): { key?: string }[] => Array.from({ length: count }, () => ({}));

describe('a queue', () => {
  test('is read from any offset in it, and holds nothing else', () => {
    const bench = new Bench();
    bench.open();
    for (let at = 0; at < 300; at += 1) bench.append(1 + (at % 3), records(1 + (at % 4)));
    bench.append(2, records(5), { isVoided: true });
    bench.appendRaw();
    bench.verify();
    for (let offset = 0; offset < 200; offset += 1) {
      const [unit] = bench.readUnits(1, offset);
      expect(unit !== undefined && unit.baseOffset <= offset && unit.baseOffset + unit.count > offset).toBe(
        true,
      );
    }
    expect(bench.readUnits(1, 10_000)).toEqual([]);
    expect(bench.readUnits(99, 0)).toEqual([]);
  });

  test('is the same from memory, from files, and after a start', () => {
    const bench = new Bench();
    bench.open();
    for (let at = 0; at < 500; at += 1) bench.append(1 + (at % 2), records(2));
    bench.checkpoint();
    bench.settle();
    expect(bench.store.counters()['queueUnitsPending']).toBe(0);
    bench.verify();
    for (let at = 0; at < 100; at += 1) bench.append(1, records(1));
    bench.verify();
    bench.checkpoint();
    bench.settle();
    bench.append(1, records(3));
    bench.reopen();
    expect(bench.reads).toBe(0);
    bench.verify();
  });

  test('is found by time, by index and by size', () => {
    const bench = new Bench();
    bench.open();
    for (let at = 0; at < 400; at += 1) {
      bench.append(1, records(1));
      bench.append(2, records(1));
    }
    bench.checkpoint();
    bench.settle();
    const units = bench.accepted.filter(({ queue }) => queue === 1).map(({ unit }) => unit);
    for (const time of [0, timeOf(1), timeOf(300), timeOf(301) + 0.5, timeOf(790)])
      expect(bench.find(1, 'timeMs', time)).toEqual(units.find((unit) => unit.timeMs >= time));
    for (const index of [0, 1, 2, 500, 799])
      expect(bench.find(1, 'index', index)).toEqual(units.find((unit) => unit.index >= index));
    for (const bytes of [0, 1, 5000, units.at(-1)?.bytesBefore ?? 0])
      expect(bench.find(1, 'bytesBefore', bytes)).toEqual(units.find((unit) => unit.bytesBefore >= bytes));
    expect(bench.find(1, 'timeMs', timeOf(5000))).toBeNull();
    expect(bench.find(1, 'index', 801)).toBeNull();
  });

  test('goes on in another file after 65,536 units, and costs as many reads at its end as at its beginning', () => {
    const bench = new Bench({ filesOpenMax: 2 });
    bench.open();
    for (let at = 0; at < 2 * UNITS_PER_FILE + 1000; at += 1) bench.append(1, [{}]);
    bench.checkpoint();
    bench.settle();
    const queueFiles = bench.files().filter((name) => name.startsWith('queue'));
    expect(queueFiles.map((name) => bench.disk.visible(`${FOLDER}/${name}`).length)).toEqual([
      UNITS_PER_FILE * UNIT_BYTES,
      UNITS_PER_FILE * UNIT_BYTES,
      1000 * UNIT_BYTES,
    ]);
    let readsMax = 0;
    for (const offset of [10, UNITS_PER_FILE - 1, UNITS_PER_FILE, 100_000, 2 * UNITS_PER_FILE + 500]) {
      let found = 0;
      bench.store.read(1, offset, (_error, { units }) => {
        found = units[0]?.baseOffset ?? -1;
      });
      let reads = 0;
      while (bench.disk.complete()) reads += 1;
      expect(found).toBe(offset);
      readsMax = Math.max(readsMax, reads);
    }
    expect(readsMax).toBeLessThanOrEqual(4);
    bench.checkpoint();
    bench.settle();
    bench.reopen();
    expect(bench.readUnits(1, UNITS_PER_FILE + 5)[0]?.baseOffset).toBe(UNITS_PER_FILE + 5);
    expect(bench.reads).toBe(0);
  }, 30_000);

  test('takes no more reads than twice a bisection where batches are as unlike as can be', () => {
    const bench = new Bench();
    bench.open();
    for (let at = 0; at < 6000; at += 1) bench.append(1, records(at % 1000 === 999 ? 5000 : 1));
    bench.checkpoint();
    bench.settle();
    for (let at = 0; at < 200; at += 1) {
      const offset = bench.prng.below(6 * 5000);
      bench.store.read(1, offset, (error) => expect(error).toBeNull());
      let reads = 0;
      while (bench.disk.complete()) reads += 1;
      expect(reads).toBeLessThan(16);
    }
  });

  test('waits in memory until there is much of it, and then the fullest queues are written', () => {
    const bench = new Bench({ pendingUnitsMax: 200 });
    bench.open();
    for (let id = 2; id <= 60; id += 1) bench.append(id, records(1));
    for (let at = 0; at < 140; at += 1) bench.append(1, records(1));
    bench.settle();
    expect(bench.files().filter((name) => name.startsWith('queue'))).toEqual([]);
    bench.append(1, records(1));
    bench.settle();
    expect(bench.files().filter((name) => name.startsWith('queue'))).toEqual(['queue-0000000001-00000000']);
    expect(bench.store.counters()['queueUnitsPending']).toBe(59);
    bench.verify();
  });

  test('keeps few files open, however many queues there are', () => {
    const bench = new Bench({ filesOpenMax: 8 });
    bench.open();
    for (let at = 0; at < 300; at += 1) bench.append(1 + (at % 100), records(1));
    bench.checkpoint();
    bench.settle();
    bench.verify();
    expect(bench.files()).toHaveLength(101);
    expect(bench.store.counters()['queueFilesOpen']).toBe(8);
  });

  test('loses the files that retention has passed, when a checkpoint says so', () => {
    const bench = new Bench();
    bench.open();
    for (let at = 0; at < UNITS_PER_FILE + 100; at += 1) bench.append(1, [{}]);
    bench.raise(1, UNITS_PER_FILE + 10);
    bench.checkpoint();
    bench.settle();
    expect(bench.files()).toHaveLength(2);
    bench.checkpoint();
    bench.settle();
    expect(bench.files().filter((name) => name.startsWith('queue'))).toEqual(['queue-0000000001-00000001']);
    bench.reopen();
    expect(bench.reads).toBe(0);
    bench.verify();
  }, 30_000);

  test('goes with its topic, when a checkpoint says so', () => {
    const bench = new Bench();
    bench.open();
    bench.append(1, records(1));
    bench.append(2, records(1));
    bench.checkpoint();
    bench.settle();
    bench.delete(1);
    expect(bench.readUnits(1, 0)).toEqual([]);
    expect(bench.files().filter((name) => name.startsWith('queue'))).toHaveLength(2);
    bench.checkpoint();
    bench.settle();
    expect(bench.files().filter((name) => name.startsWith('queue'))).toEqual(['queue-0000000002-00000000']);
  });

  test('that nobody knows of at a start is removed', () => {
    const bench = new Bench();
    bench.open();
    bench.append(1, records(1));
    bench.checkpoint();
    bench.settle();
    // No checkpoint: the start knows of no queue, and the log brings it back.
    bench.reopen();
    bench.verify();
  });
});

describe('damage', () => {
  function filled(): Bench {
    const bench = new Bench();
    bench.open();
    for (let at = 0; at < 600; at += 1) bench.append(1 + (at % 2), [{ key: `k${at % 50}` }]);
    bench.append(1, records(2), { isVoided: true });
    bench.checkpoint();
    bench.settle();
    return bench;
  }

  test('of a unit is found when it is read, and made good from the log', () => {
    const bench = filled();
    bench.disk.setByte(`${FOLDER}/queue-0000000001-00000000`, 100 * UNIT_BYTES + 3, (byte) => byte ^ 1);
    expect(bench.readUnits(1, 100)[0]?.baseOffset).toBe(100);
    bench.append(1, records(1));
    bench.verify();
    expect(bench.reads).toBeGreaterThan(0);
    expect(bench.store.counters()['queueRebuilds']).toBe(1);
  });

  test('of many units at once lets everybody wait, and nobody see a gap', () => {
    const bench = filled();
    for (const unit of [3, 4, 150, 299])
      bench.disk.setByte(
        `${FOLDER}/queue-0000000001-00000000`,
        unit * UNIT_BYTES + 20,
        (byte) => byte ^ 0x80,
      );
    const seen: number[] = [];
    for (const offset of [299, 150, 3, 4, 0])
      bench.store.read(1, offset, (error, { units }) => {
        expect(error).toBeNull();
        seen.push(units[0]?.baseOffset ?? -1);
      });
    for (let at = 0; at < 20; at += 1) {
      bench.append(1, records(1));
      bench.disk.complete();
      bench.clock.advance(0);
    }
    bench.verify();
    expect(seen.sort((one, other) => one - other)).toEqual([0, 3, 4, 150, 299]);
  });

  test.each([
    [
      'the last unit',
      (bench: Bench) => bench.disk.shrink(`${FOLDER}/queue-0000000001-00000000`, 299 * UNIT_BYTES + 7),
    ],
    ['all units of a file', (bench: Bench) => bench.disk.shrink(`${FOLDER}/queue-0000000001-00000000`, 0)],
    [
      'the first unit',
      (bench: Bench) => bench.disk.setByte(`${FOLDER}/queue-0000000001-00000000`, 9, () => 77),
    ],
    ['a file', (bench: Bench) => bench.disk.unlinkSync(`${FOLDER}/queue-0000000002-00000000`)],
    ['a run of keys', (bench: Bench) => bench.disk.unlinkSync(`${FOLDER}/${keysOf(bench)}`)],
    [
      'everything',
      (bench: Bench) => {
        for (const name of bench.files()) bench.disk.unlinkSync(`${FOLDER}/${name}`);
      },
    ],
  ])('of %s is found by a start, and made good from the log', (_what, harm) => {
    const bench = filled();
    bench.close();
    harm(bench);
    bench.open();
    bench.append(1, [{ key: 'k7' }]);
    bench.verify();
    expect(bench.reads).toBeGreaterThan(0);
    bench.checkpoint();
    bench.settle();
    const { reads } = bench;
    bench.reopen();
    bench.verify();
    expect(bench.reads).toBe(reads);
  });

  test('of a run of keys is found when it is looked into', () => {
    const bench = filled();
    bench.disk.setByte(`${FOLDER}/${keysOf(bench)}`, 5000, (byte) => byte ^ 4);
    bench.verify();
    expect(bench.reads).toBeGreaterThan(0);
  });

  test('that the log cannot explain ends the node', () => {
    const bench = filled();
    bench.close();
    bench.disk.unlinkSync(`${FOLDER}/queue-0000000001-00000000`);
    bench.endOffset = () => 7;
    bench.open();
    bench.settle();
    expect(bench.failures.map(String)).toEqual([
      'IndexMismatchError: queue 1 ends at 7, and its batches in the log at 300',
    ]);
  });

  function keysOf(bench: Bench): string {
    return bench.files().find((name) => name.startsWith('keys')) ?? '';
  }
});

describe('keys', () => {
  test('are found, newest first, in memory and in many runs', () => {
    const bench = new Bench({ keysPerRun: 100 });
    bench.open();
    for (let at = 0; at < 1000; at += 1)
      bench.append(1 + (at % 3), [{ key: `k${at % 70}` }, {}, { key: `k${at % 11}` }]);
    bench.settle();
    expect(bench.store.counters()['keyRuns']).toBeGreaterThan(10);
    bench.verify();
    expect(bench.lookup('nobody')).toEqual([]);
    bench.checkpoint();
    bench.settle();
    bench.reopen();
    bench.verify();
    expect(bench.reads).toBe(0);
  });

  test('of what the log does not keep go with the next checkpoint', () => {
    const bench = new Bench({ keysPerRun: 100 });
    bench.open();
    const runs = (): number => bench.files().filter((name) => name.startsWith('keys')).length;
    for (let round = 0; round < 3; round += 1) {
      for (let at = 0; at < 1000; at += 1) bench.append(1, [{ key: `k${at % 70}` }]);
      bench.settle();
      expect(runs()).toBeGreaterThan(9);
      bench.firstIndex = (bench.appliedIndex - 150) as LogIndex;
      bench.raise(1, (bench.endOffset(1) ?? 0) - 100);
      bench.checkpoint();
      bench.settle();
      expect(runs()).toBeLessThan(4);
      bench.verify();
      bench.reopen();
      bench.verify();
      expect(bench.reads).toBe(0);
    }
  });

  test('of a whole run with one hash are found', () => {
    const bench = new Bench({ keysPerRun: 2000 });
    bench.open();
    for (let at = 0; at < 1999; at += 1) bench.append(1, [{ key: 'always' }]);
    for (let at = 0; at < 5; at += 1) bench.append(1, [{ key: `other${at}` }]);
    bench.verify();
    expect(bench.lookup('always')).toHaveLength(1999);
  });

  test('do not become a run for each checkpoint', () => {
    const bench = new Bench({ keysPerRun: 1000 });
    bench.open();
    for (let at = 0; at < 50; at += 1) {
      bench.append(1, [{ key: `k${at}` }]);
      if (at % 3 === 0) bench.appendRaw();
      bench.checkpoint();
      bench.settle();
      bench.appendRaw();
      bench.checkpoint();
      bench.settle();
    }
    expect(bench.store.counters()['keyRuns']).toBe(1);
    bench.reopen();
    bench.verify();
    expect(bench.reads).toBe(0);
  });

  test('are not looked for in a log that never had a topic', () => {
    const bench = new Bench();
    bench.open();
    for (let at = 0; at < 100; at += 1) bench.appendRaw();
    bench.checkpoint();
    bench.settle();
    expect(bench.checkpointIndex).toBe(100);
    expect(bench.files()).toEqual([]);
    bench.reopen();
    expect(bench.reads).toBe(0);
    bench.append(1, [{ key: 'first' }]);
    bench.checkpoint();
    bench.settle();
    bench.reopen();
    bench.verify();
    expect(bench.reads).toBe(0);
  });
});

describe('behind a snapshot', () => {
  /** Two queues in files up to 100 batches each; then 50 more in the second one, of which only the snapshot knows. */
  function behind(): Bench {
    const bench = new Bench();
    bench.open();
    for (let at = 0; at < 100; at += 1) {
      bench.append(1, records(2));
      bench.append(2, [{ key: `early ${at % 7}` }]);
    }
    bench.checkpoint();
    bench.settle();
    bench.close();
    // The node is down; the others go on.
    const others = bench.withoutStore(() => {
      for (let at = 0; at < 50; at += 1) bench.append(2, [{ key: `missed ${at % 3}` }]);
      bench.append(3, records(4));
    });
    bench.takeSnapshot();
    expect(others).toBe(51);
    return bench;
  }

  test('a queue begins where the snapshot ends, and what the files had all of stays', () => {
    const bench = behind();
    bench.open();
    bench.settle();
    expect([1, 2, 3].map((queue) => bench.store.firstOffset(queue))).toEqual([0, 150, 4]);
    bench.verify();
    for (let at = 0; at < 30; at += 1) bench.append(1 + (at % 3), [{ key: `late ${at % 5}` }]);
    bench.verify();
    expect(bench.readUnits(2, 149)).toEqual([]);
    expect(bench.readUnits(2, 150)).toHaveLength(10);
  });

  test('it is whole at the next start, and need not be made again', () => {
    const bench = behind();
    bench.open();
    bench.settle();
    for (let at = 0; at < 30; at += 1) bench.append(1 + (at % 3), [{ key: `late ${at % 5}` }]);
    bench.checkpoint();
    bench.settle();
    for (let at = 0; at < 6; at += 1) bench.append(2, records(1));
    const { reads } = bench;
    bench.reopen();
    expect(bench.reads).toBe(reads);
    bench.verify();
  });

  test('a crash before the next checkpoint changes nothing', () => {
    for (const survival of ['none', 'some', 'all'] as const) {
      const bench = behind();
      bench.open();
      bench.settle();
      // Enough for files to be written.
      for (let at = 0; at < 400; at += 1) bench.append(2, records(1));
      bench.settle();
      bench.disk.powerCut(survival);
      bench.open();
      bench.settle();
      bench.verify();
      expect(bench.store.firstOffset(2)).toBe(150);
    }
  });

  test('what is lost is made again as far as the log goes back', () => {
    const bench = behind();
    bench.open();
    bench.settle();
    for (let at = 0; at < 60; at += 1) bench.append(1 + (at % 3), [{ key: `late ${at % 5}` }]);
    bench.append(2, records(9), { isVoided: true });
    bench.checkpoint();
    bench.settle();
    bench.close();
    for (const name of bench.files()) bench.disk.unlinkSync(`${FOLDER}/${name}`);
    bench.open();
    bench.settle();
    // Also of the queue that had all its units: the batches of those are gone with the log.
    expect([1, 2, 3].map((queue) => bench.store.firstOffset(queue))).toEqual([200, 150, 4]);
    bench.verify();
  });
});
