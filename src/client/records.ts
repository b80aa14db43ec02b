import { decodeBatch } from '../base/batch.ts';
import { entryBody, entryTime, type Entry } from '../base/entry.ts';
import type { LogIndex, Term } from '../base/units.ts';

/** One record as it lies in the log. */
export interface LogRecord {
  /** Of its entry in the log. */
  readonly index: LogIndex;
  /** Its place in the batch it was appended with; 0 for a record appended alone. */
  readonly ordinal: number;
  readonly term: Term;
  /** When the leader took it: Unix milliseconds; never below that of an earlier record. */
  readonly time: number;
  readonly data: Uint8Array;
}

/** The records of one entry, as views into its bytes. @throws BatchFormatError */
export function recordsOf(entry: Entry): LogRecord[] {
  const time = entryTime(entry);
  return decodeBatch(entryBody(entry)).map((data, ordinal) => ({
    index: entry.index,
    ordinal,
    term: entry.term,
    time,
    data,
  }));
}
