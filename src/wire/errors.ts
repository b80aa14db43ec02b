import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { LIMITS } from './limits.ts';

/**
 * What became of the request:
 * - `none`: nothing happened and nothing will.
 * - `unknown`: it may have been stored, or may yet be; only a retry with the same producer stamp or a read finds out.
 * - `applied`: it took effect, by this request or an earlier copy of it.
 */
export type Outcome = 'none' | 'unknown' | 'applied';

/** What is fixed about an error code. */
export interface CodeFacts {
  /** On the wire. Never reused. */
  readonly number: number;
  /** Whether the same request may succeed when it is sent again (elsewhere or later) without a change. */
  readonly retryable: boolean;
  readonly outcome: Outcome;
}

/** Every error that crosses the wire. */
export type ErrorCode =
  /** Another node leads; the hints say which. */
  | 'NOT_LEADER'
  | 'NO_LEADER'
  /** Leadership changed while the request was on its way through the log. */
  | 'LEADERSHIP_LOST'
  /** The deadline passed after the request had been proposed. */
  | 'TIMEOUT_UNKNOWN'
  /** The deadline passed before the request was proposed: it never will be. */
  | 'TIMEOUT'
  | 'OVERLOADED'
  | 'DISK_FULL'
  | 'SHUTTING_DOWN'
  /** What is asked for does not verify on this node's disk: it is being put back, and others have it. */
  | 'DAMAGED'
  | 'RECORD_TOO_LARGE'
  | 'BATCH_FORMAT'
  /** The batch does not match the checksum that its maker gave it: it was damaged on the way. */
  | 'BAD_CHECKSUM'
  /** A sequence number with a gap before it (not stored), or too old to be recognised (stored, where is forgotten). */
  | 'OUT_OF_ORDER'
  /** The producer id is not known (any more): whether earlier batches were stored cannot be told. */
  | 'SESSION_EXPIRED'
  /** Another process has taken this producer over. */
  | 'STALE_EPOCH'
  /** The index is not kept any more; the hints say what is. */
  | 'OUT_OF_RANGE'
  | 'UNKNOWN_TOPIC'
  | 'TOPIC_EXISTS'
  /** Not a name that a topic or a group can have. */
  | 'BAD_NAME'
  /** Beyond the end of the queue; the hints name its first offset and its end. */
  | 'OFFSET_OUT_OF_RANGE'
  /** Retention has taken what is asked for; the hints name the first offset kept and the queue's end. */
  | 'OFFSET_EXPIRED'
  | 'UNKNOWN_GROUP'
  /** Not a member of the group any more, or not the owner of the queue. */
  | 'STALE_MEMBER'
  /** Only possible while the group has no members. */
  | 'GROUP_NOT_EMPTY'
  /** More topics, queues, groups or members than there may be; the text names the limit. */
  | 'LIMIT_EXCEEDED'
  /** A record for a topic that is no message. */
  | 'MESSAGE_FORMAT'
  | 'WRONG_CLUSTER'
  /** The caller belongs to a cluster that was recovered by force without it. */
  | 'CLUSTER_REPLACED'
  | 'WRONG_NODE'
  | 'DUPLICATE_NODE'
  | 'IDENTITY_MISMATCH'
  | 'UNSUPPORTED_VERSION'
  | 'UNAUTHORIZED'
  | 'TRANSFER_REFUSED'
  /** The node was not started to allow faults, or not this one. */
  | 'FAULT_REFUSED'
  | 'BAD_REQUEST'
  /** A bug or a broken disk at the node: its own log says more. */
  | 'INTERNAL';

/** What each error means for whoever gets it. */
export const ERROR_CODES: Readonly<Record<ErrorCode, CodeFacts>> = {
  NOT_LEADER: { number: 1, retryable: true, outcome: 'none' },
  NO_LEADER: { number: 2, retryable: true, outcome: 'none' },
  LEADERSHIP_LOST: { number: 3, retryable: true, outcome: 'unknown' },
  TIMEOUT_UNKNOWN: { number: 4, retryable: true, outcome: 'unknown' },
  TIMEOUT: { number: 5, retryable: true, outcome: 'none' },
  OVERLOADED: { number: 6, retryable: true, outcome: 'none' },
  DISK_FULL: { number: 7, retryable: true, outcome: 'none' },
  SHUTTING_DOWN: { number: 8, retryable: true, outcome: 'none' },
  DAMAGED: { number: 9, retryable: true, outcome: 'none' },
  RECORD_TOO_LARGE: { number: 16, retryable: false, outcome: 'none' },
  BATCH_FORMAT: { number: 17, retryable: false, outcome: 'none' },
  BAD_CHECKSUM: { number: 18, retryable: true, outcome: 'none' },
  OUT_OF_ORDER: { number: 19, retryable: false, outcome: 'unknown' },
  SESSION_EXPIRED: { number: 20, retryable: false, outcome: 'unknown' },
  STALE_EPOCH: { number: 21, retryable: false, outcome: 'none' },
  OUT_OF_RANGE: { number: 22, retryable: false, outcome: 'none' },
  UNKNOWN_TOPIC: { number: 24, retryable: false, outcome: 'none' },
  TOPIC_EXISTS: { number: 25, retryable: false, outcome: 'none' },
  BAD_NAME: { number: 26, retryable: false, outcome: 'none' },
  OFFSET_OUT_OF_RANGE: { number: 27, retryable: false, outcome: 'none' },
  OFFSET_EXPIRED: { number: 28, retryable: false, outcome: 'none' },
  UNKNOWN_GROUP: { number: 29, retryable: false, outcome: 'none' },
  STALE_MEMBER: { number: 30, retryable: false, outcome: 'none' },
  WRONG_CLUSTER: { number: 32, retryable: false, outcome: 'none' },
  WRONG_NODE: { number: 33, retryable: false, outcome: 'none' },
  DUPLICATE_NODE: { number: 34, retryable: false, outcome: 'none' },
  IDENTITY_MISMATCH: { number: 35, retryable: false, outcome: 'none' },
  UNSUPPORTED_VERSION: { number: 36, retryable: false, outcome: 'none' },
  UNAUTHORIZED: { number: 37, retryable: false, outcome: 'none' },
  GROUP_NOT_EMPTY: { number: 38, retryable: false, outcome: 'none' },
  LIMIT_EXCEEDED: { number: 39, retryable: false, outcome: 'none' },
  MESSAGE_FORMAT: { number: 40, retryable: false, outcome: 'none' },
  CLUSTER_REPLACED: { number: 41, retryable: false, outcome: 'none' },
  TRANSFER_REFUSED: { number: 48, retryable: true, outcome: 'none' },
  FAULT_REFUSED: { number: 49, retryable: false, outcome: 'none' },
  BAD_REQUEST: { number: 64, retryable: false, outcome: 'none' },
  INTERNAL: { number: 65, retryable: false, outcome: 'unknown' },
};

