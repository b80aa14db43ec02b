import { crc32 } from '../base/crc32.ts';
import { mark } from '../base/marks.ts';
import type { DiskFile } from '../base/ports/disk.ts';
import { readUint53, writeUint53 } from '../base/uint53.ts';
import type { Incarnation } from '../base/units.ts';
import { SLOT, SLOT_BYTES, SLOT_FILE_BYTES, SLOT_POSITIONS, WAL_FORMAT_VERSION } from './format.ts';

/** Which of the two slots of a file. */
export type SlotNumber = 0 | 1;

/** What tells the slots of one file from those of another. */
export interface SlotOwner {
  readonly magic: number;
  readonly incarnation: Incarnation;
}

/** The two slots of a file; null where one does not verify. */
export type SlotPair = readonly [DataView | null, DataView | null];

class SlotNumberError extends Error {}

export function readSlots(file: DiskFile, owner: SlotOwner): SlotPair {
  const bytes = new Uint8Array(SLOT_FILE_BYTES);
  const length = file.readSync(bytes, 0);
  const a = verified(bytes.subarray(0, length), 0, owner);
  const b = verified(bytes.subarray(0, length), 1, owner);
  // Of a new pair one slot may not have been written yet.
  if (a === null && b !== null && !isBlank(bytes, 0)) mark('wal.slot-a-damaged');
  if (b === null && a !== null && !isBlank(bytes, 1)) mark('wal.slot-b-damaged');
  return [a, b];
}

/** Whether the newer one is the last that was synced: not if the other slot does not verify, for that may have been it. */
export function isLastKnown([a, b]: SlotPair, file: DiskFile): boolean {
  if (a !== null && b !== null) return true;
  const bytes = new Uint8Array(SLOT_FILE_BYTES);
  file.readSync(bytes, 0);
  return isBlank(bytes, a === null ? 0 : 1);
}

/** The valid slot with the higher sequence, or null if none is valid. */
export function newestSlot([a, b]: SlotPair): SlotNumber | null {
  if (a === null) return b === null ? null : 1;
  if (b === null) return 0;
  return slotSequence(b) > slotSequence(a) ? 1 : 0;
}

export function slotSequence(slot: DataView): number {
  return readUint53(slot, SLOT.sequence, SlotNumberError);
}

/** An empty slot, sealed after `fill` has put its payload in. */
export function encodeSlot(owner: SlotOwner, sequence: number, fill: (slot: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(SLOT_BYTES);
  const slot = new DataView(bytes.buffer);
  slot.setUint32(SLOT.magic, owner.magic, true);
  slot.setUint32(SLOT.version, WAL_FORMAT_VERSION, true);
  writeUint53(slot, SLOT.incarnation, owner.incarnation);
  writeUint53(slot, SLOT.sequence, sequence);
  fill(slot);
  slot.setUint32(SLOT.checksum, crc32(bytes.subarray(0, SLOT.checksum)), true);
  return bytes;
}

export function writeSlot(file: DiskFile, slot: SlotNumber, bytes: Uint8Array): void {
  file.writevSync([bytes], SLOT_POSITIONS[slot]);
}

function isBlank(bytes: Uint8Array, slot: SlotNumber): boolean {
  const start = SLOT_POSITIONS[slot];
  return bytes.subarray(start, start + SLOT_BYTES).every((byte) => byte === 0);
}

function verified(bytes: Uint8Array, slot: SlotNumber, owner: SlotOwner): DataView | null {
  const start = SLOT_POSITIONS[slot];
  if (start + SLOT_BYTES > bytes.length) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, SLOT_BYTES);
  const body = bytes.subarray(start, start + SLOT.checksum);
  if (view.getUint32(SLOT.checksum, true) !== crc32(body)) return null;
  if (view.getUint32(SLOT.magic, true) !== owner.magic) return null;
  if (view.getUint32(SLOT.version, true) !== WAL_FORMAT_VERSION) return null;
  if (readUint53(view, SLOT.incarnation, SlotNumberError) !== owner.incarnation) return null;
  return view;
}
