import { describe, expect, test } from 'vitest';
import { FIRST_GROUP } from '../../src/base/units.ts';
import { CheckpointStore, type CheckpointHeader } from '../../src/wal/checkpoint.ts';
import { proveCheckpoint } from '../../src/wal/snapshot-file.ts';
import { Bench, DIRECTORY, index, term } from './harness.ts';

const CONFIGURATION = Buffer.from('a configuration');

function headerAt(at: number): CheckpointHeader {
  return {
    index: index(at),
    term: term(3),
    checksum: 0xfedcba98,
    configurationIndex: index(2),
    configuration: CONFIGURATION,
    stateDigest: 0x89abcdef,
    timeMs: 1_700_000_000_000,
  };
}

function stored(): { bench: Bench; store: CheckpointStore } {
  const bench = new Bench();
  bench.disk.mkdirSync(DIRECTORY);
  return { bench, store: bench.checkpoints() };
}

function chunksOf(state: Uint8Array, bytes: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < state.length; at += bytes) chunks.push(state.subarray(at, at + bytes));
  return chunks;
}

function write(
  bench: Bench,
  store: CheckpointStore,
  at: number,
  state: Uint8Array,
): Error | null | undefined {
  let result: Error | null | undefined;
  store.write(headerAt(at), chunksOf(state, 1000), (error) => {
    result = error;
  });
  bench.settle();
  return result;
}

function stateOf(bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, at) => (at * 7) & 0xff);
}

test('what was written is loaded', () => {
  const { bench, store } = stored();
  expect(store.load()).toBe(null);
  expect(write(bench, store, 10, stateOf(5000))).toBe(null);
  const loaded = store.load();
  expect(loaded).toEqual({
    ...headerAt(10),
    configuration: new Uint8Array(CONFIGURATION),
    state: stateOf(5000),
  });
  bench.disk.powerCut('none');
  expect(store.load()).toEqual(loaded);
});

test('an empty state and no configuration', () => {
  const { bench, store } = stored();
  let result: Error | null | undefined;
  store.write(
    { ...headerAt(1), configurationIndex: index(0), configuration: new Uint8Array(0) },
    [],
    (error) => {
      result = error;
    },
  );
  bench.settle();
  expect(result).toBe(null);
  expect(store.load()).toMatchObject({
    index: 1,
    configurationIndex: 0,
    configuration: { length: 0 },
    state: { length: 0 },
  });
});

test('sixteen are kept: the first, the newest, and some with the smallest gaps between them', () => {
  const { bench, store } = stored();
  for (let at = 1; at <= 200; at += 1) {
    write(bench, store, at * 10, stateOf(10));
    const kept = store.list();
    expect([kept.length, kept[0]]).toEqual([Math.min(at, 16), 10]);
    if (at > 1) expect(kept.slice(-2)).toEqual([at * 10 - 10, at * 10]);
  }
  const kept = store.list();
  const gaps = kept.slice(1).map((one, at) => one - (kept[at] ?? 0));
  // With all fifteen gaps the same it would be 133.
  expect(Math.max(...gaps)).toBeLessThanOrEqual(260);
  expect(store.load()?.index).toBe(2000);
});

test('a log has the newest one behind which it is whole for its base; older ones can go', () => {
  const { bench, store } = stored();
  expect(store.base(index(7))).toBe(null);
  for (const at of [5, 9, 100, 1000]) write(bench, store, at, stateOf(10));
  expect([5, 6, 100, 101, 5000].map((first) => store.base(index(first)))).toEqual([null, 5, 9, 100, 1000]);
  store.dropBefore(index(100));
  expect(bench.disk.listSync(DIRECTORY)).toEqual([
    'checkpoint-0000000000000100',
    'checkpoint-0000000000001000',
  ]);
});

