import { z } from 'zod';
import { isNodeId, type NodeId } from '../base/units.ts';
import { LIMITS } from './limits.ts';
import { encodeMsgpack } from './msgpack.ts';
import { decodeAs } from './watch-schema.ts';

// Faults on request: what an operator may break at a node that was started to allow it. Every fault has a time to live
// that the node itself enforces, so that it ends even if whoever asked for it is gone.

/** What is to be broken. Directions are seen from the node that is asked. */
export type FaultSpec =
  /** The node takes bytes in and does nothing about them: no ticks, no messages, no answers. As if it were stopped. */
  | { readonly kind: 'stall' }
  /**
   * Messages of consensus and replication to or from a peer.
   * - `blackhole`: vanish; connections stay up, as with a cable that was cut.
   * - `reset`: all connections with it break once, now.
   * - `refuse`: connections with it break, and new ones are refused.
   */
  | {
      readonly kind: 'drop';
      readonly peer: NodeId;
      readonly direction: 'in' | 'out' | 'both';
      readonly mode: 'blackhole' | 'reset' | 'refuse';
      /** Of the messages, 0 to 1, where the mode is `blackhole`: less than 1 is loss. */
      readonly share: number;
    }
  /** Messages to a peer leave later, in order, by `delayMs` and up to `jitterMs` more. */
  | { readonly kind: 'delay'; readonly peer: NodeId; readonly delayMs: number; readonly jitterMs: number }
  /** Each lane to a peer carries so many bytes a second and no more: messages queue up behind each other. */
  | { readonly kind: 'throttle'; readonly peer: NodeId; readonly bytesPerSecond: number }
  /** Each sync of the log ends later, by `delayMs` and up to `jitterMs` more. */
  | { readonly kind: 'disk-slow'; readonly delayMs: number; readonly jitterMs: number }
  /** Syncs fail. */
  | { readonly kind: 'disk-sync-error' }
  /** Whatever is to be written finds no room. */
  | { readonly kind: 'disk-full' }
  /** The time of day is wrong by so much, ahead or (below 0) behind. */
  | { readonly kind: 'clock'; readonly offsetMs: number };

/** FAULT: one of these. Answered by a FAULT_REPORT. */
export type FaultOrder =
  | {
      readonly op: 'add';
      readonly spec: FaultSpec;
      /** Milliseconds, 1..600,000. */
      readonly ttlMs: number;
      /** Who asks, for the others to read. */
      readonly owner: string;
    }
  | { readonly op: 'list' }
  /** One fault, or with null all of them. Clearing what is gone already is no error. */
  | { readonly op: 'clear'; readonly id: string | null };

export interface FaultState {
  readonly id: string;
  readonly owner: string;
  readonly spec: FaultSpec;
  readonly ttlMs: number;
  /** 0 for one that is over. */
  readonly remainingMs: number;
  /**
   * Messages that it dropped or held up, connections that it broke or refused, milliseconds that it stalled, syncs and
   * writes that it made late or let fail: proof that it took hold.
   */
  readonly affected: number;
}

export interface FaultReport {
  /** Null where the order added nothing. */
  readonly added: string | null;
  readonly active: readonly FaultState[];
  /** The last that ended, oldest first, with what they came to. */
  readonly ended: readonly FaultState[];
}

const nodeId = z.custom<NodeId>((value) => typeof value === 'string' && isNodeId(value), 'is no node id');
const milliseconds = z.number().min(0).max(LIMITS.faultMsMax);
const text = z.string().max(LIMITS.faultTextBytesMax);

export const FAULT_SPEC: z.ZodType<FaultSpec> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('stall') }),
  z.object({
    kind: z.literal('drop'),
    peer: nodeId,
    direction: z.enum(['in', 'out', 'both']),
    mode: z.enum(['blackhole', 'reset', 'refuse']),
    share: z.number().gt(0).max(1),
  }),
  z.object({ kind: z.literal('delay'), peer: nodeId, delayMs: milliseconds, jitterMs: milliseconds }),
  z.object({ kind: z.literal('throttle'), peer: nodeId, bytesPerSecond: z.number().int().min(1) }),
  z.object({ kind: z.literal('disk-slow'), delayMs: milliseconds, jitterMs: milliseconds }),
  z.object({ kind: z.literal('disk-sync-error') }),
  z.object({ kind: z.literal('disk-full') }),
  z.object({
    kind: z.literal('clock'),
    offsetMs: z.number().int().min(-LIMITS.durationMsMax).max(LIMITS.durationMsMax),
  }),
]);

const FAULT_ORDER: z.ZodType<FaultOrder> = z.discriminatedUnion('op', [
  z.object({
    op: z.literal('add'),
    spec: FAULT_SPEC,
    ttlMs: z.number().int().min(1).max(LIMITS.faultMsMax),
    owner: text,
  }),
  z.object({ op: z.literal('list') }),
  z.object({ op: z.literal('clear'), id: text.nullable() }),
]);

export const FAULT_STATE: z.ZodType<FaultState> = z.object({
  id: text,
  owner: text,
  spec: FAULT_SPEC,
  ttlMs: milliseconds,
  remainingMs: milliseconds,
  affected: z.number().min(0),
});

const FAULT_REPORT: z.ZodType<FaultReport> = z.object({
  added: text.nullable(),
  active: z.array(FAULT_STATE),
  ended: z.array(FAULT_STATE),
});

export function encodeFaultOrder(order: FaultOrder): Uint8Array {
  return encodeMsgpack(order);
}

export function decodeFaultOrder(body: Uint8Array): FaultOrder {
  return decodeAs(FAULT_ORDER, 'FAULT', body);
}

export function encodeFaultReport(report: FaultReport): Uint8Array {
  return encodeMsgpack(report);
}

export function decodeFaultReport(body: Uint8Array): FaultReport {
  return decodeAs(FAULT_REPORT, 'FAULT_REPORT', body);
}
