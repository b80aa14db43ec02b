import { dirname, join } from 'node:path';
import { assert } from '../base/assert.ts';
import type { Disk } from '../base/ports/disk.ts';
import { NO_TERM } from '../base/units.ts';
import { copyFile } from './copy-file.ts';
import {
  ADOPTING_NAME,
  checkpointIndex,
  HARD_STATE_NAME,
  IDENTITY_NAME,
  SNAPSHOT_NAME,
  WATERMARK_NAME,
  segmentSequence,
} from './format.ts';
import { HardStateFile } from './hard-state.ts';
import { readIdentity, replaceIdentity, type Identity } from './identity.ts';
import { WatermarkFile } from './watermark.ts';

/** Copies a log, its term and vote and its checkpoints into a new directory, durably. Nothing may write to it meanwhile. */
export function copyLog(disk: Disk, from: string, to: string): void {
  disk.mkdirSync(to);
  for (const name of disk.listSync(from).filter(isOfLog)) copyFile(disk, join(from, name), join(to, name));
  disk.syncDirectorySync(to);
}

/** Removes what `copyLog` made. */
export function removeLog(disk: Disk, directory: string): void {
  for (const name of disk.listSync(directory).filter(isOfLog)) disk.unlinkSync(join(directory, name));
  disk.syncDirectorySync(directory);
}

/**
 * Copies a log that was closed into a new directory, as somebody else's: the same entries, the same term, no vote. The
 * directory starts as nobody's before it is whole.
 */
export function adoptLog(disk: Disk, from: string, to: string, identity: Identity): void {
  disk.mkdirSync(to);
  // Without it, what is there before the identity could be taken for a first start that was interrupted.
  const mark = disk.openSync(join(to, ADOPTING_NAME), 'create');
  mark.datasyncSync();
  mark.closeSync();
  disk.syncDirectorySync(to);
  for (const name of disk.listSync(from).filter(isOfLog))
    if (name !== IDENTITY_NAME) copyFile(disk, join(from, name), join(to, name));
  giveSlotsTo(disk, to, readIdentity(disk, from), identity);
  disk.syncDirectorySync(to);
  replaceIdentity(disk, to, identity);
  disk.unlinkSync(join(to, ADOPTING_NAME));
  disk.syncDirectorySync(to);
  disk.syncDirectorySync(dirname(to));
}

function giveSlotsTo(disk: Disk, directory: string, before: Identity | null, identity: Identity): void {
  assert(before !== null, 'a log of nobody was to be adopted');
  const watermarkFile = disk.openSync(join(directory, WATERMARK_NAME), 'write');
  const hardStateFile = disk.openSync(join(directory, HARD_STATE_NAME), 'write');
  try {
    const watermark = WatermarkFile.read(watermarkFile, before);
    const term = HardStateFile.peek(hardStateFile, before)?.value.term ?? NO_TERM;
    assert(watermark !== null && !watermark.isCutting, () => `the log in ${directory} was not closed`);
    HardStateFile.format(hardStateFile, identity, term);
    hardStateFile.datasyncSync();
    WatermarkFile.format(watermarkFile, identity, watermark);
    watermarkFile.datasyncSync();
  } finally {
    watermarkFile.closeSync();
    hardStateFile.closeSync();
  }
}

/** A snapshot that waits to take the log's place does so in the copy. */
function isOfLog(name: string): boolean {
  return (
    segmentSequence(name) !== null ||
    checkpointIndex(name) !== null ||
    [IDENTITY_NAME, HARD_STATE_NAME, WATERMARK_NAME, SNAPSHOT_NAME].includes(name)
  );
}
