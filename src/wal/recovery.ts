import { join } from 'node:path';
import { assert } from '../base/assert.ts';
import { mark } from '../base/marks.ts';
import type { Mutations } from '../base/mutations.ts';
import type { Disk, DiskFile } from '../base/ports/disk.ts';
import type { LogIndex } from '../base/units.ts';
import { WalRotError } from './errors.ts';
import { readFooter, writeFooter } from './footer.ts';
import {
  BLOCK_HEADER_BYTES,
  SEGMENT_HEADER_BYTES,
  SPARE_NAME,
  WATERMARK_NAME,
  segmentSequence,
} from './format.ts';
import type { Identity } from './identity.ts';
import { LogMap, type SegmentContents } from './log-map.ts';
import { LogReader } from './log-reader.ts';
import { SegmentFiles, openSegment } from './segment-files.ts';
import { SegmentScanner, type ScannedBlock, type ScanStop } from './segment-scanner.ts';
import type { Segment } from './segment.ts';
import { judgeTail, type TailVerdict } from './tail.ts';
import { WatermarkFile, type FoundWatermark, type Watermark } from './watermark.ts';

const COPY_BYTES = 1024 * 1024;

/** A log that was opened: everything in it is durable. */
export interface RecoveredLog {
  readonly map: LogMap;
  readonly files: SegmentFiles;
  /** The segment to append to. */
  readonly active: Segment;
  /** All of them, the oldest first; the last one is `active`. */
  readonly segments: readonly Segment[];
  readonly watermark: Watermark;
  readonly watermarkFile: WatermarkFile;
  /** Bytes of a torn tail that were cut. */
  readonly tornBytes: number;
}

/**
 * Opens the log as docs/wal-format.md, "Opening", says. What is returned is durable, made so by this process: bytes
 * that were found may come from the page cache of a process that was killed.
 * @throws WalRotError, and then nothing was changed.
 */
export function recoverLog(
  disk: Disk,
  directory: string,
  identity: Identity,
  mutations: Mutations,
): RecoveredLog {
  const watermarkPath = join(directory, WATERMARK_NAME);
  const hasWatermark = disk.existsSync(watermarkPath);
  const file = hasWatermark ? disk.openSync(watermarkPath, 'write') : null;
  const watermark = file === null ? null : WatermarkFile.read(file, identity);
  if (file === null || watermark === null) {
    file?.closeSync();
    const what = 'no watermark verifies: where the durable log ends cannot be told';
    throw new WalRotError({ file: WATERMARK_NAME, position: 0, index: null }, what);
  }
  const files = new SegmentFiles(disk);
  try {
    const segments = openSegments(disk, directory, watermark);
    const { map, lostFooters } = loadSealed(segments, files, watermark);
    const active = segments.at(-1);
    assert(active !== undefined, 'a log without a segment was accepted');
    const stop = scanActive(active, files, map, mutations.cutsRotAsTorn ? null : watermark);
    const judged = judgeTail(files.file(active), active, map, stop, watermark);
    const isCut = judged.kind === 'rot' && mutations.cutsRotAsTorn;
    const verdict: TailVerdict = isCut ? { kind: 'torn', bytes: active.bytes - active.end } : judged;
    if (verdict.kind === 'rot') throw rotAt(active, stop, verdict.what);

    // From here on the directory is written to.
    for (const { segment, contents } of lostFooters) restoreFooter(disk, segment, contents);
    if (!mutations.trustsPageCacheAtStart) makeDurable(disk, segments, watermark);
    const sparePath = join(directory, SPARE_NAME);
    if (disk.existsSync(sparePath)) disk.unlinkSync(sparePath);
    disk.syncDirectorySync(directory);
    const watermarkFile = new WatermarkFile(file, identity);
    const proven = watermarkOf(map, active, watermark.commitHint);
    const tornBytes = verdict.kind === 'torn' ? verdict.bytes : 0;
    if (tornBytes > 0 && !mutations.leavesTornTail) {
      mark('wal.torn-tail-cut');
      // Half erased, the tail could look like anything: whoever finds it like that must know why.
      watermarkFile.write({ ...proven, isCutting: true });
      watermarkFile.syncSync();
      eraseTail(disk, active, tornBytes);
    }
    watermarkFile.write(proven);
    watermarkFile.syncSync();
    // The watermark that was read may have been durable only now: with an older one they would be missing.
    removeTrimmed(disk, directory, map.firstSegment);
    return { map, files, active, segments, watermark: proven, watermarkFile, tornBytes };
  } catch (error) {
    files.closeAll();
    file.closeSync();
    throw error;
  }
}

