import { Buffer } from 'node:buffer';
import { assert } from '../base/assert.ts';
import { crc32, crc32Between } from '../base/crc32.ts';
import { setU16At, setU32At } from '../base/little-endian.ts';
import { LIMITS } from './limits.ts';

/**
 * A frame is a 24-byte header and a body. Little endian:
 *
 *     offset size field
 *      0      2   magic           0xD1ED
 *      2      1   version         1
 *      3      1   kind            FrameKind
 *      4      2   flags           FrameFlags
 *      6      2   zero
 *      8      4   requestId       chosen by who asks, repeated in the answer; 0 where nothing is asked
 *     12      4   bodyLength      bytes
 *     16      4   bodyChecksum    crc32(body); 0 with BODY_UNCHECKED
 *     20      4   headerChecksum  crc32(header[0..20])
 */
export const FRAME_HEADER_BYTES = 24;
export const FRAME_MAGIC = 0xd1ed;

export const FRAME_OFFSET = {
  magic: 0,
  version: 2,
  kind: 3,
  flags: 4,
  zero: 6,
  requestId: 8,
  bodyLength: 12,
  bodyChecksum: 16,
  headerChecksum: 20,
} as const;

/** Numbers are for ever: a kind that goes out of use leaves its number behind. */
export const FrameKind = {
  // Anybody.
  HELLO: 1,
  HELLO_ACK: 2,
  ERROR: 3,
  PING: 4,
  PONG: 5,
  // Nodes among themselves.
  PRE_VOTE: 16,
  PRE_VOTE_RESPONSE: 17,
  REQUEST_VOTE: 18,
  REQUEST_VOTE_RESPONSE: 19,
  APPEND_ENTRIES: 20,
  APPEND_ENTRIES_RESPONSE: 21,
  HEARTBEAT: 22,
  HEARTBEAT_RESPONSE: 23,
  TIMEOUT_NOW: 24,
  INSTALL_SNAPSHOT: 25,
  INSTALL_SNAPSHOT_RESPONSE: 26,
  // Clients and nodes.
  OPEN_PRODUCER: 32,
  PRODUCER_OPENED: 33,
  APPEND: 34,
  APPEND_RESULTS: 35,
  READ: 36,
  READ_RESULT: 37,
  STATUS: 38,
  STATUS_RESULT: 39,
  TRANSFER_LEADERSHIP: 40,
  TRANSFERRED: 41,
  GET_ENTRIES: 42,
  ENTRIES: 43,
  // Clients and nodes about topics and groups.
  PRODUCE: 48,
  PRODUCE_RESULTS: 49,
  FETCH: 50,
  FETCH_RESULT: 51,
  ADMIN: 52,
  ADMIN_RESULT: 53,
  GROUP: 54,
  GROUP_RESULT: 55,
  // Watching and breaking.
  WATCH: 56,
  GET_EVENTS: 57,
  EVENTS: 58,
  PEEK: 59,
  PEEK_RESULT: 60,
  FAULT: 64,
  FAULT_REPORT: 65,
} as const;
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

export const FrameFlags = {
  /**
   * The frame does not sum its body, because what is large in it brings its own checksums and its fixed part has one:
   * a megabyte of log is summed once by who made it and once by who stores it, not again by every frame it travels in.
   */
  BODY_UNCHECKED: 1,
} as const;

const KNOWN_KINDS: ReadonlySet<number> = new Set(Object.values(FrameKind));

/** What is large in them brings its own checksums. */
const UNSUMMED_KINDS: ReadonlySet<number> = new Set([
  FrameKind.APPEND_ENTRIES,
  FrameKind.APPEND,
  FrameKind.PRODUCE,
]);

export function isFrameKind(value: number): value is FrameKind {
  return KNOWN_KINDS.has(value);
}

/** Flags that a frame of this kind may carry. */
export function allowedFlags(kind: FrameKind): number {
  return UNSUMMED_KINDS.has(kind) ? FrameFlags.BODY_UNCHECKED : 0;
}

