import { BATCH_HEADER_BYTES, BatchFormatError, checkBatch } from './batch.ts';
import { crc32 } from './crc32.ts';
import { readUint53, writeUint53 } from './uint53.ts';
import { decodeUtf8, encodeUtf8 } from './utf8.ts';

/**
 * A record of a topic's queue. Records of the raw log are plain bytes; those of topics are messages, so that a node can
 * filter by tag and find by key without knowing what the body means. Little endian:
 *
 *     offset size field
 *      0      1   version       1
 *      1      1   flags         1 key, 2 tag, 4 ordering group, 8 headers; the others 0
 *      2      2   zero
 *      4      8   bornTime      Unix milliseconds, by the producer's clock
 *     12      for each flag, in this order:
 *               key             u16 length, UTF-8
 *               tag             u8 length, UTF-8
 *               ordering group  u16 length, UTF-8
 *               headers         u16 count, each: u8 length, UTF-8 name; u16 length, value
 *             body              the rest
 *
 * What is announced by a flag is not empty: there is one encoding of each message.
 */
export interface Message {
  /** Unix milliseconds, by the producer's clock. */
  readonly bornTimeMs: number;
  /** What the message is about. At most 1,024 bytes of UTF-8. */
  readonly key: string | null;
  /** What kind of message it is: consumers may ask for some tags only. At most 127 bytes. */
  readonly tag: string | null;
  /** Messages of one ordering group stay in order, whatever their keys. At most 255 bytes. */
  readonly orderingGroup: string | null;
  /** At most 64. */
  readonly headers: readonly MessageHeader[];
  readonly body: Uint8Array;
}

export interface MessageHeader {
  /** 1..255 bytes of UTF-8. */
  readonly name: string;
  /** At most 65,535 bytes. */
  readonly value: Uint8Array;
}

export const MESSAGE_LIMITS = {
  keyBytesMax: 1024,
  tagBytesMax: 127,
  orderingGroupBytesMax: 255,
  headersMax: 64,
  headerNameBytesMax: 255,
  headerValueBytesMax: 65_535,
} as const;

/** Of an encoded message, in front of what the flags announce. */
export const MESSAGE_HEAD_BYTES = 12;
const MESSAGE_VERSION = 1;
const FLAG = { key: 1, tag: 2, orderingGroup: 4, headers: 8 } as const;
const KNOWN_FLAGS = 15;
const RECORD_PREFIX_BYTES = 4;
const NO_BYTES = new Uint8Array(0);

/** Bytes that are no message, or a message that is over a limit. */
export class MessageFormatError extends Error {
  override readonly name = 'MessageFormatError';
  readonly code = 'MESSAGE_FORMAT';
}

/** @throws MessageFormatError where a part is over its limit. An empty key, tag or ordering group counts as none. */
export function encodeMessage(message: Message): Uint8Array {
  const key = part(message.key, 'key', MESSAGE_LIMITS.keyBytesMax);
  const tag = part(message.tag, 'tag', MESSAGE_LIMITS.tagBytesMax);
  const group = part(message.orderingGroup, 'ordering group', MESSAGE_LIMITS.orderingGroupBytesMax);
  const headers = message.headers.map(({ name, value }) => ({
    name: headerName(name),
    value: headerValue(name, value),
  }));
  if (headers.length > MESSAGE_LIMITS.headersMax)
    throw new MessageFormatError(`${headers.length} headers, the limit is ${MESSAGE_LIMITS.headersMax}`);
  if (!Number.isSafeInteger(message.bornTimeMs) || message.bornTimeMs < 0)
    throw new MessageFormatError(`born time ${message.bornTimeMs} is not an integer in 0..2^53-1`);
  let size = MESSAGE_HEAD_BYTES + message.body.length;
  if (key.length > 0) size += 2 + key.length;
  if (tag.length > 0) size += 1 + tag.length;
  if (group.length > 0) size += 2 + group.length;
  if (headers.length > 0) size += 2;
  for (const { name, value } of headers) size += 3 + name.length + value.length;

  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  bytes[0] = MESSAGE_VERSION;
  bytes[1] =
    (key.length > 0 ? FLAG.key : 0) |
    (tag.length > 0 ? FLAG.tag : 0) |
    (group.length > 0 ? FLAG.orderingGroup : 0) |
    (headers.length > 0 ? FLAG.headers : 0);
  writeUint53(view, 4, message.bornTimeMs);
  let offset = MESSAGE_HEAD_BYTES;
  const put = (value: Uint8Array, lengthBytes: 1 | 2): void => {
    if (lengthBytes === 1) view.setUint8(offset, value.length);
    else view.setUint16(offset, value.length, true);
    bytes.set(value, offset + lengthBytes);
    offset += lengthBytes + value.length;
  };
  if (key.length > 0) put(key, 2);
  if (tag.length > 0) put(tag, 1);
  if (group.length > 0) put(group, 2);
  if (headers.length > 0) {
    view.setUint16(offset, headers.length, true);
    offset += 2;
    for (const { name, value } of headers) {
      put(name, 1);
      put(value, 2);
    }
  }
  bytes.set(message.body, offset);
  return bytes;
}

