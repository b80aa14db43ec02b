import { describe, expect, test } from 'vitest';
import { encodeBatch } from '../../src/base/batch.ts';
import { crc32 } from '../../src/base/crc32.ts';
import { EntryKind, sealEntries, type Entry } from '../../src/base/entry.ts';
import { FIRST_GROUP, type LogIndex, type Term } from '../../src/base/units.ts';
import type { DledgerError } from '../../src/client/errors.ts';
import { ReaderCore, type ReaderOptions } from '../../src/client/reader-core.ts';
import type { LogRecord } from '../../src/client/records.ts';
import { RequestChannel } from '../../src/client/request-channel.ts';
import type { ScriptedNode, ScriptedRequest } from './support/scripted-node.ts';
import { World, bytes, endpointsOf, text } from './support/world.ts';

/** A log whose entry at index i holds the records given for it; null: an entry without records. */
class FakeLog {
  readonly entries: (readonly string[] | null)[];
  /** Entries that one answer holds at most. */
  pageEntries = 3;

  constructor(entries: (readonly string[] | null)[]) {
    this.entries = entries;
  }

  answer(request: ScriptedRequest, commitIndex: number = this.entries.length): void {
    const { from, entriesMax } = request.read;
    const last = Math.min(commitIndex, from - 1 + Math.min(entriesMax, this.pageEntries));
    const entries: Entry[] = [];
    for (let index: number = from; index <= last; index += 1) {
      const records = this.entries[index - 1];
      if (records !== null && records !== undefined) entries.push(entryOf(index, records));
    }
    request.page({ commitIndex, nextIndex: Math.max(from, last + 1), entries });
  }
}

/** Reads to the end, one page after the other. */
class Reading {
  readonly reader: ReaderCore;
  readonly records: LogRecord[] = [];
  isEnded = false;
  error: DledgerError | null = null;

  constructor(world: World, hosts: readonly string[], options: Partial<ReaderOptions> = {}) {
    const wants = options.consistency === 'committed' ? 'anyNode' : 'leader';
    const ports = world.ports();
    const channel = new RequestChannel({ endpoints: endpointsOf(hosts), clusterId: null, wants }, ports);
    this.reader = new ReaderCore(channel, ports.clock, {
      from: 1 as LogIndex,
      to: null,
      countMax: Infinity,
      isFollowing: false,
      consistency: 'linearizable',
      timeoutMs: 5000,
      ...options,
    });
    this.#next();
  }

  get texts(): string[] {
    return this.records.map((record) => text(record.data));
  }

  #next(): void {
    this.reader.next((error, records) => {
      if (records === null) {
        this.isEnded = true;
        this.error = error;
      } else {
        expect(records.length).toBeGreaterThan(0);
        this.records.push(...records);
        this.#next();
      }
    });
  }
}

function serve(node: ScriptedNode, log: FakeLog): void {
  node.onRequest = (request) => log.answer(request);
}

function letters(count: number): string[][] {
  return Array.from({ length: count }, (_, at) => [`r${at + 1}`]);
}

