import { z } from 'zod';
import { UINT53_MAX } from '../base/uint53.ts';
import { LIMITS } from './limits.ts';
import { FROM_A_NODE, encodeMsgpack } from './msgpack.ts';
import { decodeAs } from './watch-schema.ts';

// Administration of topics and groups, and membership of groups: small, varied and rare, so MessagePack. Each request
// has an `op`, and its answer the same one. Decoders throw WireError BAD_MSGPACK or BAD_BODY that names the field.
// Offsets count records of one queue from 0; `end` is the offset that the next record will get. A queue has a number of
// its own in the cluster (`id`) and a place in its topic (`ordinal`, from 0). Deadlines are remaining milliseconds.

export interface Retention {
  /** Records are dropped some time after they are older than this; null: never. */
  readonly retentionMs: number | null;
  /** Of one queue: the oldest records are dropped some time after the queue is larger; null: never. */
  readonly retentionBytes: number | null;
}

/** ADMIN: one of these. Answered by an ADMIN_RESULT with the same op. */
export type AdminRequest = { readonly deadlineMs: number } & (
  | ({ readonly op: 'createTopic'; readonly name: string; readonly queues: number } & Retention)
  | ({ readonly op: 'alterTopic'; readonly name: string } & Retention)
  | { readonly op: 'deleteTopic'; readonly name: string }
  | { readonly op: 'listTopics' }
  | { readonly op: 'describeTopic'; readonly name: string }
  /** Newest first; at most `max` places. */
  | { readonly op: 'findByKey'; readonly topic: string; readonly key: string; readonly max: number }
  /** The first offset of each queue whose record was stored at `timeMs` (Unix) or later. */
  | { readonly op: 'findByTime'; readonly topic: string; readonly timeMs: number }
  | { readonly op: 'listGroups' }
  | { readonly op: 'describeGroup'; readonly group: string }
  | { readonly op: 'groupLag'; readonly group: string }
  | {
      readonly op: 'resetGroup';
      readonly group: string;
      /** Null: all topics of which the group has positions. */
      readonly topic: string | null;
      readonly to: ResetTarget;
      /** Say what would be done, and do nothing. */
      readonly dryRun: boolean;
    }
  | { readonly op: 'deleteGroup'; readonly group: string }
);

/** `value`: Unix milliseconds with `time`, an offset with `offset`, else null. */
export interface ResetTarget {
  readonly kind: 'earliest' | 'latest' | 'time' | 'offset';
  readonly value: number | null;
}

export type AdminResult =
  | { readonly op: 'createTopic'; readonly topic: TopicInfo }
  | { readonly op: 'alterTopic'; readonly topic: TopicInfo }
  | { readonly op: 'deleteTopic'; readonly name: string; readonly topicId: number }
  | { readonly op: 'listTopics'; readonly topics: readonly TopicSummary[] }
  | { readonly op: 'describeTopic'; readonly topic: TopicInfo }
  | { readonly op: 'findByKey'; readonly found: readonly FoundRecord[] }
  | { readonly op: 'findByTime'; readonly queues: readonly QueueOffset[] }
  | { readonly op: 'listGroups'; readonly groups: readonly GroupSummary[] }
  | { readonly op: 'describeGroup'; readonly group: GroupInfo }
  | { readonly op: 'groupLag'; readonly group: string; readonly queues: readonly QueueLag[] }
  | { readonly op: 'resetGroup'; readonly group: string; readonly queues: readonly QueueReset[] }
  | { readonly op: 'deleteGroup'; readonly group: string };

interface TopicHead extends Retention {
  readonly name: string;
  /** Index of the log entry that created it: a topic created again has another one. */
  readonly topicId: number;
  /** Unix milliseconds. */
  readonly createdAtMs: number;
}

export interface TopicInfo extends TopicHead {
  /** By ordinal. */
  readonly queues: readonly QueueInfo[];
}

export interface QueueInfo {
  readonly id: number;
  readonly ordinal: number;
  readonly firstOffset: number;
  readonly endOffset: number;
}

