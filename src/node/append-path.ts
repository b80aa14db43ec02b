import { assert, violated } from '../base/assert.ts';
import {
  BATCH_HEADER_BYTES,
  BATCH_VERSION,
  BatchFormatError,
  batchStamp,
  checkBatch,
  type ProducerStamp,
} from '../base/batch.ts';
import { crc32 } from '../base/crc32.ts';
import {
  ENTRY_HEADER_BYTES,
  EntryKind,
  entryBody,
  entryQueue,
  type Entry,
  type EntryDraft,
} from '../base/entry.ts';
import { mark } from '../base/marks.ts';
import { MessageFormatError, checkMessageBatch } from '../base/message.ts';
import type { Mutations } from '../base/mutations.ts';
import type { LogIndex, Term } from '../base/units.ts';
import { COMMAND_VERSION, InFlightSequences, type ApplyResult, type StateMachine } from '../broker/index.ts';
import type { RaftCore } from '../raft/index.ts';
import { errorInfo, type ErrorInfo } from '../wire/errors.ts';
import type { AckGate } from './ack-gate.ts';
import { rejectionError } from './refusals.ts';
import type { WriteBacklog } from './write-backlog.ts';

/** Who waits for the outcome of a batch. */
export interface AppendWaiter {
  /** @param baseOffset of the first record in its queue; null in the raw log. */
  appended(requestId: number, index: LogIndex, term: Term, baseOffset: number | null): void;
  failed(requestId: number, error: ErrorInfo): void;
}

/** What a command came to when it was applied. */
export type Decision = Exclude<
  ApplyResult,
  { readonly result: 'accepted' | 'duplicate' | 'rejected' | 'none' }
>;

export type Decided = (error: ErrorInfo | null, decision: Decision | null) => void;

/** Whoever is told: a waiter for a batch, a function for a command, nobody once the deadline has passed. */
interface Asking {
  readonly waiter: AppendWaiter | null;
  readonly decided: Decided | null;
  readonly requestId: number;
  /** Monotonic. */
  readonly deadlineAtMs: number;
}

/** A request that has not been proposed yet. */
interface Gathered extends Asking {
  readonly draft: EntryDraft;
  /** Null for commands. */
  readonly stamp: ProducerStamp | null;
}

/** A proposal that has not been applied yet, in the order of the log. */
interface Pending {
  readonly index: LogIndex;
  readonly term: Term;
  readonly bytes: number;
  asking: Asking | null;
}

export interface AppendPathParts {
  readonly core: RaftCore;
  readonly machine: StateMachine;
  readonly gate: AckGate;
  readonly backlog: WriteBacklog;
  readonly mutations: Mutations;
  readonly batchBytesMax: number;
  /** Monotonic milliseconds, as of this turn. */
  readonly nowMs: () => number;
  /** Why no records are taken for want of room; null where they are. */
  readonly noRoom: () => string | null;
  /** The error for a node that does not lead: names the leader if it is known. */
  readonly refusalHint: () => ErrorInfo;
}

/**
 * Uncommitted proposals are held below the core's own limit, so that the core never has to refuse one: then a producer
 * whose batch was refused would see its later batches refused for the gap.
 */
const PENDING_BYTES_MAX = 24 * 1024 * 1024;
/** What waits for a leader's term to begin, or for room. Beyond it requests are refused as OVERLOADED. */
const GATHERED_BYTES_MAX = 64 * 1024 * 1024;
const GATHERED_COUNT_MAX = 65_536;

const RAW_LOG_QUEUE = 0;

/**
 * The way of a write at the leader: checked when it arrives, gathered during the turn, proposed all at once, answered
 * when it is applied. Nothing is answered with success before the state machine has applied the entry: only then is it
 * certain that it is committed and was not a duplicate.
 */
