import type { RaftCore } from '../raft/index.ts';
import type { Wal } from '../wal/index.ts';
import type { Announce } from './announcement.ts';
import type { DiskSpace } from './disk-space.ts';
import { slowPace } from './events.ts';
import { diskReserveBytes, slowSyncMs, type NodeOptions } from './options.ts';
import { PaceWatch } from './pace-watch.ts';
import { RoomWatch } from './room-watch.ts';
import { SlowDiskWatch } from './slow-disk-watch.ts';

export interface SelfWatchParts {
  readonly options: NodeOptions;
  readonly core: RaftCore;
  readonly wal: Wal;
  readonly space: DiskSpace;
  /** How late the loop was at worst lately. */
  readonly loopDelayMs: () => number;
  readonly event: Announce;
}

/** Whether this node is fit to lead, as far as it can tell of itself: its pace, its room, its disk. */
export class SelfWatch {
  readonly #pace: PaceWatch;
  readonly #slowDisk: SlowDiskWatch;
  readonly room: RoomWatch;

  constructor({ options, core, wal, space, loopDelayMs, event }: SelfWatchParts) {
    this.#pace = new PaceWatch(
      options.electionTimeoutMsMin,
      () => ({ syncMs: wal.recentSyncs().p999, loopDelayMs: loopDelayMs() }),
      (pace, limitMs) => event('warn', ...slowPace(pace, limitMs)),
    );
    this.room = new RoomWatch({
      reserveBytes: (totalBytes) => diskReserveBytes(options, totalBytes),
      space: () => space.space,
      core,
      event,
    });
    this.#slowDisk = new SlowDiskWatch({
      limitMs: slowSyncMs(options),
      paceMs: () => wal.syncPaceMs(),
      hasRoom: () => this.room.hasRoom,
      core,
      event,
    });
  }

  /** To be called with every tick. */
  passed(nowMs: number): void {
    this.#pace.passed(nowMs);
    this.room.passed(nowMs);
    this.#slowDisk.passed(nowMs);
  }

  counters(): Record<string, number> {
    return {
      diskIsSlow: this.#slowDisk.isSlow ? 1 : 0,
      slowDiskHandOvers: this.#slowDisk.handOvers,
      diskIsFull: this.room.hasRoom ? 0 : 1,
      fullDiskHandOvers: this.room.handOvers,
    };
  }
}
