import { BatchFormatError, decodeBatch } from '../base/batch.ts';
import { entryBody, entryTime, type Entry } from '../base/entry.ts';
import type { LogIndex, Term } from '../base/units.ts';
import { WireError } from '../wire/wire-error.ts';

/** One record as it lies in the log. */
export interface LogRecord {
  /** Of its entry in the log. */
  readonly index: LogIndex;
  /** Its place in the batch it was appended with; 0 for a record appended alone. */
  readonly ordinal: number;
  readonly term: Term;
  /** When the leader took it: Unix milliseconds; never below that of an earlier record. */
  readonly time: number;
  /** A view into a page of up to a megabyte: copy what is to be kept for long. */
  readonly data: Uint8Array;
}

/** The records of one entry, as views into its bytes. @throws WireError BAD_BODY */
export function recordsOf(entry: Entry): LogRecord[] {
  const { index, term } = entry;
  const time = entryTime(entry);
  return payloadsOf(entry).map((data, ordinal) => ({ index, ordinal, term, time, data }));
}

function payloadsOf(entry: Entry): Uint8Array[] {
  try {
    return decodeBatch(entryBody(entry));
  } catch (error) {
    if (error instanceof BatchFormatError) {
      throw new WireError('BAD_BODY', `entry ${entry.index} holds no batch: ${error.message}`);
    }
    throw error;
  }
}
