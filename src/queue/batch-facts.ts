import { BATCH_HEADER_BYTES } from '../base/batch.ts';
import { entryBody, entryRecordCount, entryTime, type Entry } from '../base/entry.ts';
import { crc32 } from '../base/crc32.ts';
import { messageKeyBytes, messageTagHash } from '../base/message.ts';
import type { UnitFacts } from './consume-queue.ts';

const RECORD_PREFIX_BYTES = 4;

/**
 * What an accepted batch of a topic puts into the indexes.
 * @param onKey is told the hash of each record's key, in order.
 */
export function batchFacts(entry: Entry, onKey: (hash: number) => void): UnitFacts {
  const body = entryBody(entry);
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const count = entryRecordCount(entry);
  let tagMask = 0;
  let offset = BATCH_HEADER_BYTES;
  for (let ordinal = 0; ordinal < count; ordinal += 1) {
    const start = offset + RECORD_PREFIX_BYTES;
    offset = start + view.getUint32(offset, true);
    const message = body.subarray(start, offset);
    tagMask |= 1 << (messageTagHash(message) & 31);
    const key = messageKeyBytes(message);
    if (key !== null) onKey(crc32(key));
  }
  return {
    index: entry.index,
    timeMs: entryTime(entry),
    count,
    tagMask: tagMask >>> 0,
    entryBytes: entry.bytes.length,
  };
}

/** Of batches whose mask has none of these bits no record has one of the tags. @param hashes as `hashText` makes them. */
export function tagMaskOf(hashes: Iterable<number>): number {
  let mask = 0;
  for (const hash of hashes) mask |= 1 << (hash & 31);
  return mask >>> 0;
}