describe('a reader', () => {
  test('gives each record once and in order, over many pages, and skips entries that hold none', () => {
    const world = new World();
    const log = new FakeLog([null, ['a'], ['b', 'c'], null, null, null, null, ['d'], ['e'], null]);
    serve(world.node('n1'), log);
    const reading = new Reading(world, ['n1']);
    world.until(() => reading.isEnded);
    expect(reading.error).toBeNull();
    expect(reading.records.map(({ index, ordinal }) => [index, ordinal])).toEqual([
      [2, 0],
      [3, 0],
      [3, 1],
      [8, 0],
      [9, 0],
    ]);
    expect(reading.texts).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(reading.records[0]).toMatchObject({ term: 3, time: 1_700_000_000_000 });
  });

  test('ends at what was committed when it began, though the log grows', () => {
    const world = new World();
    const node = world.node('n1');
    const log = new FakeLog(letters(8));
    node.onRequest = (request) => {
      log.answer(request);
      log.entries.push(['later']);
    };
    const reading = new Reading(world, ['n1']);
    world.until(() => reading.isEnded);
    expect(reading.texts).toEqual(letters(8).flat());
  });

  test('keeps to its first index, its last and its count', () => {
    const world = new World();
    serve(world.node('n1'), new FakeLog([...letters(9), ['x', 'y', 'z']]));
    const read = (options: Partial<ReaderOptions>): string[] => {
      const reading = new Reading(world, ['n1'], options);
      world.until(() => reading.isEnded);
      expect(reading.error).toBeNull();
      return reading.texts;
    };
    expect(read({ from: 4 as LogIndex, to: 6 })).toEqual(['r4', 'r5', 'r6']);
    expect(read({ from: 4 as LogIndex, countMax: 5 })).toEqual(['r4', 'r5', 'r6', 'r7', 'r8']);
    expect(read({ from: 9 as LogIndex, countMax: 3 })).toEqual(['r9', 'x', 'y']);
    expect(read({ from: 10 as LogIndex, to: 1000 })).toEqual(['x', 'y', 'z']);
    expect(read({ from: 11 as LogIndex })).toEqual([]);
    expect(read({ from: 6 as LogIndex, to: 5 })).toEqual([]);
    expect(read({ countMax: 0 })).toEqual([]);
  });

  test('has the next page on its way while one is being worked on, and no more than that', () => {
    const world = new World();
    const node = world.node('n1');
    serve(node, new FakeLog(letters(30)));
    const ports = world.ports();
    const channel = new RequestChannel(
      { endpoints: endpointsOf(['n1']), clusterId: null, wants: 'leader' },
      ports,
    );
    const reader = new ReaderCore(channel, ports.clock, {
      from: 1 as LogIndex,
      to: null,
      countMax: Infinity,
      isFollowing: false,
      consistency: 'linearizable',
      timeoutMs: 5000,
    });
    let pages = 0;
    reader.next(() => (pages += 1));
    world.until(() => pages === 1);
    world.clock.advanceBy(1000);
    expect(node.requests).toHaveLength(2);
    reader.next(() => (pages += 1));
    world.until(() => pages === 2);
    world.clock.advanceBy(1000);
    expect(node.requests).toHaveLength(3);
  });

  test('neither skips nor repeats across cuts and changes of leader', () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const world = new World(seed);
      const log = new FakeLog(letters(60));
      const nodes = [world.node('n1'), world.node('n2')];
      let leader = 0;
      let asked = 0;
      for (const [at, node] of nodes.entries()) {
        node.greeting = () => ({
          leaderId: nodes[leader]?.id ?? null,
          leaderAddress: nodes[leader]?.address ?? null,
        });
        node.onRequest = (request) => {
          asked += 1;
          if (at !== leader) request.failed('NOT_LEADER', { leaderAddress: nodes[leader]?.address ?? null });
          else if (asked % 5 === 0) request.session.connection.destroy();
          else if (asked % 7 === 0) request.failed('OVERLOADED');
          else log.answer(request);
          if (asked % 3 === 0) leader = 1 - leader;
        };
      }
      const reading = new Reading(world, ['n1', 'n2']);
      world.until(() => reading.isEnded);
      expect(reading.error).toBeNull();
      expect(reading.texts).toEqual(letters(60).flat());
    }
  });

  test('verifies each page and asks elsewhere when one makes no sense', () => {
    const damages: ((request: ScriptedRequest) => void)[] = [
      // From before what was asked for.
      (request) => request.page({ commitIndex: 9, nextIndex: 3, entries: [entryOf(1, ['old'])] }),
      // Nothing, though there is something.
      (request) => request.page({ commitIndex: 9, nextIndex: 2 }),
      // Back.
      (request) => request.page({ commitIndex: 9, nextIndex: 1 }),
      // Beyond what is committed.
      (request) => request.page({ commitIndex: 2, nextIndex: 4, entries: [entryOf(3, ['early'])] }),
      // A body that does not match its checksum.
      (request) => request.page({ commitIndex: 9, nextIndex: 3, entries: [damaged(entryOf(2, ['rot']))] }),
      // An entry that is no batch, with a good checksum.
      (request) =>
        request.page({ commitIndex: 9, nextIndex: 3, entries: [sealed(2, new Uint8Array([1, 2, 3]))] }),
    ];
    for (const damage of damages) {
      const world = new World();
      const [n1, n2] = [world.node('n1'), world.node('n2')];
      const log = new FakeLog(letters(4));
      n1.onRequest = (request) => {
        damage(request);
        n1.follow(n2);
      };
      n2.follow(n1);
      const reading = new Reading(world, ['n1'], { from: 2 as LogIndex });
      world.until(() => n1.requests.length === 1 && n1.sessions[0]?.isOpen === false, 100);
      n2.lead();
      serve(n2, log);
      world.until(() => reading.isEnded);
      expect(reading.error).toBeNull();
      expect(reading.texts).toEqual(['r2', 'r3', 'r4']);
    }
  });

  test('ends with what a node refuses it for, after the pages that came before', () => {
    const world = new World();
    const node = world.node('n1');
    const log = new FakeLog(letters(9));
    node.onRequest = (request) => {
      if (request.read.from < 7) log.answer(request);
      else request.failed('OUT_OF_RANGE', { firstIndex: 8, lastIndex: 9 });
    };
    const reading = new Reading(world, ['n1']);
    world.until(() => reading.isEnded);
    expect(reading.texts).toEqual(letters(6).flat());
    expect(reading.error).toMatchObject({
      code: 'OUT_OF_RANGE',
      outcome: 'none',
      firstIndex: 8,
      lastIndex: 9,
    });
  });

  test('that was not told where begins with the first that is kept', () => {
    const world = new World();
    const node = world.node('n1');
    const log = new FakeLog(letters(9));
    node.onRequest = (request) => {
      if (request.read.from >= 7) log.answer(request);
      else request.failed('OUT_OF_RANGE', { firstIndex: 7, lastIndex: 9 });
    };
    const reading = new Reading(world, ['n1'], { from: null });
    world.until(() => reading.isEnded);
    expect(reading.error).toBeNull();
    expect(reading.texts).toEqual(letters(9).slice(6).flat());
    const told = new Reading(world, ['n1'], { from: 1 as LogIndex });
    world.until(() => told.isEnded);
    expect(told.error?.code).toBe('OUT_OF_RANGE');
  });

  test('ends when nobody answers in time, naming who was asked', () => {
    const world = new World();
    world.node('n1').follow(null);
    const reading = new Reading(world, ['n1', 'n9'], { timeoutMs: 800 });
    world.until(() => reading.isEnded);
    expect(world.clock.monotonicMs()).toBeCloseTo(800, 0);
    expect(reading.error).toMatchObject({ code: 'UNREACHABLE', outcome: 'none' });
    expect(reading.error?.message).toContain('n1:7100 knows no leader');
    expect(reading.error?.message).toContain('n9:7100 connection refused');
  });

  test('that takes any node gives one that lags time to catch up, and ends rather than cut the log short', () => {
    for (const catchesUp of [true, false]) {
      const world = new World();
      const n1 = world.node('n1');
      const log = new FakeLog(letters(6));
      n1.follow(null);
      n1.onRequest = (request) => {
        log.answer(request);
        n1.onRequest = () => world.network.kill('n1');
      };
      const reading = new Reading(world, ['n1', 'n2'], { consistency: 'committed' });
      world.until(() => reading.records.length === 3);
      const n2 = world.node('n2');
      n2.follow(null);
      n2.onRequest = (request) => {
        const { waitMs } = request.read;
        expect(waitMs).toBeGreaterThan(1000);
        world.clock.setTimer(waitMs, () => log.answer(request, catchesUp ? 6 : 3));
      };
      world.until(() => reading.isEnded);
      if (catchesUp) {
        expect(reading.texts).toEqual(letters(6).flat());
      } else {
        expect(reading.error?.code).toBe('TIMEOUT');
        expect(reading.error?.message).toContain('up to 3 only, and it goes to 6');
      }
    }
  });
});

