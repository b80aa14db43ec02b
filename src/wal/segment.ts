import { SEGMENT_HEADER_BYTES } from './format.ts';
import type { SegmentHeader } from './segment-format.ts';

/** A segment file as this process knows it. */
export interface Segment {
  readonly header: SegmentHeader;
  /** Seeds the checksums of everything in the segment: the checksum of its header. */
  readonly seed: number;
  /** File name in the data directory. */
  readonly name: string;
  readonly path: string;
  /** Length of the file. */
  readonly bytes: number;
  /** Where the last block ends. */
  end: number;
  /** Blocks up to there. */
  blocks: number;
}

export function emptySegment(place: Pick<Segment, 'header' | 'seed' | 'name' | 'path' | 'bytes'>): Segment {
  return { ...place, end: SEGMENT_HEADER_BYTES, blocks: 0 };
}
