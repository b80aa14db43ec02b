import { join } from 'node:path';
import { assert } from '../base/assert.ts';
import { crc32 } from '../base/crc32.ts';
import { mark } from '../base/marks.ts';
import type { Clock } from '../base/ports/clock.ts';
import type { Disk, DiskFile } from '../base/ports/disk.ts';
import { readUint53, writeUint53 } from '../base/uint53.ts';
import type { GroupId, LogIndex, Term } from '../base/units.ts';
import { attempt, diskErrorOf } from './errors.ts';
import {
  CHECKPOINT_HEADER,
  CHECKPOINT_HEADER_BYTES,
  CHECKPOINT_MAGIC,
  CHECKPOINT_TEMPORARY_NAME,
  checkpointIndex,
  checkpointName,
  WAL_FORMAT_VERSION,
} from './format.ts';

/** What a checkpoint says about itself. */
export interface CheckpointHeader {
  /** The last entry that was applied, which is durable in this node's own log. */
  readonly index: LogIndex;
  readonly term: Term;
  /** Its header checksum: tells whether this log is the one the checkpoint was taken of. */
  readonly checksum: number;
  /** The newest configuration committed by then; 0 and no bytes if there was none. */
  readonly configurationIndex: LogIndex;
  /** Encoded as in `base/configuration.ts`. */
  readonly configuration: Uint8Array;
  /** As the state machine computes it. */
  readonly stateDigest: number;
  /** Stored time of that entry, Unix milliseconds; 0 where an older version wrote the checkpoint. */
  readonly timeMs: number;
}

export interface Checkpoint extends CheckpointHeader {
  readonly state: Uint8Array;
}

export interface CheckpointStoreOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  /** The data directory, locked by an open `Wal`. */
  readonly directory: string;
  readonly group: GroupId;
}

/** The loop is never held up longer than this by taking a checkpoint (the promise is 5 ms). */
const SLICE_MS_MAX = 4;
const SLICE_BYTES_MAX: number = 1024 * 1024;
/** The newest one may rot: the one before it then saves a replay of the whole log. */
const NEWEST_KEPT = 2;
/** A log of which the beginning goes needs one near any place where it may begin then. */
const KEPT_MAX = 16;

class CheckpointNumberError extends Error {}

/** The state machine's checkpoints in a data directory. */
export class CheckpointStore {
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #directory: string;
  readonly #group: GroupId;
  #isWriting = false;

  constructor(options: CheckpointStoreOptions) {
    this.#disk = options.disk;
    this.#clock = options.clock;
    this.#directory = options.directory;
    this.#group = options.group;
  }

  /** Indexes of the checkpoints that are there, ascending. Whether they verify is another matter. */
  list(): LogIndex[] {
    const indexes: LogIndex[] = [];
    for (const name of this.#disk.listSync(this.#directory)) {
      const index = checkpointIndex(name);
      if (index !== null) indexes.push(index as LogIndex);
    }
    return indexes;
  }

