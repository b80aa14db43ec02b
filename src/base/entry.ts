import { violated } from './assert.ts';
import { crc32Between } from './crc32.ts';
import { u32At, uint53At } from './little-endian.ts';
import { readUint53, writeUint53 } from './uint53.ts';
import type { GroupId, LogIndex, Term } from './units.ts';

/**
 * One entry of the replicated log in its sealed form: a 64-byte header and a body, in one run of bytes that is the
 * same on every disk, on the wire and in memory. Little endian throughout:
 *
 *     offset size field
 *      0      4   length         header and body, in bytes; never 0
 *      4      4   group          Raft group
 *      8      8   index
 *     16      8   term
 *     24      8   time           Unix milliseconds: max(leader's clock, the entry before)
 *     32      4   queue          0 = the raw log
 *     36      4   recordCount    records in the body; 0 for entries that hold none
 *     40      1   kind           EntryKind
 *     41      1   version        of the kind's body
 *     42      2   zero
 *     44      4   zero
 *     48      4   zero
 *     52      4   zero
 *     56      4   bodyChecksum   crc32(body), made by whoever made the body (a client, for a batch)
 *     60      4   headerChecksum crc32(header[0..60], seeded with the header checksum of the entry before)
 *
 * Two checksums, because the body is made and summed by the client, while the leader stamps the header: the leader
 * never re-encodes a body. The chain makes entry i vouch for all before it: two logs that agree in one header checksum
 * agree in everything up to there (by the checksum's strength), which is Raft's log matching property made visible.
 */
export interface Entry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: EntryKind;
  /** The chained header checksum. */
  readonly checksum: number;
  /** Header and body. Not to be changed by anybody. */
  readonly bytes: Uint8Array;
}

export const EntryKind = {
  /** Starts a leader's term; holds nothing. */
  noop: 1,
  /** Cluster id and members (configuration.ts). Index 1 of every cluster is one. */
  configuration: 2,
  /** A batch of records (batch.ts), for the raw log or one queue. */
  batch: 3,
  /** An order to the replicated state machine that holds no records, such as "open a producer session". */
  command: 4,
} as const;
export type EntryKind = (typeof EntryKind)[keyof typeof EntryKind];

export const ENTRY_HEADER_BYTES = 64;
export const ENTRY_BODY_BYTES_MAX: number = 4 * 1024 * 1024;

const OFFSET = {
  length: 0,
  group: 4,
  index: 8,
  term: 16,
  time: 24,
  queue: 32,
  recordCount: 36,
  kind: 40,
  version: 41,
  bodyChecksum: 56,
  headerChecksum: 60,
} as const;

/** What is proposed: an entry before the leader gave it a place. */
export interface EntryDraft {
  readonly kind: EntryKind;
  readonly version: number;
  readonly queue: number;
  readonly recordCount: number;
  readonly body: Uint8Array;
  /** crc32(body). Trusted by the leader: whoever took the body in verified it. */
  readonly bodyChecksum: number;
}

/** Where a run of drafts goes. */
export interface EntryPlace {
  readonly group: GroupId;
  readonly firstIndex: LogIndex;
  readonly term: Term;
  /** Unix milliseconds. */
  readonly time: number;
  /** Header checksum of the entry at firstIndex - 1, or 0 before the first entry. */
  readonly previousChecksum: number;
}

/** Bytes that are no entry. `code` is stable; `offset` is where in the parsed bytes the bad entry begins. */
export class EntryFormatError extends Error {
  override readonly name = 'EntryFormatError';
  readonly code:
    | 'ENTRY_TRUNCATED'
    | 'ENTRY_LENGTH'
    | 'ENTRY_FIELD'
    | 'ENTRY_HEADER_CHECKSUM'
    | 'ENTRY_BODY_CHECKSUM';
  readonly offset: number;

  constructor(code: EntryFormatError['code'], offset: number, message: string) {
    super(`${message} (at byte ${offset})`);
    this.code = code;
    this.offset = offset;
  }
}

class FieldError extends EntryFormatError {
  constructor(message: string) {
    super('ENTRY_FIELD', 0, message);
  }
}

