import { z } from 'zod';
import { UINT53_MAX } from '../base/uint53.ts';
import { LIMITS } from './limits.ts';
import { decodeMsgpack, encodeMsgpack, type MsgpackBounds } from './msgpack.ts';
import { WireError } from './wire-error.ts';

// Watching a node: what it is and what happens to it, pushed while it changes. All bodies are MessagePack.
// Decoders throw WireError BAD_MSGPACK or, where the values do not fit, BAD_BODY.

/** Something that a person watching a node would want to know. */
export interface NodeEvent {
  /** Rises with every event of this node, across its restarts; with gaps where a crash may have lost some. */
  readonly sequence: number;
  /** Unix milliseconds. */
  readonly at: number;
  readonly level: 'info' | 'warn' | 'error';
  /** Stable, kebab-case: what happened. */
  readonly code: string;
  /** One line that says what happened and why. */
  readonly text: string;
  readonly fields: Readonly<Record<string, string | number | boolean | null>>;
}

const uint53 = z.number().int().min(0).max(UINT53_MAX);
const text = z.string().max(LIMITS.msgpackStringBytesMax);

export const NODE_EVENT: z.ZodType<NodeEvent> = z.object({
  sequence: uint53,
  at: uint53,
  level: z.enum(['info', 'warn', 'error']),
  code: text,
  text,
  fields: z.record(z.string(), z.union([text, z.number(), z.boolean(), z.null()])),
});

/**
 * WATCH: answered by a STATUS_RESULT at once, another every `statusEveryMs` and one whenever leadership changes, and by
 * EVENTS as they happen, all with the request's id, until the connection ends. A watcher that reads too slowly misses
 * states, never events.
 */
export interface Watch {
  /** 100..60,000. */
  readonly statusEveryMs: number;
  /** Events behind this one are wanted, as far as they are kept; null: only those to come. */
  readonly eventsAfter: number | null;
}

const WATCH: z.ZodType<Watch> = z.object({
  statusEveryMs: z.number().int().min(LIMITS.watchMsMin).max(LIMITS.watchMsMax),
  eventsAfter: uint53.nullable(),
});

/** GET_EVENTS: answered by one EVENTS. */
export interface GetEvents {
  /** Events behind this one; 0 for the oldest that are kept. */
  readonly after: number;
  /** 1..1,000: of those the last so many. */
  readonly max: number;
}

const GET_EVENTS: z.ZodType<GetEvents> = z.object({
  after: uint53,
  max: z.number().int().min(1).max(LIMITS.eventsMax),
});

export interface Events {
  /** In the order in which they happened. */
  readonly events: readonly NodeEvent[];
}

const EVENTS: z.ZodType<Events> = z.object({ events: z.array(NODE_EVENT) });

export function encodeWatch(request: Watch): Uint8Array {
  return encodeMsgpack(request);
}

export function decodeWatch(body: Uint8Array): Watch {
  return decodeAs(WATCH, 'WATCH', body);
}

export function encodeGetEvents(request: GetEvents): Uint8Array {
  return encodeMsgpack(request);
}

export function decodeGetEvents(body: Uint8Array): GetEvents {
  return decodeAs(GET_EVENTS, 'GET_EVENTS', body);
}

export function encodeEvents(events: Events): Uint8Array {
  return encodeMsgpack(events);
}

export function decodeEvents(body: Uint8Array): Events {
  return decodeAs(EVENTS, 'EVENTS', body);
}

/** Decodes a MessagePack body and checks it. @throws WireError BAD_MSGPACK or BAD_BODY that names the field. */
export function decodeAs<T>(schema: z.ZodType<T>, name: string, body: Uint8Array, bounds?: MsgpackBounds): T {
  const parsed = schema.safeParse(decodeMsgpack(body, bounds));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new WireError('BAD_BODY', `${name}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
}
