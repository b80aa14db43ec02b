import { crc32, crc32Between } from '../base/crc32.ts';
import { readUint53, writeUint53 } from '../base/uint53.ts';
import type { GroupId, Incarnation, LogIndex, Term } from '../base/units.ts';
import {
  BLOCK_HEADER,
  BLOCK_HEADER_BYTES,
  BLOCK_MAGIC,
  SEGMENT_HEADER,
  SEGMENT_HEADER_BYTES,
  SEGMENT_MAGIC,
  WAL_FORMAT_VERSION,
} from './format.ts';

/** The first 512 bytes of a segment. */
export interface SegmentHeader {
  readonly nonce: number;
  readonly incarnation: Incarnation;
  readonly group: GroupId;
  readonly sequence: number;
  /** What the log was when the segment was begun. */
  readonly epoch: number;
  readonly firstIndex: LogIndex;
  readonly previousTerm: Term;
  readonly previousChecksum: number;
  /** Where the blocks of the segment before end, and how many they are. */
  readonly previousEnd: number;
  readonly previousBlocks: number;
}

/** What comes before the entries of one group commit. */
export interface BlockHeader {
  /** Bytes of entries. */
  readonly length: number;
  readonly sequence: number;
  readonly epoch: number;
  readonly firstIndex: LogIndex;
  readonly entryCount: number;
}

class FieldError extends Error {}

/** @returns the bytes; their checksum (see `segmentSeed`) seeds the checksums of everything in the segment. */
export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(SEGMENT_HEADER.magic, SEGMENT_MAGIC, true);
  view.setUint32(SEGMENT_HEADER.version, WAL_FORMAT_VERSION, true);
  writeUint53(view, SEGMENT_HEADER.nonce, header.nonce);
  writeUint53(view, SEGMENT_HEADER.incarnation, header.incarnation);
  view.setUint32(SEGMENT_HEADER.group, header.group, true);
  view.setUint32(SEGMENT_HEADER.epoch, header.epoch, true);
  writeUint53(view, SEGMENT_HEADER.sequence, header.sequence);
  writeUint53(view, SEGMENT_HEADER.firstIndex, header.firstIndex);
  writeUint53(view, SEGMENT_HEADER.previousTerm, header.previousTerm);
  view.setUint32(SEGMENT_HEADER.previousChecksum, header.previousChecksum, true);
  view.setUint32(SEGMENT_HEADER.previousBlocks, header.previousBlocks, true);
  writeUint53(view, SEGMENT_HEADER.previousEnd, header.previousEnd);
  view.setUint32(SEGMENT_HEADER.checksum, crc32(bytes.subarray(0, SEGMENT_HEADER.checksum)), true);
  return bytes;
}

export function segmentSeed(headerBytes: Uint8Array): number {
  return viewOf(headerBytes).getUint32(SEGMENT_HEADER.checksum, true);
}

/** @returns null if the bytes do not verify. */
export function decodeSegmentHeader(bytes: Uint8Array): SegmentHeader | null {
  if (bytes.length < SEGMENT_HEADER_BYTES) return null;
  const view = viewOf(bytes);
  if (view.getUint32(SEGMENT_HEADER.checksum, true) !== crc32(bytes.subarray(0, SEGMENT_HEADER.checksum)))
    return null;
  if (view.getUint32(SEGMENT_HEADER.magic, true) !== SEGMENT_MAGIC) return null;
  if (view.getUint32(SEGMENT_HEADER.version, true) !== WAL_FORMAT_VERSION) return null;
  const uint53 = (offset: number): number => readUint53(view, offset, FieldError);
  return {
    nonce: uint53(SEGMENT_HEADER.nonce),
    incarnation: uint53(SEGMENT_HEADER.incarnation) as Incarnation,
    group: view.getUint32(SEGMENT_HEADER.group, true) as GroupId,
    sequence: uint53(SEGMENT_HEADER.sequence),
    epoch: view.getUint32(SEGMENT_HEADER.epoch, true),
    firstIndex: uint53(SEGMENT_HEADER.firstIndex) as LogIndex,
    previousTerm: uint53(SEGMENT_HEADER.previousTerm) as Term,
    previousChecksum: view.getUint32(SEGMENT_HEADER.previousChecksum, true),
    previousEnd: uint53(SEGMENT_HEADER.previousEnd),
    previousBlocks: view.getUint32(SEGMENT_HEADER.previousBlocks, true),
  };
}

export function encodeBlockHeader(header: BlockHeader, seed: number): Uint8Array {
  const bytes = new Uint8Array(BLOCK_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(BLOCK_HEADER.magic, BLOCK_MAGIC, true);
  view.setUint32(BLOCK_HEADER.length, header.length, true);
  view.setUint32(BLOCK_HEADER.sequence, header.sequence, true);
  view.setUint32(BLOCK_HEADER.epoch, header.epoch, true);
  writeUint53(view, BLOCK_HEADER.firstIndex, header.firstIndex);
  view.setUint32(BLOCK_HEADER.entryCount, header.entryCount, true);
  view.setUint32(BLOCK_HEADER.checksum, crc32Between(bytes, 0, BLOCK_HEADER.checksum, seed), true);
  return bytes;
}

/** @returns null if there is no valid block header at `offset`. */
export function decodeBlockHeader(bytes: Uint8Array, offset: number, seed: number): BlockHeader | null {
  if (offset + BLOCK_HEADER_BYTES > bytes.length) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, BLOCK_HEADER_BYTES);
  if (view.getUint32(BLOCK_HEADER.magic, true) !== BLOCK_MAGIC) return null;
  const computed = crc32Between(bytes, offset, offset + BLOCK_HEADER.checksum, seed);
  if (view.getUint32(BLOCK_HEADER.checksum, true) !== computed) return null;
  return {
    length: view.getUint32(BLOCK_HEADER.length, true),
    sequence: view.getUint32(BLOCK_HEADER.sequence, true),
    epoch: view.getUint32(BLOCK_HEADER.epoch, true),
    firstIndex: readUint53(view, BLOCK_HEADER.firstIndex, FieldError) as LogIndex,
    entryCount: view.getUint32(BLOCK_HEADER.entryCount, true),
  };
}

/** Every valid block header in some bytes of a segment from an offset on, wherever it stands, with its offset. */
export function* findBlocks(
  bytes: Uint8Array,
  from: number,
  seed: number,
): Generator<{ readonly offset: number; readonly header: BlockHeader }> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const magic = Buffer.alloc(4);
  magic.writeUInt32LE(BLOCK_MAGIC);
  for (let offset = buffer.indexOf(magic, from); offset >= 0; offset = buffer.indexOf(magic, offset + 1)) {
    const header = decodeBlockHeader(buffer, offset, seed);
    if (header !== null) yield { offset, header };
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
