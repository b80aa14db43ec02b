import { assert } from '../base/assert.ts';
import { NO_MUTATIONS, type Mutations } from '../base/mutations.ts';
import type { TimerHandle } from '../base/ports/clock.ts';
import {
  decodeAdminResult,
  encodeAdmin,
  type AssignedQueue,
  type GroupView,
  type QueueOffset,
  type QueuePosition,
  type ResetTarget,
  type TopicInfo,
} from '../wire/broker-schema.ts';
import { FrameKind } from '../wire/frame.ts';
import { LIMITS } from '../wire/limits.ts';
import { WireError } from '../wire/wire-error.ts';
import type { Endpoint } from './endpoint.ts';
import { ClosedError, type DledgerError } from './errors.ts';
import { GroupMember } from './group-member.ts';
import type { ClientPorts } from './leader-link.ts';
import { QueueReader, type ConsumedRecord, type ReadQueue } from './queue-reader.ts';
import { RequestChannel, type Request } from './request-channel.ts';
import { describeTopic } from './topic-directory.ts';

export interface ConsumerCoreOptions {
  readonly endpoints: readonly Endpoint[];
  readonly clusterId: string | null;
  readonly topics: readonly string[];
  /** Null: alone, all queues, nothing committed. */
  readonly group: string | null;
  readonly instance: string;
  readonly clientName: string;
  readonly sessionTimeoutMs: number;
  /** Where to begin in a queue of which nothing was committed. */
  readonly from: ResetTarget;
  /** Outside of a group: only these queues of the topic, by ordinal, each from an offset on; null: all. */
  readonly queues: ReadonlyMap<number, number> | null;
  readonly tags: readonly string[];
  readonly pageRecords: number;
  readonly pageBytes: number;
  /** What is worked off is committed so often; null: only on `commit`. */
  readonly autoCommitMs: number | null;
  readonly onExpired: 'error' | 'earliest';
  /** Of one request. */
  readonly timeoutMs: number;
}

/** Ways to the leader. Those who read alone may share theirs: none of them has heartbeats that must not wait. */
export interface ConsumerChannels {
  readonly control: RequestChannel;
  readonly fetches: RequestChannel;
  close(): void;
}

/** Records of one queue, in order. */
export interface ConsumedPage {
  readonly records: readonly ConsumedRecord[];
  /** Says that the records below this offset are worked off. */
  workedOff(offset: number): void;
}

/** One page; null at the end, which only `close` brings. */
export type PageDone = (error: DledgerError | null, page: ConsumedPage | null) => void;

export interface GivenQueue extends ReadQueue {
  /** What was committed of it: the next offset to be read. Null: nothing, or outside of a group. */
  readonly position: number | null;
}

export interface ConsumerHandlers {
  /** Queues that are this consumer's from now on. */
  onAssigned(queues: readonly GivenQueue[]): void;
  /** The group has stored these positions. */
  onCommitted(positions: readonly QueuePosition[]): void;
  /** Queues that were handed over in good order, all of their work committed. */
  onRevoked(queues: readonly ReadQueue[]): void;
  /** Queues that others may have by now: what was worked off and not committed will be worked on again. */
  onLost(queues: readonly ReadQueue[], why: string): void;
  /** Everything that there was is worked off. Told again after each time that there was more. */
  onIdle(): void;
  onSkipped(queue: ReadQueue, from: number, to: number): void;
}

/**
 * Reads topics, alone or as a member of a group. What was worked off is committed, and a queue is given up only when
 * what was handed out of it is worked off and committed: so the next one to have it begins exactly there.
 *
 * Requests to the group have a connection of their own: a heartbeat must not wait behind a megabyte of records.
 */
export class ConsumerCore {
  readonly #options: ConsumerCoreOptions;
  readonly #ports: ClientPorts;
  readonly #mutations: Mutations;
  readonly #handlers: ConsumerHandlers;
  readonly #channels: ConsumerChannels;
  readonly #member: GroupMember | null;
  /** By number of the queue in the cluster. */
  readonly #readers = new Map<number, QueueReader>();
  /** Queues whose first offset is being asked for. */
  readonly #starting = new Set<number>();
  /** To be given up as soon as what was handed out is worked off. */
  readonly #revoking = new Set<number>();
  #hasView = false;
  #turn = 0;
  #waiter: PageDone | null = null;
  #error: DledgerError | null = null;
  #isClosed = false;
  #isIdle = false;
  #isCommitting = false;
  #commitAgain = false;
  #closeWaiters: ((error: DledgerError | null) => void)[] = [];
  #commitWaiters: ((error: DledgerError | null) => void)[] = [];
  #autoCommit: TimerHandle | null = null;

