import { entryTime } from '../base/entry.ts';
import { mark } from '../base/marks.ts';
import type { Mutations } from '../base/mutations.ts';
import type { Clock, TimerHandle } from '../base/ports/clock.ts';
import type { LogIndex } from '../base/units.ts';
import { encodeCommand, type StateMachine } from '../broker/index.ts';
import type { RaftCore } from '../raft/index.ts';
import { WalRotError, type CheckpointStore, type Wal } from '../wal/index.ts';
import type { Announce } from './announcement.ts';
import type { AppendPath } from './append-path.ts';
import type { Space } from './disk-space.ts';
import { DiskSurplus } from './disk-surplus.ts';

export interface LogRetentionParts {
  readonly core: RaftCore;
  readonly machine: StateMachine;
  readonly wal: Wal;
  readonly checkpoints: CheckpointStore;
  readonly clock: Clock;
  readonly mutations: Mutations;
  readonly appends: AppendPath;
  /** Segments go when the newest entry in them is older. Null: never for that reason. */
  readonly ageMsMax: number | null;
  /** Segments go when all of them have more bytes together. Null: never for that reason. */
  readonly bytesMax: number | null;
  /** The oldest segments go where more of the file system is in use. Null: never for that reason. */
  readonly diskShareMax: number | null;
  readonly space: () => Space | null;
  readonly enter: () => void;
  /** What was to be read does not verify. */
  readonly onRot: (error: WalRotError) => void;
  /** Raises the first offsets of queues that would lose records with the log up to this index. */
  readonly raiseFirstOffsets: (index: LogIndex, done: (isRaised: boolean) => void) => void;
  /** Whether a checkpoint verifies and is durable. */
  readonly prove: (index: LogIndex, done: (isProven: boolean) => void) => void;
  /** Of the oldest snapshot on its way to a follower, which needs the log behind it next; null if there is none. */
  readonly oldestIndexSent: () => LogIndex | null;
  readonly event: Announce;
}

const CHECK_MS = 1000;
const DEADLINE_MS = 10_000;
/** Between proposals for want of room: what the last one gave back is to be known everywhere. */
const ROOM_PAUSE_MS = 5000;
/** Followers that are up to the log are waited for, but not longer. */
const HOLD_MS = 60_000;

/**
 * Keeps the log from growing for ever. The leader looks at its segments and proposes where the log is to begin; what is
 * decided is an entry, so that all nodes serve the same. Each node then removes whole segments when it can: when a
 * checkpoint that it keeps has what they held.
 */
export class LogRetention {
  readonly #parts: LogRetentionParts;
  #timer: TimerHandle | null = null;
  #isStopped = false;
  #isProving = false;
  /** Does not verify, which was said. */
  #unproven: LogIndex | null = null;
  readonly #surplus: DiskSurplus;
  #nextForRoomMs = 0;
  /** Since when followers keep segments from going. */
  #heldSinceMs: number | null = null;
  /** Stored time of the last entry of the oldest segment, by its index. */
  #lastTime: { readonly index: LogIndex; readonly timeMs: number } | null = null;

