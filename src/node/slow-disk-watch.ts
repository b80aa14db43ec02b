import { mark } from '../base/marks.ts';
import type { RaftCore } from '../raft/index.ts';
import type { Announce } from './announcement.ts';

export interface SlowDiskWatchParts {
  /** Syncs that take so long make a disk slow. */
  readonly limitMs: number;
  /** How long syncs take at this moment. */
  readonly paceMs: () => number;
  /** A disk without room is slower than any. */
  readonly hasRoom: () => boolean;
  readonly core: RaftCore;
  readonly event: Announce;
}

const LOOK_EVERY_MS = 50;
/** It must have been well for so long before it is taken for well: a disk that is slow now and then is slow. */
const WELL_AFTER_MS = 30_000;
/** Between attempts to hand over. */
const RETRY_MS = 1000;
/** Between complaints that there is nobody to hand over to. */
const COMPLAIN_MS = 30_000;

/**
 * A leader whose disk is slow rather than broken makes every write slow: it hands over to a follower that is twice as fast
 * at least. A node with a slow disk is not chosen again until it has been well for half a minute.
 */
export class SlowDiskWatch {
  readonly #parts: SlowDiskWatchParts;
  #nextLookMs = 0;
  #slowUntilMs = Number.NEGATIVE_INFINITY;
  #worstMs = 0;
  #nextAttemptMs = 0;
  #nextComplaintMs = 0;
  #isSlow = false;
  handOvers = 0;

  constructor(parts: SlowDiskWatchParts) {
    this.#parts = parts;
  }

  get isSlow(): boolean {
    return this.#isSlow;
  }

  /** To be called with every tick. */
  passed(nowMs: number): void {
    if (nowMs < this.#nextLookMs) return;
    this.#nextLookMs = nowMs + LOOK_EVERY_MS;
    const { limitMs, paceMs, core, event } = this.#parts;
    const ms = paceMs();
    if (ms >= limitMs) {
      if (!this.#isSlow) {
        mark('node.disk-slow');
        event('warn', 'disk-slow', `the disk is slow: ${about(ms)}`, { syncMs: ms });
      }
      this.#isSlow = true;
      this.#worstMs = Math.max(this.#worstMs, ms);
      this.#slowUntilMs = nowMs + WELL_AFTER_MS;
    } else if (this.#isSlow && nowMs >= this.#slowUntilMs) {
      this.#isSlow = false;
      this.#worstMs = 0;
      event('info', 'disk-well', 'the disk has been fast enough for half a minute', {});
    }
    if (this.#parts.hasRoom()) core.syncPace(this.#isSlow ? this.#worstMs : ms);
    else core.syncPace(Number.POSITIVE_INFINITY);
    // Only while it is so: a leader that has become well again is as good as another.
    if (ms >= limitMs && core.role === 'leader' && nowMs >= this.#nextAttemptMs) this.#handOver(nowMs, ms);
  }

  #handOver(nowMs: number, ms: number): void {
    const { core, event } = this.#parts;
    this.#nextAttemptMs = nowMs + RETRY_MS;
    const result = core.transferLeadership(null);
    if (result.ok) {
      mark('node.slow-leader-handed-over');
      this.handOvers += 1;
      const text = `${about(ms)}: handing leadership to ${result.target}`;
      event('warn', 'slow-leader', text, { syncMs: ms, target: result.target });
    } else if (nowMs >= this.#nextComplaintMs) {
      this.#nextComplaintMs = nowMs + COMPLAIN_MS;
      const text = `${about(ms)}, and nobody is better off (${result.refusal})`;
      event('warn', 'slow-leader-stays', text, { syncMs: ms, refusal: result.refusal });
    }
  }
}

function about(syncMs: number): string {
  return `syncs take ${Math.round(syncMs)} ms`;
}
