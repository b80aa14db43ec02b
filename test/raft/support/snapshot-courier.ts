import type { Entry } from '../../../src/base/entry.ts';
import type { InstallSnapshot, SnapshotId } from '../../../src/base/peer-message.ts';
import type { Replica } from './replica.ts';

/** Two pieces, so that one may be missing. */
const BYTES = 2;

/** What nodes do about snapshots beside their cores: a leader's sends pieces, a follower's stores them and begins anew. */
export class SnapshotCourier {
  /** What each snapshot that was ever sent stands for. */
  readonly #contents = new Map<string, readonly Entry[]>();
  readonly #stored = new WeakMap<Replica['core'], { readonly key: string; bytes: number }>();

  /** Sends one piece to whoever needs a snapshot from this node. @returns whether anybody did. */
  send(replica: Replica, offset: number): boolean {
    const { core, disk } = replica;
    const last = disk.durableLog[disk.base - 1];
    if (last === undefined) return false;
    const snapshot: SnapshotId = {
      lastIncludedIndex: last.index,
      lastIncludedTerm: last.term,
      lastIncludedChecksum: last.checksum,
      bytes: BYTES,
      checksum: last.checksum,
    };
    this.#contents.set(keyOf(snapshot), disk.durableLog.slice(0, disk.base));
    const before = replica.snapshotsWanted.length;
    replica.snapshotsWanted = replica.snapshotsWanted.filter((wanted) =>
      core.sendSnapshot(wanted, { snapshot, offset, data: new Uint8Array(1) }),
    );
    return before > 0;
  }

  /**
   * Stores the oldest piece that a node was sent.
   * @returns true if the snapshot is whole and its log was made to begin anew: its process is to be started again.
   */
  store(replica: Replica): boolean {
    const piece = replica.pieces.shift();
    if (piece === undefined) return false;
    const { core, disk } = replica;
    const stored = this.#storedOf(replica, piece);
    if (piece.offset === stored.bytes) stored.bytes += piece.data.length;
    if (stored.bytes < BYTES) {
      core.snapshotStored(piece, stored.bytes);
      return false;
    }
    this.#stored.delete(core);
    if (!core.needsSnapshot(piece)) return false;
    disk.install(this.#contents.get(stored.key) ?? []);
    return true;
  }

  #storedOf(replica: Replica, { snapshot }: InstallSnapshot): { readonly key: string; bytes: number } {
    const key = keyOf(snapshot);
    const known = this.#stored.get(replica.core);
    if (known?.key === key) return known;
    const begun = { key, bytes: 0 };
    this.#stored.set(replica.core, begun);
    return begun;
  }
}

function keyOf({ lastIncludedIndex, lastIncludedChecksum }: SnapshotId): string {
  return `${lastIncludedIndex} ${lastIncludedChecksum}`;
}