export interface TopicSummary extends TopicHead {
  readonly queueCount: number;
  /** Kept in all queues together. */
  readonly records: number;
}

export interface QueueOffset {
  readonly id: number;
  readonly ordinal: number;
  readonly offset: number;
}

export interface FoundRecord extends QueueOffset {
  /** Of the log entry that holds it. */
  readonly index: number;
}

export type GroupState = 'empty' | 'stable' | 'rebalancing';

export interface GroupSummary {
  readonly name: string;
  readonly generation: number;
  readonly state: GroupState;
  readonly memberCount: number;
}

export interface GroupInfo {
  readonly name: string;
  /** Rises with every change of members, subscriptions or owners. */
  readonly generation: number;
  readonly state: GroupState;
  readonly members: readonly MemberInfo[];
}

export interface MemberInfo {
  readonly memberId: number;
  readonly instance: string;
  readonly clientName: string;
  readonly topics: readonly string[];
  readonly sessionTimeoutMs: number;
  /** Those it owns. */
  readonly queues: readonly OwnedQueue[];
}

export interface OwnedQueue {
  readonly topic: string;
  readonly ordinal: number;
  readonly id: number;
  /** It is to be handed to another member: finish, commit and release it. */
  readonly isRevoking: boolean;
}

export interface QueueLag {
  readonly topic: string;
  /** Ordinal. */
  readonly queue: number;
  readonly id: number;
  /** Next offset to be read; null: nothing was committed. */
  readonly committed: number | null;
  readonly first: number;
  readonly end: number;
  /** Records kept and not yet read; null where nothing was committed. */
  readonly lag: number | null;
}

export interface QueueReset {
  readonly topic: string;
  /** Ordinal. */
  readonly queue: number;
  readonly id: number;
  readonly before: number | null;
  readonly after: number;
}

/** GROUP: one of these. Answered by a GROUP_RESULT with the same op. */
export type GroupRequest = { readonly deadlineMs: number; readonly group: string } & (
  | {
      readonly op: 'join';
      /** Who joins, in words of its own: joining again as the same instance takes its old place. */
      readonly instance: string;
      readonly clientName: string;
      readonly topics: readonly string[];
      readonly sessionTimeoutMs: number;
    }
  /** Answered at once if the group's generation is another one, else after `waitMs`. */
  | {
      readonly op: 'heartbeat';
      readonly memberId: number;
      readonly generation: number;
      readonly waitMs: number;
    }
  | {
      readonly op: 'commit';
      /** 0: no member; only while the group has none. */
      readonly memberId: number;
      /** Rises with every commit of a member; a copy that comes late changes nothing. */
      readonly sequence: number;
      readonly positions: readonly QueuePosition[];
      /** Ids of queues that the member gives up because they are revoked. */
      readonly release: readonly number[];
    }
  | { readonly op: 'leave'; readonly memberId: number }
);

export interface QueuePosition {
  /** Id. */
  readonly queue: number;
  /** Next offset to be read. */
  readonly offset: number;
}

export type GroupResult =
  | ({ readonly op: 'join' } & GroupView)
  | ({ readonly op: 'heartbeat' } & GroupView)
  | { readonly op: 'commit' }
  | { readonly op: 'leave' };

/** What a member has to know. */
export interface GroupView {
  readonly memberId: number;
  readonly generation: number;
  readonly assignment: readonly AssignedQueue[];
}

export interface AssignedQueue {
  readonly topic: string;
  readonly ordinal: number;
  /** Id. */
  readonly queue: number;
  /** Next offset to be read; null: nothing was committed, and the member decides where to begin. */
  readonly position: number | null;
  readonly isRevoking: boolean;
}

const uint53 = z.number().int().min(0).max(UINT53_MAX);
const deadlineMs = z.number().int().min(0).max(LIMITS.durationMsMax);
/** Only the size: whether it is a name that can be given is the state machine's to say, with an error of its own. */
const name = z.string().max(LIMITS.clientNameLengthMax);
const text = z.string().max(LIMITS.msgpackStringBytesMax);
const queueId = z
  .number()
  .int()
  .min(1)
  .max(2 ** 32 - 1);
