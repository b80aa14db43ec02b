import { assert } from './assert.ts';
import { setU32At, setUint53At, u32At, uint53At } from './little-endian.ts';

/**
 * The body of a `batch` entry: encoded once by the client, stored and served as the same bytes. Little endian:
 *
 *     offset size field
 *      0      8   producerId   0 = none (no retry protection)
 *      8      8   sequence     of this batch within (producer, epoch, queue): 1, 2, 3 ...
 *     16      4   epoch        of the producer
 *     20      4   recordCount  1 or more
 *     24      records, each: u32 length, then that many bytes
 */
export const BATCH_HEADER_BYTES = 24;
export const BATCH_VERSION = 1;
const RECORD_PREFIX_BYTES = 4;

const OFFSET = { producerId: 0, sequence: 8, epoch: 16, recordCount: 20 } as const;

/** Who sent a batch, so that a retry is recognised: `producerId` 0 means "nobody in particular". */
export interface ProducerStamp {
  readonly producerId: number;
  readonly epoch: number;
  readonly sequence: number;
}

/** Bytes that are no batch. */
export class BatchFormatError extends Error {
  override readonly name = 'BatchFormatError';
  readonly code = 'BATCH_FORMAT';
}

/** Encoded size in bytes of a batch of records with these payload bytes in total. */
export function batchBytes(recordCount: number, payloadBytes: number): number {
  return BATCH_HEADER_BYTES + recordCount * RECORD_PREFIX_BYTES + payloadBytes;
}

/** @param allocate memory for it, all of which is written. Default: an array of its own. */
export function encodeBatch(
  stamp: ProducerStamp,
  records: readonly Uint8Array[],
  allocate: (bytes: number) => Uint8Array = newArray,
): Uint8Array {
  assert(records.length > 0, 'a batch needs at least one record');
  let payloadBytes = 0;
  for (const record of records) payloadBytes += record.length;
  const bytes = allocate(batchBytes(records.length, payloadBytes));
  setUint53At(bytes, OFFSET.producerId, stamp.producerId);
  setUint53At(bytes, OFFSET.sequence, stamp.sequence);
  setU32At(bytes, OFFSET.epoch, stamp.epoch);
  setU32At(bytes, OFFSET.recordCount, records.length);
  let offset = BATCH_HEADER_BYTES;
  for (const record of records) {
    setU32At(bytes, offset, record.length);
    bytes.set(record, offset + RECORD_PREFIX_BYTES);
    offset += RECORD_PREFIX_BYTES + record.length;
  }
  return bytes;
}

/** @param start where the batch begins in these bytes. Default 0. @throws BatchFormatError */
export function batchStamp(bytes: Uint8Array, start = 0): ProducerStamp {
  checkHeader(bytes.length - start);
  return {
    producerId: uint53At(bytes, start + OFFSET.producerId, BatchFormatError),
    epoch: u32At(bytes, start + OFFSET.epoch),
    sequence: uint53At(bytes, start + OFFSET.sequence, BatchFormatError),
  };
}

/**
 * Checks the shape of a batch that came from outside without decoding it: one step a record, nothing allocated.
 * @returns the number of records.
 * @throws BatchFormatError that names what is wrong.
 */
export function checkBatch(body: Uint8Array): number {
  checkHeader(body.length);
  const recordCount = u32At(body, OFFSET.recordCount);
  if (recordCount === 0) throw new BatchFormatError('a batch with no records');
  let offset = BATCH_HEADER_BYTES;
  for (let ordinal = 0; ordinal < recordCount; ordinal += 1) {
    if (offset + RECORD_PREFIX_BYTES > body.length) {
      throw new BatchFormatError(
        `record ${ordinal} of ${recordCount} lies beyond the ${body.length} bytes of the batch`,
      );
    }
    offset += RECORD_PREFIX_BYTES + u32At(body, offset);
  }
  if (offset !== body.length) {
    throw new BatchFormatError(`${recordCount} records take ${offset} bytes, the batch has ${body.length}`);
  }
  return recordCount;
}

/** The payloads of a batch, as views into `body`. @throws BatchFormatError */
export function decodeBatch(body: Uint8Array): Uint8Array[] {
  const recordCount = checkBatch(body);
  const records: Uint8Array[] = [];
  let offset = BATCH_HEADER_BYTES;
  for (let ordinal = 0; ordinal < recordCount; ordinal += 1) {
    const length = u32At(body, offset);
    records.push(body.subarray(offset + RECORD_PREFIX_BYTES, offset + RECORD_PREFIX_BYTES + length));
    offset += RECORD_PREFIX_BYTES + length;
  }
  return records;
}

function newArray(bytes: number): Uint8Array {
  return new Uint8Array(bytes);
}

function checkHeader(bytes: number): void {
  if (bytes < BATCH_HEADER_BYTES)
    throw new BatchFormatError(`${bytes} bytes, a batch needs at least ${BATCH_HEADER_BYTES}`);
}
