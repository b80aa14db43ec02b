import { assert } from '../base/assert.ts';
import type { ProducerStamp } from '../base/batch.ts';
import { readUint53, writeUint53 } from '../base/uint53.ts';
import type { LogIndex, Term } from '../base/units.ts';
import { ResultWindow } from './result-window.ts';

/** What becomes of a batch. */
export type Judgement =
  | { readonly verdict: 'accept' }
  /** It was stored before: this is where. */
  | { readonly verdict: 'duplicate'; readonly index: LogIndex; readonly term: Term }
  | Rejection;

/** Why a batch is not stored. */
export type Rejection =
  /** It leaves a gap, or is too old to be recognised. */
  | { readonly verdict: 'out-of-order'; readonly expected: number }
  /** The producer is not known, or not any more. */
  | { readonly verdict: 'session-expired' }
  /** Another process took the producer over. */
  | { readonly verdict: 'stale-epoch'; readonly epoch: number };

const ACCEPT: Judgement = { verdict: 'accept' };
const EXPIRED: Judgement = { verdict: 'session-expired' };

export interface SessionLimits {
  readonly sessionsMax: number;
  /** Results that all sessions together may have to remember: the sum of what they announced. 16 bytes each. */
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
    if (stored !== null) return { verdict: 'duplicate', index: stored.index, term: stored.term };
    return { verdict: 'out-of-order', expected: last + 1 };
  }

  accept(sequence: number, queue: number, index: LogIndex, term: Term, time: number): void {
    let window = this.windows.get(queue);
    if (window === undefined) {
      window = new ResultWindow(this.inFlightMax);
      this.windows.set(queue, window);
    }
    window.accept(sequence, index, term);
    this.lastUsedIndex = index;
    this.lastUsedTime = time;
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

  static decode(view: DataView, start: number): { session: ProducerSession; end: number } {
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
      const { window, end } = ResultWindow.decode(view, offset + 8, session.inFlightMax);
      session.windows.set(queue, window);
      offset = end;
    }
    return { session, end: offset };
  }
}

/** A view of the table as it was at one moment, written out while the table goes on changing. */
interface FrozenView {
  readonly remaining: Set<ProducerSession>;
  /** Sessions that changed before they were written: as they were. */
  readonly before: Uint8Array[];
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
  readonly #views = new Set<FrozenView>();
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
  accept(stamp: ProducerStamp, queue: number, index: LogIndex, term: Term, time: number): void {
    const session = this.#sessions.get(stamp.producerId);
    assert(session !== undefined, () => `batch of the unknown producer ${stamp.producerId} accepted`);
    if (this.#views.size > 0) this.#preserve(session);
    session.accept(stamp.sequence, queue, index, term, time);
    if (session === this.#newest) return;
    this.#unlink(session);
    this.#link(session);
  }

  /** The sessions as they are now, encoded one at a time, whatever happens to the table meanwhile. */
  *freeze(): Generator<Uint8Array> {
    const view: FrozenView = { remaining: new Set(this.#sessions.values()), before: [] };
    this.#views.add(view);
    try {
      for (const session of view.remaining) {
        view.remaining.delete(session);
        yield session.encode();
        while (view.before.length > 0) yield view.before.pop() as Uint8Array;
      }
      while (view.before.length > 0) yield view.before.pop() as Uint8Array;
    } finally {
      this.#views.delete(view);
    }
  }

  /** Fills an empty table. The order of `sessions` does not matter. */
  restore(sessions: readonly ProducerSession[]): void {
    for (const session of sessions.toSorted((one, other) => one.lastUsedIndex - other.lastUsedIndex)) {
      this.#add(session);
    }
  }

  #add(session: ProducerSession): void {
    this.#sessions.set(session.id, session);
    this.#results += session.inFlightMax;
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

  #preserve(session: ProducerSession): void {
    for (const view of this.#views) if (view.remaining.delete(session)) view.before.push(session.encode());
  }

  /** Makes room for one more session with so many results. */
  #evict(inFlightMax: number, now: number): void {
    const { sessionsMax, resultsMax, idleMsMax } = this.#limits;
    for (;;) {
      const oldest = this.#oldest;
      if (oldest === null) return;
      const isFull = this.#sessions.size >= sessionsMax || this.#results + inFlightMax > resultsMax;
      if (!isFull && now - oldest.lastUsedTime <= idleMsMax) return;
      this.#unlink(oldest);
      this.#sessions.delete(oldest.id);
      this.#results -= oldest.inFlightMax;
    }
  }
}
