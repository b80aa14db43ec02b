import { crc32Between } from '../base/crc32.ts';
import { EntryFormatError, coalesceEntryBytes, parseEntries, type Entry } from '../base/entry.ts';
import { setU32At } from '../base/little-endian.ts';
import type { LogIndex, NodeId, Term } from '../base/units.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { FrameFlags, FrameKind, encodeFrame, type Frame } from './frame.ts';
import { LIMITS } from './limits.ts';
import { decodeMsgpack, encodeMsgpack } from './msgpack.ts';
import { NODE_STATUS, type NodeStatus } from './status-schema.ts';
import { WireError } from './wire-error.ts';

// What clients and nodes say to each other. Each section: the grammar, the message, its encoder and its decoder.
// Decoders throw WireError BAD_BODY. Deadlines are remaining milliseconds, not times: clocks of two machines differ.

// OPEN_PRODUCER: u32 inFlightMax, u32 deadlineMs.

export interface OpenProducer {
  /** 1..8192: how many unanswered batches the producer will have at most, and so how far back a retry can reach. */
  readonly inFlightMax: number;
  readonly deadlineMs: number;
}

export function encodeOpenProducer(request: OpenProducer): Uint8Array {
  return new ByteWriter(8).u32(request.inFlightMax).u32(request.deadlineMs).finish();
}

export function decodeOpenProducer(body: Uint8Array): OpenProducer {
  const reader = new ByteReader(body, 'OPEN_PRODUCER');
  const inFlightMax = reader.u32In('inFlightMax', 1, LIMITS.inFlightMax);
  const deadlineMs = reader.u32In('deadlineMs', 0, LIMITS.durationMsMax);
  reader.end();
  return { inFlightMax, deadlineMs };
}

// PRODUCER_OPENED: u64 producerId, u32 epoch.

export interface ProducerOpened {
  readonly producerId: number;
  readonly epoch: number;
}

export function encodeProducerOpened(opened: ProducerOpened): Uint8Array {
  return new ByteWriter(12).uint53(opened.producerId).u32(opened.epoch).finish();
}

export function decodeProducerOpened(body: Uint8Array): ProducerOpened {
  const reader = new ByteReader(body, 'PRODUCER_OPENED');
  const producerId = reader.uint53('producerId');
  const epoch = reader.u32('epoch');
  reader.end();
  return { producerId, epoch };
}

// APPEND: u32 deadlineMs, u32 bodyChecksum, u32 crc32 of the two; then the batch (base/batch.ts).
//
// The frame does not sum its body: bodyChecksum is that of the batch, made once by whoever made the batch and kept with
// it in the log.

export interface Append {
  readonly deadlineMs: number;
  /** crc32 of the batch, as its maker computed it. */
  readonly bodyChecksum: number;
  /** An encoded batch. Not verified here: the leader answers a bad one without closing the connection. */
  readonly batch: Uint8Array;
}

/** The same for every request: a frame copies what is small in it. */
const appendFixed = new Uint8Array(12);

/** @returns the chunks of one whole frame. */
export function encodeAppend(requestId: number, request: Append): Uint8Array[] {
  setU32At(appendFixed, 0, request.deadlineMs);
  setU32At(appendFixed, 4, request.bodyChecksum);
  setU32At(appendFixed, 8, crc32Between(appendFixed, 0, 8));
  return encodeFrame(FrameKind.APPEND, requestId, [appendFixed, request.batch], FrameFlags.BODY_UNCHECKED);
}

export function decodeAppend(frame: Frame): Append {
  const reader = new ByteReader(frame.body, 'APPEND');
  const deadlineMs = reader.u32In('deadlineMs', 0, LIMITS.durationMsMax);
  const bodyChecksum = reader.u32('bodyChecksum');
  reader.checksum();
  return { deadlineMs, bodyChecksum, batch: reader.rest() };
}

