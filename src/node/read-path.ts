import { EntryKind, entryQueue, type Entry } from '../base/entry.ts';
import { mark } from '../base/marks.ts';
import type { Clock, TimerHandle } from '../base/ports/clock.ts';
import type { LogIndex } from '../base/units.ts';
import type { StateMachine } from '../broker/index.ts';
import type { RaftCore } from '../raft/index.ts';
import type { ReadRequest, ReadResult } from '../wire/client-codec.ts';
import { errorInfo, type ErrorInfo } from '../wire/errors.ts';
import { readFailure } from './failures.ts';
import type { LeaderReads } from './leader-reads.ts';
import type { LogAccess } from './log-access.ts';

/** Who waits for a read. `canTake` says whether its connection drains. */
export interface ReadWaiter {
  readonly isOpen: boolean;
  answer(requestId: number, answer: ReadResult): void;
  failed(requestId: number, error: ErrorInfo): void;
}

interface Read {
  readonly waiter: ReadWaiter;
  readonly requestId: number;
  readonly request: ReadRequest;
  /** Monotonic; when a long poll answers with nothing. */
  readonly waitUntilMs: number;
}

export interface ReadPathPorts {
  readonly core: RaftCore;
  readonly machine: StateMachine;
  readonly log: LogAccess;
  readonly leaderReads: LeaderReads;
  readonly clock: Clock;
  readonly enter: () => void;
  readonly refusalHint: () => ErrorInfo;
}

/** One answer holds at most so many bytes, whatever the client asks for. */
const ANSWER_BYTES_MAX = 1024 * 1024;
/** Long polls that wait at once; beyond it reads are refused as OVERLOADED. */
const WAITING_MAX = 4096;

/** Serves what is committed and applied, from the cache or from disk, and nothing else. */
export class ReadPath {
  readonly #ports: ReadPathPorts;
  /** Long polls at the end of the log. */
  #polls: Read[] = [];
  #pollTimer: TimerHandle | null = null;
  /** When that timer fires. */
  #pollDueMs = Number.POSITIVE_INFINITY;
  #served = 0;

  constructor(ports: ReadPathPorts) {
    this.#ports = ports;
  }

  counters(): Record<string, number> {
    return {
      readsServed: this.#served,
      readsWaiting: this.#polls.length + this.#ports.leaderReads.waitingCount,
      readsFromDisk: this.#ports.log.pending,
    };
  }

  read(waiter: ReadWaiter, requestId: number, request: ReadRequest): void {
    const { clock, leaderReads } = this.#ports;
    if (this.#polls.length >= WAITING_MAX) {
      waiter.failed(requestId, errorInfo('OVERLOADED', `${WAITING_MAX} reads wait already`));
      return;
    }
    const read: Read = {
      waiter,
      requestId,
      request,
      waitUntilMs: clock.monotonicMs() + Math.min(request.waitMs, request.deadlineMs),
    };
    if (request.consistency === 'committed') {
      this.#serve(read, request.from);
      return;
    }
    leaderReads.ask((error) => {
      if (error === null) this.#serve(read, request.from);
      else waiter.failed(requestId, error);
    });
  }

  /** More of the log was applied. */
  onApplied(): void {
    if (this.#polls.length > 0) {
      const polls = this.#polls;
      this.#polls = [];
      for (const read of polls) this.#serve(read, read.request.from);
    }
  }

  /** Linearizable long polls must not wait at a node that lost leadership: the client goes to the new leader. */
  onLeadershipLost(): void {
    const polls = this.#polls;
    this.#polls = [];
    for (const read of polls) {
      if (read.request.consistency === 'committed') this.#polls.push(read);
      else {
        mark('node.read-lost-its-leader');
        read.waiter.failed(read.requestId, this.#ports.refusalHint());
      }
    }
  }

  stop(): void {
    this.#pollTimer?.cancel();
  }

  #serve(read: Read, from: LogIndex): void {
    if (!read.waiter.isOpen) return;
    const { log, machine } = this.#ports;
    const applied = machine.appliedIndex;
    if (from < log.firstIndex) {
      this.#refuse(read, from);
      return;
    }
    if (from > applied) {
      if (this.#ports.clock.monotonicMs() < read.waitUntilMs)
        this.#poll(from === read.request.from ? read : { ...read, request: { ...read.request, from } });
      else this.#answer(read, from, []);
      return;
    }
    const last = Math.min(applied, from + read.request.entriesMax - 1) as LogIndex;
    // One entry is read whatever the limit: room for more would be read from the disk for nothing, up to a MiB.
    const bytesMax = last === from ? 0 : Math.min(read.request.bytesMax, ANSWER_BYTES_MAX);
    this.#ports.log.read(from, last, bytesMax, (error, entries) => {
      if (error === null) this.#select(read, from, entries);
      else if (from < log.firstIndex) this.#refuse(read, from);
      else read.waiter.failed(read.requestId, readFailure(`the log at ${from}`, error));
    });
  }

  #refuse(read: Read, from: LogIndex): void {
    const { firstIndex } = this.#ports.log;
    const lastIndex = this.#ports.machine.appliedIndex;
    const text = `index ${from} is not kept any more: the log holds ${firstIndex} to ${lastIndex}`;
    read.waiter.failed(read.requestId, errorInfo('OUT_OF_RANGE', text, { firstIndex, lastIndex }));
  }

  /** Leaves out what holds no records of the raw log: entries of the protocol, of topics, and batches refused when applied. */
  #select(read: Read, from: LogIndex, scanned: readonly Entry[]): void {
    const lastScanned = scanned.at(-1);
    const nextIndex = (lastScanned === undefined ? from : lastScanned.index + 1) as LogIndex;
    const entries = scanned.filter(
      (entry) =>
        entry.kind === EntryKind.batch &&
        entryQueue(entry) === 0 &&
        !this.#ports.machine.isVoided(entry.index),
    );
    // An empty answer would look like the end of the log to a client that does not wait: go on instead, as far as the
    // log goes. Who waits is told that it has come further: what it waits for may not lie behind.
    const isMore = nextIndex <= this.#ports.machine.appliedIndex;
    if (entries.length === 0 && lastScanned !== undefined && isMore) this.#serve(read, nextIndex);
    else this.#answer(read, nextIndex, entries);
  }

  #answer(read: Read, nextIndex: LogIndex, entries: readonly Entry[]): void {
    this.#served += 1;
    read.waiter.answer(read.requestId, {
      firstIndex: this.#ports.log.firstIndex,
      commitIndex: this.#ports.machine.appliedIndex,
      nextIndex,
      entries,
    });
  }

  #poll(read: Read): void {
    this.#polls.push(read);
    // The one that fires later than this would keep it waiting.
    if (read.waitUntilMs < this.#pollDueMs) this.#armPollTimer();
  }

  #armPollTimer(): void {
    this.#pollTimer?.cancel();
    this.#pollTimer = null;
    let earliest = Number.POSITIVE_INFINITY;
    for (const read of this.#polls) earliest = Math.min(earliest, read.waitUntilMs);
    this.#pollDueMs = earliest;
    if (earliest === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.max(1, earliest - this.#ports.clock.monotonicMs());
    this.#pollTimer = this.#ports.clock.setTimer(delayMs, () => {
      this.#ports.enter();
      const now = this.#ports.clock.monotonicMs();
      const due = this.#polls.filter((read) => read.waitUntilMs <= now);
      this.#polls = this.#polls.filter((read) => read.waitUntilMs > now);
      for (const read of due) this.#serve(read, read.request.from);
      this.#armPollTimer();
    });
  }
}
