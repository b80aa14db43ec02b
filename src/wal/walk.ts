import { join } from 'node:path';
import type { Entry } from '../base/entry.ts';
import type { Disk } from '../base/ports/disk.ts';
import { NO_INDEX, NO_TERM, type LogIndex } from '../base/units.ts';
import { DirectoryRefusedError, WalRotError } from './errors.ts';
import { readFooter } from './footer.ts';
import { SEGMENT_HEADER_BYTES, WATERMARK_NAME, segmentName, segmentSequence } from './format.ts';
import { readIdentity, type Identity } from './identity.ts';
import { LogMap } from './log-map.ts';
import { LogReader } from './log-reader.ts';
import type { BlockHeader } from './segment-format.ts';
import { openSegment, SegmentFiles } from './segment-files.ts';
import { addBlock, checkContinuation, checkWatermark, firstSegment } from './recovery.ts';
import { SegmentScanner, type ScanStop } from './segment-scanner.ts';
import type { Segment } from './segment.ts';
import { judgeTail } from './tail.ts';
import { WatermarkFile, type FoundWatermark, type Watermark } from './watermark.ts';

/** What is met on the way through a log, in the order of the files. */
export type WalkItem =
  | { readonly type: 'segment'; readonly segment: Segment }
  | {
      readonly type: 'block';
      readonly segment: Segment;
      readonly position: number;
      readonly header: BlockHeader;
      /** Everything from `header.firstIndex` on that came before is no longer part of the log. */
      readonly truncates: boolean;
      /** They refer into a buffer that the next block overwrites. */
      readonly entries: readonly Entry[];
    }
  /** A segment with a successor is over. */
  | { readonly type: 'sealed'; readonly segment: Segment; readonly footerVerifies: boolean }
  /** The log is over. A torn tail will be cut when a node starts. */
  | {
      readonly type: 'end';
      readonly segment: Segment;
      readonly position: number;
      readonly tornBytes: number;
    };

/** A data directory seen from outside. */
export interface WalkedLog {
  readonly identity: Identity;
  readonly watermark: Watermark | null;
  /** Of what was walked so far. */
  readonly map: LogMap;
  /** Verifies everything on the way. @throws WalRotError at the first thing that does not verify. */
  items(): Generator<WalkItem, void>;
}

/** A write that a running node was in the middle of looks different each time; rot does not. */
const LOOKS = 3;

/**
 * Goes through the log of a directory, without writing and without the lock: a node may be running on it. Then the walk
 * ends somewhere near where the log ended.
 * @param needsWatermark without one, where the durable log ends cannot be told, and there is nothing to see but rot. A
 *   repair goes through what is there all the same. Default true.
 * @throws DirectoryRefusedError if it is no data directory.
 */
export function walkLog(disk: Disk, directory: string, needsWatermark = true): WalkedLog {
  const identity = readIdentity(disk, directory);
  if (identity === null) {
    const values = { expected: 'a data directory', found: 'no file `identity`' };
    throw new DirectoryRefusedError(
      'DIRECTORY_FOREIGN',
      `${directory} is no data directory of this program`,
      values,
    );
  }
  const watermark = readWatermark(disk, directory, identity);
  const sequences = disk
    .listSync(directory)
    .map(segmentSequence)
    .filter((sequence) => sequence !== null);
  const first = watermark === null ? (sequences[0] ?? 1) : firstSegment(sequences, watermark);
  try {
    const { firstIndex, previousTerm, previousChecksum, epoch } = openSegment(disk, directory, first).header;
    const base = { index: (firstIndex - 1) as LogIndex, term: previousTerm, checksum: previousChecksum };
    const map = new LogMap(base, epoch, first);
    const mark = watermark ?? (needsWatermark ? null : watermarkBefore(first, map));
    return { identity, watermark, map, items: () => walk(disk, directory, map, mark, first) };
  } catch (error) {
    if (!(error instanceof WalRotError)) throw error;
    const map = new LogMap({ index: NO_INDEX, term: NO_TERM, checksum: 0 }, 0);
    return { identity, watermark, map, items: () => refuse(error) };
  }
}

/** Says no more than that this segment was begun. */
function watermarkBefore(segment: number, { lastIndex, lastTerm, lastChecksum, epoch }: LogMap): Watermark {
  return {
    segment,
    position: SEGMENT_HEADER_BYTES,
    epoch,
    blocks: 0,
    index: lastIndex,
    term: lastTerm,
    checksum: lastChecksum,
    commitHint: NO_INDEX,
    firstSegment: segment,
    isCutting: false,
  };
}