/** The watermark that says: all of this is durable. */
export function watermarkOf(map: LogMap, active: Segment, commitHint: LogIndex): Watermark {
  return {
    segment: active.header.sequence,
    position: active.end,
    epoch: map.epoch,
    blocks: active.blocks,
    index: map.lastIndex,
    term: map.lastTerm,
    checksum: map.lastChecksum,
    commitHint: Math.min(commitHint, map.lastIndex) as LogIndex,
    firstSegment: map.firstSegment,
    isCutting: false,
  };
}

/** What a trimming was about to remove. */
function removeTrimmed(disk: Disk, directory: string, firstSegment: number): void {
  for (const name of disk.listSync(directory)) {
    const sequence = segmentSequence(name);
    if (sequence === null || sequence >= firstSegment) continue;
    mark('wal.trimming-resumed');
    disk.unlinkSync(join(directory, name));
  }
}

/** The segments of a log in order, with verified headers and nothing missing. @throws WalRotError */
function openSegments(disk: Disk, directory: string, watermark: FoundWatermark): Segment[] {
  const sequences = disk
    .listSync(directory)
    .map(segmentSequence)
    .filter((sequence) => sequence !== null);
  const first = firstSegment(sequences, watermark);
  const last = Math.max(sequences.at(-1) ?? 0, watermark.segment);
  const segments: Segment[] = [];
  for (let sequence = first; sequence <= last; sequence += 1) {
    segments.push(openSegment(disk, directory, sequence));
  }
  return segments;
}

/**
 * The one that the log begins with: the watermark's word, if there can be no newer one. If there can, segments may have been
 * removed since, and it is the oldest that is there; older ones than the watermark knows were about to be removed.
 * @param sequences of the segments that are there, ascending.
 */
export function firstSegment(
  sequences: readonly number[],
  { firstSegment: told, isNewest, segment }: FoundWatermark,
): number {
  return isNewest && told > 0 ? told : Math.max(sequences[0] ?? segment, told);
}

interface SealedLog {
  readonly map: LogMap;
  /** Of segments that were read in full because their footer does not verify. */
  readonly lostFooters: readonly { readonly segment: Segment; readonly contents: SegmentContents }[];
}

/** A map of everything before the last segment. */
function loadSealed(segments: readonly Segment[], files: SegmentFiles, watermark: Watermark): SealedLog {
  const [first] = segments;
  assert(first !== undefined, 'a log without a segment was accepted');
  const { firstIndex, previousTerm, previousChecksum, epoch } = first.header;
  const base = { index: (firstIndex - 1) as LogIndex, term: previousTerm, checksum: previousChecksum };
  const map = new LogMap(base, epoch, first.header.sequence);
  const lostFooters = [];
  for (const [at, segment] of segments.entries()) {
    const successor = segments[at + 1];
    if (successor === undefined) break;
    const contents = readFooter(files.file(segment), segment);
    if (contents !== null) map.addSegment(contents);
    else {
      scanSealed(segment, successor, files, map);
      lostFooters.push({ segment, contents: map.contentsOf(segment) });
    }
    checkContinuation(segment, successor, map);
    if (segment.header.sequence === watermark.segment && watermark.position > segment.end) {
      const what = `the log of the segment ends before the watermark at byte ${watermark.position}`;
      throw new WalRotError({ file: segment.name, position: segment.end, index: map.lastIndex }, what);
    }
  }
  return { map, lostFooters };
}

/** Reads a whole segment whose footer is lost: there every block up to where its successor began must hold. */
function scanSealed(segment: Segment, successor: Segment, files: SegmentFiles, map: LogMap): void {
  const stop = scan(segment, files, map, () => {});
  if (stop.position !== successor.header.previousEnd) throw rotAt(segment, stop, stop.what);
}

/** Reads a segment to its end, adds it to the map, and says why the end is there. */
function scan(
  segment: Segment,
  files: SegmentFiles,
  map: LogMap,
  atBoundary: (position: number) => void,
): ScanStop {
  const reader = new LogReader(map, files);
  const scanner = new SegmentScanner(files.file(segment), segment, map, (index) => reader.checksumAt(index));
  map.beginSegment();
  segment.end = SEGMENT_HEADER_BYTES;
  segment.blocks = 0;
  for (;;) {
    atBoundary(segment.end);
    const next = scanner.next();
    if ('kind' in next) return next;
    addBlock(map, reader, segment, next);
  }
}

