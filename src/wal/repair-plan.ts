import { join } from 'node:path';
import type { Disk } from '../base/ports/disk.ts';
import {
  indexPlus,
  NO_INDEX,
  NO_TERM,
  UNKNOWN_INCARNATION,
  type LogIndex,
  type Term,
} from '../base/units.ts';
import { decodeConfiguration, findMember } from '../base/configuration.ts';
import { entryBody, type Entry } from '../base/entry.ts';
import { readCheckpoint } from './checkpoint.ts';
import { WalRotError } from './errors.ts';
import { checkpointIndex, checkpointName, HARD_STATE_NAME, SNAPSHOT_NAME } from './format.ts';
import { HardStateFile, type StoredHardState } from './hard-state.ts';
import type { Identity } from './identity.ts';
import type { LogMap } from './log-map.ts';
import { LogReader } from './log-reader.ts';
import { salvageable } from './salvage.ts';
import { SegmentFiles } from './segment-files.ts';
import type { Segment } from './segment.ts';
import { readHead } from './snapshot-file.ts';
import { walkLog } from './walk.ts';

/**
 * What a repair may cost, from nothing to the worst:
 * - `tidy`: nothing. A node does it by itself when it starts.
 * - `new-incarnation`: what this node promised is forgotten (its vote, or where its log ended), so it must come back as a
 *   node that lost its disk does: it neither votes nor counts until the others have committed that it is somebody else.
 * - `lose-records`: the same, and entries that had been durable are cut. If no other node has them, they are lost.
 */
export const REPAIR_COSTS = ['tidy', 'new-incarnation', 'lose-records'] as const;
export type RepairCost = (typeof REPAIR_COSTS)[number];

export interface RepairStep {
  /** For people. */
  readonly what: string;
  readonly cost: RepairCost;
}

/** What is wrong with a data directory, and what can be done about it. */
export interface RepairPlan {
  readonly identity: Identity;
  /** Nothing to do if there are none. */
  readonly steps: readonly RepairStep[];
  /** Of all steps together. */
  readonly cost: RepairCost;
  /** Why nothing here can be repaired; null if it can. */
  readonly hopeless: string | null;
  /** Of the log that is left. */
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
}

/** A plan with what carrying it out needs to know. */
export interface DetailedPlan extends RepairPlan {
  readonly map: LogMap;
  /** The last segment that stays, with the end of its last good block; null where nothing is left. */
  readonly last: Segment | null;
  readonly cuts: boolean;
  /** What is good of the first block that is not. */
  readonly salvaged: readonly Entry[];
  /** The highest term that is known here. */
  readonly term: Term;
  readonly commitHint: LogIndex;
  /** Segments whose index is to be rebuilt. */
  readonly lostFooters: readonly string[];
  /** From this segment on the files are written to, if only with what is in them. */
  readonly firstTouched: number;
  /** Files that have to go. */
  readonly badCheckpoints: readonly string[];
}

/**
 * Looks at everything and writes nothing.
 * @throws DirectoryRefusedError if it is no data directory; DiskError
 */
export function planRepair(disk: Disk, directory: string): DetailedPlan {
  const survey = surveyLog(disk, directory);
  const { identity, map, last, rot } = survey;
  const salvaged = rot === null || last === null ? [] : salvageable(disk, last, map);
  const lastIndex = indexPlus(map.lastIndex, salvaged.length);
  const hardState = peekHardState(disk, directory, identity);
  const checkpoints = surveyCheckpoints(disk, directory, identity, lastIndex);
  const snapshot = waitingSnapshot(disk, directory, identity);
  // A snapshot that waits takes the place of all this at the next start.
  const steps = snapshot === 'good' ? [] : stepsOf(survey, hardState, checkpoints, lastIndex);
  const cost = REPAIR_COSTS.findLast((kind) => steps.some((step) => step.cost === kind)) ?? 'tidy';
  const hopelessLog =
    (last === null ? `${rot?.message ?? 'there is no log'}: nothing is left of the log` : null) ??
    missingState(map, checkpoints.newest) ??
    (cost === 'tidy' ? null : missingName(disk, directory, survey, checkpoints.newest));
  const lastTermKept = salvaged.at(-1)?.term ?? NO_TERM;
  return {
    identity,
    steps,
    cost,
    hopeless: {
      none: hopelessLog,
      good: null,
      bad: `the file ${SNAPSHOT_NAME}, which is to take the place of this log, does not verify`,
    }[snapshot],
    firstIndex: map.firstIndex,
    lastIndex,
    map,
    last,
    cuts: rot !== null,
    salvaged,
    term: Math.max(hardState?.value.term ?? NO_TERM, survey.lastTermSeen, lastTermKept) as Term,
    commitHint: Math.min(survey.watermark?.commitHint ?? NO_INDEX, lastIndex) as LogIndex,
    lostFooters: survey.lostFooters,
    firstTouched: Math.min(survey.watermark?.segment ?? 0, last?.header.sequence ?? 0),
    badCheckpoints: checkpoints.bad,
  };
}

