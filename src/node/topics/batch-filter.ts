import { BATCH_HEADER_BYTES } from '../../base/batch.ts';
import { entryBody, entryRecordCount, type Entry } from '../../base/entry.ts';
import { messageKeyBytes, messageTagBytes } from '../../base/message.ts';

const RECORD_PREFIX_BYTES = 4;

/** Goes through the records of a stored batch, without copying. */
export function eachRecord(entry: Entry, visit: (record: Uint8Array, ordinal: number) => void): void {
  const body = entryBody(entry);
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const count = entryRecordCount(entry);
  let offset = BATCH_HEADER_BYTES;
  for (let ordinal = 0; ordinal < count; ordinal += 1) {
    const start = offset + RECORD_PREFIX_BYTES;
    offset = start + view.getUint32(offset, true);
    visit(body.subarray(start, offset), ordinal);
  }
}

/** How many records of a batch have one of these tags, and which; null for the bitmap where all do. */
export function tagBitmap(
  entry: Entry,
  tags: readonly Uint8Array[],
): { readonly matching: number; readonly bitmap: Uint8Array | null } {
  const count = entryRecordCount(entry);
  const bitmap = new Uint8Array(Math.ceil(count / 8));
  let matching = 0;
  eachRecord(entry, (record, ordinal) => {
    const tag = messageTagBytes(record);
    if (tag === null || !tags.some((wanted) => isSame(wanted, tag))) return;
    matching += 1;
    bitmap[ordinal >>> 3] = (bitmap[ordinal >>> 3] ?? 0) | (1 << (ordinal & 7));
  });
  return { matching, bitmap: matching === count ? null : bitmap };
}

/** Ordinals of the records with this key, ascending. */
export function ordinalsWithKey(entry: Entry, key: Uint8Array): number[] {
  const ordinals: number[] = [];
  eachRecord(entry, (record, ordinal) => {
    const found = messageKeyBytes(record);
    if (found !== null && isSame(found, key)) ordinals.push(ordinal);
  });
  return ordinals;
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  for (let at = 0; at < one.length; at += 1) if (one[at] !== other[at]) return false;
  return true;
}
