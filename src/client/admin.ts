import {
  decodeAdminResult,
  encodeAdmin,
  type AdminRequest,
  type AdminResult,
  type FoundRecord,
  type GroupInfo,
  type GroupSummary,
  type QueueLag,
  type QueueOffset,
  type QueueReset,
  type ResetTarget,
  type TopicInfo,
  type TopicSummary,
} from '../wire/broker-schema.ts';
import { FrameKind } from '../wire/frame.ts';
import { WireError } from '../wire/wire-error.ts';
import type { CallOptions } from './call-options.ts';
import type { Request } from './request-channel.ts';

export interface NewTopic {
  readonly name: string;
  /** 1 to 4,096. Default 1. */
  readonly queues?: number;
  /** Default null: records are kept as long as the log is. */
  readonly retentionMs?: number | null;
  /** Of each queue. Default null: however much it is. */
  readonly retentionBytes?: number | null;
}

type Op = AdminRequest['op'];
type RequestOf<O extends Op> = Omit<Extract<AdminRequest, { readonly op: O }>, 'deadlineMs'>;
type ResultOf<O extends Op> = Extract<AdminResult, { readonly op: O }>;

/** Sends a request to whoever leads. */
export type AskLeader = <T>(request: Omit<Request<T>, 'timeoutMs'>, options: CallOptions) => Promise<T>;

/** These change nothing: they may be asked twice. */
const READS: ReadonlySet<Op> = new Set<Op>([
  'listTopics',
  'describeTopic',
  'findByKey',
  'findByTime',
  'listGroups',
  'describeGroup',
  'groupLag',
]);

/**
 * Topics and groups of a cluster: looked at as of now, and changed. All calls find the leader and wait out an election.
 * They are rejected with RefusedError (BAD_NAME, UNKNOWN_TOPIC, UNKNOWN_GROUP and what each says), TimeoutError and
 * UnreachableError; those that change something also with TimeoutUnknownError, where it may yet have happened.
 */
export class Admin {
  readonly #ask: AskLeader;

  constructor(ask: AskLeader) {
    this.#ask = ask;
  }

  /** @throws RefusedError TOPIC_EXISTS, LIMIT_EXCEEDED. */
  async createTopic(topic: NewTopic, options: CallOptions = {}): Promise<TopicInfo> {
    const { name, queues = 1, retentionMs = null, retentionBytes = null } = topic;
    return (await this.#do({ op: 'createTopic', name, queues, retentionMs, retentionBytes }, options)).topic;
  }

  /** Sets both bounds anew; null is none. */
  async alterTopic(
    name: string,
    retention: { readonly retentionMs: number | null; readonly retentionBytes: number | null },
    options: CallOptions = {},
  ): Promise<TopicInfo> {
    return (await this.#do({ op: 'alterTopic', name, ...retention }, options)).topic;
  }

  /** The records are gone, and the positions that groups have there. A topic created again has other queues. */
  async deleteTopic(name: string, options: CallOptions = {}): Promise<{ name: string; topicId: number }> {
    const { topicId } = await this.#do({ op: 'deleteTopic', name }, options);
    return { name, topicId };
  }

  async listTopics(options: CallOptions = {}): Promise<readonly TopicSummary[]> {
    return (await this.#do({ op: 'listTopics' }, options)).topics;
  }

  async describeTopic(name: string, options: CallOptions = {}): Promise<TopicInfo> {
    return (await this.#do({ op: 'describeTopic', name }, options)).topic;
  }

  /** Where the records with this key are, newest first. @param max 1 to 1,000. */
  async findByKey(
    topic: string,
    key: string,
    max: number,
    options: CallOptions = {},
  ): Promise<readonly FoundRecord[]> {
    return (await this.#do({ op: 'findByKey', topic, key, max }, options)).found;
  }

  /** For each queue the first offset whose record was stored at this time (Unix milliseconds) or later. */
  async findByTime(
    topic: string,
    timeMs: number,
    options: CallOptions = {},
  ): Promise<readonly QueueOffset[]> {
    return (await this.#do({ op: 'findByTime', topic, timeMs }, options)).queues;
  }

  async listGroups(options: CallOptions = {}): Promise<readonly GroupSummary[]> {
    return (await this.#do({ op: 'listGroups' }, options)).groups;
  }

  async describeGroup(group: string, options: CallOptions = {}): Promise<GroupInfo> {
    return (await this.#do({ op: 'describeGroup', group }, options)).group;
  }

  /** How far the group is in each queue of its topics. */
  async groupLag(group: string, options: CallOptions = {}): Promise<readonly QueueLag[]> {
    return (await this.#do({ op: 'groupLag', group }, options)).queues;
  }

  /**
   * Moves the positions of a group that has no members.
   * @param reset.topic null: all topics of which it has positions.
   * @param reset.dryRun say what would be done, and do nothing.
   * @throws RefusedError GROUP_NOT_EMPTY, OFFSET_OUT_OF_RANGE.
   */
  async resetGroup(
    group: string,
    reset: { readonly topic: string | null; readonly to: ResetTarget; readonly dryRun: boolean },
    options: CallOptions = {},
  ): Promise<readonly QueueReset[]> {
    return (await this.#do({ op: 'resetGroup', group, ...reset }, options)).queues;
  }

  /** @throws RefusedError GROUP_NOT_EMPTY. */
  async deleteGroup(group: string, options: CallOptions = {}): Promise<void> {
    await this.#do({ op: 'deleteGroup', group }, options);
  }

  async #do<O extends Op>(
    request: RequestOf<O> & { readonly op: O },
    options: CallOptions,
  ): Promise<ResultOf<O>> {
    return this.#ask(
      {
        kind: FrameKind.ADMIN,
        answerKind: FrameKind.ADMIN_RESULT,
        isRepeatable: READS.has(request.op),
        encode: (remainingMs) =>
          encodeAdmin({ ...request, deadlineMs: Math.ceil(remainingMs) } as unknown as AdminRequest),
        decode: (body) => {
          const result = decodeAdminResult(body);
          if (result.op === request.op) return result as ResultOf<O>;
          throw new WireError('BAD_BODY', `ADMIN_RESULT: ${result.op} answers ${request.op}`);
        },
      },
      options,
    );
  }
}
