import { join } from 'node:path';
import { mark } from '../base/marks.ts';
import type { Disk } from '../base/ports/disk.ts';
import type { Prng } from '../base/prng.ts';
import type { LogIndex } from '../base/units.ts';
import { beginLog } from './data-directory.ts';
import { WalRotError } from './errors.ts';
import {
  checkpointIndex,
  checkpointName,
  SNAPSHOT_NAME,
  SNAPSHOT_TEMPORARY_NAME,
  SPARE_NAME,
  segmentSequence,
  WATERMARK_NAME,
} from './format.ts';
import type { Identity } from './identity.ts';
import { readHead } from './snapshot-file.ts';

/**
 * If a snapshot waits, makes the log begin anew behind it: the old log and its checkpoints go, an empty log that
 * continues the snapshot's last entry is made, and the snapshot becomes its checkpoint. As long as the snapshot has the
 * name that it waited under, the next start does all of this again: so it may end at any step. Term and vote stay what
 * they were.
 * @returns the index of the last entry before the new log; null if there was nothing to do.
 * @throws WalRotError if the snapshot has rotted since it was verified.
 */
export function installSnapshot(
  disk: Disk,
  directory: string,
  identity: Identity,
  making: { readonly prng: Prng; readonly segmentBytes: number },
): LogIndex | null {
  const names = disk.listSync(directory);
  // One that was coming in when the process ended: the leader sends it again.
  if (names.includes(SNAPSHOT_TEMPORARY_NAME)) disk.unlinkSync(join(directory, SNAPSHOT_TEMPORARY_NAME));
  if (!names.includes(SNAPSHOT_NAME)) return null;
  const path = join(directory, SNAPSHOT_NAME);
  const head = readHeadAt(disk, path, identity);
  if (head === null) {
    const what = 'the snapshot that the log was to begin with does not verify';
    throw new WalRotError({ file: SNAPSHOT_NAME, position: 0, index: null }, what);
  }
  // The process may have been killed between naming the snapshot and making its name durable: without this a power cut
  // could take the name back after the log is gone.
  disk.syncDirectorySync(directory);
  for (const name of names.filter(belongsToLog)) disk.unlinkSync(join(directory, name));
  // The names are gone for certain before they are given again.
  disk.syncDirectorySync(directory);
  const { index, term, checksum } = head.header;
  beginLog(disk, directory, identity, { index, term, checksum }, making);
  disk.renameSync(path, join(directory, checkpointName(index)));
  disk.syncDirectorySync(directory);
  mark('wal.snapshot-installed');
  return index;
}

function readHeadAt(disk: Disk, path: string, { group }: Identity): ReturnType<typeof readHead> {
  const file = disk.openSync(path, 'read');
  try {
    return readHead(file, group);
  } finally {
    file.closeSync();
  }
}

function belongsToLog(name: string): boolean {
  return (
    name === WATERMARK_NAME ||
    name === SPARE_NAME ||
    segmentSequence(name) !== null ||
    checkpointIndex(name) !== null
  );
}
