import type { Mutations } from '../../base/mutations.ts';
import type { Disk, DiskError } from '../../base/ports/disk.ts';
import type { Clock } from '../../base/ports/clock.ts';
import { FIRST_GROUP, type LogIndex } from '../../base/units.ts';
import type { RaftCore, Ready } from '../../raft/index.ts';
import { SnapshotFile, type CheckpointStore, type IncomingSnapshot } from '../../wal/index.ts';
import type { SnapshotStatus } from '../../wire/status-schema.ts';
import type { Announce } from '../announcement.ts';
import { SnapshotReceiver } from './snapshot-receiver.ts';
import { SnapshotSender } from './snapshot-sender.ts';

export interface SnapshotsParts {
  readonly core: RaftCore;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly mutations: Mutations;
  readonly directory: string;
  readonly checkpoints: CheckpointStore;
  readonly bytesPerSecondMax: number;
  readonly enter: () => void;
  readonly event: Announce;
  readonly onWhole: (take: () => IncomingSnapshot | null) => void;
  readonly onFailure: (error: DiskError) => void;
}

/** Snapshots on their way from this node and to it. */
export class Snapshots {
  readonly #parts: SnapshotsParts;
  readonly #sender: SnapshotSender;
  readonly #receiver: SnapshotReceiver;
  readonly #damaged = new Set<LogIndex>();

  constructor(parts: SnapshotsParts) {
    this.#parts = parts;
    this.#sender = new SnapshotSender({
      ...parts,
      open: () => this.#openBase(),
      onDamaged: (index) => this.#damaged.add(index),
    });
    this.#receiver = new SnapshotReceiver({ ...parts, group: FIRST_GROUP });
  }

  get status(): SnapshotStatus[] {
    const incoming = this.#receiver.status;
    return incoming === null ? this.#sender.status : [...this.#sender.status, incoming];
  }

  /** Of the oldest snapshot that is being sent; null if none is. Followers will want the log behind it next. */
  get oldestIndexSent(): LogIndex | null {
    return this.#sender.oldestIndex;
  }

  counters(): Record<string, number> {
    return { snapshotBytesSent: this.#sender.sentBytes };
  }

  execute({ snapshotsWanted, snapshotAnswers, snapshotPieces }: Ready): void {
    for (const wanted of snapshotsWanted) this.#sender.onWanted(wanted);
    for (const answer of snapshotAnswers) this.#sender.onAnswer(answer);
    for (const piece of snapshotPieces) this.#receiver.onPiece(piece);
  }

  /** To be called with every tick. */
  passed(nowMs: number): void {
    this.#sender.passed(nowMs);
  }

  close(): void {
    this.#sender.close();
    this.#receiver.close();
  }

  /** The oldest checkpoint behind which this log is kept without a gap: a replica is to hold as much of it as this one. */
  #openBase(): SnapshotFile | null {
    const { core, checkpoints, directory, disk } = this.#parts;
    for (const index of checkpoints.list()) {
      if (index < core.firstIndex - 1 || this.#damaged.has(index)) continue;
      const file = SnapshotFile.open(disk, directory, FIRST_GROUP, index);
      if (file !== null) return file;
    }
    return null;
  }
}
