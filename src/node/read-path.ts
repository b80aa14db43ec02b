import { EntryKind, type Entry } from '../base/entry.ts';
import { mark } from '../base/marks.ts';
import type { Clock, TimerHandle } from '../base/ports/clock.ts';
import type { Mutations } from '../base/mutations.ts';
import type { LogIndex } from '../base/units.ts';
import type { StateMachine } from '../broker/index.ts';
import type { RaftCore } from '../raft/index.ts';
import type { ReadRequest, ReadResult } from '../wire/client-codec.ts';
import { errorInfo, type ErrorInfo } from '../wire/errors.ts';
import type { Wal } from '../wal/index.ts';

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
  readonly wal: Wal;
  readonly clock: Clock;
  readonly mutations: Mutations;
  readonly enter: () => void;
  readonly refusalHint: () => ErrorInfo;
  /** Calls back with the index a linearizable read must see applied, or null if leadership was lost. */
  readonly confirmLeadership: (done: (index: LogIndex | null) => void) => void;
}

/** One answer holds at most so many bytes, whatever the client asks for. */
const ANSWER_BYTES_MAX = 1024 * 1024;
/** Long polls and confirmations that wait at once; beyond it reads are refused as OVERLOADED. */
const WAITING_MAX = 4096;
/** Answers read from disk at once. */
const DISK_READS_MAX = 16;

/** Serves what is committed and applied, from the cache or from disk, and nothing else. */
export class ReadPath {
  readonly #ports: ReadPathPorts;
  /** Reads whose range is known to be servable once `index` is applied. */
  #waitingForApply: { readonly index: LogIndex; readonly read: Read }[] = [];
  /** Long polls at the end of the log. */
  #polls: Read[] = [];
  #pollTimer: TimerHandle | null = null;
  /** When that timer fires. */
  #pollDueMs = Number.POSITIVE_INFINITY;
  #waitingForDisk: { readonly read: Read; readonly from: LogIndex }[] = [];
  #diskReads = 0;
  #confirming = 0;
  #served = 0;

  constructor(ports: ReadPathPorts) {
    this.#ports = ports;
  }

  counters(): Record<string, number> {
    return {
      readsServed: this.#served,
      readsWaiting: this.#polls.length + this.#waitingForApply.length,
      readsFromDisk: this.#diskReads,
    };
  }

  read(waiter: ReadWaiter, requestId: number, request: ReadRequest): void {
    const { core, clock } = this.#ports;
    if (this.#polls.length + this.#waitingForApply.length + this.#confirming >= WAITING_MAX) {
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
    if (core.role !== 'leader') {
      waiter.failed(requestId, this.#ports.refusalHint());
      return;
    }
    this.#confirming += 1;
    this.#ports.confirmLeadership((index) => {
      this.#confirming -= 1;
      if (index === null) waiter.failed(requestId, this.#ports.refusalHint());
      else if (this.#ports.machine.appliedIndex >= index || this.#ports.mutations.readsBeforeApply)
        this.#serve(read, request.from);
      else {
        mark('node.read-waited-for-apply');
        this.#waitingForApply.push({ index, read });
      }
    });
  }

  /** More of the log was applied. */
  onApplied(): void {
    const applied = this.#ports.machine.appliedIndex;
    if (this.#waitingForApply.length > 0) {
      const waiting = this.#waitingForApply;
      this.#waitingForApply = waiting.filter(({ index }) => index > applied);
      for (const { index, read } of waiting) if (index <= applied) this.#serve(read, read.request.from);
    }
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
    const waiting = this.#waitingForApply;
    this.#waitingForApply = [];
    for (const { read } of waiting) read.waiter.failed(read.requestId, this.#ports.refusalHint());
  }

  stop(): void {
    this.#pollTimer?.cancel();
  }

  #serve(read: Read, from: LogIndex): void {
    if (!read.waiter.isOpen) return;
    const { core, machine } = this.#ports;
    const applied = machine.appliedIndex;
    if (from < core.firstIndex) {
      read.waiter.failed(
        read.requestId,
        errorInfo(
          'OUT_OF_RANGE',
          `index ${from} is not kept any more: the log holds ${core.firstIndex} to ${applied}`,
        ),
      );
      return;
    }
    if (from > applied) {
      if (this.#ports.clock.monotonicMs() < read.waitUntilMs)
        this.#poll(from === read.request.from ? read : { ...read, request: { ...read.request, from } });
      else this.#answer(read, from, []);
      return;
    }
    const last = Math.min(applied, from + read.request.entriesMax - 1) as LogIndex;
    const bytesMax = Math.min(read.request.bytesMax, ANSWER_BYTES_MAX);
    const cached = core.cachedEntries(from, last, bytesMax);
    if (cached !== null) {
      this.#select(read, from, cached);
      return;
    }
    this.#waitingForDisk.push({ read, from });
    this.#readDisk();
  }

  #readDisk(): void {
    if (this.#diskReads >= DISK_READS_MAX) return;
    const next = this.#waitingForDisk.shift();
    if (next === undefined) return;
    const { read, from } = next;
    mark('node.read-from-disk');
    // Behind what is durable the disk may still hold entries that the log has dropped since; those that took their
    // place are in memory.
    const { core, machine } = this.#ports;
    const last = Math.min(machine.appliedIndex, core.durableIndex);
    const entriesMax = Math.min(read.request.entriesMax, last - from + 1);
    this.#diskReads += 1;
    this.#ports.wal.read(
      from,
      entriesMax,
      Math.min(read.request.bytesMax, ANSWER_BYTES_MAX),
      (error, entries) => {
        this.#ports.enter();
        this.#diskReads -= 1;
        if (error === null) this.#select(read, from, entries);
        else
          read.waiter.failed(
            read.requestId,
            errorInfo('INTERNAL', `cannot read the log at ${from}: ${error.message}`),
          );
        this.#readDisk();
      },
    );
  }

  /** Leaves out what holds no records: entries of the protocol itself, and batches that were refused when applied. */
  #select(read: Read, from: LogIndex, scanned: readonly Entry[]): void {
    const lastScanned = scanned.at(-1);
    const nextIndex = (lastScanned === undefined ? from : lastScanned.index + 1) as LogIndex;
    const entries = scanned.filter(
      (entry) => entry.kind === EntryKind.batch && !this.#ports.machine.isVoided(entry.index),
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
      firstIndex: this.#ports.core.firstIndex,
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