// APPEND_RESULTS: u32 runCount, then for each run u32 firstRequestId, u32 count, u64 firstIndex, u64 term.
//
// A run answers `count` requests with consecutive ids that became entries with consecutive indexes, so that thousands
// of appends are answered with 24 bytes. The frame's own requestId is 0.

export interface AppendResultRun {
  readonly firstRequestId: number;
  readonly count: number;
  readonly firstIndex: LogIndex;
  readonly term: Term;
}

const RUN_BYTES = 24;

export function encodeAppendResults(runs: readonly AppendResultRun[]): Uint8Array {
  const writer = new ByteWriter(4 + runs.length * RUN_BYTES).u32(runs.length);
  for (const run of runs) {
    writer.u32(run.firstRequestId).u32(run.count).uint53(run.firstIndex).uint53(run.term);
  }
  return writer.finish();
}

export function decodeAppendResults(body: Uint8Array): AppendResultRun[] {
  const reader = new ByteReader(body, 'APPEND_RESULTS');
  const runCount = reader.u32In('runCount', 1, LIMITS.appendRunsMax);
  const runs: AppendResultRun[] = [];
  for (let at = 0; at < runCount; at += 1) {
    runs.push({
      firstRequestId: reader.u32('firstRequestId'),
      count: reader.u32In('count', 1, LIMITS.appendRunsMax),
      firstIndex: reader.logIndex('firstIndex'),
      term: reader.term('term'),
    });
  }
  reader.end();
  return runs;
}

// READ: u64 from, u32 entriesMax, u32 bytesMax, u32 waitMs, u32 deadlineMs, u8 consistency.

export type Consistency = 'linearizable' | 'committed';

export interface ReadRequest {
  /** First index wanted. */
  readonly from: LogIndex;
  /** 1..65,536. */
  readonly entriesMax: number;
  /** 1..4 MiB. At least one entry is sent, whatever its size. */
  readonly bytesMax: number;
  /** At the end of the log: wait so long for something to appear (long poll). */
  readonly waitMs: number;
  readonly deadlineMs: number;
  /**
   * `linearizable`: everything acknowledged to anybody before this request is seen; only the leader answers.
   * `committed`: any node answers from what it knows to be committed, which may be a while ago.
   */
  readonly consistency: Consistency;
}

const CONSISTENCIES: readonly (Consistency | undefined)[] = [undefined, 'linearizable', 'committed'];

export function encodeRead(request: ReadRequest): Uint8Array {
  return new ByteWriter(25)
    .uint53(request.from)
    .u32(request.entriesMax)
    .u32(request.bytesMax)
    .u32(request.waitMs)
    .u32(request.deadlineMs)
    .u8(CONSISTENCIES.indexOf(request.consistency))
    .finish();
}

export function decodeRead(body: Uint8Array): ReadRequest {
  const reader = new ByteReader(body, 'READ');
  const request = {
    from: reader.logIndex('from'),
    entriesMax: reader.u32In('entriesMax', 1, LIMITS.readEntriesMax),
    bytesMax: reader.u32In('bytesMax', 1, LIMITS.readBytesMax),
    waitMs: reader.u32In('waitMs', 0, LIMITS.durationMsMax),
    deadlineMs: reader.u32In('deadlineMs', 0, LIMITS.durationMsMax),
    consistency: reader.code('consistency', CONSISTENCIES),
  };
  reader.end();
  return request;
}

// READ_RESULT: u64 firstIndex, u64 commitIndex, u64 nextIndex; then entries as they lie in the log (base/entry.ts).
//
// The frame sums its body. The entries are a selection, so the chain of their header checksums is broken, and without
// the frame's checksum nothing would vouch for the index and the time in a header.

export interface ReadResult {
  /** First index that the log still holds. */
  readonly firstIndex: LogIndex;
  /** Up to where the answering node knows the log to be committed. */
  readonly commitIndex: LogIndex;
  /** Where to go on: behind everything looked at, entries without records included. */
  readonly nextIndex: LogIndex;
  /** Only entries that hold records, ascending. */
  readonly entries: readonly Entry[];
}

