import { assert } from '../base/assert.ts';
import { crc32 } from '../base/crc32.ts';
import { readUint53, writeUint53 } from '../base/uint53.ts';
import type { LogIndex } from '../base/units.ts';

/**
 * One batch of a queue, as its consume queue keeps it: where it stands in the log and what can be said of it without
 * reading it. 48 bytes, little endian:
 *
 *     offset size field
 *      0      8   baseOffset    of the batch's first record
 *      8      8   index         of the log entry that holds the batch
 *     16      8   timeMs        stored time, Unix milliseconds; never below that of the unit before
 *     24      8   bytesBefore   of all entries of this queue before this one, since the queue began
 *     32      4   count         records; the next unit's base offset is `baseOffset + count`
 *     36      4   tagMask       bit (hash of the tag mod 32) for each record; bit 0 also stands for "no tag"
 *     40      4   entryBytes    of the log entry, header included
 *     44      4   checksum      crc32(unit[0..44], seeded with the queue's number)
 */
export interface Unit {
  readonly baseOffset: number;
  readonly index: LogIndex;
  readonly timeMs: number;
  readonly bytesBefore: number;
  readonly count: number;
  readonly tagMask: number;
  readonly entryBytes: number;
}

export const UNIT_BYTES = 48;
/** A file of 3 MiB: small enough to go when retention has passed it, large enough for a queue to have few. */
export const UNITS_PER_FILE = 65_536;

const OFFSET = {
  baseOffset: 0,
  index: 8,
  timeMs: 16,
  bytesBefore: 24,
  count: 32,
  tagMask: 36,
  entryBytes: 40,
  checksum: 44,
} as const;

class UnitNumberError extends Error {}

/** Where the queue's number seeds the checksum, a unit of one queue is damage in the file of another. */
export function encodeUnit(target: Uint8Array, at: number, queue: number, unit: Unit): void {
  assert(at + UNIT_BYTES <= target.length, () => `a unit at byte ${at} of ${target.length}`);
  const view = new DataView(target.buffer, target.byteOffset + at, UNIT_BYTES);
  writeUint53(view, OFFSET.baseOffset, unit.baseOffset);
  writeUint53(view, OFFSET.index, unit.index);
  writeUint53(view, OFFSET.timeMs, unit.timeMs);
  writeUint53(view, OFFSET.bytesBefore, unit.bytesBefore);
  view.setUint32(OFFSET.count, unit.count, true);
  view.setUint32(OFFSET.tagMask, unit.tagMask, true);
  view.setUint32(OFFSET.entryBytes, unit.entryBytes, true);
  view.setUint32(OFFSET.checksum, crc32(target.subarray(at, at + OFFSET.checksum), queue), true);
}

/** @returns null where the bytes are no unit of this queue: damaged, or never written. */
export function decodeUnit(bytes: Uint8Array, at: number, queue: number): Unit | null {
  if (at + UNIT_BYTES > bytes.length) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, UNIT_BYTES);
  const checksum = view.getUint32(OFFSET.checksum, true);
  if (crc32(bytes.subarray(at, at + OFFSET.checksum), queue) !== checksum) return null;
  const count = view.getUint32(OFFSET.count, true);
  // Zeros have a checksum that one seed in four billion makes valid.
  if (count === 0) return null;
  return {
    baseOffset: readUint53(view, OFFSET.baseOffset, UnitNumberError),
    index: readUint53(view, OFFSET.index, UnitNumberError) as LogIndex,
    timeMs: readUint53(view, OFFSET.timeMs, UnitNumberError),
    bytesBefore: readUint53(view, OFFSET.bytesBefore, UnitNumberError),
    count,
    tagMask: view.getUint32(OFFSET.tagMask, true),
    entryBytes: view.getUint32(OFFSET.entryBytes, true),
  };
}

/** Where the unit after this one begins, in offsets. */
export function unitEnd(unit: Unit): number {
  return unit.baseOffset + unit.count;
}
