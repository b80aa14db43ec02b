import { expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import type { LogIndex } from '../../src/base/units.ts';
import { keyRunName, queueFileName } from '../../src/queue/format.ts';
import { verifyQueues } from '../../src/queue/index.ts';
import { RUN_BLOCK_BYTES } from '../../src/queue/key-run.ts';
import { encodeUnit, UNIT_BYTES } from '../../src/queue/unit.ts';
import { CrashableDisk } from '../../src/sim/crashable-disk.ts';

const FOLDER = '/data/queues';
const QUEUE = 7;
const UNITS = 5000;
const UNIT_FILE = queueFileName(QUEUE, 0);
const RUN_FILE = keyRunName({ after: 0 as LogIndex, last: 50 as LogIndex });

function write(disk: CrashableDisk, name: string, bytes: Uint8Array): void {
  const file = disk.openSync(`${FOLDER}/${name}`, 'create');
  file.writevSync([bytes], 0);
  file.closeSync();
}

function filled(): CrashableDisk {
  const disk = new CrashableDisk({ prng: new Prng(1) });
  disk.mkdirSync(FOLDER);
  const units = new Uint8Array(UNITS * UNIT_BYTES);
  for (let at = 0; at < UNITS; at += 1) {
    const unit = { baseOffset: at, index: (at + 1) as LogIndex, timeMs: 1, bytesBefore: at * 100 };
    encodeUnit(units, at * UNIT_BYTES, QUEUE, { ...unit, count: 1, tagMask: 1, entryBytes: 100 });
  }
  write(disk, UNIT_FILE, units);
  return disk;
}

test('a folder that is sound, or not there', () => {
  expect([...verifyQueues(filled(), FOLDER)]).toEqual([]);
  expect([...verifyQueues(filled(), '/data/others')]).toEqual([]);
});

test('units that do not verify, but for what was begun at the end', () => {
  const disk = filled();
  for (const unit of [3, 4096, UNITS - 1])
    disk.setByte(`${FOLDER}/${UNIT_FILE}`, unit * UNIT_BYTES + 20, (byte) => byte ^ 4);
  expect([...verifyQueues(disk, FOLDER)]).toEqual([
    { file: UNIT_FILE, position: 3 * UNIT_BYTES },
    { file: UNIT_FILE, position: 4096 * UNIT_BYTES },
  ]);
});

test('blocks of keys that do not verify', () => {
  const disk = filled();
  write(disk, RUN_FILE, new Uint8Array(2 * RUN_BLOCK_BYTES));
  expect([...verifyQueues(disk, FOLDER)]).toEqual([
    { file: RUN_FILE, position: 0 },
    { file: RUN_FILE, position: RUN_BLOCK_BYTES },
  ]);
});
