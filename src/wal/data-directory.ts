import { join } from 'node:path';
import type { Disk } from '../base/ports/disk.ts';
import type { Prng } from '../base/prng.ts';
import { indexPlus, NO_INDEX, NO_TERM, type Incarnation } from '../base/units.ts';
import { DirectoryRefusedError } from './errors.ts';
import {
  HARD_STATE_NAME,
  IDENTITY_NAME,
  IDENTITY_TEMPORARY_NAME,
  SEGMENT_HEADER_BYTES,
  SPARE_NAME,
  WATERMARK_NAME,
  segmentName,
  segmentSequence,
} from './format.ts';
import { HardStateFile } from './hard-state.ts';
import {
  checkIdentity,
  publishIdentity,
  readIdentity,
  writeTemporaryIdentity,
  type ExpectedIdentity,
  type Identity,
} from './identity.ts';
import type { LogBase } from './log-map.ts';
import { encodeSegmentHeader } from './segment-format.ts';
import { WatermarkFile } from './watermark.ts';

/** The first segment is small, so that a new node does not wait for zeros; the spares behind it grow to full size. */
const FIRST_SEGMENT_BYTES_MAX: number = 1024 * 1024;

const NO_BASE: LogBase = { index: NO_INDEX, term: NO_TERM, checksum: 0 };

/**
 * Makes the directory this node's, or finds that it is. It must be locked.
 * @throws DirectoryRefusedError if it is somebody else's; then nothing in it was changed.
 */
export function claimDirectory(
  disk: Disk,
  directory: string,
  expected: ExpectedIdentity,
  making: { readonly prng: Prng; readonly segmentBytes: number },
): Identity {
  const names = disk.listSync(directory).filter((name) => !isNobodys(name));
  const found = readIdentity(disk, directory);
  if (found !== null) {
    checkIdentity(directory, found, expected);
    // Setting the cluster id was interrupted.
    if (names.includes(IDENTITY_TEMPORARY_NAME)) disk.unlinkSync(join(directory, IDENTITY_TEMPORARY_NAME));
    return found;
  }
  const isUnfinished = names.includes(IDENTITY_TEMPORARY_NAME);
  const foreign = names.filter((name) => !isUnfinished || !isMadeByFormat(name));
  if (foreign.some((name) => segmentSequence(name) !== null)) {
    throw new DirectoryRefusedError(
      'DIRECTORY_IDENTITY_DAMAGED',
      `${directory} holds a log, but the file ${IDENTITY_NAME} that says whose is missing: ` +
        'put it back, or move the directory away and start the node with an empty one, as a node that lost its disk',
      { expected: IDENTITY_NAME, found: foreign.slice(0, 10).join(', ') },
    );
  }
  if (foreign.length > 0) {
    throw new DirectoryRefusedError(
      'DIRECTORY_FOREIGN',
      `${directory} is not empty and is no data directory (it holds ${foreign.slice(0, 3).join(', ')}): ` +
        'use an empty directory, or one that does not exist yet',
      { expected: 'an empty directory', found: foreign.slice(0, 10).join(', ') },
    );
  }
  removeUnfinished(disk, directory, names);
  return formatDirectory(disk, directory, expected, making);
}

/** Removes what an interrupted first start left behind. Nothing was ever promised from here. */
function removeUnfinished(disk: Disk, directory: string, names: readonly string[]): void {
  if (names.length === 0) return;
  for (const name of names) if (name !== IDENTITY_TEMPORARY_NAME) disk.unlinkSync(join(directory, name));
  // The mark that this is unfinished goes last, or the next start would find files of nobody.
  disk.syncDirectorySync(directory);
  disk.unlinkSync(join(directory, IDENTITY_TEMPORARY_NAME));
  disk.syncDirectorySync(directory);
}

function formatDirectory(
  disk: Disk,
  directory: string,
  { nodeId, group, clusterId }: ExpectedIdentity,
  { prng, segmentBytes }: { readonly prng: Prng; readonly segmentBytes: number },
): Identity {
  const incarnation = prng.safeInteger() as Incarnation;
  const identity: Identity = { nodeId, incarnation, group, clusterId, replaces: [] };
  // First of all and made durable: it marks the rest as unfinished until it gets its own name.
  writeTemporaryIdentity(disk, directory, identity);
  disk.syncDirectorySync(directory);

  const hardState = disk.openSync(join(directory, HARD_STATE_NAME), 'create');
  HardStateFile.format(hardState, identity);
  hardState.datasyncSync();
  hardState.closeSync();

  beginLog(disk, directory, identity, NO_BASE, { prng, segmentBytes });
  publishIdentity(disk, directory);
  return identity;
}

/**
 * Makes a log that holds nothing yet and continues `base`, with the watermark that says so: all of it durable. Nothing of
 * an earlier log may be there.
 */
export function beginLog(
  disk: Disk,
  directory: string,
  identity: Identity,
  base: LogBase,
  { prng, segmentBytes }: { readonly prng: Prng; readonly segmentBytes: number },
): void {
  const watermark = disk.openSync(join(directory, WATERMARK_NAME), 'create');
  WatermarkFile.format(watermark, identity, {
    segment: 1,
    position: SEGMENT_HEADER_BYTES,
    epoch: 0,
    blocks: 0,
    index: base.index,
    term: base.term,
    checksum: base.checksum,
    commitHint: base.index,
    firstSegment: 1,
    isCutting: false,
  });
  watermark.datasyncSync();
  watermark.closeSync();

  const segment = disk.openSync(join(directory, SPARE_NAME), 'create');
  const header = encodeSegmentHeader({
    nonce: prng.safeInteger(),
    incarnation: identity.incarnation,
    group: identity.group,
    sequence: 1,
    epoch: 0,
    firstIndex: indexPlus(base.index, 1),
    previousTerm: base.term,
    previousChecksum: base.checksum,
    previousEnd: 0,
    previousBlocks: 0,
  });
  const zeros = new Uint8Array(Math.min(segmentBytes, FIRST_SEGMENT_BYTES_MAX) - header.length);
  segment.writevSync([header, zeros], 0);
  segment.datasyncSync();
  segment.closeSync();
  disk.renameSync(join(directory, SPARE_NAME), join(directory, segmentName(1)));
  disk.syncDirectorySync(directory);
}

/** Locks are there before the directory is anybody's; a mounted file system's root holds lost+found. */
function isNobodys(name: string): boolean {
  return name.startsWith('lock-') || name.startsWith('lock.') || name === 'lost+found';
}

function isMadeByFormat(name: string): boolean {
  return (
    [IDENTITY_TEMPORARY_NAME, HARD_STATE_NAME, WATERMARK_NAME, SPARE_NAME].includes(name) ||
    segmentSequence(name) === 1
  );
}
