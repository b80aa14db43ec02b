import { decodeBatch } from '../base/batch.ts';
import { decodeConfiguration } from '../base/configuration.ts';
import { EntryKind, entryBody, entryQueue, entryRecordCount, entryTime, type Entry } from '../base/entry.ts';
import type { LogIndex } from '../base/units.ts';
import type { RaftCore } from '../raft/index.ts';
import type { Peek, Peeked, PeekedEntry } from '../wire/peek-schema.ts';

const PREVIEW_BYTES_MAX = 120;
const BYTES_MAX = 4 * 1024 * 1024;
const TEXT = new TextDecoder();

/** The last entries of this node's log that are in memory, committed or not, for people who look on. */
export function peek({ max }: Peek, core: RaftCore): Peeked {
  const last = core.lastIndex;
  let entries: Entry[] | null = null;
  for (let count = Math.min(max, last); count > 0 && entries === null; count = Math.floor(count / 2)) {
    entries = core.cachedEntries((last - count + 1) as LogIndex, last, BYTES_MAX);
  }
  return { commitIndex: core.commitIndex, lastIndex: last, entries: (entries ?? []).map(describe) };
}

function describe(entry: Entry): PeekedEntry {
  const queue = entryQueue(entry);
  return {
    index: entry.index,
    term: entry.term,
    type: typeOf(entry.kind),
    where: entry.kind === EntryKind.batch && queue !== 0 ? `queue ${queue}` : null,
    records: entryRecordCount(entry),
    bytes: entry.bytes.length,
    at: entryTime(entry),
    preview: preview(entry),
  };
}

function typeOf(kind: EntryKind): PeekedEntry['type'] {
  switch (kind) {
    case EntryKind.batch:
      return 'data';
    case EntryKind.configuration:
      return 'config';
    case EntryKind.noop:
      return 'noop';
    default:
      return 'command';
  }
}

function preview(entry: Entry): string {
  switch (entry.kind) {
    case EntryKind.batch: {
      const [first] = decodeBatch(entryBody(entry));
      return TEXT.decode(first?.subarray(0, PREVIEW_BYTES_MAX));
    }
    case EntryKind.configuration:
      return decodeConfiguration(entryBody(entry))
        .members.map(({ id, role }) => (role === 'voter' ? id : `${id} (${role})`))
        .join(', ');
    case EntryKind.noop:
      return `term ${entry.term} begins`;
    default:
      return '';
  }
}
