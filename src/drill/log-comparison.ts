import { FileDisk } from '../platform/file-disk.ts';
import { dumpLog } from '../wal/index.ts';

/** What lies in the files of one node, an entry each by index: its term and the checksum that covers all of it. */
export interface StoredLog {
  readonly node: string;
  readonly firstIndex: number;
  readonly lastIndex: number;
  /** What does not verify, if anything: what comes behind it was not read. */
  readonly damage: string | null;
  readonly entries: ReadonlyMap<number, string>;
}

/** Reads the files of a node that does not run, all entries verified on the way. @throws DirectoryRefusedError, DiskError */
export function readStoredLog(node: string, directory: string): StoredLog {
  const entries = new Map<number, string>();
  let firstIndex: number | null = null;
  let lastIndex = 0;
  let damage: string | null = null;
  for (const item of dumpLog(new FileDisk(), directory)) {
    if (item.type === 'segment') firstIndex ??= item.firstIndex;
    else if (item.type === 'block' && item.truncates) {
      for (let index = lastIndex; index >= item.firstIndex; index -= 1) entries.delete(index);
      lastIndex = item.firstIndex - 1;
    } else if (item.type === 'entry') {
      entries.set(
        item.index,
        `term ${item.term}, ${item.bytes} bytes, checksum ${item.checksum.toString(16)}`,
      );
      lastIndex = item.index;
    } else if (item.type === 'rot') damage = `${item.what} in ${item.file} at byte ${item.position}`;
  }
  return { node, firstIndex: firstIndex ?? 1, lastIndex, damage, entries };
}

/**
 * Holds the logs against each other, entry by entry.
 * @param commitIndex all of them have it: what comes behind may differ.
 * @returns the differences, for people; none where they are the same.
 */
export function compareLogs(logs: readonly StoredLog[], commitIndex: number): string[] {
  const differences: string[] = [];
  const [one, ...others] = logs;
  if (one === undefined) return [];
  for (const log of logs) {
    if (log.damage !== null) differences.push(`${log.node}: ${log.damage}`);
    else if (log.lastIndex < commitIndex)
      differences.push(`${log.node} ends at ${log.lastIndex}, committed is ${commitIndex}`);
  }
  for (const other of others) {
    const first = Math.max(one.firstIndex, other.firstIndex);
    for (let index = first; index <= Math.min(commitIndex, one.lastIndex, other.lastIndex); index += 1) {
      const [mine, theirs] = [one.entries.get(index), other.entries.get(index)];
      if (mine === theirs) continue;
      differences.push(
        `entry ${index}: ${one.node} ${mine ?? 'has none'}; ${other.node} ${theirs ?? 'has none'}`,
      );
      break;
    }
  }
  return differences;
}
