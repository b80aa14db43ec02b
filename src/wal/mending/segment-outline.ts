import { join } from 'node:path';
import type { Disk } from '../../base/ports/disk.ts';
import type { LogIndex } from '../../base/units.ts';
import { WATERMARK_NAME, segmentName, segmentSequence } from '../format.ts';
import type { Identity } from '../identity.ts';
import { readFooter } from '../footer.ts';
import { WalReadError, WalRotError } from '../errors.ts';
import type { Extent, LogMap } from '../log-map.ts';
import type { LogReader } from '../log-reader.ts';
import { openSegment } from '../segment-files.ts';
import type { Segment } from '../segment.ts';
import { WatermarkFile } from '../watermark.ts';

/** A border between two blocks of a segment, and what the log was there. */
export interface BlockBorder {
  /** Where the block behind it begins. */
  readonly position: number;
  /** Blocks of the segment before it. */
  readonly blocks: number;
  /** The last entry before it. */
  readonly lastIndex: LogIndex;
  /** Header checksum of that entry; null where only what follows can tell. */
  readonly checksum: number | null;
}

/** What is known of a segment without reading its blocks. */
export interface SegmentOutline {
  readonly segment: Segment;
  /** Borders that others vouch for: the segment behind, the log in memory, the watermark. Ascending. */
  readonly borders: readonly BlockBorder[];
  /** Whether the blocks end at the last border. If not, they go on until nothing is a block any more. */
  readonly isWhole: boolean;
  /** Positions of entries that somebody has noted, and will look for them there. */
  readonly points: ReadonlyMap<LogIndex, number>;
  /** The first index of blocks that are known to begin a segment or a truncation, by position. */
  readonly starts: ReadonlyMap<number, LogIndex>;
  /** From here on a later segment has taken back what this one holds; infinity where nothing tells. */
  readonly takenBackFrom: number;
  /** Header checksum of an entry before the segment's first; null where that is not known. */
  readonly checksumBefore: (index: LogIndex) => number | null;
}

/** The outline of a segment of an open log. @returns null if it is no part of the log, or no more. */
export function outlineOf(
  name: string,
  segments: readonly Segment[],
  map: LogMap,
  reader: LogReader,
): SegmentOutline | null {
  const at = segments.findIndex((segment) => segment.name === name);
  const segment = segments[at];
  if (segment === undefined) return null;
  const successor = segments[at + 1];
  const border =
    successor === undefined
      ? {
          position: segment.end,
          blocks: segment.blocks,
          lastIndex: map.lastIndex,
          checksum: map.lastChecksum,
        }
      : borderBefore(successor);
  return {
    segment,
    borders: [border],
    isWhole: true,
    ...notedIn(map.extents.filter((extent) => extent.segment === segment)),
    takenBackFrom: Math.min(
      ...map.extents
        .filter((extent) => extent.segment.header.sequence > segment.header.sequence)
        .map(({ firstIndex }) => firstIndex),
    ),
    checksumBefore: (index) => checksumAt(reader, map, index),
  };
}

function notedIn(extents: readonly Extent[]): Pick<SegmentOutline, 'points' | 'starts'> {
  return {
    points: new Map(
      extents.flatMap(({ points }) => points.map(({ index, position }) => [index, position] as const)),
    ),
    starts: new Map(extents.map(({ position, firstIndex }) => [position, firstIndex])),
  };
}

function checksumAt(reader: LogReader, map: LogMap, index: LogIndex): number | null {
  if (index < map.base.index || index > map.lastIndex) return null;
  try {
    return reader.checksumAt(index);
  } catch (error) {
    if (error instanceof WalRotError || error instanceof WalReadError) return null;
    throw error;
  }
}

/** Where a segment ends according to the header of the one behind it. */
function borderBefore({ header }: Segment): BlockBorder {
  return {
    position: header.previousEnd,
    blocks: header.previousBlocks,
    lastIndex: (header.firstIndex - 1) as LogIndex,
    checksum: header.previousChecksum,
  };
}

/**
 * The outline of a segment in a directory that no log was opened from.
 * @returns null for the name of anything else. @throws WalRotError where a header of the segment or its successor is damaged
 */
export function outlineOnDisk(
  disk: Disk,
  directory: string,
  name: string,
  identity: Identity,
): SegmentOutline | null {
  const sequence = segmentSequence(name);
  if (sequence === null) return null;
  const segment = openSegment(disk, directory, sequence);
  const nothingBefore = (index: LogIndex): number | null =>
    index === segment.header.firstIndex - 1 ? segment.header.previousChecksum : null;
  const common = { segment, checksumBefore: nothingBefore, takenBackFrom: Number.POSITIVE_INFINITY };
  if (disk.existsSync(join(directory, segmentName(sequence + 1)))) {
    const successor = openSegment(disk, directory, sequence + 1);
    return { ...common, ...notedInFooter(disk, segment), borders: [borderBefore(successor)], isWhole: true };
  }
  const borders = watermarkBorder(disk, join(directory, WATERMARK_NAME), identity, sequence);
  return { ...common, ...notedIn([]), borders, isWhole: false };
}

function notedInFooter(disk: Disk, segment: Segment): Pick<SegmentOutline, 'points' | 'starts'> {
  const file = disk.openSync(segment.path, 'read');
  try {
    // What it tells of the segment's end goes to a copy: nobody has looked at the blocks yet.
    return notedIn(readFooter(file, { ...segment })?.extents ?? []);
  } finally {
    file.closeSync();
  }
}

function watermarkBorder(disk: Disk, path: string, identity: Identity, sequence: number): BlockBorder[] {
  if (!disk.existsSync(path)) return [];
  const file = disk.openSync(path, 'read');
  try {
    const watermark = WatermarkFile.read(file, identity);
    if (watermark === null || watermark.segment !== sequence || watermark.blocks === 0) return [];
    const { position, blocks, index, checksum } = watermark;
    return [{ position, blocks, lastIndex: index, checksum }];
  } finally {
    file.closeSync();
  }
}