/** A frame as it came in. */
export interface Frame {
  readonly kind: FrameKind;
  readonly flags: number;
  readonly requestId: number;
  /** A view into what arrived, valid for as long as anybody holds it. */
  readonly body: Uint8Array;
}

/** Chunks up to this size are copied next to each other; larger ones are sent from where they lie. */
const MERGE_BYTES_MAX = 4096;

/**
 * Lays out one frame whose body is these chunks, one after the other.
 * @param requestId 0..2^32-1.
 * @returns the chunks to send. Header and small chunks share a new buffer; large chunks are passed through uncopied.
 */
export function encodeFrame(
  kind: FrameKind,
  requestId: number,
  chunks: readonly Uint8Array[],
  flags = 0,
): Uint8Array[] {
  assert((flags & ~allowedFlags(kind)) === 0, () => `flags ${flags} do not go with frame kind ${kind}`);
  const frame: Uint8Array[] = [];
  const isSummed = (flags & FrameFlags.BODY_UNCHECKED) === 0;
  let bodyLength = 0;
  let bodyChecksum = 0;
  let from = 0;
  let reserve: number = FRAME_HEADER_BYTES;
  for (let at = 0; at <= chunks.length; at += 1) {
    const chunk = chunks[at];
    if (chunk !== undefined) {
      bodyLength += chunk.length;
      if (chunk.length <= MERGE_BYTES_MAX) continue;
    }
    if (reserve > 0 || at > from) {
      const merged = merge(chunks, from, at, reserve);
      // Once they lie together: a call of zlib for each small chunk costs more than its bytes.
      if (isSummed) bodyChecksum = crc32Between(merged, reserve, merged.length, bodyChecksum);
      frame.push(merged);
    }
    if (chunk !== undefined) {
      if (isSummed) bodyChecksum = crc32(chunk, bodyChecksum);
      frame.push(chunk);
    }
    from = at + 1;
    reserve = 0;
  }
  // The receiver would refuse it, and the sender would only learn that the connection is gone.
  assert(
    bodyLength <= LIMITS.peerFrameBytesMax,
    () => `frame kind ${kind} with a body of ${bodyLength} bytes`,
  );
  writeHeader(frame[0] as Uint8Array, kind, flags, requestId, bodyLength, bodyChecksum);
  return frame;
}

/**
 * Memory with anything in it, to be written in full. Small pieces come from Node's pool: an array buffer of its own for
 * each small frame costs several times the frame itself. A large one costs less if it is made as it is.
 */
export function pooledBytes(bytes: number): Uint8Array {
  return bytes <= MERGE_BYTES_MAX ? Buffer.allocUnsafe(bytes) : new Uint8Array(bytes);
}

/** Chunks `from` to `to` (not included) in one buffer, behind `reserve` bytes to be filled in later. */
function merge(chunks: readonly Uint8Array[], from: number, to: number, reserve: number): Uint8Array {
  let size = reserve;
  for (let at = from; at < to; at += 1) size += chunks[at]?.length ?? 0;
  const merged = pooledBytes(size);
  let offset = reserve;
  for (let at = from; at < to; at += 1) {
    const chunk = chunks[at] as Uint8Array;
    merged.set(chunk, offset);
    offset += chunk.length;
  }
  return merged;
}

function writeHeader(
  target: Uint8Array,
  kind: FrameKind,
  flags: number,
  requestId: number,
  bodyLength: number,
  bodyChecksum: number,
): void {
  setU16At(target, FRAME_OFFSET.magic, FRAME_MAGIC);
  target[FRAME_OFFSET.version] = LIMITS.protocolVersion;
  target[FRAME_OFFSET.kind] = kind;
  setU16At(target, FRAME_OFFSET.flags, flags);
  setU16At(target, FRAME_OFFSET.zero, 0);
  setU32At(target, FRAME_OFFSET.requestId, requestId);
  setU32At(target, FRAME_OFFSET.bodyLength, bodyLength);
  setU32At(target, FRAME_OFFSET.bodyChecksum, bodyChecksum);
  setU32At(target, FRAME_OFFSET.headerChecksum, crc32Between(target, 0, FRAME_OFFSET.headerChecksum));
}
