import type { LogIndex } from '../base/units.ts';
import { Reader, Writer } from './fields.ts';
import type { QueuePosition } from './queue-position.ts';

/**
 * Orders to the state machine: bodies of `command` entries, version 1. Little endian; the first four bytes are the type
 * and three zeros; `text` is a u16 length and UTF-8; a list is a u32 count and its elements; null is all ones where a
 * number may be null.
 *
 *      1 open-producer       u32 inFlightMax (batches that the producer may have unanswered at once)
 *      2 create-topic        text name, u32 queues, u64 retentionMs, u64 retentionBytes
 *      3 alter-topic         text name, u64 retentionMs, u64 retentionBytes
 *      4 delete-topic        text name
 *      5 raise-first-offset  list of u32 queue, u64 offset
 *      6 join-group          text group, text instance, text clientName, u32 sessionTimeoutMs, list of text topic
 *      7 leave-group         text group, u64 memberId
 *      8 expire-members      text group, list of u64 memberId
 *      9 commit-positions    text group, u64 memberId, u64 sequence, list of (u32 queue, u64 offset), list of u32 queue
 *     10 reset-positions     text group, list of (u32 queue, u64 offset)
 *     11 delete-group        text group
 *     12 trim-log            u64 index
 */
export type Command =
  | OpenProducer
  | CreateTopic
  | AlterTopic
  | DeleteTopic
  | RaiseFirstOffset
  | JoinGroup
  | LeaveGroup
  | ExpireMembers
  | CommitPositions
  | ResetPositions
  | DeleteGroup
  | TrimLog;

export interface OpenProducer {
  readonly type: 'open-producer';
  readonly inFlightMax: number;
}

export interface CreateTopic {
  readonly type: 'create-topic';
  readonly name: string;
  readonly queues: number;
  readonly retentionMs: number | null;
  readonly retentionBytes: number | null;
}

export interface AlterTopic {
  readonly type: 'alter-topic';
  readonly name: string;
  readonly retentionMs: number | null;
  readonly retentionBytes: number | null;
}

export interface DeleteTopic {
  readonly type: 'delete-topic';
  readonly name: string;
}

/** Retention: what lies below is not served any more. A queue that is gone is passed over. */
export interface RaiseFirstOffset {
  readonly type: 'raise-first-offset';
  readonly offsets: readonly QueuePosition[];
}

export interface JoinGroup {
  readonly type: 'join-group';
  readonly group: string;
  /** Who joins, in words of its own: joining again as the same instance takes its old place and fences the old id. */
  readonly instance: string;
  readonly clientName: string;
  readonly topics: readonly string[];
  readonly sessionTimeoutMs: number;
}

export interface LeaveGroup {
  readonly type: 'leave-group';
  readonly group: string;
  readonly memberId: number;
}

/** The leader heard nothing of these for their session time-outs. Time is the leader's: apply knows none. */
export interface ExpireMembers {
  readonly type: 'expire-members';
  readonly group: string;
  readonly memberIds: readonly number[];
}

export interface CommitPositions {
  readonly type: 'commit-positions';
  readonly group: string;
  /** 0: nobody in particular, only while the group has no members. */
  readonly memberId: number;
  /** Rises with each commit of a member: a copy that comes late changes nothing. */
  readonly sequence: number;
  readonly positions: readonly QueuePosition[];
  /** Queues that are given up because they are to be another member's. */
  readonly release: readonly number[];
}

export interface ResetPositions {
  readonly type: 'reset-positions';
  readonly group: string;
  readonly positions: readonly QueuePosition[];
}

export interface DeleteGroup {
  readonly type: 'delete-group';
  readonly group: string;
}

/** Retention of the log: nothing at or below `index` is served any more, by any node. */
export interface TrimLog {
  readonly type: 'trim-log';
  readonly index: LogIndex;
}

export const COMMAND_VERSION = 1;
/** A session remembers this many results at most, so that a retry of any batch in flight gets its first answer. */
export const IN_FLIGHT_MAX = 8192;

const TYPES: readonly (Command['type'] | null)[] = [
  null,
  'open-producer',
  'create-topic',
  'alter-topic',
  'delete-topic',
  'raise-first-offset',
  'join-group',
  'leave-group',
  'expire-members',
  'commit-positions',
  'reset-positions',
  'delete-group',
  'trim-log',
];