/** @returns the chunks of the body. Entries are not copied. */
export function encodeReadResult(result: ReadResult): Uint8Array[] {
  const head = new ByteWriter(24)
    .uint53(result.firstIndex)
    .uint53(result.commitIndex)
    .uint53(result.nextIndex)
    .finish();
  return [head, ...coalesceEntryBytes(result.entries)];
}

/** Entries refer into `body`; their body checksums have been verified. */
export function decodeReadResult(body: Uint8Array): ReadResult {
  const reader = new ByteReader(body, 'READ_RESULT');
  const firstIndex = reader.logIndex('firstIndex');
  const commitIndex = reader.logIndex('commitIndex');
  const nextIndex = reader.logIndex('nextIndex');
  let entries: Entry[];
  try {
    entries = parseEntries(reader.rest(), { previousChecksum: null });
  } catch (error) {
    if (error instanceof EntryFormatError) throw reader.bad(`${error.code} in the entries: ${error.message}`);
    throw error;
  }
  let previous = 0;
  for (const { index } of entries) {
    if (index <= previous || index >= nextIndex) {
      throw reader.bad(`entry ${index} after ${previous} and before nextIndex ${nextIndex}`);
    }
    previous = index;
  }
  return { firstIndex, commitIndex, nextIndex, entries };
}

// STATUS: empty. STATUS_RESULT: MessagePack of NodeStatus (status-schema.ts).

export function encodeStatusResult(status: NodeStatus): Uint8Array {
  return encodeMsgpack(status);
}

/** @throws WireError BAD_MSGPACK or, where the values do not fit the schema, BAD_BODY. */
export function decodeStatusResult(body: Uint8Array): NodeStatus {
  const parsed = NODE_STATUS.safeParse(decodeMsgpack(body));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new WireError('BAD_BODY', `STATUS_RESULT: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
}

// TRANSFER_LEADERSHIP: u32 deadlineMs, text8 target (empty = null: the node chooses).

export interface TransferLeadership {
  readonly target: NodeId | null;
  readonly deadlineMs: number;
}

export function encodeTransferLeadership(request: TransferLeadership): Uint8Array {
  return new ByteWriter(5 + LIMITS.nodeIdBytesMax)
    .u32(request.deadlineMs)
    .text8(request.target ?? '', LIMITS.nodeIdBytesMax)
    .finish();
}

export function decodeTransferLeadership(body: Uint8Array): TransferLeadership {
  const reader = new ByteReader(body, 'TRANSFER_LEADERSHIP');
  const deadlineMs = reader.u32In('deadlineMs', 0, LIMITS.durationMsMax);
  const target = reader.nodeIdOrNull('target');
  reader.end();
  return { target, deadlineMs };
}

// TRANSFERRED: u64 term, u32 tookMs, text8 from, text8 to.

export interface Transferred {
  readonly from: NodeId;
  readonly to: NodeId;
  /** The new leader's. */
  readonly term: Term;
  readonly tookMs: number;
}

export function encodeTransferred(transferred: Transferred): Uint8Array {
  return new ByteWriter(14 + 2 * LIMITS.nodeIdBytesMax)
    .uint53(transferred.term)
    .u32(Math.min(Math.round(transferred.tookMs), LIMITS.durationMsMax))
    .text8(transferred.from, LIMITS.nodeIdBytesMax)
    .text8(transferred.to, LIMITS.nodeIdBytesMax)
    .finish();
}

export function decodeTransferred(body: Uint8Array): Transferred {
  const reader = new ByteReader(body, 'TRANSFERRED');
  const term = reader.term('term');
  const tookMs = reader.u32('tookMs');
  const from = reader.nodeId('from');
  const to = reader.nodeId('to');
  reader.end();
  return { from, to, term, tookMs };
}
