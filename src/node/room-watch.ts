import { mark } from '../base/marks.ts';
import type { RaftCore } from '../raft/index.ts';
import type { NodeEvent } from '../wire/watch-schema.ts';
import type { Announce } from './announcement.ts';
import type { Space } from './disk-space.ts';

export interface RoomWatchParts {
  /** Bytes that are to stay free, on a file system of this size. */
  readonly reserveBytes: (totalBytes: number) => number;
  /** Null where it cannot be told. */
  readonly space: () => Space | null;
  readonly core: RaftCore;
  readonly event: Announce;
}

const LOOK_EVERY_MS = 100;
/** Between attempts to hand over. */
const RETRY_MS = 1000;
/** Between complaints that there is nobody to hand over to. */
const COMPLAIN_MS = 30_000;
/** Of the reserve must be free again before records are taken again: else each one that is deleted lets one in. */
const ENOUGH = 1.25;

/**
 * Sees to it that a disk is never quite full. Below a reserve a node takes no records from clients, and hands leadership to
 * one that has room; what is left is for the log of others, and for what a leader writes of its own accord. Where it runs
 * out all the same, because somebody else fills the disk, the log waits. Both end by themselves when there is room.
 */
export class RoomWatch {
  readonly #parts: RoomWatchParts;
  #nextLookMs = 0;
  #nextAttemptMs = 0;
  #nextComplaintMs = 0;
  #isShort = false;
  #logWaits = false;
  #majorityHasRoom = true;
  handOvers = 0;

  constructor(parts: RoomWatchParts) {
    this.#parts = parts;
  }

  get hasRoom(): boolean {
    return !this.#isShort && !this.#logWaits;
  }

  /** Why no records are taken; null where they are. */
  get refusal(): string | null {
    if (!this.hasRoom) return 'the disk of this node is full';
    return this.#majorityHasRoom ? null : 'the disks of a majority are full';
  }

  /** The log found no room on the disk, or has found it again. */
  logWaits(isWaiting: boolean): void {
    const { core, event } = this.#parts;
    this.#logWaits = isWaiting;
    core.logWaits(isWaiting);
    if (isWaiting) event('error', 'log-waits', 'the disk is full: the log waits for room', this.#fields());
    else event('info', 'log-goes-on', 'the log has found room on the disk', this.#fields());
  }

  /** To be called with every tick. */
  passed(nowMs: number): void {
    if (nowMs < this.#nextLookMs) return;
    this.#nextLookMs = nowMs + LOOK_EVERY_MS;
    const { core } = this.#parts;
    this.#look();
    this.#majorityHasRoom = core.majorityHasRoom;
    if (!this.hasRoom && core.role === 'leader' && nowMs >= this.#nextAttemptMs) this.#handOver(nowMs);
  }

  #look(): void {
    const { reserveBytes, space, event } = this.#parts;
    const found = space();
    if (found === null) return;
    const reserve = reserveBytes(found.totalBytes);
    const isShort = found.freeBytes < reserve * (this.#isShort ? ENOUGH : 1);
    if (isShort === this.#isShort) return;
    this.#isShort = isShort;
    const fields = { ...this.#fields(), reserveBytes: reserve };
    if (isShort) {
      mark('node.disk-full');
      const left = `${found.freeBytes} bytes are free, ${reserve} are kept for the log itself`;
      event('warn', 'disk-full', `the disk is full: ${left}; no records are taken`, fields);
    } else event('info', 'disk-has-room', 'there is room on the disk again', fields);
  }

  #handOver(nowMs: number): void {
    const { core, event } = this.#parts;
    this.#nextAttemptMs = nowMs + RETRY_MS;
    const result = core.transferLeadership(null);
    if (result.ok) {
      mark('node.full-leader-handed-over');
      this.handOvers += 1;
      const text = `the disk is full: handing leadership to ${result.target}`;
      event('warn', 'full-leader', text, { target: result.target });
    } else if (nowMs >= this.#nextComplaintMs) {
      this.#nextComplaintMs = nowMs + COMPLAIN_MS;
      const text = `the disk is full, and nobody is better off (${result.refusal})`;
      event('warn', 'full-leader-stays', text, { refusal: result.refusal });
    }
  }

  #fields(): NodeEvent['fields'] {
    const space = this.#parts.space();
    return space === null ? {} : { freeBytes: space.freeBytes, totalBytes: space.totalBytes };
  }
}