export class AppendPath {
  readonly #core: RaftCore;
  readonly #machine: StateMachine;
  readonly #gate: AckGate;
  readonly #backlog: WriteBacklog;
  readonly #mutations: Mutations;
  readonly #batchBytesMax: number;
  readonly #nowMs: () => number;
  readonly #noRoom: () => string | null;
  readonly #refusalHint: () => ErrorInfo;
  readonly #sequences: InFlightSequences;
  #gathered: Gathered[] = [];
  #gatheredBytes = 0;
  #pending: Pending[] = [];
  #pendingHead = 0;
  #pendingBytes = 0;
  /** Retries of batches that are still in flight: they wait for the same entry. */
  readonly #alsoWaiting = new Map<LogIndex, Asking[]>();
  /** No deadline of anybody who waits here is earlier. */
  #earliestDeadlineMs = Number.POSITIVE_INFINITY;
  /** The term in which this leader has applied everything up to its start. */
  #knowingTerm: Term | null = null;
  #duplicates = 0;
  #accepted = 0;

  constructor(parts: AppendPathParts) {
    this.#core = parts.core;
    this.#machine = parts.machine;
    this.#gate = parts.gate;
    this.#backlog = parts.backlog;
    this.#mutations = parts.mutations;
    this.#batchBytesMax = parts.batchBytesMax;
    this.#nowMs = parts.nowMs;
    this.#noRoom = parts.noRoom;
    this.#refusalHint = parts.refusalHint;
    this.#sequences = new InFlightSequences();
  }

  get pendingCount(): number {
    return this.#pending.length - this.#pendingHead;
  }

  /** Some request waits to be proposed, and refers into the frame that brought it. */
  get isGathering(): boolean {
    return this.#gathered.length > 0;
  }

  counters(): Record<string, number> {
    return {
      appendsPending: this.pendingCount,
      appendsGathered: this.#gathered.length,
      appendsAccepted: this.#accepted,
      appendsDuplicate: this.#duplicates,
    };
  }

