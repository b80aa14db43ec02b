import { violated } from '../base/assert.ts';
import type { ProducerStamp } from '../base/batch.ts';
import { readUint53, writeUint53 } from '../base/uint53.ts';
import type { LogIndex, Term } from '../base/units.ts';
import { FrozenViews } from './frozen-views.ts';
import { ResultWindow, type StoredAt } from './result-window.ts';

/** The stream that has no offsets. */
const RAW_LOG = 0;

/** What becomes of a batch. */
export type Judgement =
  | { readonly verdict: 'accept' }
  /** It was stored before: this is where. */
  | {
      readonly verdict: 'duplicate';
      readonly index: LogIndex;
      readonly term: Term;
      /** Of its first record; null in the raw log. */
      readonly baseOffset: number | null;
    }
  | Rejection;

/** Why a batch is not stored. */
export type Rejection =
  /** It leaves a gap, or is too old to be recognised. */
  | { readonly verdict: 'out-of-order'; readonly expected: number }
  /** The producer is not known, or not any more. */
  | { readonly verdict: 'session-expired' }
  /** Another process took the producer over. */
  | { readonly verdict: 'stale-epoch'; readonly epoch: number }
  /** There is no such queue, or its topic was deleted. */
  | { readonly verdict: 'unknown-queue'; readonly queue: number }
  /** A record for a queue is no message. */
  | { readonly verdict: 'message-format' };

const ACCEPT: Judgement = { verdict: 'accept' };
const EXPIRED: Judgement = { verdict: 'session-expired' };

export interface SessionLimits {
  readonly sessionsMax: number;
  /** Results that all sessions together may have to remember: about what they announced. 16 or 24 bytes each. */
  readonly resultsMax: number;
  /** By the time of entries, not by any clock. */
  readonly idleMsMax: number;
}

/** The same on every node of a cluster, or they disagree about who was evicted: a part of the format. */
export const SESSION_LIMITS: SessionLimits = {
  sessionsMax: 10_000,
  resultsMax: 4 * 1024 * 1024,
  idleMsMax: 7 * 24 * 3600 * 1000,
};

/** One producer: the id is the index of the entry that opened it, so it needs no counter and never repeats. */
export class ProducerSession {
  readonly id: number;
  readonly epoch: number;
  readonly inFlightMax: number;
  readonly windows: Map<number, ResultWindow>;
  lastUsedIndex: LogIndex;
  /** Unix milliseconds, as stamped in the entry that used it last. */
  lastUsedTime: number;
  /** Neighbours in the order of use; the table's own. */
  older: ProducerSession | null = null;
  newer: ProducerSession | null = null;
  #capacity = 0;

  constructor(id: number, epoch: number, inFlightMax: number, index: LogIndex, time: number) {
    this.id = id;
    this.epoch = epoch;
    this.inFlightMax = inFlightMax;
    this.windows = new Map();
    this.lastUsedIndex = index;
    this.lastUsedTime = time;
  }

  lastSequence(queue: number): number {
    return this.windows.get(queue)?.lastSequence ?? 0;
  }

  judge(stamp: ProducerStamp, queue: number): Judgement {
    if (stamp.epoch < this.epoch) return { verdict: 'stale-epoch', epoch: this.epoch };
    if (stamp.epoch > this.epoch) return EXPIRED;
    const window = this.windows.get(queue);
    const last = window?.lastSequence ?? 0;
    if (stamp.sequence === last + 1) return ACCEPT;
    const stored = window?.resultOf(stamp.sequence) ?? null;
    if (stored !== null) return { verdict: 'duplicate', ...stored };
    return { verdict: 'out-of-order', expected: last + 1 };
  }

  accept(sequence: number, queue: number, at: StoredAt, time: number): void {
    let window = this.windows.get(queue);
    if (window === undefined) {
      window = new ResultWindow(this.inFlightMax, queue !== RAW_LOG);
      this.windows.set(queue, window);
      this.#capacity += window.capacity;
    }
    const before = window.capacity;
    window.accept(sequence, at);
    this.#capacity += window.capacity - before;
    this.lastUsedIndex = at.index;
    this.lastUsedTime = time;
  }

  /** The queues of a topic are gone: nobody will ask again. */
  forgetQueues(first: number, count: number): void {
    for (const [queue, window] of this.windows) {
      if (queue < first || queue >= first + count) continue;
      this.windows.delete(queue);
      this.#capacity -= window.capacity;
    }
  }

