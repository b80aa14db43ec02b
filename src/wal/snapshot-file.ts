import { join } from 'node:path';
import { crc32 } from '../base/crc32.ts';
import type { SnapshotId } from '../base/peer-message.ts';
import type { Disk, DiskError, DiskFile } from '../base/ports/disk.ts';
import type { GroupId, LogIndex } from '../base/units.ts';
import { decodeCheckpointHead, type CheckpointHead } from './checkpoint.ts';
import { diskErrorOf } from './errors.ts';
import { CHECKPOINT_HEADER, CHECKPOINT_HEADER_BYTES, checkpointName } from './format.ts';

/** A configuration has at most so many bytes: what says more is no checkpoint, and is given no memory. */
const CONFIGURATION_BYTES_MAX = 64 * 1024;
/** Read and summed at once: some 2 ms. */
const SLICE_BYTES = 1024 * 1024;

/** A checkpoint on disk, opened to be sent to a node that needs it. It can be read on when its name is gone. */
export class SnapshotFile {
  readonly id: SnapshotId;
  readonly #file: DiskFile;
  readonly #head: CheckpointHead;

  private constructor(file: DiskFile, head: CheckpointHead) {
    this.#file = file;
    this.#head = head;
    this.id = snapshotId(head);
  }

  /** @returns null if it is not there, or its head does not verify. @throws DiskError */
  static open(disk: Disk, directory: string, group: GroupId, index: LogIndex): SnapshotFile | null {
    const path = join(directory, checkpointName(index));
    if (!disk.existsSync(path)) return null;
    const file = disk.openSync(path, 'read');
    try {
      const head = readHead(file, group);
      if (head?.header.index === index) return new SnapshotFile(file, head);
    } catch (error) {
      file.closeSync();
      throw error;
    }
    file.closeSync();
    return null;
  }

  /** Whether all of it verifies: nobody is to be sent what has rotted. */
  verify(done: (error: DiskError | null, isGood: boolean) => void): void {
    verifyState(this.#file, this.#head, done);
  }

  /** @param done with what lies there; empty at the end. */
  read(offset: number, bytes: number, done: (error: DiskError | null, data: Uint8Array) => void): void {
    const data = new Uint8Array(Math.min(bytes, this.id.bytes - offset));
    this.#file.read(data, offset, (error, count) => done(error, data.subarray(0, count)));
  }

  close(): void {
    this.#file.closeSync();
  }
}

/**
 * Whether a checkpoint verifies, read through, and is still there after a power cut: only then may go what it stands for. Its
 * name may have come from the page cache of a process that was killed, so it is made durable here.
 */
export function proveCheckpoint(
  disk: Disk,
  directory: string,
  group: GroupId,
  index: LogIndex,
  done: (isProven: boolean) => void,
): void {
  let file: SnapshotFile | null = null;
  const error = diskErrorOf(() => {
    file = SnapshotFile.open(disk, directory, group, index);
    disk.syncDirectorySync(directory);
  });
  const opened = file as SnapshotFile | null;
  if (opened === null) {
    done(false);
    return;
  }
  opened.verify((unreadable, isGood) => {
    opened.close();
    done(error === null && unreadable === null && isGood);
  });
}

/** @returns null if it does not verify. */
export function readHead(file: DiskFile, group: GroupId): CheckpointHead | null {
  const fixed = new Uint8Array(CHECKPOINT_HEADER_BYTES);
  if (file.readSync(fixed, 0) < fixed.length) return null;
  const configurationBytes = new DataView(fixed.buffer).getUint32(CHECKPOINT_HEADER.configurationBytes, true);
  if (configurationBytes > CONFIGURATION_BYTES_MAX) return null;
  const bytes = new Uint8Array(CHECKPOINT_HEADER_BYTES + configurationBytes);
  return file.readSync(bytes, 0) < bytes.length ? null : decodeCheckpointHead(bytes, group);
}

export function snapshotId({ header, stateAt, stateBytes, checksum }: CheckpointHead): SnapshotId {
  return {
    lastIncludedIndex: header.index,
    lastIncludedTerm: header.term,
    lastIncludedChecksum: header.checksum,
    bytes: stateAt + stateBytes,
    checksum,
  };
}

/** Reads the state through, a slice at a time. */
export function verifyState(
  file: DiskFile,
  { stateAt, stateBytes, stateChecksum }: CheckpointHead,
  done: (error: DiskError | null, isGood: boolean) => void,
): void {
  const end = stateAt + stateBytes;
  const slice = new Uint8Array(Math.min(SLICE_BYTES, stateBytes));
  const next = (position: number, checksum: number): void => {
    if (position === end) {
      done(null, checksum === stateChecksum && file.size() === end);
      return;
    }
    const target = slice.subarray(0, end - position);
    file.read(target, position, (error, count) => {
      if (error !== null || count < target.length) done(error, false);
      else next(position + count, crc32(target, checksum));
    });
  };
  next(stateAt, 0);
}