  /**
   * Takes a batch in. Bad ones are refused at once, with nothing changed.
   * @param queue 0 for the raw log.
   */
  append(
    waiter: AppendWaiter,
    requestId: number,
    queue: number,
    batch: Uint8Array,
    bodyChecksum: number,
    deadlineMs: number,
  ): void {
    if (this.#core.role !== 'leader') {
      waiter.failed(requestId, this.#refusalHint());
      return;
    }
    const refusal = this.#noRoom();
    // During a hand-over it waits, as all do: whoever leads next may have room.
    if (refusal !== null && !this.#core.isTransferring) {
      waiter.failed(requestId, errorInfo('DISK_FULL', refusal));
      return;
    }
    const inspected = this.#inspect(queue, batch, bodyChecksum);
    if ('code' in inspected) {
      waiter.failed(requestId, inspected);
      return;
    }
    this.#gather({
      waiter,
      decided: null,
      requestId,
      deadlineAtMs: this.#nowMs() + deadlineMs,
      stamp: inspected.stamp,
      draft: {
        kind: EntryKind.batch,
        version: BATCH_VERSION,
        queue,
        recordCount: inspected.recordCount,
        body: batch,
        bodyChecksum,
      },
    });
  }

  /** An order to the state machine, encoded. `decided` hears what it came to, once. */
  command(body: Uint8Array, deadlineMs: number, decided: Decided): void {
    if (this.#core.role !== 'leader') {
      decided(this.#refusalHint(), null);
      return;
    }
    this.#gather({
      waiter: null,
      decided,
      requestId: 0,
      deadlineAtMs: this.#nowMs() + deadlineMs,
      stamp: null,
      draft: {
        kind: EntryKind.command,
        version: COMMAND_VERSION,
        queue: RAW_LOG_QUEUE,
        recordCount: 0,
        body,
        bodyChecksum: crc32(body),
      },
    });
  }

  /** End of a turn: proposes what has gathered. */
  propose(): void {
    if (this.#nowMs() >= this.#earliestDeadlineMs) this.#endOverdue();
    if (this.#gathered.length === 0) return;
    if (this.#core.role !== 'leader') {
      this.#refuseGathered();
      return;
    }
    if (!this.knowsItsPredecessors()) {
      mark('node.predecessors-unknown');
      return;
    }
    // What comes during a hand-over waits for its end: then it goes on here, or is sent to the new leader by name.
    if (this.#core.isTransferring) {
      mark('node.proposal-during-transfer');
      return;
    }
    const taken = this.#takeWhatFits();
    const drafts: EntryDraft[] = [];
    const proposed: Gathered[] = [];
    const firstIndex = this.#core.lastIndex + 1;
    for (const request of taken) {
      if (
        request.stamp !== null &&
        !this.#admit(request, request.stamp, (firstIndex + drafts.length) as LogIndex)
      )
        continue;
      drafts.push(request.draft);
      proposed.push(request);
    }
    if (drafts.length === 0) return;
    const result = this.#core.propose(drafts);
    assert(
      result.ok,
      () => `the core refused ${drafts.length} proposals: ${result.ok ? '' : result.refusal}`,
    );
    assert(
      result.firstIndex === firstIndex,
      () => `proposed at ${result.firstIndex}, expected ${firstIndex}`,
    );
    this.#accepted += proposed.length;
    let index = firstIndex;
    for (const request of proposed) {
      const bytes = ENTRY_HEADER_BYTES + request.draft.body.length;
      if (this.#mutations.acknowledgesOnPropose && request.waiter !== null) {
        const guess = request.draft.queue === RAW_LOG_QUEUE ? null : 0;
        request.waiter.appended(request.requestId, index as LogIndex, result.term, guess);
        index += 1;
        continue;
      }
      this.#pendingBytes += bytes;
      this.#pending.push({ index: index as LogIndex, term: result.term, bytes, asking: request });
      index += 1;
    }
  }

  /** An entry was applied: tells whoever proposed it. */
  onApplied(entry: Entry, result: ApplyResult): void {
    const pending = this.#pending[this.#pendingHead];
    if (pending === undefined || pending.index > entry.index) return;
    if (pending.index !== entry.index || pending.term !== entry.term)
      violated(
        `applied ${entry.index} of term ${entry.term}, waiting for ${pending.index} of term ${pending.term}`,
      );
    this.#pendingHead += 1;
    this.#pendingBytes -= pending.bytes;
    if (this.#pendingHead > 4096 && this.#pendingHead * 2 > this.#pending.length) {
      this.#pending = this.#pending.slice(this.#pendingHead);
      this.#pendingHead = 0;
    }
    if (result.result === 'rejected')
      this.#sequences.forget(batchStamp(entryBody(entry)).producerId, entryQueue(entry));
    if (pending.asking !== null) this.#tell(pending.asking, entry, result);
    if (this.#alsoWaiting.size === 0) return;
    const others = this.#alsoWaiting.get(entry.index);
    if (others === undefined) return;
    this.#alsoWaiting.delete(entry.index);
    for (const other of others) this.#tell(other, entry, result);
  }

  /**
   * This node does not lead any more. What it had proposed may still commit under the next leader, or vanish: nobody
   * knows yet, and that is what the answer says. A retry with the same stamp finds out.
   */
  leadershipLost(): void {
    const pending = this.#pending.slice(this.#pendingHead);
    const also = [...this.#alsoWaiting.values()].flat();
    this.#pending = [];
    this.#pendingHead = 0;
    this.#pendingBytes = 0;
    this.#alsoWaiting.clear();
    this.#sequences.reset();
    if (pending.length > 0) mark('node.outcome-lost');
    const lost = errorInfo('LEADERSHIP_LOST', 'leadership was lost before the outcome was known');
    for (const { asking } of pending) if (asking !== null) fail(asking, lost);
    for (const asking of also) fail(asking, lost);
    this.#refuseGathered();
  }

  /**
   * Until the first entry of its term is applied a leader cannot know what its predecessors accepted, and so cannot
   * tell a retry from a new batch.
   */
  knowsItsPredecessors(): boolean {
    const { term, termStartCommitted, commitIndex } = this.#core;
    if (this.#knowingTerm === term) return true;
    if (!termStartCommitted || this.#machine.appliedIndex < commitIndex) return false;
    this.#knowingTerm = term;
    return true;
  }

  /**
   * Whose time is up is told so: that nothing will come of it, if it was not proposed, else that nobody knows. What was
   * proposed keeps its place, and whatever it comes to is told to nobody.
   */
  #endOverdue(): void {
    const now = this.#nowMs();
    const isOverdue = ({ deadlineAtMs }: Asking): boolean => deadlineAtMs <= now;
    const unknown = errorInfo('TIMEOUT_UNKNOWN', 'the deadline passed before the outcome was known');
    const none = errorInfo('TIMEOUT', 'the deadline passed before this could be proposed');
    let earliest = Number.POSITIVE_INFINITY;
    for (let at = this.#pendingHead; at < this.#pending.length; at += 1) {
      const pending = this.#pending[at];
      const asking = pending?.asking ?? null;
      if (pending === undefined || asking === null) continue;
      if (isOverdue(asking)) {
        mark('node.deadline-after-proposal');
        pending.asking = null;
        fail(asking, unknown);
      } else earliest = Math.min(earliest, asking.deadlineAtMs);
    }
    for (const [index, others] of this.#alsoWaiting) {
      for (const asking of others) if (isOverdue(asking)) fail(asking, unknown);
      const left = others.filter((asking) => !isOverdue(asking));
      this.#alsoWaiting.set(index, left);
      for (const { deadlineAtMs } of left) earliest = Math.min(earliest, deadlineAtMs);
    }
    if (this.#gathered.some(isOverdue)) {
      const overdue = this.#gathered.filter(isOverdue);
      this.#gathered = this.#gathered.filter((request) => !isOverdue(request));
      for (const request of overdue) {
        mark('node.deadline-before-proposal');
        this.#gatheredBytes -= request.draft.body.length;
        fail(request, none);
      }
    }
    for (const { deadlineAtMs } of this.#gathered) earliest = Math.min(earliest, deadlineAtMs);
    this.#earliestDeadlineMs = earliest;
  }

  /** Once over the batch: why it is refused, or what the rest of its way needs to know of it. */
  #inspect(
    queue: number,
    batch: Uint8Array,
    bodyChecksum: number,
  ): ErrorInfo | { readonly recordCount: number; readonly stamp: ProducerStamp } {
    if (batch.length > this.#batchBytesMax) {
      return errorInfo(
        'RECORD_TOO_LARGE',
        `a batch of ${batch.length} bytes; the limit is ${this.#batchBytesMax}`,
      );
    }
    if (batch.length < BATCH_HEADER_BYTES) {
      return errorInfo('BATCH_FORMAT', `${batch.length} bytes, a batch needs at least ${BATCH_HEADER_BYTES}`);
    }
    const computed = crc32(batch);
    if (computed !== bodyChecksum) {
      return errorInfo(
        'BAD_CHECKSUM',
        `the batch was damaged on its way: checksum ${bodyChecksum}, computed ${computed}`,
      );
    }
    try {
      const recordCount = queue === RAW_LOG_QUEUE ? checkBatch(batch) : checkMessageBatch(batch);
      return { recordCount, stamp: batchStamp(batch) };
    } catch (error) {
      if (error instanceof MessageFormatError) return errorInfo('MESSAGE_FORMAT', error.message);
      if (error instanceof BatchFormatError) return errorInfo('BATCH_FORMAT', error.message);
      throw error;
    }
  }

  #gather(request: Gathered): void {
    const bytes = request.draft.body.length;
    if (this.#gathered.length >= GATHERED_COUNT_MAX || this.#gatheredBytes + bytes > GATHERED_BYTES_MAX) {
      fail(request, errorInfo('OVERLOADED', `${this.#gathered.length} requests wait already`));
      return;
    }
    if (request.deadlineAtMs < this.#earliestDeadlineMs) this.#earliestDeadlineMs = request.deadlineAtMs;
    this.#gathered.push(request);
    this.#gatheredBytes += bytes;
  }

  /** Bounded by what is not applied yet and by what this disk has not written yet, whichever is more. */
  #takeWhatFits(): Gathered[] {
    const unfinished = Math.max(this.#pendingBytes, this.#backlog.bytes);
    let room = PENDING_BYTES_MAX - unfinished;
    let count = 0;
    for (const request of this.#gathered) {
      const bytes = ENTRY_HEADER_BYTES + request.draft.body.length;
      if (bytes > room && !(count === 0 && unfinished === 0)) break;
      room -= bytes;
      count += 1;
    }
    const taken = count === this.#gathered.length ? this.#gathered : this.#gathered.slice(0, count);
    this.#gathered = count === this.#gathered.length ? [] : this.#gathered.slice(count);
    this.#gatheredBytes = 0;
    for (const request of this.#gathered) this.#gatheredBytes += request.draft.body.length;
    return taken;
  }

  /** @returns whether the batch is to be proposed; otherwise its sender was answered, or waits for the first copy. */
  #admit(request: Gathered, stamp: ProducerStamp, index: LogIndex): boolean {
    if (this.#mutations.storesRetriesAgain) return true;
    const { queue } = request.draft;
    const verdict = this.#sequences.admit(this.#machine, stamp, queue, index, this.#core.term);
    switch (verdict.verdict) {
      case 'accept':
        return true;
      case 'duplicate':
        this.#duplicates += 1;
        if (verdict.committed) {
          mark('node.duplicate-of-stored');
          const further = this.#mutations.answersRetriesOneFurther ? 1 : 0;
          const { index, term, baseOffset } = verdict;
          this.#acknowledge(request, index, term, baseOffset === null ? null : baseOffset + further);
        } else {
          mark('node.duplicate-of-proposed');
          const waiting = this.#alsoWaiting.get(verdict.index);
          if (waiting === undefined) this.#alsoWaiting.set(verdict.index, [request]);
          else waiting.push(request);
        }
        return false;
      default:
        if (verdict.verdict === 'out-of-order') mark('node.out-of-order-refused');
        fail(request, rejectionError(verdict, stamp));
        return false;
    }
  }

  #tell(asking: Asking, entry: Entry, result: ApplyResult): void {
    switch (result.result) {
      case 'accepted':
        this.#acknowledge(asking, entry.index, entry.term, result.baseOffset);
        return;
      case 'duplicate':
        this.#acknowledge(asking, result.index, result.term, result.baseOffset);
        return;
      case 'producer-opened':
      case 'done':
      case 'refused':
        this.#decided(asking, result);
        return;
      case 'none':
        fail(asking, errorInfo('INTERNAL', `entry ${entry.index} holds nothing`));
        return;
      case 'rejected':
        fail(asking, rejectionError(result.rejection, null));
    }
  }

  // What waits for the gate is made in functions of its own: whatever a function hands on to a later one is kept in memory
  // that is taken when it begins, for every record, also where nothing waits.

  #acknowledge(asking: Asking, index: LogIndex, term: Term, baseOffset: number | null): void {
    if (this.#gate.isClosed) this.#acknowledgeWhenSure(asking, index, term, baseOffset);
    else asking.waiter?.appended(asking.requestId, index, term, baseOffset);
  }

  #acknowledgeWhenSure(asking: Asking, index: LogIndex, term: Term, baseOffset: number | null): void {
    this.#whenSure(asking, () => asking.waiter?.appended(asking.requestId, index, term, baseOffset));
  }

  #decided(asking: Asking, decision: Decision): void {
    this.#whenSure(asking, () => asking.decided?.(null, decision));
  }

  #whenSure(asking: Asking, tell: () => void): void {
    if (this.#gate.isClosed) this.#gate.hold(tell, (error) => fail(asking, error));
    else tell();
  }

  #refuseGathered(): void {
    const gathered = this.#gathered;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    if (gathered.length === 0) return;
    const refusal = this.#refusalHint();
    for (const request of gathered) fail(request, refusal);
  }
}

function fail({ waiter, decided, requestId }: Asking, error: ErrorInfo): void {
  waiter?.failed(requestId, error);
  decided?.(error, null);
}
