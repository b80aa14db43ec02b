import { assert } from '../base/assert.ts';
import {
  BATCH_HEADER_BYTES,
  BATCH_VERSION,
  BatchFormatError,
  batchStamp,
  checkBatch,
  type ProducerStamp,
} from '../base/batch.ts';
import { crc32 } from '../base/crc32.ts';
import { ENTRY_HEADER_BYTES, EntryKind, entryBody, type Entry, type EntryDraft } from '../base/entry.ts';
import { mark } from '../base/marks.ts';
import type { Mutations } from '../base/mutations.ts';
import type { LogIndex, Term } from '../base/units.ts';
import {
  InFlightSequences,
  encodeOpenProducer,
  type ApplyResult,
  type Rejection,
  type StateMachine,
} from '../broker/index.ts';
import type { RaftCore } from '../raft/index.ts';
import { errorInfo, type ErrorInfo } from '../wire/errors.ts';
import type { AckGate } from './ack-gate.ts';
import type { WriteBacklog } from './write-backlog.ts';

/** Who waits for the outcome of a proposal. */
export interface AppendWaiter {
  appended(requestId: number, index: LogIndex, term: Term): void;
  producerOpened(requestId: number, producerId: number, epoch: number): void;
  failed(requestId: number, error: ErrorInfo): void;
}

/** A request that has not been proposed yet. */
interface Gathered {
  readonly waiter: AppendWaiter;
  readonly requestId: number;
  readonly draft: EntryDraft;
  /** Null for requests that open a producer. */
  readonly stamp: ProducerStamp | null;
}

/** A proposal that has not been applied yet, in the order of the log. */
interface Pending {
  readonly index: LogIndex;
  readonly term: Term;
  readonly bytes: number;
  readonly waiter: AppendWaiter;
  readonly requestId: number;
}

