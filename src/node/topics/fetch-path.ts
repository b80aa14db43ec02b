import { assert } from '../../base/assert.ts';
import { entryQueue, entryRecordCount, type Entry } from '../../base/entry.ts';
import { hashText } from '../../base/message.ts';
import type { Clock, TimerHandle } from '../../base/ports/clock.ts';
import { encodeUtf8 } from '../../base/utf8.ts';
import type { Queue, StateMachine } from '../../broker/index.ts';
import { tagMaskOf, unitEnd, type QueueStore, type Unit, type UnitRun } from '../../queue/index.ts';
import type { Fetch, FetchResult, FetchedBatch } from '../../wire/broker-codec.ts';
import { BITMAP_BYTES_MAX } from '../../wire/broker-codec.ts';
import { errorInfo, type ErrorInfo } from '../../wire/errors.ts';
import { readFailure } from '../failures.ts';
import type { LeaderReads } from '../leader-reads.ts';
import type { LogAccess } from '../log-access.ts';
import { tagBitmap } from './batch-filter.ts';

/** Who waits for a fetch. */
export interface FetchWaiter {
  readonly isOpen: boolean;
  fetched(requestId: number, result: FetchResult): void;
  failed(requestId: number, error: ErrorInfo): void;
}

export interface FetchPathParts {
  readonly machine: StateMachine;
  readonly queues: QueueStore;
  readonly log: LogAccess;
  readonly leaderReads: LeaderReads;
  readonly clock: Clock;
  readonly enter: () => void;
  readonly refusalHint: () => ErrorInfo;
}

interface Fetching {
  readonly waiter: FetchWaiter;
  readonly requestId: number;
  readonly request: Fetch;
  readonly tags: readonly Uint8Array[];
  readonly tagMask: number;
  /** Monotonic; when a long poll answers with nothing. */
  readonly waitUntilMs: number;
  /** Where to go on. */
  offset: number;
  readonly batches: FetchedBatch[];
  bytes: number;
  matching: number;
  /** Units looked at since the last answer or wait. */
  scanned: number;
  timer: TimerHandle | null;
}

/** One answer holds at most so many bytes, whatever the client asks for, and one more entry. */
const ANSWER_BYTES_MAX = 1024 * 1024;
/** A fetch that finds nothing answers after so many batches, and tells how far it came. */
const SCANNED_UNITS_MAX = 8192;
const WAITING_MAX = 16_384;

/**
 * The way of a fetch: from the offset to a unit, from units to entries, from entries to an answer of whole batches. It
 * costs what it answers: the first record of a queue is found as fast as the last, and a tag that no batch has costs
 * units and no entries.
 */
export class FetchPath {
  readonly #parts: FetchPathParts;
  /** Long polls, by queue. */
  readonly #polls = new Map<number, Set<Fetching>>();
  /** Queues that got records since the polls were last looked at. */
  readonly #stirred = new Set<number>();
  #waitingCount = 0;
  #served = 0;

  constructor(parts: FetchPathParts) {
    this.#parts = parts;
  }