/** Body and header values are views into `bytes`. @throws MessageFormatError */
export function decodeMessage(bytes: Uint8Array): Message {
  checkMessage(bytes);
  const view = viewOf(bytes);
  const flags = view.getUint8(1);
  let offset = MESSAGE_HEAD_BYTES;
  const take = (lengthBytes: 1 | 2): Uint8Array => {
    const length = lengthBytes === 1 ? view.getUint8(offset) : view.getUint16(offset, true);
    const start = offset + lengthBytes;
    offset = start + length;
    return bytes.subarray(start, offset);
  };
  const key = (flags & FLAG.key) === 0 ? null : decodeUtf8(take(2));
  const tag = (flags & FLAG.tag) === 0 ? null : decodeUtf8(take(1));
  const orderingGroup = (flags & FLAG.orderingGroup) === 0 ? null : decodeUtf8(take(2));
  const headers: MessageHeader[] = [];
  if ((flags & FLAG.headers) !== 0) {
    const count = view.getUint16(offset, true);
    offset += 2;
    for (let at = 0; at < count; at += 1) headers.push({ name: decodeUtf8(take(1)), value: take(2) });
  }
  const bornTimeMs = readUint53(view, 4, MessageFormatError);
  return { bornTimeMs, key, tag, orderingGroup, headers, body: bytes.subarray(offset) };
}

/** Checks the shape of a message without decoding it: nothing is allocated. @throws MessageFormatError */
export function checkMessage(bytes: Uint8Array): void {
  checkMessageIn(viewOf(bytes), 0, bytes.length);
}

/**
 * Checks the shape of a batch for a queue of a topic: every record is a message.
 * @returns the number of records.
 * @throws BatchFormatError or MessageFormatError that names the record.
 */
export function checkMessageBatch(body: Uint8Array): number {
  const recordCount = checkBatch(body);
  const view = viewOf(body);
  let offset = BATCH_HEADER_BYTES;
  for (let ordinal = 0; ordinal < recordCount; ordinal += 1) {
    const start = offset + RECORD_PREFIX_BYTES;
    offset = start + view.getUint32(offset, true);
    try {
      checkMessageIn(view, start, offset);
    } catch (error) {
      if (!(error instanceof MessageFormatError)) throw error;
      throw new MessageFormatError(`record ${ordinal} of ${recordCount}: ${error.message}`);
    }
  }
  return recordCount;
}

/** The same question without the reason, for whoever only needs to know. */
export function isMessageBatch(body: Uint8Array): boolean {
  try {
    checkMessageBatch(body);
    return true;
  } catch (error) {
    if (error instanceof MessageFormatError || error instanceof BatchFormatError) return false;
    throw error;
  }
}

/** Of a message that was checked: crc32 of the tag's bytes; 0 where there is no tag. */
export function messageTagHash(bytes: Uint8Array): number {
  const tag = messageTagBytes(bytes);
  return tag === null ? 0 : crc32(tag);
}

/** Of a message that was checked: the tag's bytes, a view; null where there is none. */
export function messageTagBytes(bytes: Uint8Array): Uint8Array | null {
  const flags = bytes[1] ?? 0;
  if ((flags & FLAG.tag) === 0) return null;
  let offset = MESSAGE_HEAD_BYTES;
  if ((flags & FLAG.key) !== 0) offset += 2 + lengthAt(bytes, offset);
  const length = bytes[offset] ?? 0;
  return bytes.subarray(offset + 1, offset + 1 + length);
}

/** Of a message that was checked: the key's bytes, a view; null where there is none. */
export function messageKeyBytes(bytes: Uint8Array): Uint8Array | null {
  if (((bytes[1] ?? 0) & FLAG.key) === 0) return null;
  const start = MESSAGE_HEAD_BYTES + 2;
  return bytes.subarray(start, start + lengthAt(bytes, MESSAGE_HEAD_BYTES));
}

/** What a tag or a key is looked up by: crc32 of its UTF-8. */
export function hashText(text: string): number {
  return crc32(encodeUtf8(text));
}

/**
 * Which of `queueCount` queues of its topic a message belongs to, so that what belongs together stays in order: by its
 * ordering group, else by its key.
 * @returns an ordinal in 0..queueCount-1; null where nothing decides and any queue will do.
 */