export interface AppendPathParts {
  readonly core: RaftCore;
  readonly machine: StateMachine;
  readonly gate: AckGate;
  readonly backlog: WriteBacklog;
  readonly mutations: Mutations;
  readonly batchBytesMax: number;
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

/** The order queue number of the raw log. */
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
  readonly #refusalHint: () => ErrorInfo;
  readonly #sequences: InFlightSequences;
  #gathered: Gathered[] = [];
  #gatheredBytes = 0;
  #pending: Pending[] = [];
  #pendingHead = 0;
  #pendingBytes = 0;
  /** Retries of batches that are still in flight: they wait for the same entry. */
  readonly #alsoWaiting = new Map<LogIndex, { waiter: AppendWaiter; requestId: number }[]>();
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
    this.#refusalHint = parts.refusalHint;
    this.#sequences = new InFlightSequences();
  }

  get pendingCount(): number {
    return this.#pending.length - this.#pendingHead;
  }

  counters(): Record<string, number> {
    return {
      appendsPending: this.pendingCount,
      appendsGathered: this.#gathered.length,
      appendsAccepted: this.#accepted,
      appendsDuplicate: this.#duplicates,
    };
  }

  /** Takes a batch in. Bad ones are refused at once, with nothing changed. */
  append(waiter: AppendWaiter, requestId: number, batch: Uint8Array, bodyChecksum: number): void {
    if (this.#core.role !== 'leader') {
      waiter.failed(requestId, this.#refusalHint());
      return;
    }
    const inspected = this.#inspect(batch, bodyChecksum);
    if ('code' in inspected) {
      waiter.failed(requestId, inspected);
      return;
    }
    this.#gather({
      waiter,
      requestId,
      stamp: inspected.stamp,
      draft: {
        kind: EntryKind.batch,
        version: BATCH_VERSION,
        queue: RAW_LOG_QUEUE,
        recordCount: inspected.recordCount,
        body: batch,
        bodyChecksum,
      },
    });
  }

  openProducer(waiter: AppendWaiter, requestId: number, inFlightMax: number): void {
    if (this.#core.role !== 'leader') {
      waiter.failed(requestId, this.#refusalHint());
      return;
    }
    const body = encodeOpenProducer({ inFlightMax });
    this.#gather({
      waiter,
      requestId,
      stamp: null,
      draft: {
        kind: EntryKind.command,
        version: 1,
        queue: RAW_LOG_QUEUE,
        recordCount: 0,
        body,
        bodyChecksum: crc32(body),
      },
    });
  }

  /** End of a turn: proposes what has gathered. */
  propose(): void {
    if (this.#gathered.length === 0) return;
    if (this.#core.role !== 'leader') {
      this.#refuseGathered();
      return;
    }
    if (!this.#knowsItsPredecessors()) {
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
    for (const [at, request] of proposed.entries()) {
      const bytes = ENTRY_HEADER_BYTES + request.draft.body.length;
      if (this.#mutations.acknowledgesOnPropose && request.stamp !== null) {
        request.waiter.appended(request.requestId, (firstIndex + at) as LogIndex, result.term);
        continue;
      }
      this.#pendingBytes += bytes;
      this.#pending.push({
        index: (firstIndex + at) as LogIndex,
        term: result.term,
        bytes,
        waiter: request.waiter,
        requestId: request.requestId,
      });
    }
  }

  /** An entry was applied: tells whoever proposed it. */
  onApplied(entry: Entry, result: ApplyResult): void {
    const pending = this.#pending[this.#pendingHead];
    if (pending === undefined || pending.index > entry.index) return;
    assert(
      pending.index === entry.index && pending.term === entry.term,
      () =>
        `applied ${entry.index} of term ${entry.term}, waiting for ${pending.index} of term ${pending.term}`,
    );
    this.#pendingHead += 1;
    this.#pendingBytes -= pending.bytes;
    if (this.#pendingHead > 4096 && this.#pendingHead * 2 > this.#pending.length) {
      this.#pending = this.#pending.slice(this.#pendingHead);
      this.#pendingHead = 0;
    }
    this.#tell(pending.waiter, pending.requestId, entry, result);
    if (this.#alsoWaiting.size === 0) return;
    const others = this.#alsoWaiting.get(entry.index);
    if (others === undefined) return;
    this.#alsoWaiting.delete(entry.index);
    for (const other of others) this.#tell(other.waiter, other.requestId, entry, result);
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
    for (const { waiter, requestId } of [...pending, ...also]) waiter.failed(requestId, lost);
    this.#refuseGathered();
  }

  /**
   * Until the first entry of its term is applied a leader cannot know what its predecessors accepted, and so cannot
   * tell a retry from a new batch.
   */
  #knowsItsPredecessors(): boolean {
    const { term, termStartCommitted, commitIndex } = this.#core;
    if (this.#knowingTerm === term) return true;
    if (!termStartCommitted || this.#machine.appliedIndex < commitIndex) return false;
    this.#knowingTerm = term;
    return true;
  }

  /** Once over the batch: why it is refused, or what the rest of its way needs to know of it. */
  #inspect(
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
      return { recordCount: checkBatch(batch), stamp: batchStamp(batch) };
    } catch (error) {
      if (error instanceof BatchFormatError) return errorInfo('BATCH_FORMAT', error.message);
      throw error;
    }
  }

  #gather(request: Gathered): void {
    const bytes = request.draft.body.length;
    if (this.#gathered.length >= GATHERED_COUNT_MAX || this.#gatheredBytes + bytes > GATHERED_BYTES_MAX) {
      request.waiter.failed(
        request.requestId,
        errorInfo('OVERLOADED', `${this.#gathered.length} requests wait already`),
      );
      return;
    }
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
    const verdict = this.#sequences.admit(this.#machine, stamp, RAW_LOG_QUEUE, index, this.#core.term);
    switch (verdict.verdict) {
      case 'accept':
        return true;
      case 'duplicate':
        this.#duplicates += 1;
        if (verdict.committed) {
          mark('node.duplicate-of-stored');
          this.#acknowledge(request.waiter, request.requestId, verdict.index, verdict.term);
        } else {
          mark('node.duplicate-of-proposed');
          const waiting = this.#alsoWaiting.get(verdict.index);
          if (waiting === undefined) this.#alsoWaiting.set(verdict.index, [request]);
          else waiting.push(request);
        }
        return false;
      default:
        if (verdict.verdict === 'out-of-order') mark('node.out-of-order-refused');
        request.waiter.failed(request.requestId, rejectionError(verdict, stamp));
        return false;
    }
  }

  #tell(waiter: AppendWaiter, requestId: number, entry: Entry, result: ApplyResult): void {
    switch (result.result) {
      case 'accepted':
        this.#acknowledge(waiter, requestId, entry.index, entry.term);
        return;
      case 'duplicate':
        this.#acknowledge(waiter, requestId, result.index, result.term);
        return;
      case 'producer-opened':
        if (this.#gate.isClosed) {
          this.#gate.hold(
            () => waiter.producerOpened(requestId, result.producerId, result.epoch),
            (error) => waiter.failed(requestId, error),
          );
        } else {
          waiter.producerOpened(requestId, result.producerId, result.epoch);
        }
        return;
      case 'none':
      case 'done':
      case 'refused':
        waiter.failed(requestId, errorInfo('INTERNAL', `entry ${entry.index} holds nothing`));
        return;
      case 'rejected':
        this.#sequences.forget(batchStamp(entryBody(entry)).producerId, RAW_LOG_QUEUE);
        waiter.failed(requestId, rejectionError(result.rejection, null));
    }
  }

  #acknowledge(waiter: AppendWaiter, requestId: number, index: LogIndex, term: Term): void {
    if (!this.#gate.isClosed) {
      waiter.appended(requestId, index, term);
      return;
    }
    this.#gate.hold(
      () => waiter.appended(requestId, index, term),
      (error) => waiter.failed(requestId, error),
    );
  }

  #refuseGathered(): void {
    const gathered = this.#gathered;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    if (gathered.length === 0) return;
    const refusal = this.#refusalHint();
    for (const { waiter, requestId } of gathered) waiter.failed(requestId, refusal);
  }
}

function rejectionError(rejection: Rejection, stamp: ProducerStamp | null): ErrorInfo {
  const who = stamp === null ? 'the producer' : `producer ${stamp.producerId}`;
  switch (rejection.verdict) {
    case 'out-of-order':
      return errorInfo(
        'OUT_OF_ORDER',
        `${who} must send sequence ${rejection.expected} next${stamp === null ? '' : `, not ${stamp.sequence}`}`,
      );
    case 'session-expired':
      return errorInfo(
        'SESSION_EXPIRED',
        `${who} is not known (any more): whether earlier batches of it were stored is unknown`,
      );
    case 'stale-epoch':
      return errorInfo('STALE_EPOCH', `${who} was taken over in epoch ${rejection.epoch}`);
    case 'unknown-queue':
      return errorInfo('UNKNOWN_TOPIC', `there is no queue ${rejection.queue}, or not any more`);
    case 'message-format':
      return errorInfo('MESSAGE_FORMAT', 'a record of the batch is no message');
  }
}