  /** The newest checkpoint that verifies; null if there is none. */
  load(): Checkpoint | null {
    for (const index of this.list().toReversed()) {
      const checkpoint = readCheckpoint(this.#disk, this.#directory, index, this.#group);
      if (checkpoint !== null) return checkpoint;
      mark('wal.checkpoint-skipped');
    }
    return null;
  }

  /**
   * The newest checkpoint that holds nothing of a log that begins at `firstIndex`: it, and the entries behind it, are all that
   * a replica of that log needs. Null if there is none. Whether it verifies is another matter.
   */
  base(firstIndex: LogIndex): LogIndex | null {
    return this.list().findLast((index) => index < firstIndex) ?? null;
  }

  /** Removes checkpoints that are older than this one. One that cannot be removed costs room, and nothing else. */
  dropBefore(index: LogIndex): void {
    diskErrorOf(() => {
      for (const older of this.list()) if (older < index) this.#remove(older);
    });
  }

  /**
   * Writes a checkpoint in slices between which the loop is free. Of the older ones the first, the newest, and some between
   * them are kept, at most 16 in all. One at a time.
   * @param chunks a view of the state that does not change while it is iterated over; each chunk should take the
   *   iterator well under a millisecond. They are not kept.
   * @param done when it is durable under its name, or with the DiskError that prevented it. Called in a turn of its own.
   */
  write(header: CheckpointHeader, chunks: Iterable<Uint8Array>, done: (error: Error | null) => void): void {
    assert(!this.#isWriting, 'two checkpoints at a time');
    this.#isWriting = true;
    const path = join(this.#directory, CHECKPOINT_TEMPORARY_NAME);
    const end = (error: Error | null): void => {
      this.#isWriting = false;
      done(error);
    };
    attempt(
      (error) => this.#clock.defer(() => end(error)),
      () => {
        if (this.#disk.existsSync(path)) this.#disk.unlinkSync(path);
        const file = this.#disk.openSync(path, 'create');
        const finish = (error: Error | null): void => {
          file.closeSync();
          if (error !== null) {
            // It may have taken the last room there was.
            diskErrorOf(() => this.#disk.unlinkSync(path));
            end(error);
            return;
          }
          attempt(end, () => {
            this.#publish(path, header.index);
            end(null);
          });
        };
        this.#writeSlices(file, header, chunks[Symbol.iterator](), finish);
      },
    );
  }

  #writeSlices(
    file: DiskFile,
    header: CheckpointHeader,
    chunks: Iterator<Uint8Array>,
    done: (error: Error | null) => void,
  ): void {
    const stateAt = CHECKPOINT_HEADER_BYTES + header.configuration.length;
    let stateBytes = 0;
    let stateChecksum = 0;
    const next = (): void => {
      const slice = this.#takeSlice(chunks);
      if (slice.length === 0) {
        attempt(done, () => {
          file.writevSync(this.#encode(header, stateBytes, stateChecksum), 0);
          file.datasync(done);
        });
        return;
      }
      stateChecksum = crc32(slice, stateChecksum);
      const position = stateAt + stateBytes;
      stateBytes += slice.length;
      file.write(slice, position, (error) => {
        if (error === null) next();
        else done(error);
      });
    };
    next();
  }

  /** Chunks until there are enough bytes or time is up, in one; empty at the end. */
  #takeSlice(chunks: Iterator<Uint8Array>): Uint8Array {
    const startedMs = this.#clock.monotonicMs();
    const taken: Uint8Array[] = [];
    let bytes = 0;
    while (bytes < SLICE_BYTES_MAX && (bytes === 0 || this.#clock.monotonicMs() - startedMs < SLICE_MS_MAX)) {
      const chunk = chunks.next();
      if (chunk.done === true) break;
      taken.push(chunk.value);
      bytes += chunk.value.length;
    }
    return Buffer.concat(taken, bytes);
  }

  #publish(path: string, index: LogIndex): void {
    this.#disk.renameSync(path, join(this.#directory, checkpointName(index)));
    this.#disk.syncDirectorySync(this.#directory);
    for (let kept = this.list(); kept.length > KEPT_MAX; kept = this.list()) this.#remove(redundant(kept));
  }

  #remove(index: LogIndex): void {
    this.#disk.unlinkSync(join(this.#directory, checkpointName(index)));
  }

  #encode(header: CheckpointHeader, stateBytes: number, stateChecksum: number): Uint8Array[] {
    const bytes = new Uint8Array(CHECKPOINT_HEADER_BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint32(CHECKPOINT_HEADER.magic, CHECKPOINT_MAGIC, true);
    view.setUint32(CHECKPOINT_HEADER.version, WAL_FORMAT_VERSION, true);
    view.setUint32(CHECKPOINT_HEADER.group, this.#group, true);
    view.setUint32(CHECKPOINT_HEADER.entryChecksum, header.checksum, true);
    writeUint53(view, CHECKPOINT_HEADER.index, header.index);
    writeUint53(view, CHECKPOINT_HEADER.term, header.term);
    writeUint53(view, CHECKPOINT_HEADER.configurationIndex, header.configurationIndex);
    view.setUint32(CHECKPOINT_HEADER.configurationBytes, header.configuration.length, true);
    view.setUint32(CHECKPOINT_HEADER.stateChecksum, stateChecksum, true);
    writeUint53(view, CHECKPOINT_HEADER.stateBytes, stateBytes);
    writeUint53(view, CHECKPOINT_HEADER.stateDigest, header.stateDigest);
    writeUint53(view, CHECKPOINT_HEADER.time, header.timeMs);
    view.setUint32(CHECKPOINT_HEADER.checksum, headerChecksum(bytes, header.configuration), true);
    return [bytes, header.configuration];
  }
}

/** The one that leaves the smallest gap; not the first, behind which the log may begin, and none of the newest. */
function redundant(indexes: readonly LogIndex[]): LogIndex {
  let found = 1;
  const gapAt = (at: number): number => (indexes[at + 1] ?? 0) - (indexes[at - 1] ?? 0);
  for (let at = 2; at < indexes.length - NEWEST_KEPT; at += 1) if (gapAt(at) < gapAt(found)) found = at;
  const index = indexes[found];
  assert(index !== undefined, () => `nothing can go of ${indexes.length} checkpoints`);
  return index;
}

/** @returns null if it does not verify, or is not the one that its name says. */
export function readCheckpoint(
  disk: Disk,
  directory: string,
  index: LogIndex,
  group: GroupId,
): Checkpoint | null {
  const file = disk.openSync(join(directory, checkpointName(index)), 'read');
  try {
    const bytes = new Uint8Array(file.size());
    const checkpoint = file.readSync(bytes, 0) < bytes.length ? null : decode(bytes, group);
    return checkpoint?.index === index ? checkpoint : null;
  } finally {
    file.closeSync();
  }
}

/** What stands before the state in the file of a checkpoint. */
export interface CheckpointHead {
  readonly header: CheckpointHeader;
  readonly stateAt: number;
  readonly stateBytes: number;
  readonly stateChecksum: number;
  /** Covers all of the above, and so the state too. */
  readonly checksum: number;
}

/** @param bytes the file, or so much of its beginning that the configuration is in it. @returns null if it does not verify. */
export function decodeCheckpointHead(bytes: Uint8Array, group: GroupId): CheckpointHead | null {
  if (bytes.length < CHECKPOINT_HEADER_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(CHECKPOINT_HEADER.magic, true) !== CHECKPOINT_MAGIC) return null;
  if (view.getUint32(CHECKPOINT_HEADER.version, true) !== WAL_FORMAT_VERSION) return null;
  const stateAt = CHECKPOINT_HEADER_BYTES + view.getUint32(CHECKPOINT_HEADER.configurationBytes, true);
  if (stateAt > bytes.length) return null;
  const configuration = bytes.subarray(CHECKPOINT_HEADER_BYTES, stateAt);
  const checksum = view.getUint32(CHECKPOINT_HEADER.checksum, true);
  if (checksum !== headerChecksum(bytes, configuration)) return null;
  if (view.getUint32(CHECKPOINT_HEADER.group, true) !== group) return null;
  const uint53 = (offset: number): number => readUint53(view, offset, CheckpointNumberError);
  const header = {
    index: uint53(CHECKPOINT_HEADER.index) as LogIndex,
    term: uint53(CHECKPOINT_HEADER.term) as Term,
    checksum: view.getUint32(CHECKPOINT_HEADER.entryChecksum, true),
    configurationIndex: uint53(CHECKPOINT_HEADER.configurationIndex) as LogIndex,
    configuration,
    stateDigest: uint53(CHECKPOINT_HEADER.stateDigest),
    timeMs: uint53(CHECKPOINT_HEADER.time),
  };
  const stateBytes = uint53(CHECKPOINT_HEADER.stateBytes);
  const stateChecksum = view.getUint32(CHECKPOINT_HEADER.stateChecksum, true);
  return { header, stateAt, stateBytes, stateChecksum, checksum };
}

function decode(bytes: Uint8Array, group: GroupId): Checkpoint | null {
  const head = decodeCheckpointHead(bytes, group);
  if (head === null) return null;
  const state = bytes.subarray(head.stateAt);
  if (state.length !== head.stateBytes || crc32(state) !== head.stateChecksum) return null;
  return { ...head.header, state };
}

function headerChecksum(header: Uint8Array, configuration: Uint8Array): number {
  return crc32(header.subarray(0, CHECKPOINT_HEADER.checksum), crc32(configuration));
}