/** Seals drafts into consecutive entries whose bytes lie in one buffer, ready for one write to disk and to each peer. */
export function sealEntries(drafts: readonly EntryDraft[], place: EntryPlace): Entry[] {
  let size = 0;
  for (const draft of drafts) size += ENTRY_HEADER_BYTES + draft.body.length;
  const slab = new Uint8Array(size);
  const view = new DataView(slab.buffer);
  const entries: Entry[] = [];
  let offset = 0;
  let index = place.firstIndex as number;
  let checksum = place.previousChecksum;
  for (const draft of drafts) {
    const length = ENTRY_HEADER_BYTES + draft.body.length;
    if (draft.body.length > ENTRY_BODY_BYTES_MAX)
      violated(`body of ${draft.body.length} bytes over the limit`);
    view.setUint32(offset + OFFSET.length, length, true);
    view.setUint32(offset + OFFSET.group, place.group, true);
    writeUint53(view, offset + OFFSET.index, index);
    writeUint53(view, offset + OFFSET.term, place.term);
    writeUint53(view, offset + OFFSET.time, place.time);
    view.setUint32(offset + OFFSET.queue, draft.queue, true);
    view.setUint32(offset + OFFSET.recordCount, draft.recordCount, true);
    view.setUint8(offset + OFFSET.kind, draft.kind);
    view.setUint8(offset + OFFSET.version, draft.version);
    view.setUint32(offset + OFFSET.bodyChecksum, draft.bodyChecksum, true);
    checksum = crc32Between(slab, offset, offset + OFFSET.headerChecksum, checksum);
    view.setUint32(offset + OFFSET.headerChecksum, checksum, true);
    slab.set(draft.body, offset + ENTRY_HEADER_BYTES);
    entries.push({
      index: index as LogIndex,
      term: place.term,
      kind: draft.kind,
      checksum,
      bytes: slab.subarray(offset, offset + length),
    });
    offset += length;
    index += 1;
  }
  return entries;
}

/** How to read entries: with the chain (a log), or one by one (a selection sent to a client). */
export interface ParseOptions {
  /**
   * Header checksum before the first entry: verifies the chain. `null` where entries stand apart from their
   * predecessors: then only the body checksums are verified.
   */
  readonly previousChecksum: number | null;
  /** The index the first entry must have, where it is known. Consecutive indexes are checked with the chain. */
  readonly firstIndex?: LogIndex;
}

/**
 * Parses bytes that consist of whole entries and verifies both checksums of each. The entries refer into `bytes`.
 * @throws EntryFormatError at the first entry that does not hold.
 */
export function parseEntries(bytes: Uint8Array, options: ParseOptions): Entry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const entries: Entry[] = [];
  let offset = 0;
  let checksum = options.previousChecksum;
  let expectedIndex: number | null = options.firstIndex ?? null;
  while (offset < bytes.length) {
    const entry = parseEntryAt(bytes, view, offset, checksum);
    if (expectedIndex !== null && entry.index !== expectedIndex) {
      throw new EntryFormatError(
        'ENTRY_FIELD',
        offset,
        `entry has index ${entry.index}, expected ${expectedIndex}`,
      );
    }
    entries.push(entry);
    if (checksum !== null) {
      checksum = entry.checksum;
      expectedIndex = entry.index + 1;
    }
    offset += entry.bytes.length;
  }
  return entries;
}

/** Parses and verifies the one entry that begins at `offset`. See `parseEntries` for `previousChecksum`. */
export function parseEntryAt(
  bytes: Uint8Array,
  view: DataView,
  offset: number,
  previousChecksum: number | null,
): Entry {
  const available = bytes.length - offset;
  if (available < ENTRY_HEADER_BYTES) {
    throw new EntryFormatError(
      'ENTRY_TRUNCATED',
      offset,
      `${available} bytes left, a header needs ${ENTRY_HEADER_BYTES}`,
    );
  }
  const length = view.getUint32(offset + OFFSET.length, true);
  if (length < ENTRY_HEADER_BYTES || length > ENTRY_HEADER_BYTES + ENTRY_BODY_BYTES_MAX) {
    throw new EntryFormatError('ENTRY_LENGTH', offset, `entry length ${length} is impossible`);
  }
  if (length > available) {
    throw new EntryFormatError('ENTRY_TRUNCATED', offset, `entry of ${length} bytes, ${available} left`);
  }
  const checksum = view.getUint32(offset + OFFSET.headerChecksum, true);
  if (previousChecksum !== null) {
    const computed = crc32Between(bytes, offset, offset + OFFSET.headerChecksum, previousChecksum);
    if (computed !== checksum) {
      throw new EntryFormatError(
        'ENTRY_HEADER_CHECKSUM',
        offset,
        `header checksum ${hex(checksum)}, computed ${hex(computed)}`,
      );
    }
  }
  const entryBytes = bytes.subarray(offset, offset + length);
  const bodyChecksum = view.getUint32(offset + OFFSET.bodyChecksum, true);
  const computedBody = crc32Between(entryBytes, ENTRY_HEADER_BYTES, length);
  if (computedBody !== bodyChecksum) {
    throw new EntryFormatError(
      'ENTRY_BODY_CHECKSUM',
      offset,
      `body checksum ${hex(bodyChecksum)}, computed ${hex(computedBody)}`,
    );
  }
  const kind = view.getUint8(offset + OFFSET.kind);
  return {
    index: fieldAt(view, offset, OFFSET.index) as LogIndex,
    term: fieldAt(view, offset, OFFSET.term) as Term,
    // An unknown kind is kept as it is: a newer leader may have written it, and it is for apply to stop at it.
    kind: kind as EntryKind,
    checksum,
    bytes: entryBytes,
  };
}