const ordinal = z
  .number()
  .int()
  .min(0)
  .max(2 ** 32 - 1);
const retention = { retentionMs: uint53.nullable(), retentionBytes: uint53.nullable() };

const resetTarget: z.ZodType<ResetTarget> = z
  .object({ kind: z.enum(['earliest', 'latest', 'time', 'offset']), value: uint53.nullable() })
  .refine(({ kind, value }) => (value === null) === (kind === 'earliest' || kind === 'latest'), {
    message: 'a value goes with time and offset, and only with them',
    path: ['value'],
  });

const ADMIN: z.ZodType<AdminRequest> = z.discriminatedUnion('op', [
  z.object({
    op: z.literal('createTopic'),
    deadlineMs,
    name,
    queues: z
      .number()
      .int()
      .min(0)
      .max(2 ** 32 - 1),
    ...retention,
  }),
  z.object({ op: z.literal('alterTopic'), deadlineMs, name, ...retention }),
  z.object({ op: z.literal('deleteTopic'), deadlineMs, name }),
  z.object({ op: z.literal('listTopics'), deadlineMs }),
  z.object({ op: z.literal('describeTopic'), deadlineMs, name }),
  z.object({
    op: z.literal('findByKey'),
    deadlineMs,
    topic: name,
    key: text,
    max: z.number().int().min(1).max(LIMITS.foundMax),
  }),
  z.object({ op: z.literal('findByTime'), deadlineMs, topic: name, timeMs: uint53 }),
  z.object({ op: z.literal('listGroups'), deadlineMs }),
  z.object({ op: z.literal('describeGroup'), deadlineMs, group: name }),
  z.object({ op: z.literal('groupLag'), deadlineMs, group: name }),
  z.object({
    op: z.literal('resetGroup'),
    deadlineMs,
    group: name,
    topic: name.nullable(),
    to: resetTarget,
    dryRun: z.boolean(),
  }),
  z.object({ op: z.literal('deleteGroup'), deadlineMs, group: name }),
]);

const topicHead = { name: text, topicId: uint53, createdAtMs: uint53, ...retention };
const topicInfo = z.object({
  ...topicHead,
  queues: z.array(z.object({ id: queueId, ordinal, firstOffset: uint53, endOffset: uint53 })),
});
const queueOffset = { id: queueId, ordinal, offset: uint53 };
const groupHead = {
  name: text,
  generation: uint53,
  state: z.enum(['empty', 'stable', 'rebalancing']),
};
const ownedQueue = z.object({ topic: text, ordinal, id: queueId, isRevoking: z.boolean() });
const memberInfo = z.object({
  memberId: uint53,
  instance: text,
  clientName: text,
  topics: z.array(text),
  sessionTimeoutMs: uint53,
  queues: z.array(ownedQueue),
});
const queueLag = z.object({
  topic: text,
  queue: ordinal,
  id: queueId,
  committed: uint53.nullable(),
  first: uint53,
  end: uint53,
  lag: uint53.nullable(),
});
const queueReset = z.object({
  topic: text,
  queue: ordinal,
  id: queueId,
  before: uint53.nullable(),
  after: uint53,
});

const ADMIN_RESULT: z.ZodType<AdminResult> = z.discriminatedUnion('op', [
  z.object({ op: z.literal('createTopic'), topic: topicInfo }),
  z.object({ op: z.literal('alterTopic'), topic: topicInfo }),
  z.object({ op: z.literal('deleteTopic'), name: text, topicId: uint53 }),
  z.object({
    op: z.literal('listTopics'),
    topics: z.array(z.object({ ...topicHead, queueCount: uint53, records: uint53 })),
  }),
  z.object({ op: z.literal('describeTopic'), topic: topicInfo }),
  z.object({ op: z.literal('findByKey'), found: z.array(z.object({ ...queueOffset, index: uint53 })) }),
  z.object({ op: z.literal('findByTime'), queues: z.array(z.object(queueOffset)) }),
  z.object({
    op: z.literal('listGroups'),
    groups: z.array(z.object({ ...groupHead, memberCount: uint53 })),
  }),
  z.object({
    op: z.literal('describeGroup'),
    group: z.object({ ...groupHead, members: z.array(memberInfo) }),
  }),
  z.object({ op: z.literal('groupLag'), group: text, queues: z.array(queueLag) }),
  z.object({ op: z.literal('resetGroup'), group: text, queues: z.array(queueReset) }),
  z.object({ op: z.literal('deleteGroup'), group: text }),
]);