  /** What it counts for under `resultsMax`: what it announced, or, with many queues, what it has memory for. */
  get weight(): number {
    return Math.max(this.inFlightMax, this.#capacity);
  }

  /**
   * u64 id, u32 epoch, u32 inFlightMax, u64 lastUsedIndex, u64 lastUsedTime, u32 queues, u32 zero; for each queue
   * u32 queue, u32 zero, then its window.
   */
  encode(): Uint8Array {
    let size = 40;
    for (const window of this.windows.values()) size += 8 + window.encodedBytes;
    const bytes = new Uint8Array(size);
    const view = new DataView(bytes.buffer);
    writeUint53(view, 0, this.id);
    view.setUint32(8, this.epoch, true);
    view.setUint32(12, this.inFlightMax, true);
    writeUint53(view, 16, this.lastUsedIndex);
    writeUint53(view, 24, this.lastUsedTime);
    view.setUint32(32, this.windows.size, true);
    let offset = 40;
    for (const [queue, window] of this.windows) {
      view.setUint32(offset, queue, true);
      offset = window.encode(view, offset + 8);
    }
    return bytes;
  }

  /** @param version of the checkpoint: the first one had no offsets. */
  static decode(view: DataView, start: number, version: number): { session: ProducerSession; end: number } {
    const session = new ProducerSession(
      readUint53(view, start, RangeError),
      view.getUint32(start + 8, true),
      view.getUint32(start + 12, true),
      readUint53(view, start + 16, RangeError) as LogIndex,
      readUint53(view, start + 24, RangeError),
    );
    const queues = view.getUint32(start + 32, true);
    let offset = start + 40;
    for (let at = 0; at < queues; at += 1) {
      const queue = view.getUint32(offset, true);
      const hasOffsets = version > 1 && queue !== RAW_LOG;
      const { window, end } = ResultWindow.decode(view, offset + 8, session.inFlightMax, hasOffsets);
      session.windows.set(queue, window);
      session.#capacity += window.capacity;
      offset = end;
    }
    return { session, end: offset };
  }
}

/**
 * The table of producers. Bounded; who goes is decided by what the entries say, so every node evicts the same: first
 * who has been idle for too long, then whoever was used longest ago.
 *
 * Sessions are linked in the order of use. Entry times never go back, so the oldest session is also the one idle for
 * longest, and evicting looks at no session that stays.
 */
export class ProducerSessions {
  readonly #limits: SessionLimits;
  readonly #sessions = new Map<number, ProducerSession>();
  readonly #views = new FrozenViews<ProducerSession>((session) => session.encode());
  #oldest: ProducerSession | null = null;
  #newest: ProducerSession | null = null;
  #results = 0;

  constructor(limits: SessionLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#sessions.size;
  }

  find(id: number): ProducerSession | null {
    return this.#sessions.get(id) ?? null;
  }

  judge(stamp: ProducerStamp, queue: number): Judgement {
    if (stamp.producerId === 0) return ACCEPT;
    return this.#sessions.get(stamp.producerId)?.judge(stamp, queue) ?? EXPIRED;
  }

  open(index: LogIndex, inFlightMax: number, time: number): ProducerSession {
    this.#evict(inFlightMax, time);
    const session = new ProducerSession(index, 1, inFlightMax, index, time);
    this.#add(session);
    return session;
  }

  /** For a batch that was judged acceptable just now. */
  accept(stamp: ProducerStamp, queue: number, at: StoredAt, time: number): void {
    const session = this.#sessions.get(stamp.producerId);
    if (session === undefined) violated(`batch of the unknown producer ${stamp.producerId} accepted`);
    this.#views.preserve(session);
    const before = session.weight;
    session.accept(stamp.sequence, queue, at, time);
    if (session !== this.#newest) {
      this.#unlink(session);
      this.#link(session);
    }
    if (session.weight === before) return;
    this.#results += session.weight - before;
    this.#trim();
  }

  /** The queues of a topic are gone. */
  forgetQueues(first: number, count: number): void {
    for (const session of this.#sessions.values()) {
      if (session.windows.size === 0) continue;
      this.#views.preserve(session);
      this.#results -= session.weight;
      session.forgetQueues(first, count);
      this.#results += session.weight;
    }
  }

  /** The sessions as they are now, encoded one at a time, whatever happens to the table meanwhile. */
  freeze(): IterableIterator<Uint8Array> {
    return this.#views.freeze(this.#sessions.values());
  }

  /** Fills an empty table. The order of `sessions` does not matter. */
  restore(sessions: readonly ProducerSession[]): void {
    for (const session of sessions.toSorted((one, other) => one.lastUsedIndex - other.lastUsedIndex)) {
      this.#add(session);
    }
  }

  #add(session: ProducerSession): void {
    this.#sessions.set(session.id, session);
    this.#results += session.weight;
    this.#link(session);
  }

  #link(session: ProducerSession): void {
    session.older = this.#newest;
    session.newer = null;
    if (this.#newest === null) this.#oldest = session;
    else this.#newest.newer = session;
    this.#newest = session;
  }

  #unlink(session: ProducerSession): void {
    if (session.older === null) this.#oldest = session.newer;
    else session.older.newer = session.newer;
    if (session.newer === null) this.#newest = session.older;
    else session.newer.older = session.older;
  }

  /** Makes room for one more session with so many results. */
  #evict(inFlightMax: number, now: number): void {
    const { sessionsMax, resultsMax, idleMsMax } = this.#limits;
    for (;;) {
      const oldest = this.#oldest;
      if (oldest === null) return;
      const isFull = this.#sessions.size >= sessionsMax || this.#results + inFlightMax > resultsMax;
      if (!isFull && now - oldest.lastUsedTime <= idleMsMax) return;
      this.#drop(oldest);
    }
  }

  /** Somebody remembers more than before. Who was used longest ago goes, at last also who has too many queues alone. */
  #trim(): void {
    while (this.#results > this.#limits.resultsMax) {
      const oldest = this.#oldest;
      if (oldest === null || (oldest === this.#newest && oldest.windows.size < 2)) return;
      this.#drop(oldest);
    }
  }

  #drop(session: ProducerSession): void {
    this.#unlink(session);
    this.#sessions.delete(session.id);
    this.#results -= session.weight;
  }
}
