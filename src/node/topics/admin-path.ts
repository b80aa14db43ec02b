import type { Clock } from '../../base/ports/clock.ts';
import {
  encodeCommand,
  type Command,
  type CommandOutcome,
  type GroupState,
  type Queue,
  type StateMachine,
  type Topic,
} from '../../broker/index.ts';
import type { QueueStore } from '../../queue/index.ts';
import type {
  AdminRequest,
  AdminResult,
  QueueOffset,
  QueueReset,
  ResetTarget,
} from '../../wire/broker-schema.ts';
import { errorInfo, type ErrorInfo } from '../../wire/errors.ts';
import type { AppendPath } from '../append-path.ts';
import type { LeaderReads } from '../leader-reads.ts';
import type { LogAccess } from '../log-access.ts';
import { refusalError } from '../refusals.ts';
import { findByKey } from './key-search.ts';
import { groupInfo, groupLag, groupSummary, topicInfo, topicSummary } from './views.ts';

export interface AdminPathParts {
  readonly machine: StateMachine;
  readonly queues: QueueStore;
  readonly log: LogAccess;
  readonly appends: AppendPath;
  readonly leaderReads: LeaderReads;
  readonly clock: Clock;
  readonly enter: () => void;
}

export type AdminAnswer = (result: AdminResult | ErrorInfo) => void;

type Of<Op extends AdminRequest['op']> = Extract<AdminRequest, { readonly op: Op }>;

/**
 * Administration of topics and groups, at the leader. What changes something is proposed, and answered by what it came
 * to when it was applied; what asks something sees everything that was acknowledged before.
 */
export class AdminPath {
  readonly #parts: AdminPathParts;

  constructor(parts: AdminPathParts) {
    this.#parts = parts;
  }

