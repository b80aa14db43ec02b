import { EntryFormatError, parseEntryAt, type Entry } from '../base/entry.ts';
import type { Disk, DiskFile } from '../base/ports/disk.ts';
import type { LogIndex } from '../base/units.ts';
import { BLOCK_BYTES_MAX, BLOCK_HEADER_BYTES } from './format.ts';
import type { LogMap } from './log-map.ts';
import { encodeBlockHeader } from './segment-format.ts';
import type { Segment } from './segment.ts';

/**
 * What still verifies at the beginning of the block that follows the last good one. Its header may be what is damaged: that
 * these entries continue the log they prove themselves, by the chain.
 */
export function salvageable(disk: Disk, segment: Segment, map: LogMap): Entry[] {
  const file = disk.openSync(segment.path, 'read');
  try {
    const from = segment.end + BLOCK_HEADER_BYTES;
    const bytes = new Uint8Array(Math.max(0, Math.min(segment.bytes - from, BLOCK_BYTES_MAX)));
    return parseWhile(bytes.subarray(0, file.readSync(bytes, from)), map);
  } finally {
    file.closeSync();
  }
}

function parseWhile(bytes: Uint8Array, map: LogMap): Entry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const entries: Entry[] = [];
  let checksum = map.lastChecksum;
  let offset = 0;
  try {
    while (offset < bytes.length) {
      const entry = parseEntryAt(bytes, view, offset, checksum);
      if (entry.index !== map.lastIndex + entries.length + 1) break;
      entries.push(entry);
      checksum = entry.checksum;
      offset += entry.bytes.length;
    }
  } catch (error) {
    if (!(error instanceof EntryFormatError)) throw error;
  }
  return entries;
}

/**
 * Makes them a block of their own behind the last one, to be synced. They lie there already, byte for byte: only the header
 * changes, so that this may be interrupted, and done again.
 */
export function keepSalvaged(file: DiskFile, segment: Segment, map: LogMap, entries: readonly Entry[]): void {
  if (entries.length === 0) return;
  const position = segment.end;
  const length = entries.reduce((sum, entry) => sum + entry.bytes.length, 0);
  const header = {
    length,
    sequence: segment.blocks + 1,
    epoch: map.epoch,
    firstIndex: (map.lastIndex + 1) as LogIndex,
    entryCount: entries.length,
  };
  file.writevSync(
    [encodeBlockHeader(header, segment.seed), ...entries.map((entry) => entry.bytes)],
    position,
  );
  segment.end = position + BLOCK_HEADER_BYTES + length;
  segment.blocks += 1;
  map.addBlock(segment, position, entries);
}
