import type { EntryFormatError } from '../base/entry.ts';
import { DiskError } from '../base/ports/disk.ts';
import type { LogIndex } from '../base/units.ts';

/** Where in the log something is wrong, for people and for repair. */
export interface RotPlace {
  /** File name in the data directory. */
  readonly file: string;
  /** Byte position in the file. */
  readonly position: number;
  /** The entry that is damaged, or the first one that is no longer vouched for; null where no entry is concerned. */
  readonly index: LogIndex | null;
}

/**
 * Something that had been durable no longer verifies. Never cut, never served, never overwritten: the node must not
 * lead, vote as if it had the log, or count, until it is repaired from its peers.
 */
export class WalRotError extends Error {
  override readonly name = 'WalRotError';
  readonly code = 'WAL_ROT';
  readonly place: RotPlace;
  /** What is wrong there, without the place. */
  readonly what: string;

  constructor(place: RotPlace, what: string) {
    const index = place.index === null ? '' : `, index ${place.index}`;
    super(`the log is damaged: ${what} (${place.file}, byte ${place.position}${index})`);
    this.place = place;
    this.what = what;
  }
}

const ENTRY_FAULTS: Record<EntryFormatError['code'], string> = {
  ENTRY_TRUNCATED: 'the entry is longer than what is left of its block',
  ENTRY_LENGTH: 'the entry has an impossible length',
  ENTRY_FIELD: 'a field of the entry header is impossible',
  ENTRY_HEADER_CHECKSUM: 'the entry header does not verify, or does not chain to the entry before',
  ENTRY_BODY_CHECKSUM: 'the body of the entry does not verify',
};

/** In words without the position, which is that in a buffer and not in the file. */
export function entryFault(error: EntryFormatError): string {
  return ENTRY_FAULTS[error.code];
}

/**
 * A data directory that this node must not use. Nothing in it was changed. The message names what was expected, what
 * was found, and what to do.
 */
export class DirectoryRefusedError extends Error {
  override readonly name = 'DirectoryRefusedError';
  readonly code:
    | 'DIRECTORY_FOREIGN'
    | 'DIRECTORY_FORMAT'
    | 'DIRECTORY_NODE'
    | 'DIRECTORY_GROUP'
    | 'DIRECTORY_CLUSTER'
    | 'DIRECTORY_IDENTITY_DAMAGED';
  readonly expected: string;
  readonly found: string;

  constructor(
    code: DirectoryRefusedError['code'],
    message: string,
    values: { expected: string; found: string },
  ) {
    super(message);
    this.code = code;
    this.expected = values.expected;
    this.found = values.found;
  }
}

/** A read that has no answer, although nothing is damaged. */
export class WalReadError extends Error {
  override readonly name = 'WalReadError';
  /**
   * - `WAL_RANGE`: the log does not hold that index.
   * - `WAL_TRUNCATED`: what was read was cut off meanwhile. Ask again.
   * - `WAL_CLOSED`: the log was closed or has failed.
   */
  readonly code: 'WAL_RANGE' | 'WAL_TRUNCATED' | 'WAL_CLOSED';

  constructor(code: WalReadError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** Runs a step; what the disk refuses is returned. */
export function diskErrorOf(step: () => void): DiskError | null {
  try {
    step();
    return null;
  } catch (error) {
    if (error instanceof DiskError) return error;
    throw error;
  }
}

/** Runs a step; what the disk refuses goes to `done`. */
export function attempt(done: (error: DiskError) => void, step: () => void): void {
  const error = diskErrorOf(step);
  if (error !== null) done(error);
}