describe('a reader that follows', () => {
  test('waits for what comes, over and over', () => {
    const world = new World();
    const node = world.node('n1');
    const log = new FakeLog(letters(2));
    const polls: ScriptedRequest[] = [];
    node.onRequest = (request) => {
      if (request.read.from <= log.entries.length) log.answer(request);
      else polls.push(request);
    };
    const reading = new Reading(world, ['n1'], { isFollowing: true });
    world.until(() => reading.records.length === 2 && polls.length === 1);
    expect(polls[0]?.read.waitMs).toBeGreaterThanOrEqual(10_000);
    for (let at = 3; at <= 6; at += 1) {
      log.entries.push([`r${at}`]);
      log.answer(polls.at(-1) as ScriptedRequest);
      world.until(() => reading.records.length === at && polls.length === at - 1);
    }
    // A poll that ends with nothing is asked again.
    log.answer(polls.at(-1) as ScriptedRequest);
    world.until(() => polls.length === 6);
    expect(reading.texts).toEqual(letters(6).flat());
    expect(reading.isEnded).toBe(false);
  });

  test('goes on at the next leader when the one it waits at dies', () => {
    const world = new World();
    const [n1, n2] = [world.node('n1'), world.node('n2')];
    const log = new FakeLog(letters(2));
    n1.onRequest = (request) => {
      if (request.read.from <= 2) log.answer(request);
    };
    n2.follow(n1);
    const reading = new Reading(world, ['n1', 'n2'], { isFollowing: true });
    world.until(() => reading.records.length === 2 && n1.requests.length >= 2);
    world.network.kill('n1');
    world.clock.advanceBy(200);
    log.entries.push(['r3']);
    n2.lead();
    serve(n2, log);
    world.until(() => reading.records.length === 3, 1000);
    expect(reading.texts).toEqual(letters(3).flat());
  });

  test('is silent after it was closed', () => {
    const world = new World();
    const node = world.node('n1');
    const log = new FakeLog(letters(2));
    const reading = new Reading(world, ['n1'], { isFollowing: true });
    world.until(() => node.requests.length === 1);
    reading.reader.close();
    log.answer(node.requests[0] as ScriptedRequest);
    world.clock.advanceBy(60_000);
    expect(reading.records).toEqual([]);
    expect(reading.isEnded).toBe(false);
  });
});

function entryOf(index: number, records: readonly string[]): Entry {
  const batch = encodeBatch({ producerId: 0, epoch: 0, sequence: 0 }, records.map(bytes));
  return sealed(index, batch, records.length);
}

function sealed(index: number, body: Uint8Array, recordCount = 1): Entry {
  const draft = { kind: EntryKind.batch, version: 1, queue: 0, recordCount, body, bodyChecksum: crc32(body) };
  const [entry] = sealEntries([draft], {
    group: FIRST_GROUP,
    firstIndex: index as LogIndex,
    term: 3 as Term,
    time: 1_700_000_000_000,
    previousChecksum: 0,
  });
  return entry as Entry;
}

function damaged(entry: Entry): Entry {
  const copy = entry.bytes.slice();
  const last = copy.length - 1;
  copy[last] = (copy[last] ?? 0) ^ 1;
  return { ...entry, bytes: copy };
}