/** @param request.inFlightMax brought into 1..8192. */
export function encodeOpenProducer(request: { readonly inFlightMax: number }): Uint8Array {
  const inFlightMax = Math.min(IN_FLIGHT_MAX, Math.max(1, Math.floor(request.inFlightMax)));
  return encodeCommand({ type: 'open-producer', inFlightMax });
}

/** Texts of up to 65,535 bytes; whether they are names that can be given is decided when the command is applied. */
export function encodeCommand(command: Command): Uint8Array {
  const writer = new Writer().u32(TYPES.indexOf(command.type));
  switch (command.type) {
    case 'open-producer':
      return writer.u32(command.inFlightMax).finish();
    case 'create-topic':
      writer.text(command.name).u32(command.queues);
      return writer.nullable(command.retentionMs).nullable(command.retentionBytes).finish();
    case 'alter-topic':
      return writer
        .text(command.name)
        .nullable(command.retentionMs)
        .nullable(command.retentionBytes)
        .finish();
    case 'delete-topic':
      return writer.text(command.name).finish();
    case 'raise-first-offset':
      return writer.positions(command.offsets).finish();
    case 'join-group':
      writer.text(command.group).text(command.instance).text(command.clientName);
      writer.u32(command.sessionTimeoutMs).u32(command.topics.length);
      for (const topic of command.topics) writer.text(topic);
      return writer.finish();
    case 'leave-group':
      return writer.text(command.group).uint53(command.memberId).finish();
    case 'expire-members':
      writer.text(command.group).u32(command.memberIds.length);
      for (const memberId of command.memberIds) writer.uint53(memberId);
      return writer.finish();
    case 'commit-positions':
      writer.text(command.group).uint53(command.memberId).uint53(command.sequence);
      writer.positions(command.positions).u32(command.release.length);
      for (const queue of command.release) writer.u32(queue);
      return writer.finish();
    case 'reset-positions':
      return writer.text(command.group).positions(command.positions).finish();
    case 'delete-group':
      return writer.text(command.group).finish();
    case 'trim-log':
      return writer.uint53(command.index).finish();
  }
}

/** @returns null where the bytes are no command that this version knows. */
export function decodeCommand(body: Uint8Array): Command | null {
  try {
    const reader = new Reader(body);
    const command = decode(reader);
    return reader.isAtEnd ? command : null;
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function decode(reader: Reader): Command | null {
  const type = TYPES[reader.u32()] ?? null;
  switch (type) {
    case null:
      return null;
    case 'open-producer': {
      const inFlightMax = reader.u32();
      return inFlightMax === 0 || inFlightMax > IN_FLIGHT_MAX ? null : { type, inFlightMax };
    }
    case 'create-topic':
      return { type, name: reader.text(), queues: reader.u32(), ...retention(reader) };
    case 'alter-topic':
      return { type, name: reader.text(), ...retention(reader) };
    case 'delete-topic':
      return { type, name: reader.text() };
    case 'raise-first-offset':
      return { type, offsets: reader.positions() };
    case 'join-group': {
      const [group, instance, clientName] = [reader.text(), reader.text(), reader.text()];
      const sessionTimeoutMs = reader.u32();
      return {
        type,
        group,
        instance,
        clientName,
        sessionTimeoutMs,
        topics: reader.list(() => reader.text()),
      };
    }
    case 'leave-group':
      return { type, group: reader.text(), memberId: reader.uint53() };
    case 'expire-members':
      return { type, group: reader.text(), memberIds: reader.list(() => reader.uint53()) };
    case 'commit-positions': {
      const [group, memberId, sequence] = [reader.text(), reader.uint53(), reader.uint53()];
      const positions = reader.positions();
      return { type, group, memberId, sequence, positions, release: reader.list(() => reader.u32()) };
    }
    case 'reset-positions':
      return { type, group: reader.text(), positions: reader.positions() };
    case 'delete-group':
      return { type, group: reader.text() };
    case 'trim-log':
      return { type, index: reader.uint53() as LogIndex };
  }
}

function retention(reader: Reader): { retentionMs: number | null; retentionBytes: number | null } {
  return { retentionMs: reader.nullable(), retentionBytes: reader.nullable() };
}
