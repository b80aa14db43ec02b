import type { Clock, TimerHandle } from '../../base/ports/clock.ts';
import { encodeCommand, type Queue, type QueuePosition, type StateMachine } from '../../broker/index.ts';
import type { LogIndex } from '../../base/units.ts';
import type { QueueStore } from '../../queue/index.ts';
import type { AppendPath } from '../append-path.ts';

export interface RetentionParts {
  readonly machine: StateMachine;
  readonly queues: QueueStore;
  readonly appends: AppendPath;
  readonly clock: Clock;
  readonly enter: () => void;
  /** Whether this node leads and has applied what its predecessors did. */
  readonly leads: () => boolean;
}

const CHECK_MS = 5000;
const DEADLINE_MS = 10_000;
/** Queues in one order. */
const RAISED_MAX = 1000;

/**
 * Raises the first offset of queues whose topics limit their age or size. The leader looks and proposes; what is decided
 * is an entry, so that all nodes serve the same records. Space returns when the files of the log and of the queue go.
 */
export class Retention {
  readonly #parts: RetentionParts;
  #timer: TimerHandle | null = null;
  #isStopped = false;

  constructor(parts: RetentionParts) {
    this.#parts = parts;
  }

  /** There are topics, or may be. */
  arm(): void {
    if (this.#timer !== null || this.#isStopped || this.#parts.machine.topicCount === 0) return;
    this.#timer = this.#parts.clock.setTimer(CHECK_MS, () => {
      this.#parts.enter();
      this.#check(() => {
        this.#timer = null;
        this.arm();
      });
    });
  }

  /**
   * Raises the first offsets of queues that have records at or below an index of the log which is about to go.
   * @param done whether that was decided of all of them.
   */
  raiseFor(index: LogIndex, done: (isRaised: boolean) => void): void {
    const { machine, queues } = this.#parts;
    const all = Array.from(machine.topics(), (topic) => topic.queues)
      .flat()
      .filter(({ firstOffset, endOffset }) => firstOffset < endOffset);
    const raised: QueuePosition[] = [];
    let undecided = 1;
    let isRaised = true;
    const decided = (isDone: boolean): void => {
      isRaised &&= isDone;
      undecided -= 1;
      if (undecided === 0 && !this.#isStopped) done(isRaised);
    };
    const next = (at: number): void => {
      const queue = all[at];
      if (this.#isStopped) return;
      if (raised.length >= RAISED_MAX || queue === undefined) {
        undecided += 1;
        this.#propose(raised.splice(0), decided);
      }
      if (queue === undefined) {
        decided(true);
        return;
      }
      queues.find(queue.id, 'index', index + 1, (error, unit) => {
        const offset = unit?.baseOffset ?? queue.endOffset;
        if (error !== null) isRaised = false;
        else if (offset > queue.firstOffset) raised.push({ queue: queue.id, offset });
        next(at + 1);
      });
    };
    next(0);
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /** One queue after the other: it is never urgent. */
  #check(done: () => void): void {
    const { machine, leads } = this.#parts;
    const limited: Queue[] = [];
    if (leads())
      for (const topic of machine.topics())
        if (topic.retentionMs !== null || topic.retentionBytes !== null)
          limited.push(...topic.queues.filter(({ firstOffset, endOffset }) => firstOffset < endOffset));
    const raised: QueuePosition[] = [];
    let at = 0;
    const next = (): void => {
      const queue = limited[at];
      if (this.#isStopped) return;
      if (queue === undefined || raised.length >= RAISED_MAX) {
        // What was not decided is looked at again the next time.
        if (leads()) this.#propose(raised, () => undefined);
        done();
        return;
      }
      at += 1;
      this.#byAge(queue, (byAge) =>
        this.#bySize(queue, (bySize) => {
          const offset = Math.max(byAge, bySize);
          if (offset > queue.firstOffset) raised.push({ queue: queue.id, offset });
          next();
        }),
      );
    };
    next();
  }

  #byAge({ id, topic, firstOffset, endOffset }: Queue, done: (offset: number) => void): void {
    const { queues, clock } = this.#parts;
    if (topic.retentionMs === null) {
      done(firstOffset);
      return;
    }
    queues.find(id, 'timeMs', clock.unixMs() - topic.retentionMs, (error, unit) => {
      // A queue that cannot be read keeps what it has; whoever reads it will say so.
      if (error !== null) done(firstOffset);
      else done(unit === null ? endOffset : unit.baseOffset);
    });
  }

  /** So many whole batches go that what is left is within the limit; the last one always stays. */
  #bySize({ id, topic, firstOffset }: Queue, done: (offset: number) => void): void {
    const { queues } = this.#parts;
    const { all, last } = queues.bytes(id);
    const surplus = topic.retentionBytes === null ? 0 : Math.min(all - topic.retentionBytes, all - last);
    if (surplus <= 0) {
      done(firstOffset);
      return;
    }
    queues.find(id, 'bytesBefore', surplus, (error, unit) => {
      if (error !== null || unit === null) done(firstOffset);
      else done(unit.baseOffset);
    });
  }

  #propose(offsets: readonly QueuePosition[], done: (isDecided: boolean) => void): void {
    if (offsets.length === 0) {
      done(true);
      return;
    }
    const command = encodeCommand({ type: 'raise-first-offset', offsets });
    this.#parts.appends.command(command, DEADLINE_MS, (error) => done(error === null));
  }
}
