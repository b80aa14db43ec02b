import type { Entry } from '../../base/entry.ts';
import { entryQueue } from '../../base/entry.ts';
import { mark } from '../../base/marks.ts';
import type { Clock } from '../../base/ports/clock.ts';
import { DiskError, type Disk } from '../../base/ports/disk.ts';
import type { LogIndex } from '../../base/units.ts';
import type { ApplyResult, CommandOutcome, StateMachine } from '../../broker/index.ts';
import { QueueStore, type QueueState } from '../../queue/index.ts';
import type { RaftCore } from '../../raft/index.ts';
import type { ErrorInfo } from '../../wire/errors.ts';
import type { AppendPath } from '../append-path.ts';
import { diskFailure } from '../failures.ts';
import type { LeaderReads } from '../leader-reads.ts';
import type { LogAccess } from '../log-access.ts';
import { AdminPath } from './admin-path.ts';
import { FetchPath } from './fetch-path.ts';
import { GroupPath } from './group-path.ts';
import { MemberWatch } from './member-watch.ts';
import { Retention } from './retention.ts';

export interface TopicsDeskParts {
  readonly disk: Disk;
  /** Of the node. */
  readonly dataDirectory: string;
  readonly clock: Clock;
  readonly core: RaftCore;
  readonly machine: StateMachine;
  readonly log: LogAccess;
  readonly leaderReads: LeaderReads;
  readonly appends: AppendPath;
  readonly enter: () => void;
  readonly refusalHint: () => ErrorInfo;
  /** The disk failed, or an index contradicts the log. */
  readonly onFailure: (error: Error) => void;
}

/** A rebuild reads so much of the log at a time. */
const REBUILD_BYTES = 1024 * 1024;
const REBUILD_ENTRIES = 4096;

/** Everything about topics and groups that a node does beside replicating their entries. */
export class TopicsDesk {
  readonly fetches: FetchPath;
  readonly admin: AdminPath;
  readonly groups: GroupPath;
  readonly #parts: TopicsDeskParts;
  readonly #queues: QueueStore;
  readonly #members: MemberWatch;
  readonly #retention: Retention;

  constructor(parts: TopicsDeskParts) {
    this.#parts = parts;
    const { core, appends } = parts;
    const leads = (): boolean => core.role === 'leader' && appends.knowsItsPredecessors();
    this.#queues = openQueues(parts);
    this.#members = new MemberWatch({ ...parts, leads });
    this.#retention = new Retention({ ...parts, queues: this.#queues, leads });
    this.fetches = new FetchPath({ ...parts, queues: this.#queues });
    this.admin = new AdminPath({ ...parts, queues: this.#queues });
    this.groups = new GroupPath({ ...parts, members: this.#members, leads });
    this.#members.arm();
    this.#retention.arm();
  }

  counters(): Record<string, number> {
    const { machine } = this.#parts;
    return {
      topics: machine.topicCount,
      queues: machine.queueCount,
      groups: machine.groupCount,
      ...this.#queues.counters(),
      ...this.fetches.counters(),
      ...this.groups.counters(),
    };
  }

  /** An entry was applied. Before whoever proposed it is told, so that what they ask next finds it. */
  onApplied(entry: Entry, result: ApplyResult): void {
    if (result.result === 'accepted') {
      if (result.baseOffset === null) return;
      this.#queues.append(entry, result.baseOffset);
      this.fetches.stir(entryQueue(entry));
    } else if (result.result === 'done') {
      this.#onDone(result.outcome);
      for (const group of result.regrouped) this.groups.onRegrouped(group);
    }
  }

  /** A run of entries was applied. */
  onProgress(): void {
    this.fetches.onApplied();
  }

  onLeadershipLost(): void {
    this.#members.onLeadershipLost();
    this.fetches.onLeadershipLost();
    this.groups.onLeadershipLost();
  }

  /** This process stood still. */
  onPause(): void {
    this.#members.onPause();
  }

  /** Raises the first offsets of queues that would lose records with the log up to this index. */
  raiseFirstOffsets(index: LogIndex, done: (isRaised: boolean) => void): void {
    this.#retention.raiseFor(index, done);
  }

  /** Calls back when a checkpoint of what is applied now may count. */
  beforeCheckpoint(done: () => void): void {
    this.#queues.sync(done);
  }

  /** That checkpoint counts. */
  checkpointed(): void {
    this.#queues.checkpointed();
  }

  stop(): void {
    this.fetches.stop();
    this.groups.stop();
    this.#members.stop();
    this.#retention.stop();
    this.#queues.close();
  }

  #onDone(outcome: CommandOutcome): void {
    switch (outcome.type) {
      case 'topic-created':
        this.#retention.arm();
        return;
      case 'topic-deleted': {
        const { firstQueue, queueCount } = outcome;
        const queues = Array.from({ length: queueCount }, (_, at) => firstQueue + at);
        this.#queues.delete(queues);
        for (const queue of queues) this.fetches.wake(queue);
        return;
      }
      case 'first-offset-raised':
        mark('node.first-offset-raised');
        for (const { queue, offset } of outcome.offsets) this.#queues.raiseFirstOffset(queue, offset);
        return;
      case 'group-joined':
        this.#members.arm();
        return;
      default:
    }
  }
}

/** @throws NodeError where the disk does not let the indexes be opened. */
export function openTopics(parts: TopicsDeskParts): TopicsDesk {
  try {
    return new TopicsDesk(parts);
  } catch (error) {
    if (error instanceof DiskError) throw diskFailure(error);
    throw error;
  }
}

function openQueues(parts: TopicsDeskParts): QueueStore {
  const { disk, clock, dataDirectory, core, machine, log, enter, onFailure } = parts;
  return new QueueStore({
    disk,
    clock,
    directory: `${dataDirectory}/queues`,
    queues: queueStates(machine),
    enter,
    onFailure,
    log: {
      get appliedIndex(): LogIndex {
        return machine.appliedIndex;
      },
      get firstIndex(): LogIndex {
        return log.firstIndex;
      },
      read: (first, done) => {
        // What is applied and not durable here yet is in the cache, and nowhere else.
        const applied = machine.appliedIndex;
        const durable = core.durableIndex;
        const end = first <= durable ? Math.min(applied, durable) : applied;
        const last = Math.min(end, first + REBUILD_ENTRIES - 1) as LogIndex;
        log.read(first, last, REBUILD_BYTES, done);
      },
      isVoided: (index) => machine.isVoided(index),
      endOffset: (queue) => machine.queue(queue)?.endOffset ?? null,
    },
  });
}

function* queueStates(machine: StateMachine): Generator<QueueState> {
  for (const topic of machine.topics())
    for (const { id, firstOffset, endOffset } of topic.queues) yield { queue: id, firstOffset, endOffset };
}