  /** @param channels are closed with the consumer. Default: its own. */
  constructor(
    options: ConsumerCoreOptions,
    ports: ClientPorts,
    handlers: ConsumerHandlers,
    channels: ConsumerChannels = ownChannels(options, ports),
  ) {
    const { group } = options;
    this.#options = options;
    this.#ports = ports;
    this.#mutations = ports.mutations ?? NO_MUTATIONS;
    this.#handlers = handlers;
    this.#channels = channels;
    this.#member =
      group === null
        ? null
        : new GroupMember(
            channels.control,
            ports.clock,
            { ...options, group },
            {
              onView: (view) => this.#onView(view),
              onLost: (why) => this.#onLost(why),
              onFailed: (error) => this.#fail(error),
            },
          );
  }

  /** 0 outside of a group. */
  get memberId(): number {
    return this.#member?.memberId ?? 0;
  }

  /** Those that are this consumer's. */
  get queues(): ReadQueue[] {
    return [...this.#readers.values()].map(({ queue }) => queue);
  }

  start(): void {
    if (this.#member !== null) this.#member.join();
    else for (const topic of this.#options.topics) this.#assignTopic(topic);
    this.#armAutoCommit();
  }

  /** Calls back with the next page of some queue, with null after `close`, or with what ended it. One at a time. */
  next(done: PageDone): void {
    assert(this.#waiter === null, 'the next page was asked for before the last one came');
    this.#waiter = done;
    this.#ports.clock.defer(() => this.#deliver());
  }

  /** Commits what is worked off. */
  commit(done: (error: DledgerError | null) => void): void {
    this.#commitWaiters.push(done);
    this.#commit();
  }

  /** Commits what is worked off, leaves the group, and ends the connections. */
  close(done: (error: DledgerError | null) => void): void {
    if (this.#isClosed) {
      this.#ports.clock.defer(() => done(null));
      return;
    }
    this.#closeWaiters.push(done);
    if (this.#closeWaiters.length > 1) return;
    this.#autoCommit?.cancel();
    for (const reader of this.#readers.values()) reader.pause();
    const end = (error: DledgerError | null): void => {
      this.#isClosed = true;
      for (const reader of this.#readers.values()) reader.close();
      this.#readers.clear();
      const leave = (): void => {
        this.#channels.close();
        this.#deliver();
        for (const waiter of this.#closeWaiters.splice(0)) waiter(error);
      };
      if (this.#member === null) leave();
      else this.#member.leave(leave);
    };
    if (this.#member === null || this.#member.memberId === 0 || this.#options.autoCommitMs === null)
      end(null);
    else this.commit(end);
  }

  // What is this consumer's.

  #onView({ assignment }: GroupView): void {
    this.#hasView = true;
    const present = new Set(assignment.map(({ queue }) => queue));
    const gone = [...this.#readers.values()].filter(({ queue }) => !present.has(queue.id));
    for (const { queue } of gone) this.#drop(queue.id);
    // Given up by this consumer, or deleted with their topic.
    if (gone.length > 0) this.#handlers.onRevoked(gone.map(({ queue }) => queue));
    const assigned = assignment.filter((row) => this.#adopt(row));
    if (assigned.length > 0)
      this.#handlers.onAssigned(assigned.map((row) => ({ ...asQueue(row), position: row.position })));
    if (this.#revoking.size > 0) this.#commit();
    this.#onChange();
  }

  /** @returns whether it is new. */
  #adopt(row: AssignedQueue): boolean {
    const { queue: id, isRevoking, position } = row;
    const reader = this.#readers.get(id);
    if (isRevoking) {
      reader?.pause();
      this.#revoking.add(id);
      return false;
    }
    this.#revoking.delete(id);
    if (reader !== undefined) {
      reader.resume();
      return false;
    }
    if (this.#starting.has(id)) return false;
    if (position === null) this.#begin(asQueue(row));
    else this.#read(asQueue(row), position, position);
    return true;
  }

  #assignTopic(name: string): void {
    this.#channels.control.ask(describeTopic(name, this.#options.timeoutMs), (error, topic) => {
      if (topic === null) {
        this.#fail(error as DledgerError);
        return;
      }
      this.#hasView = true;
      const wanted = this.#options.queues;
      const queues = topic.queues
        .filter(({ ordinal }) => wanted?.has(ordinal) ?? true)
        .map(({ id, ordinal }) => ({ topic: name, ordinal, id, position: wanted?.get(ordinal) ?? null }));
      for (const queue of queues) {
        if (queue.position === null) this.#begin(queue);
        else this.#read(queue, queue.position, null);
      }
      this.#handlers.onAssigned(queues);
    });
  }

  /** Nothing was committed of this queue: finds out where to begin, and says so to the group. */
  #begin(queue: ReadQueue): void {
    this.#starting.add(queue.id);
    this.#findStart(queue, (error, offset) => {
      if (!this.#starting.delete(queue.id) || this.#isClosed) return;
      if (offset === null) this.#fail(error as DledgerError);
      else {
        this.#read(queue, offset, null);
        // A hand-over is to go on here, and not to decide anew.
        this.#commit();
      }
    });
  }

  #findStart(
    { topic, ordinal }: ReadQueue,
    done: (error: DledgerError | null, offset: number | null) => void,
  ): void {
    const { from, timeoutMs } = this.#options;
    if (from.kind === 'offset') {
      this.#ports.clock.defer(() => done(null, from.value));
      return;
    }
    if (from.kind === 'time') {
      this.#channels.control.ask(findByTime(topic, from.value ?? 0, timeoutMs), (error, queues) => {
        done(error, queues?.find((queue) => queue.ordinal === ordinal)?.offset ?? null);
      });
      return;
    }
    this.#channels.control.ask(describeTopic(topic, timeoutMs), (error, found) => {
      const queue: TopicInfo['queues'][number] | undefined = found?.queues[ordinal];
      if (queue === undefined) done(error, null);
      else done(null, from.kind === 'earliest' ? queue.firstOffset : queue.endOffset);
    });
  }

  #read(queue: ReadQueue, offset: number, committed: number | null): void {
    const options = { ...this.#options, mutations: this.#mutations };
    const reader = new QueueReader(queue, offset, this.#channels.fetches, this.#ports.clock, options, {
      onChange: () => this.#onChange(),
      onFailed: (error) => {
        // Members hear from the group that a topic was deleted.
        if (error.code !== 'UNKNOWN_TOPIC' || this.#member === null) this.#fail(error);
      },
      onSkipped: (from, to) => this.#handlers.onSkipped(queue, from, to),
    });
    reader.committed = committed;
    this.#readers.set(queue.id, reader);
    if (this.#revoking.has(queue.id)) reader.pause();
    reader.open();
  }

  #drop(id: number): void {
    this.#readers.get(id)?.close();
    this.#readers.delete(id);
    this.#starting.delete(id);
    this.#revoking.delete(id);
  }

  #onLost(why: string): void {
    const { queues } = this;
    if (!this.#mutations.ignoresLostMembership) for (const { id } of queues) this.#drop(id);
    this.#starting.clear();
    this.#revoking.clear();
    this.#hasView = false;
    if (queues.length > 0) this.#handlers.onLost(queues, why);
  }

  // Handing out.

  #onChange(): void {
    if (this.#revoking.size > 0 && !this.#isCommitting) this.#commit();
    this.#deliver();
    const isIdle =
      this.#hasView &&
      this.#starting.size === 0 &&
      [...this.#readers.values()].every((reader) => reader.isIdle);
    const wasIdle = this.#isIdle;
    this.#isIdle = isIdle;
    if (isIdle && !wasIdle) this.#handlers.onIdle();
  }

  /** In turn: a queue that always has more must not keep the others from theirs. */
  #deliver(): void {
    const waiter = this.#waiter;
    if (waiter === null) return;
    if (this.#isClosed || this.#error !== null) {
      this.#waiter = null;
      waiter(this.#error, null);
      return;
    }
    const readers = [...this.#readers.values()];
    for (let step = 0; step < readers.length; step += 1) {
      const at = (this.#turn + step) % readers.length;
      const reader = readers[at] as QueueReader;
      if (!reader.hasPage) continue;
      this.#turn = at + 1;
      this.#waiter = null;
      waiter(null, { records: reader.take(), workedOff: (offset) => reader.workedOff(offset) });
      return;
    }
  }

  /** It reads no more. So it leaves its group: a member that lives and reads nothing would keep its queues from all others. */
  #fail(error: DledgerError): void {
    if (this.#isClosed || this.#error !== null) return;
    this.#error = error;
    this.#deliver();
    this.close(() => undefined);
  }

  // Committing.

  #armAutoCommit(): void {
    const { autoCommitMs } = this.#options;
    if (autoCommitMs === null || this.#member === null) return;
    this.#autoCommit = this.#ports.clock.setTimer(autoCommitMs, () => {
      this.#commit();
      this.#armAutoCommit();
    });
  }

  /** One at a time; what is asked for meanwhile goes into the next. */
  #commit(): void {
    const member = this.#member;
    if (this.#isCommitting) {
      this.#commitAgain = true;
      return;
    }
    const waiters = this.#commitWaiters.splice(0);
    const isAsked = waiters.length > 0 || this.#options.autoCommitMs !== null;
    const wanted = [...this.#readers.values()]
      .map((reader) => ({ reader, offset: isAsked ? reader.processed : (reader.committed ?? reader.first) }))
      .filter(({ reader, offset }) => reader.committed !== offset);
    const release = [...this.#revoking].filter((id) => this.#readers.get(id)?.isSettled ?? true);
    const told = (error: DledgerError | null): void => {
      for (const waiter of waiters) waiter(error);
    };
    if (member === null || member.memberId === 0 || (wanted.length === 0 && release.length === 0)) {
      this.#ports.clock.defer(() => told(this.#isClosed ? new ClosedError('none') : null));
      return;
    }
    this.#isCommitting = true;
    const sent = wanted.slice(0, LIMITS.commitQueuesMax);
    if (sent.length < wanted.length) this.#commitAgain = true;
    const positions: QueuePosition[] = sent.map(({ reader, offset }) => ({ queue: reader.queue.id, offset }));
    member.commit(positions, release, (error) => {
      this.#isCommitting = false;
      if (error === null) {
        for (const { reader, offset } of sent) reader.committed = offset;
        if (positions.length > 0) this.#handlers.onCommitted(positions);
        this.#released(release);
      }
      told(error);
      if (error !== null && !error.retryable && member.memberId !== 0) this.#fail(error);
      const isRetried = error?.retryable === true && release.length > 0;
      if (this.#commitAgain || isRetried) {
        this.#commitAgain = false;
        this.#commit();
      }
    });
  }

  #released(ids: readonly number[]): void {
    const readers = ids.flatMap((id) => this.#readers.get(id) ?? []);
    for (const id of ids) this.#drop(id);
    if (readers.length === 0) return;
    this.#handlers.onRevoked(readers.map(({ queue }) => queue));
    this.#onChange();
  }
}

function ownChannels(
  { endpoints, clusterId }: Pick<ConsumerCoreOptions, 'endpoints' | 'clusterId'>,
  ports: ClientPorts,
): ConsumerChannels {
  const control = new RequestChannel({ endpoints, clusterId, wants: 'leader' }, ports);
  const fetches = new RequestChannel({ endpoints, clusterId, wants: 'leader' }, ports);
  return {
    control,
    fetches,
    close: () => {
      control.close();
      fetches.close();
    },
  };
}

function asQueue({ topic, ordinal, queue }: AssignedQueue): ReadQueue {
  return { topic, ordinal, id: queue };
}

function findByTime(topic: string, timeMs: number, timeoutMs: number): Request<readonly QueueOffset[]> {
  return {
    kind: FrameKind.ADMIN,
    answerKind: FrameKind.ADMIN_RESULT,
    isRepeatable: true,
    timeoutMs,
    encode: (remainingMs) =>
      encodeAdmin({ op: 'findByTime', topic, timeMs, deadlineMs: Math.ceil(remainingMs) }),
    decode: (body) => {
      const result = decodeAdminResult(body);
      if (result.op === 'findByTime') return result.queues;
      throw new WireError('BAD_BODY', `ADMIN_RESULT of ${result.op} answers findByTime`);
    },
  };
}
