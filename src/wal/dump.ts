import type { EntryKind } from '../base/entry.ts';
import { entryQueue, entryRecordCount, entryTime } from '../base/entry.ts';
import type { Disk } from '../base/ports/disk.ts';
import type { LogIndex, Term } from '../base/units.ts';
import { WalRotError } from './errors.ts';
import { BLOCK_HEADER_BYTES } from './format.ts';
import { walkLog, type WalkItem } from './walk.ts';

/** One line of a dump: what stands where in the files, in the order it was written. */
export type DumpItem =
  | {
      readonly type: 'segment';
      readonly file: string;
      readonly sequence: number;
      readonly firstIndex: LogIndex;
      readonly epoch: number;
      readonly bytes: number;
    }
  | {
      readonly type: 'block';
      readonly file: string;
      readonly position: number;
      readonly sequence: number;
      readonly epoch: number;
      readonly firstIndex: LogIndex;
      readonly entries: number;
      readonly bytes: number;
      /** Entries before this block, from its first index on, are no longer part of the log. */
      readonly truncates: boolean;
    }
  | {
      readonly type: 'entry';
      readonly file: string;
      readonly position: number;
      readonly index: LogIndex;
      readonly term: Term;
      readonly kind: EntryKind;
      /** Unix milliseconds. */
      readonly time: number;
      readonly queue: number;
      readonly records: number;
      readonly bytes: number;
      readonly checksum: number;
    }
  | {
      readonly type: 'sealed';
      readonly file: string;
      readonly position: number;
      readonly footerVerifies: boolean;
    }
  | { readonly type: 'end'; readonly file: string; readonly position: number; readonly tornBytes: number }
  | {
      readonly type: 'rot';
      readonly file: string;
      readonly position: number;
      readonly index: LogIndex | null;
      readonly what: string;
    };

/**
 * Everything in a log, verified, one item at a time: memory does not grow with the log. Ends at the first thing that
 * does not verify, with a `rot` item. Never writes and takes no lock.
 * @throws DirectoryRefusedError if it is no data directory; DiskError
 */
export function* dumpLog(disk: Disk, directory: string): Generator<DumpItem, void> {
  try {
    for (const item of walkLog(disk, directory).items()) yield* dumpItem(item);
  } catch (error) {
    if (!(error instanceof WalRotError)) throw error;
    yield { type: 'rot', ...error.place, what: error.what };
  }
}

function* dumpItem(item: WalkItem): Generator<DumpItem, void> {
  const { header, name: file } = item.segment;
  switch (item.type) {
    case 'segment':
      yield {
        type: 'segment',
        file,
        sequence: header.sequence,
        firstIndex: header.firstIndex,
        epoch: header.epoch,
        bytes: item.segment.bytes,
      };
      return;
    case 'block':
      yield* dumpBlock(item, file);
      return;
    case 'sealed':
      yield { type: 'sealed', file, position: item.segment.end, footerVerifies: item.footerVerifies };
      return;
    case 'end':
      yield { type: 'end', file, position: item.position, tornBytes: item.tornBytes };
  }
}

function* dumpBlock(item: WalkItem & { type: 'block' }, file: string): Generator<DumpItem, void> {
  const { sequence, epoch, firstIndex, length } = item.header;
  const { position, truncates } = item;
  const entries = item.entries.length;
  yield { type: 'block', file, position, sequence, epoch, firstIndex, entries, bytes: length, truncates };
  let at = position + BLOCK_HEADER_BYTES;
  for (const entry of item.entries) {
    const { index, term, kind, checksum, bytes } = entry;
    const records = entryRecordCount(entry);
    yield {
      type: 'entry',
      file,
      position: at,
      index,
      term,
      kind,
      time: entryTime(entry),
      queue: entryQueue(entry),
      records,
      bytes: bytes.length,
      checksum,
    };
    at += bytes.length;
  }
}
