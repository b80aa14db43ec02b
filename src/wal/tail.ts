import { mark } from '../base/marks.ts';
import type { DiskFile } from '../base/ports/disk.ts';
import { footerOf } from './footer.ts';
import { BLOCK_HEADER_BYTES, SECTOR_BYTES } from './format.ts';
import { findBlocks } from './segment-format.ts';
import type { LogMap } from './log-map.ts';
import type { ScanStop } from './segment-scanner.ts';
import type { Segment } from './segment.ts';
import type { Watermark } from './watermark.ts';

/** What the bytes from the end of the last good block on are. */
export type TailVerdict =
  | { readonly kind: 'end' }
  /** What is left of one write that was never synced. */
  | { readonly kind: 'torn'; readonly bytes: number }
  | { readonly kind: 'rot'; readonly what: string };

const WINDOW_BYTES = 1024 * 1024;

/**
 * Tells the end of the log from a torn tail and both from rot, in the last segment, where `stop` says why no block
 * follows. Nothing was ever written to the bytes after the last block but the one write that may have been torn: no
 * write is issued while a sync is in flight, and the segment was zeros before. That write was a block, or the footer
 * that the segment gets when it is full.
 */
export function judgeTail(
  file: DiskFile,
  segment: Segment,
  map: LogMap,
  stop: ScanStop,
  watermark: Watermark,
): TailVerdict {
  const found = surveyRest(file, segment, stop.position);
  if (found.end <= stop.position) return { kind: 'end' };
  const torn: TailVerdict = { kind: 'torn', bytes: found.end - stop.position };
  if (isBeingCut(segment, stop.position, watermark)) {
    mark('wal.erasing-resumed');
    return torn;
  }
  if (stop.kind === 'misplaced') return { kind: 'rot', what: stop.what };
  if (found.laterBlock !== null) {
    return {
      kind: 'rot',
      what: `${stop.what}, but there is one at byte ${found.laterBlock}, written after this was synced`,
    };
  }
  if (isFooter(file, footerOf(segment, map.contentsOf(segment)), found)) {
    mark('wal.torn-footer-cut');
    return torn;
  }
  if (stop.blockEnd !== null && found.end > stop.blockEnd) {
    return { kind: 'rot', what: `${stop.what}, and bytes after it that no write explains` };
  }
  if (isTorn(file, stop, found.end)) return torn;
  return { kind: 'rot', what: `${stop.what}, although every sector of it was written` };
}

/** Whether this was judged before, and the erasing was interrupted: then nothing can be told from what is left of it. */
function isBeingCut(segment: Segment, position: number, watermark: Watermark): boolean {
  return (
    watermark.isCutting && watermark.segment === segment.header.sequence && watermark.position === position
  );
}

/** Whether all bytes that are not zero are those of the footer that is due here. */
function isFooter(
  file: DiskFile,
  footer: { readonly position: number; readonly bytes: Uint8Array },
  { start, end }: Survey,
): boolean {
  if (start < footer.position || end > footer.position + footer.bytes.length) return false;
  const found = new Uint8Array(footer.bytes.length);
  file.readSync(found, footer.position);
  return found.every((byte, at) => byte === 0 || byte === footer.bytes[at]);
}

/**
 * Whether a write that only partly happened explains the bytes that fail to verify. The segment was zeros before, so a
 * sector that did not arrive shows as zeros where the block would be; and a process killed inside the call may have
 * written the beginning of the block only.
 */
function isTorn(file: DiskFile, stop: ScanStop, endOfBytes: number): boolean {
  if (endOfBytes < stop.badTo) return true;
  const blockEnd = stop.blockEnd ?? Number.POSITIVE_INFINITY;
  const firstSector = Math.floor(stop.badFrom / SECTOR_BYTES);
  const lastSector = Math.floor((stop.badTo - 1) / SECTOR_BYTES);
  for (let sector = firstSector; sector <= lastSector; sector += 1) {
    const from = Math.max(sector * SECTOR_BYTES, stop.position);
    const to = Math.min((sector + 1) * SECTOR_BYTES, blockEnd);
    const share = new Uint8Array(to - from);
    const bytes = file.readSync(share, from);
    if (share.subarray(0, bytes).every((byte) => byte === 0)) return true;
  }
  return false;
}

interface Survey {
  /** The first byte that is not zero. */
  readonly start: number;
  /** One after the last byte that is not zero; at most `position` if all are. */
  readonly end: number;
  /** Position of a valid block header after `position`. */
  readonly laterBlock: number | null;
}

function surveyRest(file: DiskFile, segment: Segment, position: number): Survey {
  const size = file.size();
  // Windows overlap by a header, so that one on the border of two is seen.
  const window = Buffer.alloc(Math.min(WINDOW_BYTES, Math.max(0, size - position)) + BLOCK_HEADER_BYTES);
  let start = size;
  let end = position;
  let laterBlock: number | null = null;
  for (let at = position; at < size; at += window.length - BLOCK_HEADER_BYTES) {
    const bytes = window.subarray(0, file.readSync(window, at));
    const last = lastNonZero(bytes);
    if (last < 0) continue;
    if (start === size) start = at + bytes.findIndex((byte) => byte !== 0);
    end = Math.max(end, at + last + 1);
    if (laterBlock !== null) continue;
    const [block] = findBlocks(bytes, at === position ? 1 : 0, segment.seed);
    if (block !== undefined) laterBlock = at + block.offset;
  }
  return { start, end, laterBlock };
}

/** @returns -1 if all bytes are zero. */
function lastNonZero(bytes: Buffer): number {
  // The rest of a segment is zeros in all but rare cases: compare in bulk first.
  if (bytes.equals(ZEROS.subarray(0, bytes.length))) return -1;
  for (let at = bytes.length - 1; at >= 0; at -= 1) if (bytes[at] !== 0) return at;
  return -1;
}

const ZEROS = Buffer.alloc(WINDOW_BYTES + BLOCK_HEADER_BYTES);