  handle(request: AdminRequest, answer: AdminAnswer): void {
    switch (request.op) {
      case 'createTopic': {
        const { name, queues, retentionMs, retentionBytes } = request;
        const command: Command = { type: 'create-topic', name, queues, retentionMs, retentionBytes };
        this.#propose(request, command, answer, () => this.#answerTopic('createTopic', name, answer));
        return;
      }
      case 'alterTopic': {
        const { name, retentionMs, retentionBytes } = request;
        const command: Command = { type: 'alter-topic', name, retentionMs, retentionBytes };
        this.#propose(request, command, answer, () => this.#answerTopic('alterTopic', name, answer));
        return;
      }
      case 'deleteTopic':
        this.#propose(request, { type: 'delete-topic', name: request.name }, answer, (outcome) => {
          if (outcome.type !== 'topic-deleted') return;
          answer({ op: 'deleteTopic', name: outcome.name, topicId: outcome.topicId });
        });
        return;
      case 'deleteGroup': {
        const { group } = request;
        this.#propose(request, { type: 'delete-group', group }, answer, () =>
          answer({ op: 'deleteGroup', group }),
        );
        return;
      }
      default:
        this.#whenSure(request, answer, (once) => this.#tell(request, once));
    }
  }

  /** Answers from what is applied. */
  #tell(
    request: Exclude<AdminRequest, Of<'createTopic' | 'alterTopic' | 'deleteTopic' | 'deleteGroup'>>,
    answer: AdminAnswer,
  ): void {
    const { machine } = this.#parts;
    switch (request.op) {
      case 'listTopics':
        answer({ op: 'listTopics', topics: [...machine.topics()].map(topicSummary) });
        return;
      case 'describeTopic':
        this.#answerTopic('describeTopic', request.name, answer);
        return;
      case 'findByKey':
        this.#withTopic(request.topic, answer, (topic) =>
          findByKey(this.#parts, topic, request.key, request.max, (error, found) => {
            if (error === null) answer({ op: 'findByKey', found });
            else answer(errorInfo('INTERNAL', `cannot look the key up: ${error.message}`));
          }),
        );
        return;
      case 'findByTime':
        this.#withTopic(request.topic, answer, (topic) =>
          this.#byTime(topic.queues, request.timeMs, answer, (queues) =>
            answer({ op: 'findByTime', queues }),
          ),
        );
        return;
      case 'listGroups':
        answer({ op: 'listGroups', groups: [...machine.groups()].map(groupSummary) });
        return;
      case 'describeGroup':
        this.#withGroup(request.group, answer, (group) =>
          answer({ op: 'describeGroup', group: groupInfo(group) }),
        );
        return;
      case 'groupLag':
        this.#withGroup(request.group, answer, (group) =>
          answer({ op: 'groupLag', group: group.name, queues: groupLag(group) }),
        );
        return;
      case 'resetGroup':
        this.#reset(request, answer);
    }
  }

  #answerTopic(op: 'createTopic' | 'alterTopic' | 'describeTopic', name: string, answer: AdminAnswer): void {
    this.#withTopic(name, answer, (topic) => answer({ op, topic: topicInfo(topic) }));
  }

  #withTopic(name: string, answer: AdminAnswer, then: (topic: Topic) => void): void {
    const topic = this.#parts.machine.topic(name);
    if (topic === null) answer(errorInfo('UNKNOWN_TOPIC', `there is no topic ${JSON.stringify(name)}`));
    else then(topic);
  }

  #withGroup(name: string, answer: AdminAnswer, then: (group: GroupState) => void): void {
    const group = this.#parts.machine.group(name);
    if (group === null) answer(errorInfo('UNKNOWN_GROUP', `there is no group ${JSON.stringify(name)}`));
    else then(group);
  }

  #reset(request: Of<'resetGroup'>, answer: AdminAnswer): void {
    const group = this.#parts.machine.group(request.group);
    const reset = (queues: readonly Queue[]): void =>
      this.#resolve(queues, request.to, answer, (offsets) => {
        const rows = queues.map(
          (queue, at): QueueReset => ({
            topic: queue.topic.name,
            queue: queue.ordinal,
            id: queue.id,
            before: group?.queues.get(queue.id)?.position ?? null,
            after: offsets[at] ?? 0,
          }),
        );
        const result: AdminResult = { op: 'resetGroup', group: request.group, queues: rows };
        if (request.dryRun) {
          answer(result);
          return;
        }
        const positions = rows.map(({ id, after }) => ({ queue: id, offset: after }));
        const command: Command = { type: 'reset-positions', group: request.group, positions };
        this.#propose(request, command, answer, () => answer(result));
      });
    // A group may be placed at a topic before its first member comes; all its topics it has only if it is there.
    if (request.topic !== null) this.#withTopic(request.topic, answer, (topic) => reset(topic.queues));
    else
      this.#withGroup(request.group, answer, ({ queues }) =>
        reset([...queues.values()].filter(({ position }) => position !== null).map(({ queue }) => queue)),
      );
  }

  /** Where in each queue the target is. */
  #resolve(
    queues: readonly Queue[],
    { kind, value }: ResetTarget,
    answer: AdminAnswer,
    done: (offsets: readonly number[]) => void,
  ): void {
    switch (kind) {
      case 'earliest':
        done(queues.map(({ firstOffset }) => firstOffset));
        return;
      case 'latest':
        done(queues.map(({ endOffset }) => endOffset));
        return;
      case 'time':
        this.#byTime(queues, value ?? 0, answer, (found) => done(found.map(({ offset }) => offset)));
        return;
      case 'offset': {
        const offset = value ?? 0;
        const outside = queues.find(
          ({ firstOffset, endOffset }) => offset < firstOffset || offset > endOffset,
        );
        if (outside === undefined) {
          done(queues.map(() => offset));
          return;
        }
        const { topic, ordinal, firstOffset, endOffset } = outside;
        const code = offset > endOffset ? 'OFFSET_OUT_OF_RANGE' : 'OFFSET_EXPIRED';
        const text = `queue ${ordinal} of ${topic.name} holds ${firstOffset} to ${endOffset}, not ${offset}`;
        answer(errorInfo(code, text, { firstIndex: firstOffset, lastIndex: endOffset }));
      }
    }
  }

  /** The first offset in each queue that was stored at this time or later; its end if there is none. */
  #byTime(
    queues: readonly Queue[],
    timeMs: number,
    answer: AdminAnswer,
    done: (offsets: QueueOffset[]) => void,
  ): void {
    const offsets: QueueOffset[] = [];
    const next = (): void => {
      const queue = queues[offsets.length];
      if (queue === undefined) {
        done(offsets);
        return;
      }
      this.#parts.queues.find(queue.id, 'timeMs', timeMs, (error, unit) => {
        if (error !== null) {
          answer(errorInfo('INTERNAL', `cannot search queue ${queue.id}: ${error.message}`));
          return;
        }
        const offset = unit === null ? queue.endOffset : Math.max(unit.baseOffset, queue.firstOffset);
        offsets.push({ id: queue.id, ordinal: queue.ordinal, offset });
        next();
      });
    };
    next();
  }

  #propose(
    { deadlineMs }: AdminRequest,
    command: Command,
    answer: AdminAnswer,
    then: (outcome: CommandOutcome) => void,
  ): void {
    this.#parts.appends.command(encodeCommand(command), deadlineMs, (error, decision) => {
      if (error !== null) answer(error);
      else if (decision?.result === 'done') then(decision.outcome);
      else if (decision?.result === 'refused') answer(refusalError(decision.refusal));
    });
  }

  /** As soon as a read is linearizable; whoever waits in vain is told so at the deadline. */
  #whenSure({ deadlineMs }: AdminRequest, answer: AdminAnswer, then: (once: AdminAnswer) => void): void {
    let isAnswered = false;
    const once: AdminAnswer = (result) => {
      if (isAnswered) return;
      isAnswered = true;
      timer.cancel();
      answer(result);
    };
    const timer = this.#parts.clock.setTimer(deadlineMs, () => {
      this.#parts.enter();
      once(errorInfo('TIMEOUT', `no answer within ${deadlineMs} ms`));
    });
    this.#parts.leaderReads.ask((error) => {
      if (error === null) then(once);
      else once(error);
    });
  }
}