// oxlint-disable-next-line require-yield -- there is nothing to walk through
function* refuse(error: WalRotError): Generator<WalkItem, void> {
  throw error;
}

function* walk(
  disk: Disk,
  directory: string,
  map: LogMap,
  watermark: Watermark | null,
  first: number,
): Generator<WalkItem, void> {
  const files = new SegmentFiles(disk);
  try {
    if (watermark === null) {
      throw new WalRotError({ file: WATERMARK_NAME, position: 0, index: null }, 'no watermark verifies');
    }
    let previous: Segment | null = null;
    for (let sequence = first; ; sequence += 1) {
      const segment: Segment = openSegment(disk, directory, sequence);
      if (previous !== null) checkContinuation(previous, segment, map);
      yield { type: 'segment', segment };
      const conclude = (stop: ScanStop): WalkItem | WalRotError => {
        const successor = join(directory, segmentName(sequence + 1));
        const isSealed = sequence < watermark.segment || disk.existsSync(successor);
        return isSealed
          ? sealed(disk, directory, files, segment, stop)
          : endOf(files, segment, map, stop, watermark);
      };
      const onBoundary = (): void => {
        if (sequence === watermark.segment && segment.end === watermark.position)
          checkWatermark(watermark, segment, map);
      };
      const last = yield* walkSegment(files, segment, map, onBoundary, conclude);
      yield last;
      if (last.type === 'end') return;
      previous = segment;
    }
  } finally {
    files.closeAll();
  }
}

/** Yields the blocks. @returns how the segment ends. */
function* walkSegment(
  files: SegmentFiles,
  segment: Segment,
  map: LogMap,
  onBoundary: () => void,
  conclude: (stop: ScanStop) => WalkItem | WalRotError,
): Generator<WalkItem, WalkItem> {
  const reader = new LogReader(map, files);
  const scanner = new SegmentScanner(files.file(segment), segment, map, (index) => reader.checksumAt(index));
  map.beginSegment();
  onBoundary();
  let looks = 0;
  for (;;) {
    const next = looks === 0 ? scanner.next() : scanner.retry();
    if (!('kind' in next)) {
      const { position, header, entries } = next;
      const truncates = addBlock(map, reader, segment, next);
      onBoundary();
      looks = 0;
      yield { type: 'block', segment, position, header, truncates, entries };
      continue;
    }
    const conclusion = conclude(next);
    looks += 1;
    if (conclusion instanceof WalRotError) {
      if (looks === LOOKS) throw conclusion;
    } else if (conclusion.type !== 'end' || conclusion.tornBytes === 0 || looks === LOOKS) return conclusion;
  }
}

function sealed(
  disk: Disk,
  directory: string,
  files: SegmentFiles,
  segment: Segment,
  stop: ScanStop,
): WalkItem | WalRotError {
  const { end, blocks } = segment;
  const { header } = openSegment(disk, directory, segment.header.sequence + 1);
  if (stop.position !== header.previousEnd) return rotAt(segment, stop, stop.what);
  const footerVerifies = readFooter(files.file(segment), segment) !== null && segment.end === end;
  segment.end = end;
  segment.blocks = blocks;
  return { type: 'sealed', segment, footerVerifies };
}

function endOf(
  files: SegmentFiles,
  segment: Segment,
  map: LogMap,
  stop: ScanStop,
  watermark: Watermark,
): WalkItem | WalRotError {
  if (segment.header.sequence === watermark.segment && stop.position < watermark.position) {
    return rotAt(segment, stop, `${stop.what}, below the watermark at byte ${watermark.position}`);
  }
  const verdict = judgeTail(files.file(segment), segment, map, stop, watermark);
  if (verdict.kind === 'rot') return rotAt(segment, stop, verdict.what);
  const tornBytes = verdict.kind === 'torn' ? verdict.bytes : 0;
  return { type: 'end', segment, position: stop.position, tornBytes };
}

function readWatermark(disk: Disk, directory: string, identity: Identity): FoundWatermark | null {
  const path = join(directory, WATERMARK_NAME);
  if (!disk.existsSync(path)) return null;
  const file = disk.openSync(path, 'read');
  try {
    return WatermarkFile.read(file, identity);
  } finally {
    file.closeSync();
  }
}

function rotAt(segment: Segment, stop: ScanStop, what: string): WalRotError {
  return new WalRotError({ file: segment.name, position: stop.badFrom, index: stop.index }, what);
}