/** Adds a block that was read. @returns whether it truncated the log. */
export function addBlock(map: LogMap, reader: LogReader, segment: Segment, block: ScannedBlock): boolean {
  const { position, header, entries } = block;
  const truncates = header.firstIndex <= map.lastIndex;
  const lastIndex = (header.firstIndex - 1) as LogIndex;
  if (truncates) map.truncate(lastIndex, reader.checksumAt(lastIndex));
  segment.end = position + BLOCK_HEADER_BYTES + header.length;
  segment.blocks += 1;
  map.addBlock(segment, position, entries);
  return truncates;
}

/** @param watermark null: whatever it says. */
function scanActive(
  active: Segment,
  files: SegmentFiles,
  map: LogMap,
  watermark: Watermark | null,
): ScanStop {
  if (watermark?.segment !== active.header.sequence) return scan(active, files, map, () => undefined);
  let isProven = false;
  const stop = scan(active, files, map, (position) => {
    if (position !== watermark.position) return;
    isProven = true;
    checkWatermark(watermark, active, map);
  });
  if (!isProven) throw rotAt(active, stop, `${stop.what}, below the watermark at byte ${watermark.position}`);
  return stop;
}

/** @throws WalRotError if the log, read up to the watermark's position, is not what it was then. */
export function checkWatermark(watermark: Watermark, segment: Segment, map: LogMap): void {
  const { index, checksum, epoch, blocks } = watermark;
  const isSame =
    map.lastIndex === index &&
    map.lastChecksum === checksum &&
    map.epoch === epoch &&
    segment.blocks === blocks;
  if (isSame) return;
  const what = `the log is not the one that the watermark saw: it ends at index ${map.lastIndex}, then ${index}`;
  throw new WalRotError({ file: segment.name, position: watermark.position, index: map.lastIndex }, what);
}

function rewrite(file: DiskFile, from: number, to: number): void {
  const buffer = new Uint8Array(Math.min(COPY_BYTES, Math.max(0, to - from)));
  for (let at = from; at < to; at += buffer.length) {
    const bytes = file.readSync(buffer.subarray(0, to - at), at);
    file.writevSync([buffer.subarray(0, bytes)], at);
  }
}

/** @throws WalRotError if a segment does not go on where the one before it ended. */
export function checkContinuation(segment: Segment, { header, name }: Segment, map: LogMap): void {
  const matches =
    header.firstIndex === map.lastIndex + 1 &&
    header.previousTerm === map.lastTerm &&
    header.previousChecksum === map.lastChecksum &&
    header.epoch === map.epoch &&
    header.previousEnd === segment.end &&
    header.previousBlocks === segment.blocks;
  if (matches) return;
  const what = `the segment begins at index ${header.firstIndex} and does not continue ${segment.name}, which ends at ${map.lastIndex}`;
  throw new WalRotError({ file: name, position: 0, index: header.firstIndex }, what);
}

/** An index is derived from what was verified: putting it back spares the next start the reading. */
function restoreFooter(disk: Disk, segment: Segment, contents: SegmentContents): void {
  mark('wal.footer-restored');
  const file = disk.openSync(segment.path, 'write');
  writeFooter(file, segment, contents);
  file.datasyncSync();
  file.closeSync();
}

/**
 * Writes everything after the watermark again, the same bytes in the same place, and syncs it. Pages that look written
 * may be unsynced, or clean after a sync that failed; only writing makes them dirty.
 */
function makeDurable(disk: Disk, segments: readonly Segment[], watermark: Watermark): void {
  for (const [at, segment] of segments.entries()) {
    const { sequence } = segment.header;
    if (sequence < watermark.segment) continue;
    const isActive = at === segments.length - 1;
    const file = disk.openSync(segment.path, 'write');
    const from = sequence === watermark.segment ? watermark.position : 0;
    const to = isActive ? segment.end : segment.bytes;
    if (to > from) mark('wal.tail-rewritten');
    rewrite(file, from, to);
    file.datasyncSync();
    file.closeSync();
  }
}

/** Writes zeros over a torn tail. */
function eraseTail(disk: Disk, segment: Segment, bytes: number): void {
  const file = disk.openSync(segment.path, 'write');
  const zeros = new Uint8Array(Math.min(bytes, COPY_BYTES));
  for (let at = 0; at < bytes; at += zeros.length) {
    file.writevSync([zeros.subarray(0, bytes - at)], segment.end + at);
  }
  file.datasyncSync();
  file.closeSync();
}

function rotAt(segment: Segment, stop: ScanStop, what: string): WalRotError {
  return new WalRotError({ file: segment.name, position: stop.badFrom, index: stop.index }, what);
}
