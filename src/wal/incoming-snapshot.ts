import { join } from 'node:path';
import { assert } from '../base/assert.ts';
import type { SnapshotId } from '../base/peer-message.ts';
import { NO_MUTATIONS, type Mutations } from '../base/mutations.ts';
import type { Disk, DiskError, DiskFile } from '../base/ports/disk.ts';
import type { GroupId } from '../base/units.ts';
import { SNAPSHOT_NAME, SNAPSHOT_TEMPORARY_NAME } from './format.ts';
import { diskErrorOf } from './errors.ts';
import { readHead, snapshotId, verifyState } from './snapshot-file.ts';

/**
 * The snapshot that a leader sends, while it comes in, in a file beside the log. The node goes on as it was until all of
 * it is there, durable and verified, and `publish` gives it the name by which the next opening of the log knows that the
 * log is to begin anew behind it.
 */
export class IncomingSnapshot {
  readonly id: SnapshotId;
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #group: GroupId;
  readonly #file: DiskFile;
  readonly #mutations: Mutations;
  #stored = 0;

  /** Takes the place of whatever came in before. @throws DiskError */
  constructor(
    disk: Disk,
    directory: string,
    group: GroupId,
    id: SnapshotId,
    mutations: Mutations = NO_MUTATIONS,
  ) {
    this.id = id;
    this.#disk = disk;
    this.#directory = directory;
    this.#group = group;
    this.#mutations = mutations;
    this.#file = disk.openSync(this.#temporaryPath, 'create');
  }

  /** It lacks the snapshot from here on. */
  get stored(): number {
    return this.#stored;
  }

  get isWhole(): boolean {
    return this.#stored === this.id.bytes;
  }

  /** Appends what continues it. @throws DiskError */
  append(data: Uint8Array): void {
    assert(
      this.#stored + data.length <= this.id.bytes,
      () => `${data.length} bytes behind ${this.#stored} of ${this.id.bytes}`,
    );
    this.#file.writevSync([data], this.#stored);
    this.#stored += data.length;
  }

  /** Makes it durable and reads it back. @param done with whether it is what was announced. */
  finish(done: (error: DiskError | null, isGood: boolean) => void): void {
    assert(this.isWhole, () => `${this.#stored} of ${this.id.bytes} bytes are there`);
    const verify = (error: DiskError | null): void => {
      const head = error === null ? readHead(this.#file, this.#group) : null;
      if (head === null || !isSame(snapshotId(head), this.id)) done(error, false);
      else verifyState(this.#file, head, done);
    };
    if (this.#mutations.installsUnsyncedSnapshots) verify(null);
    else this.#file.datasync(verify);
  }

  /**
   * To be called when it was found good and the log is closed. From here on the old log is given up: whoever opens the
   * directory finds the new one, whatever happens in between. @throws DiskError
   */
  publish(): void {
    this.#file.closeSync();
    this.#disk.renameSync(this.#temporaryPath, join(this.#directory, SNAPSHOT_NAME));
    this.#disk.syncDirectorySync(this.#directory);
  }

  /** It is not needed any more. A file that cannot be removed is removed by the next start. */
  discard(): void {
    this.#file.closeSync();
    diskErrorOf(() => this.#disk.unlinkSync(this.#temporaryPath));
  }

  get #temporaryPath(): string {
    return join(this.#directory, SNAPSHOT_TEMPORARY_NAME);
  }
}

export function isSame(one: SnapshotId, other: SnapshotId): boolean {
  return (
    one.lastIncludedIndex === other.lastIncludedIndex &&
    one.lastIncludedTerm === other.lastIncludedTerm &&
    one.lastIncludedChecksum === other.lastIncludedChecksum &&
    one.bytes === other.bytes &&
    one.checksum === other.checksum
  );
}
