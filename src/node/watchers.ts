import type { Clock, TimerHandle } from '../base/ports/clock.ts';
import { encodeStatusResult } from '../wire/client-codec.ts';
import { FrameKind } from '../wire/frame.ts';
import { LIMITS } from '../wire/limits.ts';
import type { NodeStatus } from '../wire/status-schema.ts';
import { encodeEvents, type NodeEvent, type Watch } from '../wire/watch-schema.ts';
import type { EventJournal } from './event-journal.ts';

/** Where a watcher's frames go. */
export interface WatcherSink {
  /** Bytes that it has not taken yet. */
  readonly unreadBytes: number;
  push(
    kind: typeof FrameKind.STATUS_RESULT | typeof FrameKind.EVENTS,
    requestId: number,
    body: Uint8Array,
  ): void;
}

export interface WatcherParts {
  readonly clock: Clock;
  readonly journal: EventJournal;
  readonly enter: () => void;
  readonly status: () => NodeStatus;
}

interface Watcher {
  readonly sink: WatcherSink;
  readonly requestId: number;
  readonly everyMs: number;
  nextMs: number;
  toldSequence: number;
}

/** Whoever has so much unread gets no state more until it has caught up. Events wait in the journal. */
const UNREAD_BYTES_MAX = 256 * 1024;

/**
 * Consoles that look on. State is pushed at each one's own pace and at once when leadership changes; events as they
 * happen. However many look on, a state is made and encoded once for all of them.
 */
export class Watchers {
  readonly #parts: WatcherParts;
  readonly #watchers = new Set<Watcher>();
  #timer: TimerHandle | null = null;
  #isUrgent = false;

  constructor(parts: WatcherParts) {
    this.#parts = parts;
  }

  get count(): number {
    return this.#watchers.size;
  }

  add(sink: WatcherSink, requestId: number, { statusEveryMs, eventsAfter }: Watch): void {
    const { clock, journal } = this.#parts;
    this.#watchers.add({
      sink,
      requestId,
      everyMs: statusEveryMs,
      nextMs: clock.monotonicMs(),
      // Whoever knows more than there is met this node before it lost its disk.
      toldSequence:
        eventsAfter === null ? journal.lastSequence : eventsAfter > journal.lastSequence ? 0 : eventsAfter,
    });
    this.#work();
  }

  remove(sink: WatcherSink): void {
    for (const watcher of this.#watchers) if (watcher.sink === sink) this.#watchers.delete(watcher);
    if (this.#watchers.size === 0) this.stop();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** An event was written down. @param isTurningPoint leadership changed: the state is news too. */
  onEvent(isTurningPoint: boolean): void {
    this.#isUrgent ||= isTurningPoint;
  }

  /** End of the turn. */
  flush(): void {
    if (this.#watchers.size === 0) {
      this.#isUrgent = false;
      return;
    }
    const last = this.#parts.journal.lastSequence;
    const hasNews = this.#isUrgent || [...this.#watchers].some((watcher) => watcher.toldSequence < last);
    if (hasNews) this.#work();
  }

  #work(): void {
    const nowMs = this.#parts.clock.monotonicMs();
    let state: Uint8Array | null = null;
    for (const watcher of this.#watchers) {
      if (watcher.sink.unreadBytes > UNREAD_BYTES_MAX) {
        watcher.nextMs = nowMs + watcher.everyMs;
        continue;
      }
      if (this.#isUrgent || watcher.nextMs <= nowMs) {
        state ??= encodeStatusResult(this.#parts.status());
        watcher.sink.push(FrameKind.STATUS_RESULT, watcher.requestId, state);
        watcher.nextMs = nowMs + watcher.everyMs;
      }
      this.#tell(watcher);
    }
    this.#isUrgent = false;
    this.#arm(nowMs);
  }

  #tell(watcher: Watcher): void {
    const { journal } = this.#parts;
    if (watcher.toldSequence >= journal.lastSequence) return;
    const events: readonly NodeEvent[] = journal.since(watcher.toldSequence, LIMITS.eventsMax);
    watcher.toldSequence = journal.lastSequence;
    if (events.length > 0) watcher.sink.push(FrameKind.EVENTS, watcher.requestId, encodeEvents({ events }));
  }

  #arm(nowMs: number): void {
    this.stop();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const watcher of this.#watchers) nextMs = Math.min(nextMs, watcher.nextMs);
    if (nextMs === Number.POSITIVE_INFINITY) return;
    this.#timer = this.#parts.clock.setTimer(Math.max(1, nextMs - nowMs), () => {
      this.#timer = null;
      this.#parts.enter();
      this.#work();
    });
  }
}