export function queueOfMessage(
  message: Pick<Message, 'key' | 'orderingGroup'>,
  queueCount: number,
): number | null {
  const text =
    message.orderingGroup === null || message.orderingGroup === '' ? message.key : message.orderingGroup;
  return text === null || text === '' ? null : hashText(text) % queueCount;
}

/** Names of topics and groups: 1..127 of `A-Z a-z 0-9 . _ -`. Those that begin with two underscores are the system's. */
export function isBrokerName(name: string): boolean {
  return /^[A-Za-z0-9._-]{1,127}$/.test(name) && name !== '.' && name !== '..' && !name.startsWith('__');
}

function checkMessageIn(view: DataView, start: number, end: number): void {
  if (end - start < MESSAGE_HEAD_BYTES)
    throw new MessageFormatError(`${end - start} bytes, a message needs at least ${MESSAGE_HEAD_BYTES}`);
  const version = view.getUint8(start);
  if (version !== MESSAGE_VERSION) throw new MessageFormatError(`version ${version}, not ${MESSAGE_VERSION}`);
  const flags = view.getUint8(start + 1);
  if ((flags & ~KNOWN_FLAGS) !== 0 || view.getUint16(start + 2, true) !== 0)
    throw new MessageFormatError(`flags ${flags} or the zero behind them mean nothing`);
  readUint53(view, start + 4, MessageFormatError);
  let offset = start + MESSAGE_HEAD_BYTES;
  if ((flags & FLAG.key) !== 0) offset = skip16(view, offset, end, MESSAGE_LIMITS.keyBytesMax, 'key');
  if ((flags & FLAG.tag) !== 0) offset = skip8(view, offset, end, MESSAGE_LIMITS.tagBytesMax, 'tag');
  if ((flags & FLAG.orderingGroup) !== 0)
    offset = skip16(view, offset, end, MESSAGE_LIMITS.orderingGroupBytesMax, 'ordering group');
  if ((flags & FLAG.headers) !== 0) checkHeaders(view, offset, end);
}

function checkHeaders(view: DataView, start: number, end: number): void {
  if (start + 2 > end) throw beyond('headers');
  const count = view.getUint16(start, true);
  if (count === 0 || count > MESSAGE_LIMITS.headersMax)
    throw new MessageFormatError(`${count} headers, not 1 to ${MESSAGE_LIMITS.headersMax}`);
  let offset = start + 2;
  for (let at = 0; at < count; at += 1) {
    offset = skip8(view, offset, end, MESSAGE_LIMITS.headerNameBytesMax, 'header name');
    if (offset + 2 > end) throw beyond('header value');
    offset += 2 + view.getUint16(offset, true);
    if (offset > end) throw beyond('header value');
  }
}

function skip8(view: DataView, offset: number, end: number, max: number, what: string): number {
  if (offset + 1 > end) throw beyond(what);
  return skip(offset + 1, view.getUint8(offset), end, max, what);
}

function skip16(view: DataView, offset: number, end: number, max: number, what: string): number {
  if (offset + 2 > end) throw beyond(what);
  return skip(offset + 2, view.getUint16(offset, true), end, max, what);
}

function skip(start: number, length: number, end: number, max: number, what: string): number {
  if (length === 0 || length > max)
    throw new MessageFormatError(`${what} of ${length} bytes, not 1 to ${max}`);
  if (start + length > end) throw beyond(what);
  return start + length;
}

function beyond(what: string): MessageFormatError {
  return new MessageFormatError(`the ${what} lies beyond the end of the message`);
}

function part(text: string | null, what: string, bytesMax: number): Uint8Array {
  if (text === null || text === '') return NO_BYTES;
  const bytes = encodeUtf8(text);
  if (bytes.length > bytesMax)
    throw new MessageFormatError(`${what} of ${bytes.length} bytes, the limit is ${bytesMax}`);
  return bytes;
}

function headerName(name: string): Uint8Array {
  const bytes = encodeUtf8(name);
  if (bytes.length === 0 || bytes.length > MESSAGE_LIMITS.headerNameBytesMax) {
    throw new MessageFormatError(
      `header name of ${bytes.length} bytes, not 1 to ${MESSAGE_LIMITS.headerNameBytesMax}`,
    );
  }
  return bytes;
}

function headerValue(name: string, value: Uint8Array): Uint8Array {
  if (value.length <= MESSAGE_LIMITS.headerValueBytesMax) return value;
  throw new MessageFormatError(
    `header ${JSON.stringify(name)} of ${value.length} bytes, the limit is ${MESSAGE_LIMITS.headerValueBytesMax}`,
  );
}

function lengthAt(bytes: Uint8Array, offset: number): number {
  return (bytes[offset] ?? 0) | ((bytes[offset + 1] ?? 0) << 8);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
