/**
 * The constants of the format on disk; docs/wal-format.md says what they mean. Offsets are in bytes, integers little
 * endian, u64 fields hold 0..2^53-1.
 */

/** Of everything in a data directory. A directory of another version is refused, never guessed at. */
export const WAL_FORMAT_VERSION = 1;

/** What a disk writes whole or not at all. */
export const SECTOR_BYTES = 512;

export const IDENTITY_NAME = 'identity';
export const IDENTITY_TEMPORARY_NAME = 'identity.tmp';
export const HARD_STATE_NAME = 'hard-state';
export const WATERMARK_NAME = 'watermark';
export const SPARE_NAME = 'spare.tmp';
export const CHECKPOINT_TEMPORARY_NAME = 'checkpoint.tmp';
export const SNAPSHOT_TEMPORARY_NAME = 'snapshot.tmp';
export const SNAPSHOT_NAME = 'snapshot';
/** A copy of another node's log is being made here. */
export const ADOPTING_NAME = 'adopting.tmp';
const SEGMENT_PREFIX = 'segment-';
const SEGMENT_DIGITS = 10;
const CHECKPOINT_PREFIX = 'checkpoint-';
const CHECKPOINT_DIGITS = 16;

/** The magics spell the four letters in the file. */
export const SEGMENT_MAGIC = 0x47534c44; // DLSG
export const BLOCK_MAGIC = 0x4b424c44; // DLBK
export const FOOTER_MAGIC = 0x54464c44; // DLFT
export const HARD_STATE_MAGIC = 0x53484c44; // DLHS
export const WATERMARK_MAGIC = 0x4d574c44; // DLWM
export const CHECKPOINT_MAGIC = 0x50434c44; // DLCP

export const SEGMENT_HEADER_BYTES = 512;
export const SEGMENT_HEADER = {
  magic: 0,
  version: 4,
  nonce: 8,
  incarnation: 16,
  group: 24,
  epoch: 28,
  sequence: 32,
  firstIndex: 40,
  previousTerm: 48,
  previousChecksum: 56,
  previousBlocks: 60,
  previousEnd: 64,
  checksum: 508,
} as const;

export const BLOCK_HEADER_BYTES = 32;
export const BLOCK_HEADER = {
  magic: 0,
  length: 4,
  sequence: 8,
  epoch: 12,
  firstIndex: 16,
  entryCount: 24,
  checksum: 28,
} as const;

/** A block is as long as one sync should take (a few milliseconds); a single larger entry still gets its own. */
export const BLOCK_BYTES_MAX: number = 4 * 1024 * 1024;

export const FOOTER_TRAILER_BYTES = 16;
export const FOOTER_TRAILER = { magic: 0, bodyBytes: 4, checksum: 12 } as const;
export const FOOTER_FIXED_BYTES = 56;
export const FOOTER_BODY = {
  end: 0,
  blocks: 8,
  epoch: 12,
  lastIndex: 16,
  lastTerm: 24,
  lastChecksum: 32,
  extents: 40,
  termRuns: 44,
  configurations: 48,
} as const;
export const FOOTER_EXTENT_BYTES = 24;
export const FOOTER_POINT_BYTES = 24;
export const FOOTER_TERM_RUN_BYTES = 16;
export const FOOTER_CONFIGURATION_BYTES = 8;

/** How far apart the entries with known positions are. */
export const POINT_SPACING_BYTES: number = 64 * 1024;

export const SLOT_BYTES: number = SECTOR_BYTES;
/** Far enough apart that no page, and no physical sector of today's disks, holds both. */
export const SLOT_POSITIONS = [0, 4096] as const;
export const SLOT_FILE_BYTES = 8192;
export const SLOT = {
  magic: 0,
  version: 4,
  incarnation: 8,
  sequence: 16,
  payload: 24,
  checksum: 508,
} as const;

export const HARD_STATE = { term: 24, group: 32, flags: 36, votedForLength: 37, votedFor: 38 } as const;
export const HARD_STATE_FLAG_VOTE_LOST = 1;

export const WATERMARK = {
  group: 24,
  epoch: 28,
  segment: 32,
  position: 40,
  index: 48,
  term: 56,
  checksum: 64,
  blocks: 68,
  commitHint: 72,
  flags: 80,
  firstSegment: 88,
} as const;
export const WATERMARK_FLAG_CUTTING = 1;

export const CHECKPOINT_HEADER_BYTES = 512;
export const CHECKPOINT_HEADER = {
  magic: 0,
  version: 4,
  group: 16,
  entryChecksum: 20,
  index: 24,
  term: 32,
  configurationIndex: 40,
  configurationBytes: 48,
  stateChecksum: 52,
  stateBytes: 56,
  stateDigest: 64,
  time: 72,
  checksum: 508,
} as const;

export const SEGMENT_BYTES_DEFAULT: number = 64 * 1024 * 1024;
export const SEGMENT_BYTES_MIN: number = 64 * 1024;

export function segmentName(sequence: number): string {
  return SEGMENT_PREFIX + String(sequence).padStart(SEGMENT_DIGITS, '0');
}

/** @returns the sequence, or null if the name is not that of a segment. */
export function segmentSequence(name: string): number | null {
  return numberAfter(name, SEGMENT_PREFIX, SEGMENT_DIGITS);
}

export function checkpointName(index: number): string {
  return CHECKPOINT_PREFIX + String(index).padStart(CHECKPOINT_DIGITS, '0');
}

/** @returns the index, or null if the name is not that of a checkpoint. */
export function checkpointIndex(name: string): number | null {
  return numberAfter(name, CHECKPOINT_PREFIX, CHECKPOINT_DIGITS);
}

function numberAfter(name: string, prefix: string, digits: number): number | null {
  if (!name.startsWith(prefix) || name.length !== prefix.length + digits) return null;
  const value = Number(name.slice(prefix.length));
  return Number.isSafeInteger(value) && value >= 0 && prefix + String(value).padStart(digits, '0') === name
    ? value
    : null;
}
