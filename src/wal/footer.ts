import { crc32 } from '../base/crc32.ts';
import type { DiskFile } from '../base/ports/disk.ts';
import { readUint53, writeUint53 } from '../base/uint53.ts';
import type { LogIndex, Term } from '../base/units.ts';
import {
  FOOTER_BODY,
  FOOTER_CONFIGURATION_BYTES,
  FOOTER_EXTENT_BYTES,
  FOOTER_FIXED_BYTES,
  FOOTER_MAGIC,
  FOOTER_POINT_BYTES,
  FOOTER_TERM_RUN_BYTES,
  FOOTER_TRAILER,
  FOOTER_TRAILER_BYTES,
  SEGMENT_HEADER_BYTES,
} from './format.ts';
import type { Extent, Point, SegmentContents, TermRun } from './log-map.ts';
import type { Segment } from './segment.ts';

class FooterNumberError extends Error {}

/** Bytes of the footer that `contents` needs, with its trailer. */
function footerBytes(contents: SegmentContents): number {
  let bytes = FOOTER_FIXED_BYTES + FOOTER_TRAILER_BYTES;
  for (const extent of contents.extents)
    bytes += FOOTER_EXTENT_BYTES + FOOTER_POINT_BYTES * extent.points.length;
  bytes += contents.termRuns.length * FOOTER_TERM_RUN_BYTES;
  return bytes + contents.configurations.length * FOOTER_CONFIGURATION_BYTES;
}

/** The footer of a full segment, and where it goes so that it ends where the file does. */
export function footerOf(
  segment: Segment,
  contents: SegmentContents,
): { readonly position: number; readonly bytes: Uint8Array } {
  const bytes = encodeFooter(segment, contents);
  // The log leaves room for it; a file that was made too small for a footer grows.
  return { position: Math.max(segment.end, segment.bytes - bytes.length), bytes };
}

/** Writes the footer; it is to be synced. */
export function writeFooter(file: DiskFile, segment: Segment, contents: SegmentContents): void {
  const { position, bytes } = footerOf(segment, contents);
  file.writevSync([bytes], position);
}

function encodeFooter(segment: Segment, contents: SegmentContents): Uint8Array {
  const bytes = new Uint8Array(footerBytes(contents));
  const view = new DataView(bytes.buffer);
  writeUint53(view, FOOTER_BODY.end, segment.end);
  view.setUint32(FOOTER_BODY.blocks, segment.blocks, true);
  view.setUint32(FOOTER_BODY.epoch, contents.epoch, true);
  writeUint53(view, FOOTER_BODY.lastIndex, contents.lastIndex);
  writeUint53(view, FOOTER_BODY.lastTerm, contents.lastTerm);
  view.setUint32(FOOTER_BODY.lastChecksum, contents.lastChecksum, true);
  view.setUint32(FOOTER_BODY.extents, contents.extents.length, true);
  view.setUint32(FOOTER_BODY.termRuns, contents.termRuns.length, true);
  view.setUint32(FOOTER_BODY.configurations, contents.configurations.length, true);
  let at = FOOTER_FIXED_BYTES;
  for (const extent of contents.extents) {
    writeUint53(view, at, extent.firstIndex);
    writeUint53(view, at + 8, extent.position);
    view.setUint32(at + 16, extent.points.length, true);
    at += FOOTER_EXTENT_BYTES;
    for (const point of extent.points) {
      writeUint53(view, at, point.index);
      writeUint53(view, at + 8, point.position);
      view.setUint32(at + 16, point.previousChecksum, true);
      at += FOOTER_POINT_BYTES;
    }
  }
  for (const run of contents.termRuns) {
    writeUint53(view, at, run.firstIndex);
    writeUint53(view, at + 8, run.term);
    at += FOOTER_TERM_RUN_BYTES;
  }
  for (const index of contents.configurations) {
    writeUint53(view, at, index);
    at += FOOTER_CONFIGURATION_BYTES;
  }
  const bodyBytes = at;
  view.setUint32(bodyBytes + FOOTER_TRAILER.magic, FOOTER_MAGIC, true);
  view.setUint32(bodyBytes + FOOTER_TRAILER.bodyBytes, bodyBytes, true);
  view.setUint32(
    bodyBytes + FOOTER_TRAILER.checksum,
    crc32(bytes.subarray(0, bodyBytes), segment.seed),
    true,
  );
  return bytes;
}

/** What the footer says. Sets the segment's `end` and `blocks`. @returns null if there is no footer that verifies. */
export function readFooter(file: DiskFile, segment: Segment): SegmentContents | null {
  const trailer = new Uint8Array(FOOTER_TRAILER_BYTES);
  const trailerAt = segment.bytes - FOOTER_TRAILER_BYTES;
  if (trailerAt < SEGMENT_HEADER_BYTES || file.readSync(trailer, trailerAt) < trailer.length) return null;
  const trailerView = new DataView(trailer.buffer);
  if (trailerView.getUint32(FOOTER_TRAILER.magic, true) !== FOOTER_MAGIC) return null;
  const bodyBytes = trailerView.getUint32(FOOTER_TRAILER.bodyBytes, true);
  const bodyAt = trailerAt - bodyBytes;
  if (bodyBytes < FOOTER_FIXED_BYTES || bodyAt < SEGMENT_HEADER_BYTES) return null;
  const body = new Uint8Array(bodyBytes);
  if (file.readSync(body, bodyAt) < bodyBytes) return null;
  if (trailerView.getUint32(FOOTER_TRAILER.checksum, true) !== crc32(body, segment.seed)) return null;
  return decodeBody(new DataView(body.buffer), segment);
}

function decodeBody(view: DataView, segment: Segment): SegmentContents {
  const uint53 = (offset: number): number => readUint53(view, offset, FooterNumberError);
  segment.end = uint53(FOOTER_BODY.end);
  segment.blocks = view.getUint32(FOOTER_BODY.blocks, true);
  const extents: Extent[] = [];
  const termRuns: TermRun[] = [];
  const configurations: LogIndex[] = [];
  let at = FOOTER_FIXED_BYTES;
  for (let left = view.getUint32(FOOTER_BODY.extents, true); left > 0; left -= 1) {
    const points: Point[] = [];
    extents.push({ segment, firstIndex: uint53(at) as LogIndex, position: uint53(at + 8), points });
    const pointCount = view.getUint32(at + 16, true);
    at += FOOTER_EXTENT_BYTES;
    for (let point = 0; point < pointCount; point += 1) {
      const previousChecksum = view.getUint32(at + 16, true);
      points.push({ index: uint53(at) as LogIndex, position: uint53(at + 8), previousChecksum });
      at += FOOTER_POINT_BYTES;
    }
  }
  for (let left = view.getUint32(FOOTER_BODY.termRuns, true); left > 0; left -= 1) {
    termRuns.push({ firstIndex: uint53(at) as LogIndex, term: uint53(at + 8) as Term });
    at += FOOTER_TERM_RUN_BYTES;
  }
  for (let left = view.getUint32(FOOTER_BODY.configurations, true); left > 0; left -= 1) {
    configurations.push(uint53(at) as LogIndex);
    at += FOOTER_CONFIGURATION_BYTES;
  }
  return {
    lastIndex: uint53(FOOTER_BODY.lastIndex) as LogIndex,
    lastTerm: uint53(FOOTER_BODY.lastTerm) as Term,
    lastChecksum: view.getUint32(FOOTER_BODY.lastChecksum, true),
    epoch: view.getUint32(FOOTER_BODY.epoch, true),
    extents,
    termRuns,
    configurations,
  };
}
