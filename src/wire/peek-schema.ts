import { z } from 'zod';
import { UINT53_MAX } from '../base/uint53.ts';
import { LIMITS } from './limits.ts';
import { encodeMsgpack } from './msgpack.ts';
import { decodeAs } from './watch-schema.ts';

// Looking at the end of a node's log, what is not committed included: for people, never for consumers.

/** PEEK: answered by a PEEK_RESULT. */
export interface Peek {
  /** 1..500: the last so many entries, as far as they are in memory. */
  readonly max: number;
}

export interface PeekedEntry {
  readonly index: number;
  readonly term: number;
  readonly type: 'data' | 'noop' | 'config' | 'command';
  /** topic/queue; null for the raw log and for what is no data. */
  readonly where: string | null;
  readonly records: number;
  readonly bytes: number;
  /** Unix milliseconds. */
  readonly at: number;
  /** The beginning of the first record, or what the entry means; bytes that are not UTF-8 are replaced. */
  readonly preview: string;
}

export interface Peeked {
  readonly commitIndex: number;
  readonly lastIndex: number;
  /** Ascending. Those above commitIndex may yet vanish. */
  readonly entries: readonly PeekedEntry[];
}

const uint53 = z.number().int().min(0).max(UINT53_MAX);
const text = z.string().max(LIMITS.msgpackStringBytesMax);

const PEEK: z.ZodType<Peek> = z.object({ max: z.number().int().min(1).max(LIMITS.peekEntriesMax) });

const PEEKED: z.ZodType<Peeked> = z.object({
  commitIndex: uint53,
  lastIndex: uint53,
  entries: z.array(
    z.object({
      index: uint53,
      term: uint53,
      type: z.enum(['data', 'noop', 'config', 'command']),
      where: text.nullable(),
      records: uint53,
      bytes: uint53,
      at: uint53,
      preview: text,
    }),
  ),
});

export function encodePeek(request: Peek): Uint8Array {
  return encodeMsgpack(request);
}

export function decodePeek(body: Uint8Array): Peek {
  return decodeAs(PEEK, 'PEEK', body);
}

export function encodePeeked(peeked: Peeked): Uint8Array {
  return encodeMsgpack(peeked);
}

export function decodePeeked(body: Uint8Array): Peeked {
  return decodeAs(PEEKED, 'PEEK_RESULT', body);
}