test('one is proven if all of it verifies, and is there after a power cut from then on', () => {
  const { bench, store } = stored();
  write(bench, store, 9, stateOf(300));
  const proven = (at: number): boolean | null => {
    let result: boolean | null = null;
    proveCheckpoint(bench.disk, DIRECTORY, FIRST_GROUP, index(at), (isProven) => {
      result = isProven;
    });
    bench.settle();
    return result;
  };
  expect([proven(9), proven(10)]).toEqual([true, false]);
  // A name that only the page cache knows.
  const path = (at: number): string => `${DIRECTORY}/checkpoint-${String(at).padStart(16, '0')}`;
  bench.disk.renameSync(path(9), path(11));
  expect(proven(11)).toBe(false);
  bench.disk.renameSync(path(11), path(9));
  expect(proven(9)).toBe(true);
  bench.disk.powerCut('none');
  expect(store.load()?.index).toBe(9);
  for (const position of [0, 100, 600, bench.disk.visible(path(9)).length - 1]) {
    bench.flip(path(9), position);
    expect(proven(9)).toBe(false);
    bench.flip(path(9), position);
  }
});

test('one that does not verify is passed over, whichever byte is wrong', () => {
  const { bench, store } = stored();
  write(bench, store, 5, stateOf(300));
  write(bench, store, 9, stateOf(300));
  const path = `${DIRECTORY}/checkpoint-0000000000000009`;
  const { length } = bench.disk.visible(path);
  expect(length).toBe(512 + CONFIGURATION.length + 300);
  for (let position = 0; position < length; position += 1) {
    bench.flip(path, position);
    expect(store.load()?.index).toBe(5);
    bench.flip(path, position);
  }
  for (const bytes of [length - 1, 511, 100, 0]) {
    bench.disk.shrink(path, bytes);
    expect(store.load()?.index).toBe(5);
  }
});

test('one of another group is passed over', () => {
  const { bench, store } = stored();
  write(bench, store, 5, stateOf(10));
  const other = {
    disk: bench.disk,
    clock: bench.clock,
    directory: DIRECTORY,
    group: 2 as typeof FIRST_GROUP,
  };
  expect(new CheckpointStore(other).load()).toBe(null);
});

test('no slice holds up the loop for long', () => {
  const { bench, store } = stored();
  const sliceMs: number[] = [];
  let sinceMs = bench.clock.monotonicMs();
  function* slowChunks(): Generator<Uint8Array> {
    for (let chunk = 0; chunk < 100; chunk += 1) {
      bench.clock.advance(0.5);
      yield stateOf(100);
    }
  }
  let isDone = false;
  store.write(headerAt(1), slowChunks(), () => {
    isDone = true;
  });
  while (!isDone) {
    sliceMs.push(bench.clock.monotonicMs() - sinceMs);
    sinceMs = bench.clock.monotonicMs();
    bench.disk.complete();
  }
  expect(sliceMs.length).toBeGreaterThan(10);
  expect(Math.max(...sliceMs)).toBeLessThanOrEqual(5);
  expect(store.load()?.state.length).toBe(10_000);
});

describe('a crash while it is written', () => {
  test('leaves the one before, and the next try succeeds', () => {
    const { bench, store } = stored();
    write(bench, store, 5, stateOf(3000));
    const first = bench.disk.operations;
    let at = first + 1;
    for (; ; at += 1) {
      bench.disk.onOperation = ({ number }) => {
        if (number !== at) return;
        bench.disk.powerCut('some');
        throw new Error('power cut');
      };
      const other = bench.checkpoints();
      const before = bench.disk.operations;
      try {
        write(bench, other, 9, stateOf(3000));
        break;
      } catch {
        bench.disk.onOperation = null;
        expect([5, 9]).toContain(other.load()?.index);
        at = bench.disk.operations + (at - before);
      }
    }
    bench.disk.onOperation = null;
    expect(store.load()?.index).toBe(9);
    expect(at - first).toBeGreaterThan(5);
  });
});

test('a full disk is reported, and the one before stays', () => {
  const { bench, store } = stored();
  write(bench, store, 5, stateOf(3000));
  bench.disk.failWrite((path) => path.endsWith('.tmp'), 'ENOSPC', 1500);
  expect(write(bench, store, 9, stateOf(3000))).toMatchObject({ code: 'ENOSPC' });
  bench.disk.clearFaults();
  expect(store.load()?.index).toBe(5);
  expect(write(bench, store, 9, stateOf(3000))).toBe(null);
  expect(store.list()).toEqual([5, 9]);
});