function stepsOf(
  { map, last, rot, watermark, lostFooters, tornBytes }: Survey,
  hardState: ReturnType<typeof peekHardState>,
  checkpoints: CheckpointSurvey,
  lastIndex: LogIndex,
): RepairStep[] {
  const steps: RepairStep[] = [];
  const add = (cost: RepairCost, what: string): void => void steps.push({ what, cost });
  if (rot !== null && last !== null) {
    const { file, position } = rot.place;
    add(
      'lose-records',
      `cut the log behind index ${lastIndex}, for what follows is damaged: ${rot.what} (${file}, byte ${position})`,
    );
  }
  if (watermark === null) {
    add(
      'new-incarnation',
      `take index ${lastIndex} for the end of the log, for the watermark that proves it is lost`,
    );
  }
  if (hardState === null || hardState.voteLost || hardState.value.term < map.lastTerm)
    add('new-incarnation', 'give up the vote, which is lost or behind the log');
  else if (hardState.validSlots === 1)
    add('tidy', 'write the damaged one of the two slots of hard-state again');
  for (const name of lostFooters) add('tidy', `rebuild the index at the end of ${name}`);
  if (tornBytes > 0) add('tidy', `cut ${tornBytes} bytes of a write that was never finished`);
  for (const name of checkpoints.bad) add('tidy', `put ${name} aside`);
  return steps;
}

interface Survey extends Pick<DetailedPlan, 'identity' | 'map' | 'last' | 'lostFooters'> {
  readonly watermark: ReturnType<typeof walkLog>['watermark'];
  readonly rot: WalRotError | null;
  readonly tornBytes: number;
  /** Also of what was truncated since. */
  readonly lastTermSeen: Term;
}

function surveyLog(disk: Disk, directory: string): Survey {
  const walked = walkLog(disk, directory, false);
  const { identity, watermark, map } = walked;
  let last: Segment | null = null;
  let tornBytes = 0;
  let rot: WalRotError | null = null;
  let lastTermSeen: Term = NO_TERM;
  const lostFooters: string[] = [];
  try {
    for (const item of walked.items()) {
      last = item.segment;
      if (item.type === 'block') lastTermSeen = Math.max(lastTermSeen, map.lastTerm) as Term;
      else if (item.type === 'sealed' && !item.footerVerifies) lostFooters.push(item.segment.name);
      else if (item.type === 'end') tornBytes = item.tornBytes;
    }
  } catch (error) {
    if (!(error instanceof WalRotError)) throw error;
    rot = error;
  }
  return { identity, watermark, map, last, rot, tornBytes, lastTermSeen, lostFooters };
}

function peekHardState(
  disk: Disk,
  directory: string,
  identity: Identity,
): (StoredHardState & { readonly validSlots: number }) | null {
  const path = join(directory, HARD_STATE_NAME);
  if (!disk.existsSync(path)) return null;
  const file = disk.openSync(path, 'read');
  try {
    return HardStateFile.peek(file, identity);
  } finally {
    file.closeSync();
  }
}

interface CheckpointSurvey {
  /** Damaged, or of a log that is to be cut. */
  readonly bad: readonly string[];
  readonly newest: ReturnType<typeof readCheckpoint>;
}

function surveyCheckpoints(
  disk: Disk,
  directory: string,
  { group }: Identity,
  lastIndex: LogIndex,
): CheckpointSurvey {
  const bad: string[] = [];
  let newest: CheckpointSurvey['newest'] = null;
  for (const name of disk.listSync(directory)) {
    const index = checkpointIndex(name) as LogIndex | null;
    if (index === null) continue;
    const checkpoint = index > lastIndex ? null : readCheckpoint(disk, directory, index, group);
    if (checkpoint === null) bad.push(name);
    else newest = checkpoint;
  }
  return { bad, newest };
}

function waitingSnapshot(disk: Disk, directory: string, { group }: Identity): 'none' | 'good' | 'bad' {
  const path = join(directory, SNAPSHOT_NAME);
  if (!disk.existsSync(path)) return 'none';
  const file = disk.openSync(path, 'read');
  try {
    return readHead(file, group) === null ? 'bad' : 'good';
  } finally {
    file.closeSync();
  }
}

function missingState({ base, firstIndex }: LogMap, newest: CheckpointSurvey['newest']): string | null {
  if ((newest?.index ?? NO_INDEX) >= base.index) return null;
  return `the log begins at ${firstIndex}, and ${checkpointName(base.index)} or a later one, with what came before, does not verify`;
}

/**
 * As somebody else this node is kept from voting by a configuration that names it as it was, or once was. One who knows of
 * none could vote, and it has forgotten what for.
 */
function missingName(
  disk: Disk,
  directory: string,
  { map, identity }: Survey,
  newest: CheckpointSurvey['newest'],
): string | null {
  const files = new SegmentFiles(disk);
  try {
    const reader = new LogReader(map, files);
    const bodies = map.configurations.flatMap((first) =>
      reader.readSync({ first, entriesMax: 1, bytesMax: 0 }).entries.map(entryBody),
    );
    if (newest !== null && newest.configuration.length > 0) bodies.push(newest.configuration);
    const isNamed = bodies.some((body) => {
      const member = findMember(decodeConfiguration(body), identity.nodeId);
      return (member?.incarnation ?? UNKNOWN_INCARNATION) !== UNKNOWN_INCARNATION;
    });
    return isNamed ? null : 'no configuration that is left names this node';
  } finally {
    files.closeAll();
  }
}
