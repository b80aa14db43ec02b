import { crc32Between } from '../base/crc32.ts';
import { EntryFormatError, coalesceEntryBytes, parseEntries, type Entry } from '../base/entry.ts';
import { setU32At } from '../base/little-endian.ts';
import type { LogIndex, Term } from '../base/units.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import type { Consistency } from './client-codec.ts';
import { FrameFlags, FrameKind, encodeFrame, type Frame } from './frame.ts';
import { LIMITS } from './limits.ts';

// Messages of topics, to and from their queues. What is small and varied (administration, groups) is MessagePack and
// stands in broker-schema.ts. Decoders throw WireError BAD_BODY. Deadlines are remaining milliseconds.

// PRODUCE: u32 deadlineMs, u32 queue, u32 bodyChecksum, u32 crc32 of the three; then the batch (base/batch.ts), whose
// records are messages (base/message.ts). The frame does not sum its body, as with APPEND.

export interface Produce {
  readonly deadlineMs: number;
  /** Cluster-wide number of a topic's queue, 1 or more. */
  readonly queue: number;
  /** crc32 of the batch, as its maker computed it. */
  readonly bodyChecksum: number;
  /** An encoded batch. Not verified here: the leader answers a bad one without closing the connection. */
  readonly batch: Uint8Array;
}

/** The same for every request: a frame copies what is small in it. */
const produceFixed = new Uint8Array(16);

/** @returns the chunks of one whole frame. */
export function encodeProduce(requestId: number, request: Produce): Uint8Array[] {
  setU32At(produceFixed, 0, request.deadlineMs);
  setU32At(produceFixed, 4, request.queue);
  setU32At(produceFixed, 8, request.bodyChecksum);
  setU32At(produceFixed, 12, crc32Between(produceFixed, 0, 12));
  return encodeFrame(FrameKind.PRODUCE, requestId, [produceFixed, request.batch], FrameFlags.BODY_UNCHECKED);
}

export function decodeProduce(frame: Frame): Produce {
  const reader = new ByteReader(frame.body, 'PRODUCE');
  const deadlineMs = reader.u32In('deadlineMs', 0, LIMITS.durationMsMax);
  const queue = reader.u32In('queue', 1, 2 ** 32 - 1);
  const bodyChecksum = reader.u32('bodyChecksum');
  reader.checksum();
  return { deadlineMs, queue, bodyChecksum, batch: reader.rest() };
}

// PRODUCE_RESULTS: u32 count, then for each u32 requestId, u64 index, u64 term, u64 baseOffset. The frame's own
// requestId is 0. No runs as in APPEND_RESULTS: batches that follow each other go to different queues.

export interface ProduceResult {
  readonly requestId: number;
  readonly index: LogIndex;
  readonly term: Term;
  /** Offset of the batch's first record in its queue; the others follow without gaps. */
  readonly baseOffset: number;
}

const PRODUCE_RESULT_BYTES = 28;

export function encodeProduceResults(results: readonly ProduceResult[]): Uint8Array {
  const writer = new ByteWriter(4 + results.length * PRODUCE_RESULT_BYTES).u32(results.length);
  for (const result of results) {
    writer.u32(result.requestId).uint53(result.index).uint53(result.term).uint53(result.baseOffset);
  }
  return writer.finish();
}

export function decodeProduceResults(body: Uint8Array): ProduceResult[] {
  const reader = new ByteReader(body, 'PRODUCE_RESULTS');
  const count = reader.u32In('count', 1, LIMITS.appendRunsMax);
  const results: ProduceResult[] = [];
  for (let at = 0; at < count; at += 1) {
    results.push({
      requestId: reader.u32('requestId'),
      index: reader.logIndex('index'),
      term: reader.term('term'),
      baseOffset: reader.uint53('baseOffset'),
    });
  }
  reader.end();
  return results;
}

// FETCH: u32 queue, u64 offset, u32 recordsMax, u32 bytesMax, u32 waitMs, u32 deadlineMs, u8 consistency, u8 tagCount,
//        text8 each.

export interface Fetch {
  readonly queue: number;
  /** First offset wanted. */
  readonly offset: number;
  /** 1..65,536. Of those that match; at least one whole batch is sent where there is any. */
  readonly recordsMax: number;
  /** 1..4 MiB of entries. At least one is sent, whatever its size. */
  readonly bytesMax: number;
  /** At the end of the queue: wait so long for something that matches (long poll). */
  readonly waitMs: number;
  readonly deadlineMs: number;
  readonly consistency: Consistency;
  /** Only messages with one of these tags; empty: all. At most 16. */
  readonly tags: readonly string[];
}

const CONSISTENCIES: readonly (Consistency | undefined)[] = [undefined, 'linearizable', 'committed'];
/** base/message.ts has the same limit. */
const TAG_BYTES_MAX = 127;

export function encodeFetch(request: Fetch): Uint8Array {
  const writer = new ByteWriter(30 + request.tags.length * 256)
    .u32(request.queue)
    .uint53(request.offset)
    .u32(request.recordsMax)
    .u32(request.bytesMax)
    .u32(request.waitMs)
    .u32(request.deadlineMs)
    .u8(CONSISTENCIES.indexOf(request.consistency))
    .u8(request.tags.length);
  for (const tag of request.tags) writer.text8(tag, TAG_BYTES_MAX);
  return writer.finish();
}

