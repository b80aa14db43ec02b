import { mark } from '../../base/marks.ts';
import type { Clock, TimerHandle } from '../../base/ports/clock.ts';
import { encodeCommand, type StateMachine } from '../../broker/index.ts';
import type { AppendPath } from '../append-path.ts';

export interface MemberWatchParts {
  readonly machine: StateMachine;
  readonly appends: AppendPath;
  readonly clock: Clock;
  readonly enter: () => void;
  /** Whether this node leads and has applied what its predecessors did. */
  readonly leads: () => boolean;
}

const CHECK_MS = 250;
/** For the order to be committed; if not, it is given again. */
const EXPIRY_DEADLINE_MS = 10_000;

/**
 * Who was heard of when, at the leader. Not in the log: it would be most of it. So a new leader knows of nobody, and gives
 * everybody a full session time-out; that somebody has expired is then an entry, and the same for all.
 */
export class MemberWatch {
  readonly #parts: MemberWatchParts;
  /** Monotonic, by member id. */
  readonly #heardAtMs = new Map<number, number>();
  /** Nobody counts as silent for longer than since then. */
  #sinceMs = 0;
  #isLeading = false;
  /** Orders that are on their way. */
  readonly #expiring = new Set<number>();
  #timer: TimerHandle | null = null;
  #isStopped = false;

  constructor(parts: MemberWatchParts) {
    this.#parts = parts;
  }

  heard(memberId: number): void {
    this.#heardAtMs.set(memberId, this.#parts.clock.monotonicMs());
    this.#arm();
  }

  gone(memberId: number): void {
    this.#heardAtMs.delete(memberId);
  }

  /** This process stood still, and with it everything that was to be heard. */
  onPause(): void {
    this.#sinceMs = this.#parts.clock.monotonicMs();
  }

  onLeadershipLost(): void {
    this.#isLeading = false;
    this.#heardAtMs.clear();
    this.#expiring.clear();
  }

  /** There are members to be watched, or may be. */
  arm(): void {
    if (this.#parts.machine.groupCount > 0) this.#arm();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #arm(): void {
    if (this.#timer !== null || this.#isStopped) return;
    this.#timer = this.#parts.clock.setTimer(CHECK_MS, () => {
      this.#timer = null;
      this.#parts.enter();
      this.#check();
      this.arm();
    });
  }

  #check(): void {
    const { leads, clock, machine } = this.#parts;
    if (!leads()) {
      this.#isLeading = false;
      return;
    }
    const now = clock.monotonicMs();
    if (!this.#isLeading) {
      this.#isLeading = true;
      this.#sinceMs = now;
    }
    for (const { name, members } of machine.groups()) {
      const silent: number[] = [];
      for (const { memberId, sessionTimeoutMs } of members.values()) {
        const heardAtMs = Math.max(this.#sinceMs, this.#heardAtMs.get(memberId) ?? 0);
        if (now - heardAtMs > sessionTimeoutMs && !this.#expiring.has(memberId)) silent.push(memberId);
      }
      if (silent.length > 0) this.#expire(name, silent);
    }
  }

  #expire(group: string, memberIds: readonly number[]): void {
    mark('node.members-expired');
    for (const id of memberIds) this.#expiring.add(id);
    const body = encodeCommand({ type: 'expire-members', group, memberIds });
    this.#parts.appends.command(body, EXPIRY_DEADLINE_MS, () => {
      for (const id of memberIds) {
        this.#expiring.delete(id);
        this.#heardAtMs.delete(id);
      }
    });
  }
}
