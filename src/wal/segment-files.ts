import { join } from 'node:path';
import type { Disk, DiskFile } from '../base/ports/disk.ts';
import { SEGMENT_HEADER_BYTES, segmentName } from './format.ts';
import { WalRotError } from './errors.ts';
import { decodeSegmentHeader, segmentSeed } from './segment-format.ts';
import { emptySegment, type Segment } from './segment.ts';

/** More segments than this are not kept open for reading: a log may have thousands. */
const OPEN_FILES_MAX = 16;

/** Segments opened for reading; the least recently used is closed when there are too many. */
export class SegmentFiles {
  readonly #disk: Disk;
  /** By path, in the order of their last use. */
  readonly #open = new Map<string, DiskFile>();

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  file(segment: Segment): DiskFile {
    const file = this.#open.get(segment.path) ?? this.#disk.openSync(segment.path, 'read');
    this.#open.delete(segment.path);
    this.#open.set(segment.path, file);
    if (this.#open.size > OPEN_FILES_MAX) {
      const [oldest] = this.#open.keys();
      if (oldest !== undefined) this.#close(oldest);
    }
    return file;
  }

  /** Reads in flight end before the file does. */
  forget({ path }: Segment): void {
    if (this.#open.has(path)) this.#close(path);
  }

  closeAll(): void {
    for (const path of this.#open.keys()) this.#close(path);
  }

  #close(path: string): void {
    // Reads in flight end before the file does.
    this.#open.get(path)?.closeSync();
    this.#open.delete(path);
  }
}

/** Reads a segment's header. Where its blocks end is not known yet. @throws WalRotError */
export function openSegment(disk: Disk, directory: string, sequence: number): Segment {
  const name = segmentName(sequence);
  const path = join(directory, name);
  if (!disk.existsSync(path))
    throw new WalRotError({ file: name, position: 0, index: null }, 'the segment is missing');
  const file = disk.openSync(path, 'read');
  try {
    const headerBytes = new Uint8Array(SEGMENT_HEADER_BYTES);
    const bytes = file.size();
    file.readSync(headerBytes, 0);
    const header = decodeSegmentHeader(headerBytes);
    if (header === null || header.sequence !== sequence) {
      const what =
        header === null
          ? 'the segment header does not verify'
          : `the header is that of segment ${header.sequence}`;
      throw new WalRotError({ file: name, position: 0, index: header?.firstIndex ?? null }, what);
    }
    return emptySegment({ header, seed: segmentSeed(headerBytes), name, path, bytes });
  } finally {
    file.closeSync();
  }
}
