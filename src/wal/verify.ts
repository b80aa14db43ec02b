import { join } from 'node:path';
import type { Disk } from '../base/ports/disk.ts';
import type { LogIndex, Term } from '../base/units.ts';
import { WalRotError, type RotPlace } from './errors.ts';
import { readCheckpoint } from './checkpoint.ts';
import { checkpointIndex, checkpointName, HARD_STATE_NAME } from './format.ts';
import { HardStateFile, type HardState } from './hard-state.ts';
import type { Identity } from './identity.ts';
import { walkLog, type WalkedLog } from './walk.ts';

/** What `verifyLog` found. */
export interface LogReport {
  /** Nothing that had been durable fails to verify. */
  readonly ok: boolean;
  readonly identity: Identity;
  /** Of what verifies, in order, up to `firstBad`. lastIndex + 1 if there is nothing. */
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  /** Segments read, the damaged one included. */
  readonly segments: number;
  readonly blocks: number;
  /** Of the log and what was truncated from it, in bytes on disk without zeros. */
  readonly bytes: number;
  readonly truncations: number;
  /** The last index that is proven to have been durable; null if no watermark verifies. */
  readonly watermarkIndex: LogIndex | null;
  /** Bytes of an unfinished write at the end: a node that starts cuts them. */
  readonly tornBytes: number;
  /** Null if both slots are lost. */
  readonly hardState: HardState | null;
  /** False if a vote may have been forgotten: this node does not vote. */
  readonly hardStateTrusted: boolean;
  /** Indexes of those that verify, ascending. */
  readonly checkpoints: readonly LogIndex[];
  readonly firstBad: (RotPlace & { readonly what: string }) | null;
  /** What is damaged without loss, and is put right when a node starts. */
  readonly repairable: readonly string[];
}

/**
 * Reads a whole log and verifies everything. Never writes and takes no lock: a node may be running on the directory,
 * and then the report is about a moment near the end of the reading.
 * @throws DirectoryRefusedError if it is no data directory; DiskError
 */
export function verifyLog(disk: Disk, directory: string): LogReport {
  const repairable: string[] = [];
  let segments = 0;
  let blocks = 0;
  let bytes = 0;
  let tornBytes = 0;
  let firstBad: LogReport['firstBad'] = null;
  const walked = walkLog(disk, directory);
  try {
    for (const item of walked.items()) {
      if (item.type === 'segment') segments += 1;
      else if (item.type === 'block') {
        blocks += 1;
        bytes += item.header.length;
      } else if (item.type === 'sealed' && !item.footerVerifies) {
        repairable.push(`the index at the end of ${item.segment.name} does not verify`);
      } else if (item.type === 'end') tornBytes = item.tornBytes;
    }
  } catch (error) {
    if (!(error instanceof WalRotError)) throw error;
    firstBad = { ...error.place, what: error.what };
  }
  const { map, identity, watermark } = walked;
  const checkpoints = lookAtCheckpoints(disk, directory, walked, repairable);
  firstBad ??= checkpointFault(walked, checkpoints);
  return {
    ok: firstBad === null,
    identity,
    firstIndex: map.firstIndex,
    lastIndex: map.lastIndex,
    lastTerm: map.lastTerm,
    segments,
    blocks,
    bytes,
    truncations: map.epoch,
    watermarkIndex: watermark?.index ?? null,
    tornBytes,
    ...lookAtHardState(disk, directory, walked, repairable),
    checkpoints,
    firstBad,
    repairable,
  };
}

function lookAtCheckpoints(
  disk: Disk,
  directory: string,
  { identity }: WalkedLog,
  repairable: string[],
): LogIndex[] {
  const good: LogIndex[] = [];
  for (const name of disk.listSync(directory)) {
    const index = checkpointIndex(name) as LogIndex | null;
    if (index === null) continue;
    if (readCheckpoint(disk, directory, index, identity.group) === null)
      repairable.push(`${name} does not verify`);
    else good.push(index);
  }
  return good;
}

/** What came before the log must be in a checkpoint, and what a checkpoint has seen must be in the log. */
function checkpointFault({ map }: WalkedLog, checkpoints: readonly LogIndex[]): LogReport['firstBad'] {
  const newest = checkpoints.at(-1);
  const fault = (index: LogIndex, what: string): LogReport['firstBad'] => ({
    file: checkpointName(index),
    position: 0,
    index,
    what,
  });
  if (newest === undefined || newest < map.base.index) {
    if (map.base.index === 0) return null;
    return fault(
      map.base.index,
      `no checkpoint verifies of what came before the log, which begins at ${map.firstIndex}`,
    );
  }
  return newest > map.lastIndex
    ? fault(newest, `it is of index ${newest}, and the log ends at ${map.lastIndex}`)
    : null;
}

function lookAtHardState(
  disk: Disk,
  directory: string,
  { identity, map }: WalkedLog,
  repairable: string[],
): Pick<LogReport, 'hardState' | 'hardStateTrusted'> {
  const path = join(directory, HARD_STATE_NAME);
  const lost = { hardState: null, hardStateTrusted: false };
  if (!disk.existsSync(path)) return lost;
  const file = disk.openSync(path, 'read');
  try {
    const found = HardStateFile.peek(file, identity);
    if (found === null) return lost;
    if (found.validSlots === 1) repairable.push('one of the two slots of hard-state does not verify');
    return { hardState: found.value, hardStateTrusted: !found.voteLost && found.value.term >= map.lastTerm };
  } finally {
    file.closeSync();
  }
}
