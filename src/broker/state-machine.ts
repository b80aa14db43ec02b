import { violated } from '../base/assert.ts';
import { BATCH_VERSION, batchStamp } from '../base/batch.ts';
import type { ProducerStamp } from '../base/batch.ts';
import {
  ENTRY_HEADER_BYTES,
  EntryKind,
  entryBody,
  entryQueue,
  entryRecordCount,
  entryTime,
  entryVersion,
  type Entry,
} from '../base/entry.ts';
import { mark } from '../base/marks.ts';
import { isMessageBatch } from '../base/message.ts';
import { NO_MUTATIONS, type Mutations } from '../base/mutations.ts';
import { NO_INDEX, type LogIndex } from '../base/units.ts';
import { COMMAND_VERSION, decodeCommand, type Command, type CreateTopic } from './commands.ts';
import { mix } from './digest.ts';
import { Reader, Writer } from './fields.ts';
import type { GroupState } from './group.ts';
import { GROUP_LIMITS, Groups, type GroupDecision } from './groups.ts';
import type { ApplyResult, CommandOutcome, Refusal, RefusalCode } from './outcomes.ts';
import {
  ProducerSession,
  ProducerSessions,
  SESSION_LIMITS,
  type Judgement,
  type Rejection,
  type SessionLimits,
} from './producer-sessions.ts';
import { TOPIC_LIMITS, Topics, type Queue, type Topic } from './topics.ts';

const NONE: ApplyResult = { result: 'none' };
const ACCEPTED: ApplyResult = { result: 'accepted', baseOffset: null };

/** An entry that a newer version wrote. Applying must stop: to skip it would be to disagree with the other nodes. */
export class UnknownEntryKind extends Error {
  override readonly name = 'UnknownEntryKind';
  readonly code = 'UNKNOWN_ENTRY_KIND';

  constructor(entry: Entry) {
    super(
      `entry ${entry.index} has kind ${entry.kind} version ${entryVersion(entry)}, which this version does not know`,
    );
  }
}

const MAGIC = 0x4d534c44;
const CHECKPOINT_VERSION = 3;
const HEAD_BYTES_V1 = 32;
const HEAD_BYTES = 48;

/**
 * The replicated state: what the committed log means. Two machines that applied the same entries are in the same
 * state, whatever node, day or process they ran on: it sees no clock, no chance and no file positions.
 */
export class StateMachine {
  readonly #sessions: ProducerSessions;
  readonly #topics: Topics;
  readonly #groups: Groups;
  readonly #mutations: Mutations;
  #appliedIndex: LogIndex = NO_INDEX;
  #logStart: LogIndex = 1 as LogIndex;
  #digest = 0;
  /** Indexes of batches that were refused when applied. Ascending, nearly always empty: leaders check first. */
  #voided: LogIndex[] = [];

  constructor(limits: SessionLimits = SESSION_LIMITS, mutations: Mutations = NO_MUTATIONS) {
    this.#sessions = new ProducerSessions(limits);
    this.#topics = new Topics(TOPIC_LIMITS);
    this.#groups = new Groups(this.#topics, GROUP_LIMITS, mutations);
    this.#mutations = mutations;
  }

  get appliedIndex(): LogIndex {
    return this.#appliedIndex;
  }

  /** First index of the log that may be served: retention has taken what lies before, on all nodes at the same entry. */
  get logStart(): LogIndex {
    return this.#logStart;
  }

  get producerCount(): number {
    return this.#sessions.size;
  }

  /** Equal on all nodes that applied the same entries and decided the same about each. */
  digest(): number {
    return this.#digest;
  }