export interface ErrorHints {
  /** NOT_LEADER: who leads. */
  readonly leaderId: string | null;
  /** NOT_LEADER: where clients reach it, host:port. */
  readonly leaderAddress: string | null;
  /** OUT_OF_RANGE: what the log holds. OFFSET_OUT_OF_RANGE and OFFSET_EXPIRED: first offset and end of the queue. */
  readonly firstIndex: number | null;
  readonly lastIndex: number | null;
}

/** An error as it crosses the wire. */
export interface ErrorInfo extends ErrorHints {
  readonly code: ErrorCode;
  /** For people: what was wrong, with names and numbers. */
  readonly message: string;
  readonly retryable: boolean;
  readonly outcome: Outcome;
}

const CODES_BY_NUMBER: ReadonlyMap<number, ErrorCode> = new Map(
  Object.entries(ERROR_CODES).map(([code, { number }]) => [number, code as ErrorCode]),
);

export function errorInfo(code: ErrorCode, message: string, hints: Partial<ErrorHints> = {}): ErrorInfo {
  const { retryable, outcome } = ERROR_CODES[code];
  return {
    code,
    message: shorten(message, LIMITS.errorMessageBytesMax),
    retryable,
    outcome,
    leaderId: hints.leaderId ?? null,
    leaderAddress: hints.leaderAddress ?? null,
    firstIndex: hints.firstIndex ?? null,
    lastIndex: hints.lastIndex ?? null,
  };
}

// ERROR: u16 code, u8 retryable, u8 outcome, text16 message, text8 leaderId, text8 leaderAddress,
//        u64 firstIndex + 1, u64 lastIndex + 1 (0 = null).
//
// Retryable and outcome travel along although both sides have the table: a client that is older than the node may not
// have the code, and still has to know whether its record may have been stored.

const OUTCOMES: readonly Outcome[] = ['none', 'unknown', 'applied'];
const MESSAGE = new TextEncoder();

export function encodeError(error: ErrorInfo): Uint8Array {
  const message = MESSAGE.encode(shorten(error.message, LIMITS.errorMessageBytesMax));
  return new ByteWriter(4 + 2 + message.length + 2 * 256 + 16)
    .u16(ERROR_CODES[error.code].number)
    .u8(error.retryable ? 1 : 0)
    .u8(OUTCOMES.indexOf(error.outcome))
    .bytes16(message, LIMITS.errorMessageBytesMax)
    .text8(error.leaderId ?? '', LIMITS.nodeIdBytesMax)
    .text8(error.leaderAddress ?? '', LIMITS.addressBytesMax)
    .uint53(error.firstIndex === null ? 0 : error.firstIndex + 1)
    .uint53(error.lastIndex === null ? 0 : error.lastIndex + 1)
    .finish();
}

/** A code that this version does not know becomes INTERNAL, with what the sender says of retrying and the outcome. */
export function decodeError(body: Uint8Array): ErrorInfo {
  const reader = new ByteReader(body, 'ERROR');
  const number = reader.u16('code');
  const retryable = reader.code('retryable', [false, true]);
  const outcome = reader.code('outcome', OUTCOMES);
  const text = reader.text16('message', LIMITS.errorMessageBytesMax);
  const leaderId = reader.nodeIdOrNull('leaderId');
  const leaderAddress = reader.text8('leaderAddress', LIMITS.addressBytesMax);
  const firstIndex = reader.uint53('firstIndex');
  const lastIndex = reader.uint53('lastIndex');
  reader.end();
  const code = CODES_BY_NUMBER.get(number);
  return {
    code: code ?? 'INTERNAL',
    message: code === undefined ? `error ${number}: ${text}` : text,
    retryable,
    outcome,
    leaderId,
    leaderAddress: leaderAddress === '' ? null : leaderAddress,
    firstIndex: firstIndex === 0 ? null : firstIndex - 1,
    lastIndex: lastIndex === 0 ? null : lastIndex - 1,
  };
}

/** Cuts a text to so many bytes of UTF-8, at a character. */
function shorten(text: string, bytesMax: number): string {
  // Three bytes is the most that one UTF-16 unit takes.
  if (text.length * 3 <= bytesMax) return text;
  const { read } = MESSAGE.encodeInto(text, new Uint8Array(bytesMax));
  return text.slice(0, read);
}
