import { mark } from '../../base/marks.ts';
import type { Mutations } from '../../base/mutations.ts';
import type { InstallSnapshot } from '../../base/peer-message.ts';
import { DiskError, type Disk } from '../../base/ports/disk.ts';
import type { GroupId, NodeId } from '../../base/units.ts';
import type { RaftCore } from '../../raft/index.ts';
import { IncomingSnapshot, isSame } from '../../wal/index.ts';
import type { SnapshotStatus } from '../../wire/status-schema.ts';
import type { Announce } from '../announcement.ts';

export interface SnapshotReceiverParts {
  readonly core: RaftCore;
  readonly disk: Disk;
  /** The data directory. */
  readonly directory: string;
  readonly group: GroupId;
  readonly mutations: Mutations;
  readonly enter: () => void;
  /**
   * All of it is there, durable and verified, and the log is to begin anew behind it: by whoever takes it. There is
   * nothing to take if the log has got so far by itself meanwhile.
   */
  readonly onWhole: (take: () => IncomingSnapshot | null) => void;
  readonly onFailure: (error: DiskError) => void;
  readonly event: Announce;
}

/** What is left to the log and its checkpoints while a snapshot comes in. */
const ROOM_LEFT_BYTES: number = 64 * 1024 * 1024;

/** The follower's side of a snapshot: puts the pieces that the core takes into a file, in order, and nothing else. */
export class SnapshotReceiver {
  readonly #parts: SnapshotReceiverParts;
  #incoming: IncomingSnapshot | null = null;
  #from: NodeId | null = null;
  /** All of it is there: nothing more is taken in until that is decided. */
  #isFinishing = false;
  #isClosed = false;
  /** Said once for each snapshot. */
  #refusedIndex = 0;

  constructor(parts: SnapshotReceiverParts) {
    this.#parts = parts;
  }

  get status(): SnapshotStatus | null {
    if (this.#incoming === null || this.#from === null) return null;
    const { id, stored } = this.#incoming;
    return {
      direction: 'in',
      peer: this.#from,
      index: id.lastIncludedIndex,
      bytes: id.bytes,
      doneBytes: stored,
    };
  }

  onPiece(piece: InstallSnapshot): void {
    if (this.#isFinishing || this.#isClosed) return;
    try {
      const incoming = this.#incomingFor(piece);
      if (incoming === null) return;
      if (piece.offset === incoming.stored) incoming.append(piece.data);
      else mark('node.snapshot-piece-dropped');
      if (incoming.isWhole) this.#finish(incoming, piece);
      else this.#parts.core.snapshotStored(piece, incoming.stored);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#discard();
      if (error.code === 'ENOSPC') this.#refuse(piece, error.message);
      else this.#parts.onFailure(error);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#discard();
  }

  /** The file of this snapshot, begun if need be. Null where there is no room for it. */
  #incomingFor({ snapshot, from }: InstallSnapshot): IncomingSnapshot | null {
    this.#from = from;
    if (this.#incoming !== null && isSame(this.#incoming.id, snapshot)) return this.#incoming;
    if (this.#incoming !== null) mark('node.snapshot-replaced');
    this.#discard();
    const { disk, directory, group, mutations } = this.#parts;
    const { freeBytes } = disk.spaceSync(directory);
    if (freeBytes < snapshot.bytes + ROOM_LEFT_BYTES) {
      this.#refuse({ snapshot }, `it has ${snapshot.bytes} bytes, and ${freeBytes} are free`);
      return null;
    }
    this.#incoming = new IncomingSnapshot(disk, directory, group, snapshot, mutations);
    const { lastIncludedIndex: index, bytes } = snapshot;
    this.#parts.event(
      'info',
      'snapshot-receiving',
      `installing the snapshot at index ${index} from ${from} (${bytes} bytes): the leader keeps nothing before it`,
      { peer: from, index, bytes },
    );
    return this.#incoming;
  }

  #finish(incoming: IncomingSnapshot, piece: InstallSnapshot): void {
    this.#isFinishing = true;
    incoming.finish((error, isGood) => {
      this.#parts.enter();
      if (this.#isClosed) return;
      this.#isFinishing = false;
      const { core, onFailure, onWhole } = this.#parts;
      if (error !== null) {
        onFailure(error);
      } else if (!isGood) {
        mark('node.snapshot-damaged');
        const index = incoming.id.lastIncludedIndex;
        this.#discard();
        this.#parts.event('warn', 'snapshot-damaged', `the snapshot at index ${index} does not verify`, {
          index,
        });
      } else {
        this.#isFinishing = true;
        onWhole(() => {
          const isNeeded = core.needsSnapshot(piece);
          this.#isFinishing = isNeeded;
          if (!isNeeded) {
            mark('node.snapshot-came-too-late');
            this.#discard();
          }
          this.#incoming = null;
          return isNeeded ? incoming : null;
        });
      }
    });
  }

  #refuse({ snapshot }: Pick<InstallSnapshot, 'snapshot'>, why: string): void {
    if (this.#refusedIndex === snapshot.lastIncludedIndex) return;
    this.#refusedIndex = snapshot.lastIncludedIndex;
    this.#parts.event(
      'warn',
      'snapshot-no-room',
      `no room for the snapshot at index ${snapshot.lastIncludedIndex}: ${why}`,
      { index: snapshot.lastIncludedIndex, bytes: snapshot.bytes },
    );
  }

  #discard(): void {
    this.#incoming?.discard();
    this.#incoming = null;
  }
}
