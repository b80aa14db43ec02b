import { describe, expect, test } from 'vitest';
import type { SnapshotId } from '../../src/base/peer-message.ts';
import { Prng } from '../../src/base/prng.ts';
import { FIRST_GROUP } from '../../src/base/units.ts';
import { CrashableDisk, SimulatedCrash } from '../../src/sim/crashable-disk.ts';
import { CheckpointStore } from '../../src/wal/checkpoint.ts';
import { IncomingSnapshot, SnapshotFile, verifyLog, Wal, WalRotError } from '../../src/wal/index.ts';
import { diesIn } from '../support/dies-in.ts';
import { DIRECTORY, index, makeEntries, ManualClock, N1, N2, term } from './harness.ts';

/** One machine, on which one process after the other opens the log and is told to crash. */
class Machine {
  readonly prng: Prng;
  readonly disk: CrashableDisk;
  clock = new ManualClock();
  #wal: Wal | null = null;
  #number = 0;
  /** Whether the snapshot had its final name, durable. */
  isPublished = false;

  constructor(seed: number) {
    this.prng = new Prng(seed);
    this.disk = new CrashableDisk({ prng: this.prng.fork() });
  }

  get wal(): Wal {
    if (this.#wal === null) throw new Error('the log is not open');
    return this.#wal;
  }

  open(): Wal {
    this.clock = new ManualClock();
    this.#number = 0;
    this.#wal = Wal.open({
      disk: this.disk,
      clock: this.clock,
      prng: this.prng,
      directory: DIRECTORY,
      nodeId: N1,
      group: FIRST_GROUP,
      segmentBytes: 64 * 1024,
      onDurable: () => undefined,
      onFailure: (error) => {
        throw error;
      },
    });
    return this.#wal;
  }

  store(): CheckpointStore {
    const { disk, clock } = this;
    return new CheckpointStore({ disk, clock, directory: DIRECTORY, group: FIRST_GROUP });
  }

  settle(): void {
    while (this.disk.completeAll() > 0 || this.clock.advance(0));
  }

  write(count: number, ofTerm = 1): void {
    const { wal } = this;
    this.#number += 1;
    wal.submit({
      number: this.#number,
      hardState: { term: term(ofTerm), votedFor: N2 },
      truncateFrom: null,
      entries: makeEntries(wal.lastIndex + 1, count, wal.lastChecksum, { term: ofTerm, bodyBytes: 900 }),
    });
    this.settle();
  }

  checkpoint(state: Uint8Array): SnapshotId {
    const { wal } = this;
    const header = {
      index: wal.lastIndex,
      term: wal.lastTerm,
      checksum: wal.lastChecksum,
      configurationIndex: index(1),
      configuration: new Uint8Array(40).fill(7),
      stateDigest: 5,
      timeMs: 1_700_000_000_000,
    };
    let error: Error | null = new Error('not written');
    this.store().write(header, [state], (result) => {
      error = result;
    });
    this.settle();
    if (error !== null) throw error;
    const file = SnapshotFile.open(this.disk, DIRECTORY, FIRST_GROUP, header.index);
    if (file === null) throw new Error('no snapshot');
    file.close();
    return file.id;
  }

  /** Takes in a snapshot in pieces of 3,000 bytes and closes the log for it. */
  takeIn(id: SnapshotId, bytes: Uint8Array): boolean {
    // Its leader is in a later term, which the core has written before anything else.
    this.#number += 1;
    const hardState = { term: term(2), votedFor: N2 };
    this.wal.submit({ number: this.#number, hardState, truncateFrom: null, entries: [] });
    const incoming = new IncomingSnapshot(this.disk, DIRECTORY, FIRST_GROUP, id);
    for (let at = 0; at < bytes.length; at += 3000) incoming.append(bytes.subarray(at, at + 3000));
    let isGood = false;
    incoming.finish((error, verdict) => {
      isGood = error === null && verdict;
    });
    this.settle();
    if (!isGood) {
      incoming.discard();
      return false;
    }
    this.wal.closeFor(incoming, (error) => {
      this.isPublished = error === null;
    });
    this.settle();
    return this.isPublished;
  }
}

/** What another node sends: the file of its checkpoint at the end of a log of so many entries. */
function snapshotOf(entries: number, stateBytes: number): { id: SnapshotId; bytes: Uint8Array } {
  const leader = new Machine(99);
  leader.open();
  leader.write(entries, 2);
  const id = leader.checkpoint(Uint8Array.from({ length: stateBytes }, (_, at) => (at * 7) & 0xff));
  const name = `${DIRECTORY}/checkpoint-${String(entries).padStart(16, '0')}`;
  return { id, bytes: leader.disk.visible(name) };
}

const SNAPSHOT = snapshotOf(50, 20_000);
const LATER = snapshotOf(80, 9000);

function follower(seed: number): Machine {
  const machine = new Machine(seed);
  machine.open();
  machine.write(30);
  machine.checkpoint(new Uint8Array(500).fill(3));
  machine.write(5);
  // The log has a few segments.
  machine.write(70);
  return machine;
}

function checkOld({ wal }: Machine): void {
  expect([wal.firstIndex, wal.lastIndex, wal.lastTerm]).toEqual([1, 105, 1]);
}

function checkNew(machine: Machine, { id }: { id: SnapshotId } = SNAPSHOT): void {
  const { wal } = machine;
  const last = id.lastIncludedIndex;
  expect([wal.firstIndex, wal.lastIndex, wal.lastTerm]).toEqual([last + 1, last, 2]);
  expect(wal.lastChecksum).toBe(id.lastIncludedChecksum);
  expect(wal.commitHint).toBe(last);
  expect(machine.store().list()).toEqual([last]);
  expect(machine.store().load()).toMatchObject({ index: last, checksum: id.lastIncludedChecksum });
}

/** The log goes on behind what it begins with, and a start finds what was written. */
function checkGoesOn(machine: Machine): void {
  const { firstIndex, lastIndex } = machine.wal;
  machine.write(100, 3);
  machine.disk.powerCut('none');
  const { wal } = machine;
  machine.open();
  expect([machine.wal.firstIndex, machine.wal.lastIndex]).toEqual([firstIndex, lastIndex + 100]);
  expect(machine.wal.lastChecksum).toBe(wal.lastChecksum);
  expect(machine.wal.hardStateTrusted).toBe(true);
  expect(verifyLog(machine.disk, DIRECTORY)).toMatchObject({ ok: true, lastIndex: lastIndex + 100 });
}

describe('a snapshot takes the place of the log', () => {
  test('and is its checkpoint; term and vote stay', () => {
    const machine = follower(1);
    expect(machine.takeIn(SNAPSHOT.id, SNAPSHOT.bytes)).toBe(true);
    expect(machine.open().installedIndex).toBe(50);
    checkNew(machine);
    expect(machine.wal.hardState).toEqual({ term: 2, votedFor: N2 });
    expect(machine.store().load()?.timeMs).toBe(1_700_000_000_000);
    machine.disk.kill();
    expect(machine.open().installedIndex).toBeNull();
    checkNew(machine);
  });

  test('and the log goes on behind it', () => {
    const machine = follower(2);
    machine.takeIn(SNAPSHOT.id, SNAPSHOT.bytes);
    machine.disk.powerCut('none');
    machine.open();
    checkNew(machine);
    checkGoesOn(machine);
  });

  test('and a second one right after the first', () => {
    const machine = follower(3);
    machine.takeIn(SNAPSHOT.id, SNAPSHOT.bytes);
    machine.open();
    expect(machine.takeIn(LATER.id, LATER.bytes)).toBe(true);
    machine.open();
    checkNew(machine, LATER);
    checkGoesOn(machine);
  });

  test('but not one with a flipped bit, wherever it is', () => {
    const places = [0, 20, 30, 70, 505, 511, 515, 560, 5000, SNAPSHOT.bytes.length - 1];
    for (const at of places) {
      const machine = follower(4);
      const damaged = Uint8Array.from(SNAPSHOT.bytes);
      damaged[at] = (damaged[at] ?? 0) ^ 4;
      expect(machine.takeIn(SNAPSHOT.id, damaged)).toBe(false);
      machine.write(1, 2);
      machine.disk.kill();
      machine.open();
      expect([machine.wal.firstIndex, machine.wal.lastIndex]).toEqual([1, 106]);
      expect(machine.disk.listSync(DIRECTORY).filter((name) => name.startsWith('snapshot'))).toEqual([]);
    }
  });

  test('but not another one than was announced', () => {
    const machine = follower(5);
    const { id } = SNAPSHOT;
    const wrong = { ...LATER.id, bytes: id.bytes };
    expect(machine.takeIn(wrong, SNAPSHOT.bytes)).toBe(false);
    checkOld(machine);
  });

  test('one that rotted while it waited is reported, and nothing else is touched', () => {
    const machine = follower(6);
    machine.takeIn(SNAPSHOT.id, SNAPSHOT.bytes);
    machine.disk.setByte(`${DIRECTORY}/snapshot`, 30, (byte) => byte ^ 1);
    const names = machine.disk.listSync(DIRECTORY);
    expect(() => machine.open()).toThrow(WalRotError);
    expect(machine.disk.listSync(DIRECTORY)).toEqual(names);
  });
});

/** Dies at one operation of the disk. */
function dieAt(machine: Machine, event: number, crash: 'kill' | 'none' | 'all' | 'some'): void {
  let events = 0;
  machine.disk.onOperation = () => {
    events += 1;
    if (events !== event) return;
    if (crash === 'kill') machine.disk.kill();
    else machine.disk.powerCut(crash);
    throw new SimulatedCrash(`at event ${event}`);
  };
}

describe.each(['kill', 'none', 'all', 'some'] as const)('a crash (%s)', (crash) => {
  test('at any step leaves the old log or the new one', () => {
    let outcomes = { old: 0, new: 0 };
    for (let event = 1; ; event += 1) {
      const machine = follower(1000 + event);
      dieAt(machine, event, crash);
      const dies = diesIn(machine.disk, () => {
        machine.takeIn(SNAPSHOT.id, SNAPSHOT.bytes);
        machine.open();
      });
      if (!dies) break;
      machine.open();
      if (machine.wal.firstIndex === 1) {
        expect(machine.isPublished).toBe(false);
        checkOld(machine);
        outcomes = { ...outcomes, old: outcomes.old + 1 };
      } else {
        checkNew(machine);
        outcomes = { ...outcomes, new: outcomes.new + 1 };
      }
      checkGoesOn(machine);
    }
    expect(outcomes.old).toBeGreaterThan(10);
    expect(outcomes.new).toBeGreaterThan(10);
  });

  test('while a crash is recovered from changes nothing', () => {
    for (let event = 1; ; event += 1) {
      const machine = follower(2000 + event);
      machine.takeIn(SNAPSHOT.id, SNAPSHOT.bytes);
      machine.disk.powerCut('some');
      dieAt(machine, event, crash);
      if (!diesIn(machine.disk, () => machine.open())) break;
      machine.open();
      checkNew(machine);
    }
  });
});

test('a name that is not durable yet is made so before the old log goes: killed, and then without power', () => {
  for (let seed = 1; seed <= 3; seed += 1) {
    for (let event = 1, isOver = false; !isOver; event += 1) {
      const machine = follower(3000 * seed + event);
      machine.disk.onOperation = ({ kind }) => {
        const isNamed = machine.disk.existsSync(`${DIRECTORY}/snapshot`);
        if (kind !== 'sync-directory' || !isNamed) return;
        machine.disk.kill();
        throw new SimulatedCrash();
      };
      expect(diesIn(machine.disk, () => machine.takeIn(SNAPSHOT.id, SNAPSHOT.bytes))).toBe(true);
      dieAt(machine, event, 'some');
      isOver = !diesIn(machine.disk, () => machine.open());
      if (isOver) machine.disk.powerCut('some');
      machine.open();
      if (machine.wal.firstIndex === 1) checkOld(machine);
      else checkNew(machine);
    }
  }
});

describe('a snapshot is sent from a checkpoint', () => {
  test('whose identity covers all of its bytes', () => {
    const { id, bytes } = SNAPSHOT;
    expect(id.bytes).toBe(bytes.length);
    expect(id.checksum).toBe(new DataView(bytes.buffer, bytes.byteOffset).getUint32(508, true));
    expect(id.lastIncludedIndex).toBe(50);
  });

  test('can be read in pieces, also when a newer one has taken its name', () => {
    const machine = follower(7);
    const name = `${DIRECTORY}/checkpoint-0000000000000030`;
    const expected = machine.disk.visible(name);
    const file = SnapshotFile.open(machine.disk, DIRECTORY, FIRST_GROUP, index(30));
    machine.disk.unlinkSync(name);
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < expected.length; at += 200)
      file?.read(at, 200, (_error, data) => pieces.push(Uint8Array.from(data)));
    machine.settle();
    expect(Buffer.concat(pieces)).toEqual(Buffer.from(expected));
    file?.close();
  });

  test.each([600, 1000])('is not sent when byte %i of it has rotted', (at) => {
    const machine = follower(8);
    machine.disk.setByte(`${DIRECTORY}/checkpoint-0000000000000030`, at, (byte) => byte ^ 1);
    const file = SnapshotFile.open(machine.disk, DIRECTORY, FIRST_GROUP, index(30));
    const verdicts: boolean[] = [];
    file?.verify((_error, isGood) => verdicts.push(isGood));
    machine.settle();
    expect(verdicts).toEqual([false]);
  });

  test('or its head has', () => {
    const machine = follower(9);
    machine.disk.setByte(`${DIRECTORY}/checkpoint-0000000000000030`, 520, (byte) => byte ^ 1);
    expect(SnapshotFile.open(machine.disk, DIRECTORY, FIRST_GROUP, index(30))).toBeNull();
    expect(SnapshotFile.open(machine.disk, DIRECTORY, FIRST_GROUP, index(29))).toBeNull();
  });
});