/** A 64-bit field of the entry that begins at `entryAt`, so that an error names the entry and not the start of the log. */
function fieldAt(view: DataView, entryAt: number, fieldOffset: number): number {
  try {
    return readUint53(view, entryAt + fieldOffset, FieldError);
  } catch {
    throw new EntryFormatError(
      'ENTRY_FIELD',
      entryAt,
      `the entry's field at byte ${fieldOffset} is above 2^53-1`,
    );
  }
}

export function entryBody(entry: Entry): Uint8Array {
  return entry.bytes.subarray(ENTRY_HEADER_BYTES);
}

/** The leader's stamp, Unix milliseconds; never below that of an earlier entry. */
export function entryTime(entry: Entry): number {
  return uint53At(entry.bytes, OFFSET.time, FieldError);
}

export function entryQueue(entry: Entry): number {
  return u32At(entry.bytes, OFFSET.queue);
}

export function entryRecordCount(entry: Entry): number {
  return u32At(entry.bytes, OFFSET.recordCount);
}

export function entryVersion(entry: Entry): number {
  return entry.bytes[OFFSET.version] ?? 0;
}

export function entryGroup(entry: Entry): GroupId {
  return u32At(entry.bytes, OFFSET.group) as GroupId;
}

export function entryBodyChecksum(entry: Entry): number {
  return u32At(entry.bytes, OFFSET.bodyChecksum);
}

/** Bytes that are taken for an entry whatever they are: nothing but a wrong behaviour wants that. */
export function entryUnverified(bytes: Uint8Array, index: LogIndex): Entry {
  return {
    index,
    term: u32At(bytes, OFFSET.term) as Term,
    kind: (bytes[OFFSET.kind] ?? 0) as EntryKind,
    checksum: u32At(bytes, OFFSET.headerChecksum),
    bytes,
  };
}

/** The header checksum as it stands in bytes that may be damaged. @returns null where they end before it. */
export function entryHeaderChecksum(bytes: Uint8Array, offset: number): number | null {
  return offset + ENTRY_HEADER_BYTES > bytes.length ? null : u32At(bytes, offset + OFFSET.headerChecksum);
}

/** Whether the header of an entry there verifies and follows an entry with this checksum; its body is not looked at. */
export function entryHeaderFollows(bytes: Uint8Array, offset: number, previousChecksum: number): boolean {
  const stored = entryHeaderChecksum(bytes, offset);
  return stored === crc32Between(bytes, offset, offset + OFFSET.headerChecksum, previousChecksum);
}

/**
 * The bytes of consecutive entries as few runs as possible: entries that were sealed or received together lie next to
 * each other, and then one run is enough for a whole write.
 */
export function coalesceEntryBytes(entries: readonly Entry[]): Uint8Array[] {
  const runs: Uint8Array[] = [];
  let start: Uint8Array | null = null;
  let end = 0;
  for (const { bytes } of entries) {
    if (start !== null && bytes.buffer === start.buffer && bytes.byteOffset === end) {
      end += bytes.length;
      continue;
    }
    if (start !== null) runs.push(new Uint8Array(start.buffer, start.byteOffset, end - start.byteOffset));
    start = bytes;
    end = bytes.byteOffset + bytes.length;
  }
  if (start !== null) runs.push(new Uint8Array(start.buffer, start.byteOffset, end - start.byteOffset));
  return runs;
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}