const GROUP: z.ZodType<GroupRequest> = z.discriminatedUnion('op', [
  z.object({
    op: z.literal('join'),
    deadlineMs,
    group: name,
    instance: z.string().min(1).max(LIMITS.clientNameLengthMax),
    clientName: name,
    topics: z.array(name).min(1).max(LIMITS.topicsPerMemberMax),
    sessionTimeoutMs: z.number().int().min(LIMITS.sessionMsMin).max(LIMITS.sessionMsMax),
  }),
  z.object({
    op: z.literal('heartbeat'),
    deadlineMs,
    group: name,
    memberId: uint53,
    generation: uint53,
    waitMs: z.number().int().min(0).max(LIMITS.durationMsMax),
  }),
  z.object({
    op: z.literal('commit'),
    deadlineMs,
    group: name,
    memberId: uint53,
    sequence: uint53,
    positions: z.array(z.object({ queue: queueId, offset: uint53 })).max(LIMITS.commitQueuesMax),
    release: z.array(queueId).max(LIMITS.commitQueuesMax),
  }),
  z.object({ op: z.literal('leave'), deadlineMs, group: name, memberId: uint53 }),
]);

const assignedQueue = z.object({
  topic: text,
  ordinal,
  queue: queueId,
  position: uint53.nullable(),
  isRevoking: z.boolean(),
});
const groupView = { memberId: uint53, generation: uint53, assignment: z.array(assignedQueue) };

const GROUP_RESULT: z.ZodType<GroupResult> = z.discriminatedUnion('op', [
  z.object({ op: z.literal('join'), ...groupView }),
  z.object({ op: z.literal('heartbeat'), ...groupView }),
  z.object({ op: z.literal('commit') }),
  z.object({ op: z.literal('leave') }),
]);

export function encodeAdmin(request: AdminRequest): Uint8Array {
  return encodeMsgpack(request);
}

export function decodeAdmin(body: Uint8Array): AdminRequest {
  return decodeAs(ADMIN, 'ADMIN', body);
}

/** @returns a body that may be over msgpackAnswerBytesMax: then the node answers LIMIT_EXCEEDED instead. */
export function encodeAdminResult(result: AdminResult): Uint8Array {
  return encodeMsgpack(result);
}

export function decodeAdminResult(body: Uint8Array): AdminResult {
  return decodeAs(ADMIN_RESULT, 'ADMIN_RESULT', body, FROM_A_NODE);
}

export function encodeGroup(request: GroupRequest): Uint8Array {
  return encodeMsgpack(request);
}

/**
 * The same request when it is sent again. A heartbeat has waited by then, wherever it did: a member that waited its whole time
 * at each of the leaders that died one after the other would hear nothing of a group that is well.
 *
 * @param leftMs what is left of its deadline.
 */
export function groupRequestLater(request: GroupRequest, leftMs: number): GroupRequest {
  const later = { ...request, deadlineMs: leftMs };
  if (later.op !== 'heartbeat') return later;
  return { ...later, waitMs: Math.max(0, later.waitMs - (request.deadlineMs - leftMs)) };
}

export function decodeGroup(body: Uint8Array): GroupRequest {
  return decodeAs(GROUP, 'GROUP', body);
}

/** @returns a body that may be over msgpackAnswerBytesMax: then the node answers LIMIT_EXCEEDED instead. */
export function encodeGroupResult(result: GroupResult): Uint8Array {
  return encodeMsgpack(result);
}

export function decodeGroupResult(body: Uint8Array): GroupResult {
  return decodeAs(GROUP_RESULT, 'GROUP_RESULT', body, FROM_A_NODE);
}
