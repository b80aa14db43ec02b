import { Packr, Unpackr } from 'msgpackr';
import { LIMITS } from './limits.ts';
import { WireError } from './wire-error.ts';

// MessagePack carries what is small and varied. What comes in is scanned before it is decoded: a few bytes can claim
// gigabytes of arrays, nest until the stack ends, or name an extension that decodes into live objects.

const OPTIONS = { useRecords: false, mapsAsObjects: true, moreTypes: false, int64AsType: 'number' } as const;
const packr = new Packr({ ...OPTIONS, variableMapSize: true, encodeUndefinedAsNil: true });
const unpackr = new Unpackr(OPTIONS);

export function encodeMsgpack(value: unknown): Uint8Array {
  return packr.pack(value);
}

/** How much one body may hold. */
export interface MsgpackBounds {
  readonly bytesMax: number;
  readonly valuesMax: number;
}

const FROM_ANYBODY: MsgpackBounds = { bytesMax: LIMITS.msgpackBytesMax, valuesMax: LIMITS.msgpackValuesMax };

/** For what a node answers to a client that asked it: longer lists than a node takes from anybody. */
export const FROM_A_NODE: MsgpackBounds = {
  bytesMax: LIMITS.msgpackAnswerBytesMax,
  valuesMax: LIMITS.msgpackAnswerValuesMax,
};

/**
 * Decodes one value of maps with text keys, arrays, text, numbers, booleans and nil. Not validated any further: a
 * schema comes next.
 * @throws WireError BAD_MSGPACK
 */
export function decodeMsgpack(bytes: Uint8Array, bounds: MsgpackBounds = FROM_ANYBODY): unknown {
  scan(bytes, bounds);
  try {
    return unpackr.unpack(bytes) as unknown;
  } catch (error) {
    throw bad(error instanceof Error ? error.message : String(error));
  }
}

/** Keys that mean something to JavaScript itself. */
const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/** What one value is, as its first byte (and its length field) tells. */
interface Shape {
  /** Bytes of the head, and of the text or number that follows it. */
  readonly bytes: number;
  /** Values inside: elements, or keys and values. */
  readonly inside: number;
  readonly type: 'scalar' | 'text' | 'array' | 'map';
}

/** Walks over every value without decoding any. Time and memory are bounded by the size of `bytes`. */
function scan(bytes: Uint8Array, { bytesMax, valuesMax }: MsgpackBounds): void {
  if (bytes.length > bytesMax) {
    throw bad(`${bytes.length} bytes, the limit is ${bytesMax}`);
  }
  /** What is still to come at each level: the bottom expects the one value that everything is. */
  const open: { left: number; readonly isMap: boolean }[] = [{ left: 1, isMap: false }];
  let offset = 0;
  let values = 0;
  for (;;) {
    const level = open.at(-1);
    if (level === undefined) break;
    if (level.left === 0) {
      open.pop();
      continue;
    }
    // Keys and values take turns, and a map has an even number of both.
    const isKey = level.isMap && level.left % 2 === 0;
    level.left -= 1;
    values += 1;
    if (values > valuesMax) throw bad(`more than ${valuesMax} values`);
    const shape = shapeAt(bytes, offset);
    if (isKey) checkKey(bytes, offset, shape);
    offset += shape.bytes;
    // Each value inside takes a byte at least: what cannot fit is refused before anybody makes room for it.
    if (offset + shape.inside > bytes.length) throw bad(`a value ends beyond the ${bytes.length} bytes`);
    if (shape.inside > 0) {
      if (open.length > LIMITS.msgpackDepthMax) throw bad(`deeper than ${LIMITS.msgpackDepthMax}`);
      open.push({ left: shape.inside, isMap: shape.type === 'map' });
    }
  }
  if (offset !== bytes.length) throw bad(`${bytes.length - offset} bytes after the value`);
}

function checkKey(bytes: Uint8Array, offset: number, shape: Shape): void {
  if (shape.type !== 'text') throw bad('a key that is not text');
  const length = shape.bytes;
  if (length > 32) return;
  const head = textHead(bytes[offset] ?? 0);
  const key = String.fromCharCode(...bytes.subarray(offset + head, offset + length));
  if (FORBIDDEN_KEYS.has(key)) throw bad(`the key ${key}`);
}

function textHead(first: number): number {
  return first < 0xc0 ? 1 : 2 ** (first - 0xd9) + 1;
}

function scalar(bytes: number): Shape {
  return { bytes, inside: 0, type: 'scalar' };
}

// Most values are these: no garbage for each.
const ONE_BYTE = scalar(1);
const TWO_BYTES = scalar(2);
const THREE_BYTES = scalar(3);
const FIVE_BYTES = scalar(5);
const NINE_BYTES = scalar(9);

function shapeAt(bytes: Uint8Array, offset: number): Shape {
  const first = bytes[offset];
  if (first === undefined) throw bad(`truncated at byte ${offset}`);
  if (first < 0x80 || first >= 0xe0) return ONE_BYTE;
  if (first < 0x90) return { bytes: 1, inside: (first & 0x0f) * 2, type: 'map' };
  if (first < 0xa0) return { bytes: 1, inside: first & 0x0f, type: 'array' };
  if (first < 0xc0) return text(1, first & 0x1f);
  switch (first) {
    case 0xc0: // nil
    case 0xc2: // false
    case 0xc3: // true
      return ONE_BYTE;
    case 0xcc: // 8 bits
    case 0xd0:
      return TWO_BYTES;
    case 0xcd: // 16 bits
    case 0xd1:
      return THREE_BYTES;
    case 0xca: // 32 bits
    case 0xce:
    case 0xd2:
      return FIVE_BYTES;
    case 0xcb: // 64 bits
    case 0xcf:
    case 0xd3:
      return NINE_BYTES;
    case 0xd9:
      return text(2, lengthAt(bytes, offset + 1, 1));
    case 0xda:
      return text(3, lengthAt(bytes, offset + 1, 2));
    case 0xdb:
      return text(5, lengthAt(bytes, offset + 1, 4));
    case 0xdc:
      return { bytes: 3, inside: lengthAt(bytes, offset + 1, 2), type: 'array' };
    case 0xdd:
      return { bytes: 5, inside: lengthAt(bytes, offset + 1, 4), type: 'array' };
    case 0xde:
      return { bytes: 3, inside: lengthAt(bytes, offset + 1, 2) * 2, type: 'map' };
    case 0xdf:
      return { bytes: 5, inside: lengthAt(bytes, offset + 1, 4) * 2, type: 'map' };
    default:
      // Binary and, above all, extensions.
      throw bad(`type 0x${first.toString(16)} is not allowed`);
  }
}

function text(head: number, length: number): Shape {
  if (length > LIMITS.msgpackStringBytesMax) {
    throw bad(`text of ${length} bytes, the limit is ${LIMITS.msgpackStringBytesMax}`);
  }
  return { bytes: head + length, inside: 0, type: 'text' };
}

function lengthAt(bytes: Uint8Array, offset: number, width: number): number {
  let length = 0;
  for (let at = offset; at < offset + width; at += 1) {
    const byte = bytes[at];
    if (byte === undefined) throw bad(`truncated at byte ${at}`);
    length = length * 256 + byte;
  }
  return length;
}

function bad(message: string): WireError {
  return new WireError('BAD_MSGPACK', message);
}