  /** @throws UnknownEntryKind, with nothing changed. */
  apply(entry: Entry): ApplyResult {
    if (entry.index !== this.#appliedIndex + 1)
      violated(`applied ${entry.index} after ${this.#appliedIndex}`);
    const result = this.#decide(entry);
    this.#appliedIndex = entry.index;
    this.#digest = mix(this.#digest, entry.checksum, this.#fingerprint(result));
    return result;
  }

  /** What would become of a batch if it were applied next. For leaders, who ask before they propose. */
  judge(stamp: ProducerStamp, queue: number): Judgement {
    if (queue !== 0 && this.#topics.queue(queue) === null) return { verdict: 'unknown-queue', queue };
    return this.#sessions.judge(stamp, queue);
  }

  /** The last sequence accepted from a producer; 0 if there is none. */
  lastSequence(producerId: number, queue: number): number {
    return this.#sessions.find(producerId)?.lastSequence(queue) ?? 0;
  }

  /** Whether the batch at this index was refused when applied, so that readers must skip it. */
  isVoided(index: LogIndex): boolean {
    if (this.#voided.length === 0) return false;
    let low = 0;
    let high = this.#voided.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#voided[middle] ?? 0) < index) low = middle + 1;
      else high = middle;
    }
    return this.#voided[low] === index;
  }

  topic(name: string): Topic | null {
    return this.#topics.find(name);
  }

  /** In the order of creation. */
  topics(): IterableIterator<Topic> {
    return this.#topics.all();
  }

  get topicCount(): number {
    return this.#topics.size;
  }

  get queueCount(): number {
    return this.#topics.queueCount;
  }

  /** By number in the cluster. Null: there never was such a queue, or its topic was deleted. */
  queue(id: number): Queue | null {
    return this.#topics.queue(id);
  }

  group(name: string): GroupState | null {
    return this.#groups.find(name);
  }

  groups(): IterableIterator<GroupState> {
    return this.#groups.all();
  }

  get groupCount(): number {
    return this.#groups.size;
  }

  /**
   * The state as it is at this call, in chunks: u32 magic, u32 version, u64 applied index, u32 digest, u32 sessions,
   * u32 voided, u32 topics, u32 groups, u32 next queue, u64 log start; the voided indexes; the sessions; the topics; the groups. The
   * chunks may be taken while entries go on being applied. Iterate to the end, or call `return`.
   */
  checkpoint(): Iterable<Uint8Array> {
    const head = new Writer(HEAD_BYTES + this.#voided.length * 8)
      .u32(MAGIC)
      .u32(CHECKPOINT_VERSION)
      .uint53(this.#appliedIndex)
      .u32(this.#digest)
      .u32(this.#sessions.size)
      .u32(this.#voided.length)
      .u32(this.#topics.size)
      .u32(this.#groups.size)
      .u32(this.#topics.nextQueue)
      .uint53(this.#logStart);
    for (const index of this.#voided) head.uint53(index);
    return inTurn([
      [head.finish()].values(),
      this.#sessions.freeze(),
      this.#topics.freeze(),
      this.#groups.freeze(),
    ]);
  }

  /** @throws RangeError where the bytes are no checkpoint of version 1 to 3. */
  static restore(
    bytes: Uint8Array,
    limits: SessionLimits = SESSION_LIMITS,
    mutations: Mutations = NO_MUTATIONS,
  ): StateMachine {
    const head = new Reader(bytes);
    if (bytes.length < HEAD_BYTES_V1 || head.u32() !== MAGIC)
      throw new RangeError('no checkpoint of a state machine');
    const version = head.u32();
    if (version < 1 || version > CHECKPOINT_VERSION)
      throw new RangeError(`checkpoint version ${version}, this program knows 1 to ${CHECKPOINT_VERSION}`);
    const machine = new StateMachine(limits, mutations);
    machine.#appliedIndex = head.uint53() as LogIndex;
    machine.#digest = head.u32();
    const [sessionCount, voidedCount, topicCount] = [head.u32(), head.u32(), head.u32()];
    const [groupCount, nextQueue] = version === 1 ? [0, 1] : [head.u32(), head.u32()];
    if (version >= 3) machine.#logStart = head.uint53() as LogIndex;
    for (let at = 0; at < voidedCount; at += 1) machine.#voided.push(head.uint53() as LogIndex);

    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const sessions: ProducerSession[] = [];
    let offset = head.offset;
    for (let at = 0; at < sessionCount; at += 1) {
      const { session, end } = ProducerSession.decode(view, offset, version);
      sessions.push(session);
      offset = end;
    }
    const reader = new Reader(bytes, offset);
    machine.#topics.restore(reader, topicCount, nextQueue);
    machine.#groups.restore(reader, groupCount);
    if (!reader.isAtEnd) throw new RangeError(`${bytes.length - reader.offset} bytes after the last group`);
    if (!mutations.losesProducersAtStart) machine.#sessions.restore(sessions);
    return machine;
  }

  #decide(entry: Entry): ApplyResult {
    switch (entry.kind) {
      case EntryKind.batch:
        if (entryVersion(entry) !== BATCH_VERSION) throw new UnknownEntryKind(entry);
        return this.#applyBatch(entry);
      case EntryKind.command:
        return this.#applyCommand(entry);
      case EntryKind.noop:
      case EntryKind.configuration:
        return NONE;
      default:
        throw new UnknownEntryKind(entry);
    }
  }

  #applyBatch(entry: Entry): ApplyResult {
    const stamp = batchStamp(entry.bytes, ENTRY_HEADER_BYTES);
    const queue = entryQueue(entry);
    if (queue === 0 && stamp.producerId === 0) return ACCEPTED;
    const judgement = this.judge(stamp, queue);
    if (judgement.verdict === 'duplicate' && this.#mutations.storesRetriesAgain)
      return accepted(this.#baseOffset(entry, queue));
    if (judgement.verdict === 'duplicate') {
      this.#voided.push(entry.index);
      mark('broker.duplicate-voided');
      const { index, term, baseOffset } = judgement;
      if (this.#mutations.countsVoidedRecords && queue !== 0)
        this.#topics.append(queue, entryRecordCount(entry));
      if (this.#mutations.answersRetriesWithTheEnd && queue !== 0)
        return { result: 'duplicate', index, term, baseOffset: this.#topics.queue(queue)?.endOffset ?? 0 };
      return { result: 'duplicate', index, term, baseOffset };
    }
    if (judgement.verdict !== 'accept') return this.#reject(entry, judgement);
    // A leader has looked already. Should it not have, every node finds the same.
    if (queue !== 0 && !isMessageBatch(entryBody(entry))) return this.#reject(entry, MESSAGE_FORMAT);
    const baseOffset = this.#baseOffset(entry, queue);
    if (this.#mutations.remembersOneQueueOnly && queue !== 0) this.#sessions.forgetQueues(1, queue - 1);
    if (stamp.producerId !== 0) {
      const at = { index: entry.index, term: entry.term, baseOffset };
      this.#sessions.accept(stamp, queue, at, entryTime(entry));
    }
    return accepted(baseOffset);
  }

  #baseOffset(entry: Entry, queue: number): number | null {
    return queue === 0 ? null : this.#topics.append(queue, entryRecordCount(entry));
  }

  #reject(entry: Entry, rejection: Rejection): ApplyResult {
    this.#voided.push(entry.index);
    mark('broker.batch-rejected');
    return { result: 'rejected', rejection };
  }

  #applyCommand(entry: Entry): ApplyResult {
    const command = entryVersion(entry) === COMMAND_VERSION ? decodeCommand(entryBody(entry)) : null;
    if (command === null) throw new UnknownEntryKind(entry);
    switch (command.type) {
      case 'open-producer': {
        const session = this.#sessions.open(entry.index, command.inFlightMax, entryTime(entry));
        return { result: 'producer-opened', producerId: session.id, epoch: session.epoch };
      }
      case 'create-topic':
        return this.#createTopic(command, entry);
      case 'alter-topic': {
        const topic = this.#topics.alter(command);
        return 'code' in topic ? refused(topic) : done({ type: 'topic-altered', name: topic.name });
      }
      case 'delete-topic':
        return this.#deleteTopic(command.name);
      case 'raise-first-offset':
        return done({ type: 'first-offset-raised', offsets: this.#topics.raise(command.offsets) });
      case 'trim-log':
        return this.#trimLog(Math.min(command.index, entry.index - 1));
      default:
        return this.#applyToGroup(command, entry.index);
    }
  }

  #trimLog(index: number): ApplyResult {
    this.#logStart = Math.max(this.#logStart, index + 1) as LogIndex;
    const kept = this.#voided.findIndex((voided) => voided >= this.#logStart);
    this.#voided.splice(0, kept < 0 ? this.#voided.length : kept);
    return done({ type: 'log-trimmed', firstIndex: this.#logStart });
  }

  #createTopic(command: CreateTopic, entry: Entry): ApplyResult {
    const topic = this.#topics.create(command, entry.index, entryTime(entry));
    if ('code' in topic) return refused(topic);
    return done({ type: 'topic-created', name: topic.name }, this.#groups.topicCreated(topic));
  }

  #deleteTopic(name: string): ApplyResult {
    const topic = this.#topics.delete(name);
    if ('code' in topic) return refused(topic);
    const [firstQueue, queueCount] = [topic.queues[0]?.id ?? 0, topic.queues.length];
    this.#sessions.forgetQueues(firstQueue, queueCount);
    const regrouped = this.#groups.topicDeleted(topic);
    return done({ type: 'topic-deleted', name, topicId: topic.topicId, firstQueue, queueCount }, regrouped);
  }

  #applyToGroup(command: GroupCommand, index: LogIndex): ApplyResult {
    const decision = this.#decideOnGroup(command, index);
    if ('code' in decision) return refused(decision);
    return { result: 'done', outcome: decision.outcome, regrouped: decision.regrouped };
  }

  #decideOnGroup(command: GroupCommand, index: LogIndex): GroupDecision {
    switch (command.type) {
      case 'join-group':
        return this.#groups.join(command, index);
      case 'leave-group':
        return this.#groups.leave(command);
      case 'expire-members':
        return this.#groups.expire(command);
      case 'commit-positions':
        return this.#groups.commit(command);
      case 'reset-positions':
        return this.#groups.reset(command);
      case 'delete-group':
        return this.#groups.delete(command.group);
    }
  }

  /** What was decided, as a number: nodes that decided differently get different digests. */
  #fingerprint(result: ApplyResult): number {
    const code = RESULT_CODE[result.result];
    switch (result.result) {
      case 'accepted':
      case 'duplicate':
        return result.baseOffset === null ? code : mix(code, result.baseOffset, 1);
      case 'done': {
        if (result.outcome.type === 'log-trimmed') return mix(code, result.outcome.firstIndex, 1);
        const group = 'group' in result.outcome ? this.#groups.digestOf([result.outcome.group]) : 0;
        return mix(code, group, this.#groups.digestOf(result.regrouped));
      }
      case 'refused':
        return mix(code, REFUSAL_CODES.indexOf(result.refusal.code), 1);
      case 'none':
      case 'producer-opened':
      case 'rejected':
        return code;
    }
  }
}

type GroupCommand = Exclude<
  Command,
  {
    readonly type:
      | 'open-producer'
      | 'create-topic'
      | 'alter-topic'
      | 'delete-topic'
      | 'raise-first-offset'
      | 'trim-log';
  }
>;

const MESSAGE_FORMAT: Rejection = { verdict: 'message-format' };

const RESULT_CODE: Record<ApplyResult['result'], number> = {
  none: 1,
  accepted: 2,
  duplicate: 3,
  'producer-opened': 4,
  rejected: 5,
  done: 6,
  refused: 7,
};

/** Their places are part of the digest: new ones go to the end. */
const REFUSAL_CODES: readonly RefusalCode[] = [
  'BAD_NAME',
  'TOPIC_EXISTS',
  'UNKNOWN_TOPIC',
  'UNKNOWN_GROUP',
  'STALE_MEMBER',
  'GROUP_NOT_EMPTY',
  'OFFSET_OUT_OF_RANGE',
  'LIMIT_EXCEEDED',
];

/** In the raw log the same object for all: there are millions of them. */
function accepted(baseOffset: number | null): ApplyResult {
  return baseOffset === null ? ACCEPTED : { result: 'accepted', baseOffset };
}

function done(outcome: CommandOutcome, regrouped: readonly string[] = []): ApplyResult {
  return { result: 'done', outcome, regrouped };
}

function refused(refusal: Refusal): ApplyResult {
  return { result: 'refused', refusal };
}

/** One after the other. All have begun when this is called; `return` ends all that are not at their end. */
function inTurn(parts: readonly IterableIterator<Uint8Array>[]): IterableIterator<Uint8Array> {
  let at = 0;
  const chunks: IterableIterator<Uint8Array> = {
    next: () => {
      for (; at < parts.length; at += 1) {
        const step = parts[at]?.next();
        if (step !== undefined && step.done !== true) return step;
      }
      return { done: true, value: undefined };
    },
    return: () => {
      for (; at < parts.length; at += 1) parts[at]?.return?.();
      return { done: true, value: undefined };
    },
    [Symbol.iterator]: () => chunks,
  };
  return chunks;
}