  counters(): Record<string, number> {
    return { fetchesServed: this.#served, fetchesWaiting: this.#waitingCount };
  }

  fetch(waiter: FetchWaiter, requestId: number, request: Fetch): void {
    const { clock, leaderReads } = this.#parts;
    if (this.#waitingCount >= WAITING_MAX) {
      waiter.failed(requestId, errorInfo('OVERLOADED', `${WAITING_MAX} fetches wait already`));
      return;
    }
    const fetching: Fetching = {
      waiter,
      requestId,
      request,
      tags: request.tags.map((tag) => encodeUtf8(tag)),
      tagMask: tagMaskOf(request.tags.map((tag) => hashText(tag))),
      waitUntilMs: clock.monotonicMs() + Math.min(request.waitMs, request.deadlineMs),
      offset: request.offset,
      batches: [],
      bytes: 0,
      matching: 0,
      scanned: 0,
      timer: null,
    };
    if (request.consistency === 'committed') this.#serve(fetching);
    else
      leaderReads.ask((error) => {
        if (error === null) this.#serve(fetching);
        else waiter.failed(requestId, error);
      });
  }

  /** A batch of this queue was accepted. */
  stir(queue: number): void {
    if (this.#polls.has(queue)) this.#stirred.add(queue);
  }

  /** A run of entries was applied. */
  onApplied(): void {
    if (this.#stirred.size === 0) return;
    const stirred = [...this.#stirred];
    this.#stirred.clear();
    for (const queue of stirred) this.wake(queue);
  }

  /** Looks again: there is more, or the queue is gone. */
  wake(queue: number): void {
    for (const fetching of Array.from(this.#polls.get(queue) ?? [])) {
      this.#forget(fetching);
      this.#serve(fetching);
    }
  }

  /** Those who want to see everything acknowledged must not wait at a node that lost leadership. */
  onLeadershipLost(): void {
    for (const fetching of [...this.#polls.values()].flatMap((polls) => [...polls])) {
      if (fetching.request.consistency === 'committed') continue;
      this.#forget(fetching);
      fetching.waiter.failed(fetching.requestId, this.#parts.refusalHint());
    }
  }

  /** The connection is gone. */
  forget(waiter: FetchWaiter): void {
    for (const polls of this.#polls.values())
      for (const fetching of polls) if (fetching.waiter === waiter) this.#forget(fetching);
  }

  stop(): void {
    for (const polls of this.#polls.values()) for (const { timer } of polls) timer?.cancel();
  }

  /** Looks for records from where the fetch is. */
  #serve(fetching: Fetching): void {
    const { waiter, requestId, request, offset } = fetching;
    if (!waiter.isOpen) return;
    const queue = this.#parts.machine.queue(request.queue);
    if (queue === null) {
      waiter.failed(
        requestId,
        errorInfo('UNKNOWN_TOPIC', `there is no queue ${request.queue}, or not any more`),
      );
      return;
    }
    if (offset < this.#firstOffset(queue)) {
      waiter.failed(requestId, outside('OFFSET_EXPIRED', offset, queue, this.#firstOffset(queue)));
      return;
    }
    if (offset > queue.endOffset && request.consistency === 'linearizable') {
      waiter.failed(requestId, outside('OFFSET_OUT_OF_RANGE', offset, queue, this.#firstOffset(queue)));
      return;
    }
    // A node that is behind has not heard of the offset yet.
    if (offset >= queue.endOffset) this.#wait(fetching);
    else this.#parts.queues.read(request.queue, offset, (error, run) => this.#take(fetching, error, run));
  }

  /** Chooses from a stretch of units what is to be answered, and gets it. */
  #take(fetching: Fetching, error: Error | null, { first, units }: UnitRun): void {
    const { request, tagMask } = fetching;
    if (error !== null) {
      this.#fail(fetching, error);
      return;
    }
    // A topic that was deleted meanwhile.
    if (units.length === 0) {
      this.#serve(fetching);
      return;
    }
    if ((units[0]?.index ?? 0) < this.#parts.log.firstIndex) {
      this.#expire(fetching);
      return;
    }
    const bytesMax = Math.min(request.bytesMax, ANSWER_BYTES_MAX);
    const chosen: Unit[] = [];
    let bytes = fetching.bytes;
    let records = fetching.matching;
    let taken = 0;
    for (const unit of units) {
      const isWanted = request.tags.length === 0 || (unit.tagMask & tagMask) !== 0;
      if (isWanted) {
        const isFirst = chosen.length === 0 && fetching.batches.length === 0;
        if (!isFirst && (bytes + unit.entryBytes > bytesMax || records >= request.recordsMax)) break;
        chosen.push(unit);
        bytes += unit.entryBytes;
        if (request.tags.length === 0) records += countFrom(unit, request.offset);
      }
      taken += 1;
    }
    const last = units[taken - 1];
    fetching.scanned += taken;
    this.#load(fetching, chosen, (failure) => {
      if (failure !== null) {
        this.#fail(fetching, failure);
        return;
      }
      const isFull =
        taken < units.length || fetching.matching >= request.recordsMax || fetching.bytes >= bytesMax;
      if (last !== undefined) fetching.offset = unitEnd(last);
      this.#parts.queues.remember(request.queue, fetching.offset, first + taken);
      this.#goOn(fetching, isFull, first + taken);
    });
  }

  /** The queue knows of batches that have gone with the beginning of the log. */
  #expire(fetching: Fetching): void {
    const { machine, queues, log } = this.#parts;
    const { waiter, requestId, request, offset } = fetching;
    queues.find(request.queue, 'index', log.firstIndex, (error, unit) => {
      const queue = machine.queue(request.queue);
      if (error !== null) this.#fail(fetching, error);
      else if (queue === null) this.#serve(fetching);
      else {
        const firstOffset = unit?.baseOffset ?? queue.endOffset;
        waiter.failed(requestId, outside('OFFSET_EXPIRED', offset, queue, firstOffset));
      }
    });
  }

  /** Answers, or looks further. */
  #goOn(fetching: Fetching, isFull: boolean, number: number): void {
    const { request, offset, scanned } = fetching;
    const queue = this.#parts.machine.queue(request.queue);
    const isAtEnd = queue === null || offset >= queue.endOffset;
    if (isFull || scanned >= SCANNED_UNITS_MAX || (isAtEnd && fetching.batches.length > 0)) {
      if (queue === null) this.#serve(fetching);
      else this.#answer(fetching, queue);
    } else if (isAtEnd) this.#serve(fetching);
    else this.#parts.queues.readAt(request.queue, number, (error, run) => this.#take(fetching, error, run));
  }

  /** Entries of units, in order: those that follow each other in the log are read together. */
  #load(fetching: Fetching, units: readonly Unit[], done: (error: Error | null) => void): void {
    const entries: Entry[] = [];
    const next = (): void => {
      const first = units[entries.length];
      if (first === undefined) {
        for (const [at, unit] of units.entries()) this.#add(fetching, unit, entries[at] as Entry);
        done(null);
        return;
      }
      let count = 1;
      let bytes = first.entryBytes;
      for (let at = entries.length + 1; units[at]?.index === first.index + count; at += 1) {
        count += 1;
        bytes += units[at]?.entryBytes ?? 0;
      }
      const last = (first.index + count - 1) as typeof first.index;
      this.#parts.log.read(first.index, last, bytes, (error, found) => {
        if (error !== null) {
          done(error);
          return;
        }
        assert(found.length > 0, () => `nothing in the log at ${first.index}`);
        entries.push(...found.slice(0, count));
        next();
      });
    };
    next();
  }

  #add(fetching: Fetching, unit: Unit, entry: Entry): void {
    const { request, tags } = fetching;
    assert(
      entry.index === unit.index &&
        entryQueue(entry) === request.queue &&
        entryRecordCount(entry) === unit.count,
      () =>
        `queue ${request.queue} has ${unit.count} records at index ${unit.index}, the log ${entryRecordCount(entry)} of queue ${entryQueue(entry)} at ${entry.index}`,
    );
    if (tags.length === 0) {
      fetching.matching += countFrom(unit, request.offset);
      fetching.batches.push({ baseOffset: unit.baseOffset, bitmap: null, entry });
    } else {
      const { matching, bitmap } = tagBitmap(entry, tags);
      // The bits of the mask are shared by many tags.
      if (matching === 0) return;
      fetching.matching += matching;
      // A client checks tags itself where there is no bitmap.
      const isSent = bitmap !== null && bitmap.length <= BITMAP_BYTES_MAX;
      fetching.batches.push({ baseOffset: unit.baseOffset, bitmap: isSent ? bitmap : null, entry });
    }
    fetching.bytes += unit.entryBytes;
  }

  /** A node that began with a snapshot has less than the others, until retention takes it from them too. */
  #firstOffset({ id, firstOffset }: Queue): number {
    return Math.max(firstOffset, this.#parts.queues.firstOffset(id));
  }

  #answer(fetching: Fetching, queue: Queue): void {
    this.#served += 1;
    fetching.waiter.fetched(fetching.requestId, {
      queue: queue.id,
      firstOffset: this.#firstOffset(queue),
      endOffset: queue.endOffset,
      nextOffset: fetching.offset,
      batches: fetching.batches,
    });
  }

  #fail({ waiter, requestId, request, offset }: Fetching, error: Error): void {
    const where = `queue ${request.queue} at offset ${offset}`;
    waiter.failed(requestId, readFailure(where, error));
  }

  /** At the end of the queue: until there is more, or time is up. */
  #wait(fetching: Fetching): void {
    const { clock, enter, machine } = this.#parts;
    const { request } = fetching;
    const leftMs = fetching.waitUntilMs - clock.monotonicMs();
    const queue = machine.queue(request.queue);
    if (leftMs <= 0 && queue !== null) {
      this.#answer(fetching, queue);
      return;
    }
    fetching.scanned = 0;
    fetching.timer = clock.setTimer(leftMs, () => {
      enter();
      this.#forget(fetching);
      this.#serve(fetching);
    });
    let polls = this.#polls.get(request.queue);
    if (polls === undefined) {
      polls = new Set();
      this.#polls.set(request.queue, polls);
    }
    polls.add(fetching);
    this.#waitingCount += 1;
  }

  #forget(fetching: Fetching): void {
    const { queue } = fetching.request;
    const polls = this.#polls.get(queue);
    if (polls?.delete(fetching) !== true) return;
    this.#waitingCount -= 1;
    if (polls.size === 0) this.#polls.delete(queue);
    fetching.timer?.cancel();
    fetching.timer = null;
  }
}

/** Records of a batch from this offset on: what is before it in the first batch, the client drops. */
function countFrom(unit: Unit, offset: number): number {
  return Math.min(unit.count, unitEnd(unit) - offset);
}

function outside(
  code: 'OFFSET_EXPIRED' | 'OFFSET_OUT_OF_RANGE',
  offset: number,
  { id, topic, ordinal, endOffset }: Queue,
  firstOffset: number,
): ErrorInfo {
  const what = code === 'OFFSET_EXPIRED' ? 'is not kept any more' : 'is beyond the end';
  const where = `queue ${id} (${topic.name}, ${ordinal}) holds ${firstOffset} to ${endOffset}`;
  return errorInfo(code, `offset ${offset} ${what}: ${where}`, {
    firstIndex: firstOffset,
    lastIndex: endOffset,
  });
}