  constructor(parts: LogRetentionParts) {
    this.#parts = parts;
    this.#surplus = new DiskSurplus({
      clock: parts.clock,
      shareMax: parts.diskShareMax,
      space: parts.space,
      bytesToGo: () => this.#bytesToGo,
    });
    this.#arm();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /**
   * What was decided was applied, or a checkpoint was written: lets go of segments that nobody needs any more. They go up to
   * the newest checkpoint that lies before where the log is served from, and not further: with it, the log behind it is whole
   * for a replica that has to begin anew.
   */
  trim(): void {
    const { core, machine, wal, checkpoints, mutations, oldestIndexSent, prove } = this.#parts;
    if (this.#isProving || this.#isStopped || machine.logStart <= core.firstIndex) return;
    const sent = oldestIndexSent() ?? Number.POSITIVE_INFINITY;
    const bound = Math.min(machine.logStart - 1, core.durableIndex, sent);
    if (mutations.trimsAheadOfCheckpoints) this.#removeTo(bound as LogIndex);
    const end = mutations.trimsToTheNewestCheckpoint ? core.durableIndex : bound;
    const base = checkpoints.base((end + 1) as LogIndex);
    const [oldest] = wal.sealedSegments();
    if (base === null || oldest === undefined || oldest.lastIndex > base) return;
    this.#isProving = true;
    prove(base, (isProven) => {
      this.#parts.enter();
      this.#isProving = false;
      if (this.#isStopped) return;
      if (isProven) this.#removeTo(base);
      else this.#sayUnproven(base);
    });
  }

  #removeTo(base: LogIndex): void {
    const { core, wal, checkpoints, event } = this.#parts;
    const before = core.firstIndex;
    const firstIndex = wal.trimTo(base);
    checkpoints.dropBefore(base);
    if (firstIndex === before) return;
    core.trimmed(firstIndex);
    this.#surplus.removed();
    const text = `removed entries ${before} to ${firstIndex - 1}: the log begins at ${firstIndex}`;
    event('info', 'log-trimmed', text, { firstIndex });
  }

  #sayUnproven(index: LogIndex): void {
    if (this.#unproven === index) return;
    this.#unproven = index;
    const text = `the checkpoint at ${index} does not verify: the log before it stays until there is another`;
    this.#parts.event('warn', 'checkpoint-unproven', text, { index });
  }

  #arm(): void {
    if (this.#isStopped) return;
    this.#timer = this.#parts.clock.setTimer(CHECK_MS, () => {
      const { core, appends, enter } = this.#parts;
      enter();
      if (this.#isStopped) return;
      core.diskSurplus(this.#surplus.bytes);
      if (core.role !== 'leader' || !appends.knowsItsPredecessors()) this.#arm();
      else this.#findLast((index) => this.#propose(this.#heldBack(index)));
    });
  }

  /** The last index that is to go, of whole segments; null if nothing is. */
  #findLast(done: (index: LogIndex | null) => void): void {
    const { core, machine, wal, bytesMax } = this.#parts;
    const limit = Math.min(machine.appliedIndex, core.durableIndex);
    const sealed = wal
      .sealedSegments()
      .filter(({ lastIndex }) => lastIndex >= machine.logStart && lastIndex <= limit);
    const held = sealed.reduce((sum, { bytes }) => sum + bytes, 0);
    const forSize = bytesMax === null ? 0 : wal.stats().segmentBytes - this.#bytesToGo - bytesMax;
    const goal = Math.max(forSize, this.#bytesForRoom(held));
    let last: LogIndex | null = null;
    let bytesGone = 0;
    for (const { lastIndex, bytes } of sealed) {
      if (bytesGone >= goal) break;
      last = lastIndex;
      bytesGone += bytes;
    }
    const from = last ?? 0;
    const next = sealed.filter(({ lastIndex }) => lastIndex > from);
    this.#findOld(
      next.map(({ lastIndex }) => lastIndex),
      last,
      done,
    );
  }

  /** Of segments that nobody is served from any more, and that are still there. */
  get #bytesToGo(): number {
    const { machine, wal } = this.#parts;
    const gone = wal.sealedSegments().filter(({ lastIndex }) => lastIndex < machine.logStart);
    return gone.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /**
   * What has to go so that no disk is too full. Nothing, where the whole log would not be enough: then something else fills
   * the disk, and what is kept would be lost for nothing.
   */
  #bytesForRoom(held: number): number {
    const { core, clock } = this.#parts;
    const bytes = core.surplusBytes;
    if (bytes === 0 || bytes > held || clock.monotonicMs() < this.#nextForRoomMs) return 0;
    this.#nextForRoomMs = clock.monotonicMs() + ROOM_PAUSE_MS;
    mark('node.log-trimmed-for-room');
    const text = `a disk is too full by ${bytes} bytes: the oldest segments go`;
    this.#parts.event('warn', 'log-trimmed-for-room', text, { bytes });
    return bytes;
  }

  /** Goes on from `last` with segments whose entries are all too old. */
  #findOld(
    segmentEnds: readonly LogIndex[],
    last: LogIndex | null,
    done: (index: LogIndex | null) => void,
  ): void {
    const { ageMsMax, clock } = this.#parts;
    const [index, ...rest] = segmentEnds;
    if (index === undefined || ageMsMax === null) {
      done(last);
      return;
    }
    this.#timeOf(index, (timeMs) => {
      if (timeMs === null || clock.unixMs() - timeMs <= ageMsMax) done(last);
      else this.#findOld(rest, index, done);
    });
  }

  #timeOf(index: LogIndex, done: (timeMs: number | null) => void): void {
    if (this.#lastTime?.index === index) {
      done(this.#lastTime.timeMs);
      return;
    }
    this.#parts.wal.read(index, 1, 0, (error, [entry]) => {
      this.#parts.enter();
      if (this.#isStopped) return;
      if (error instanceof WalRotError) this.#parts.onRot(error);
      if (error === null && entry !== undefined) this.#lastTime = { index, timeMs: entryTime(entry) };
      done(error === null && entry !== undefined ? entryTime(entry) : null);
    });
  }

  /** Not what followers that get the log are about to be sent; they would need a snapshot. One that stays behind is not waited for. */
  #heldBack(index: LogIndex | null): LogIndex | null {
    const { core, wal, clock } = this.#parts;
    let matched = Number.POSITIVE_INFINITY;
    for (const { state, recentlyActive, matchIndex } of core.status().progress)
      if (state === 'replicate' && recentlyActive) matched = Math.min(matched, matchIndex);
    if (index === null || index <= matched) {
      this.#heldSinceMs = null;
      return index;
    }
    this.#heldSinceMs ??= clock.monotonicMs();
    if (clock.monotonicMs() - this.#heldSinceMs > HOLD_MS) return index;
    const free = wal.sealedSegments().findLast(({ lastIndex }) => lastIndex <= matched);
    return free !== undefined && free.lastIndex >= this.#parts.machine.logStart ? free.lastIndex : null;
  }

  #propose(index: LogIndex | null): void {
    const { appends, raiseFirstOffsets } = this.#parts;
    if (index === null) {
      this.#arm();
      return;
    }
    mark('node.log-trim-proposed');
    raiseFirstOffsets(index, (isRaised) => {
      if (this.#isStopped) return;
      // What was not decided is looked at again the next time: a queue must not point to what is gone.
      if (isRaised)
        appends.command(encodeCommand({ type: 'trim-log', index }), DEADLINE_MS, () => this.#arm());
      else this.#arm();
    });
  }
}
