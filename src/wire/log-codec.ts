import { ENTRY_HEADER_BYTES, coalesceEntryBytes, type Entry } from '../base/entry.ts';
import type { LogIndex } from '../base/units.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { LIMITS } from './limits.ts';

// The log as it is, every entry of it: for a node that mends its own, and for whoever copies a log. Consumers READ.

// GET_ENTRIES: u64 first, u64 last, u32 bytesMax. Answered by an ENTRIES, or OUT_OF_RANGE where the log does not hold
// `first` (the hints say what it holds, as far as it is durable there), or DAMAGED.

export interface GetEntries {
  readonly first: LogIndex;
  readonly last: LogIndex;
  /** At least one entry comes, whatever this says. */
  readonly bytesMax: number;
}

export function encodeGetEntries({ first, last, bytesMax }: GetEntries): Uint8Array {
  return new ByteWriter(20).uint53(first).uint53(last).u32(bytesMax).finish();
}

export function decodeGetEntries(body: Uint8Array): GetEntries {
  const reader = new ByteReader(body, 'GET_ENTRIES');
  const first = reader.logIndex('first');
  const last = reader.logIndex('last');
  const bytesMax = reader.u32In('bytesMax', 1, LIMITS.readBytesMax);
  reader.end();
  if (first < 1 || last < first) throw reader.bad(`entries ${first} to ${last}`);
  return { first, last, bytesMax };
}

// ENTRIES: the entries as they lie in the log (base/entry.ts), consecutive from `first`, at least one; fewer than were asked for
// if they are too many bytes. Summed by the frame; whoever knows the checksum of the entry before can verify their chain.

export function encodeEntries(entries: readonly Entry[]): Uint8Array[] {
  return coalesceEntryBytes(entries);
}

/** @returns the bytes, which are still to be verified. */
export function decodeEntries(body: Uint8Array): Uint8Array {
  const reader = new ByteReader(body, 'ENTRIES');
  const bytes = reader.rest();
  if (bytes.length < ENTRY_HEADER_BYTES) throw reader.bad(`${bytes.length} bytes are no entry`);
  return bytes;
}