export function decodeFetch(body: Uint8Array): Fetch {
  const reader = new ByteReader(body, 'FETCH');
  const fixed = {
    queue: reader.u32In('queue', 1, 2 ** 32 - 1),
    offset: reader.uint53('offset'),
    recordsMax: reader.u32In('recordsMax', 1, LIMITS.fetchRecordsMax),
    bytesMax: reader.u32In('bytesMax', 1, LIMITS.readBytesMax),
    waitMs: reader.u32In('waitMs', 0, LIMITS.durationMsMax),
    deadlineMs: reader.u32In('deadlineMs', 0, LIMITS.durationMsMax),
    consistency: reader.code('consistency', CONSISTENCIES),
  };
  const tagCount = reader.u8('tagCount');
  if (tagCount > LIMITS.fetchTagsMax)
    throw reader.bad(`tagCount ${tagCount} is not in 0..${LIMITS.fetchTagsMax}`);
  const tags: string[] = [];
  for (let at = 0; at < tagCount; at += 1) tags.push(reader.text8('tag', TAG_BYTES_MAX));
  reader.end();
  return { ...fixed, tags };
}

// FETCH_RESULT: u32 queue, u64 firstOffset, u64 endOffset, u64 nextOffset, u32 batchCount, then for each batch
//               u64 baseOffset, u16 bitmapBytes (0 = all records match), bitmap; then as many entries as they lie in
//               the log. The frame sums its body, as with READ_RESULT.
//
// Bit i of a bitmap (bit i mod 8 of byte i / 8) stands for record i of the batch. Whole batches are sent because they
// are what lies in the log under one checksum; the receiver drops what the bitmap leaves out, and what is below the
// offset it asked for.

export interface FetchResult {
  readonly queue: number;
  /** First offset that retention has left. */
  readonly firstOffset: number;
  /** The offset that the next record will get, as far as the answering node knows. */
  readonly endOffset: number;
  /** Where to go on: behind everything looked at, records that do not match included. */
  readonly nextOffset: number;
  /** In the order of offsets. */
  readonly batches: readonly FetchedBatch[];
}

export interface FetchedBatch {
  /** Offset of the first record; the others follow without gaps. */
  readonly baseOffset: number;
  /** Null: all records match. */
  readonly bitmap: Uint8Array | null;
  readonly entry: Entry;
}

/** A bitmap of the largest batch has to have its length in 16 bits: 524,280 records; longer ones go without. */
export const BITMAP_BYTES_MAX = 65_535;

/** @returns the chunks of the body. Entries are not copied. */
export function encodeFetchResult(result: FetchResult): Uint8Array[] {
  let size = 32;
  for (const { bitmap } of result.batches) size += 10 + (bitmap?.length ?? 0);
  const writer = new ByteWriter(size)
    .u32(result.queue)
    .uint53(result.firstOffset)
    .uint53(result.endOffset)
    .uint53(result.nextOffset)
    .u32(result.batches.length);
  for (const { baseOffset, bitmap } of result.batches) {
    writer.uint53(baseOffset).bytes16(bitmap ?? NO_BITMAP, BITMAP_BYTES_MAX);
  }
  return [writer.finish(), ...coalesceEntryBytes(result.batches.map(({ entry }) => entry))];
}

const NO_BITMAP = new Uint8Array(0);

/** Entries refer into `body`; their body checksums have been verified. */
export function decodeFetchResult(body: Uint8Array): FetchResult {
  const reader = new ByteReader(body, 'FETCH_RESULT');
  const queue = reader.u32('queue');
  const firstOffset = reader.uint53('firstOffset');
  const endOffset = reader.uint53('endOffset');
  const nextOffset = reader.uint53('nextOffset');
  const batchCount = reader.u32In('batchCount', 0, LIMITS.fetchBatchesMax);
  const heads: { readonly baseOffset: number; readonly bitmap: Uint8Array | null }[] = [];
  let previous = -1;
  for (let at = 0; at < batchCount; at += 1) {
    const baseOffset = reader.uint53('baseOffset');
    const bitmap = reader.bytes16('bitmap', BITMAP_BYTES_MAX);
    if (baseOffset <= previous || baseOffset >= nextOffset)
      throw reader.bad(`batch at offset ${baseOffset} after ${previous} and before nextOffset ${nextOffset}`);
    previous = baseOffset;
    heads.push({ baseOffset, bitmap: bitmap.length === 0 ? null : bitmap });
  }
  const entries = entriesOf(reader);
  if (entries.length !== batchCount) throw reader.bad(`${batchCount} batches and ${entries.length} entries`);
  const batches = heads.map((head, at) => ({ ...head, entry: entries[at] as Entry }));
  return { queue, firstOffset, endOffset, nextOffset, batches };
}

/** Whether record `ordinal` of a batch matched. */
export function bitmapHas(bitmap: Uint8Array | null, ordinal: number): boolean {
  return bitmap === null || (((bitmap[ordinal >>> 3] ?? 0) >>> (ordinal & 7)) & 1) === 1;
}

function entriesOf(reader: ByteReader): Entry[] {
  try {
    return parseEntries(reader.rest(), { previousChecksum: null });
  } catch (error) {
    if (error instanceof EntryFormatError) throw reader.bad(`${error.code} in the entries: ${error.message}`);
    throw error;
  }
}
