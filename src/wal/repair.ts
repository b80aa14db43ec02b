import { dirname, join } from 'node:path';
import { assert } from '../base/assert.ts';
import { NO_MUTATIONS } from '../base/mutations.ts';
import type { Disk, DiskFile } from '../base/ports/disk.ts';
import type { Prng } from '../base/prng.ts';
import type { Incarnation } from '../base/units.ts';
import { copyFile } from './copy-file.ts';
import { HARD_STATE_NAME, IDENTITY_NAME, WATERMARK_NAME, segmentName, segmentSequence } from './format.ts';
import { HardStateFile } from './hard-state.ts';
import { replaceIdentity, type Identity } from './identity.ts';
import { recoverLog, watermarkOf } from './recovery.ts';
import {
  planRepair,
  REPAIR_COSTS,
  type DetailedPlan,
  type RepairCost,
  type RepairPlan,
} from './repair-plan.ts';
import { keepSalvaged } from './salvage.ts';
import type { Segment } from './segment.ts';
import { WatermarkFile } from './watermark.ts';

const ZERO_BYTES_MAX: number = 1024 * 1024;

export interface RepairOptions {
  /** What may be done at most. */
  readonly allowed: RepairCost;
  /** A directory that does not exist yet, for copies of all files that are written to or removed. */
  readonly copies: string;
  /** For the new incarnation. */
  readonly prng: Prng;
}

/** A repair that was not made; nothing was changed. */
export class RepairRefusedError extends Error {
  override readonly name = 'RepairRefusedError';
  /** - `REPAIR_COSTS_MORE`: than is allowed. - `REPAIR_HOPELESS`: nothing here can be repaired. */
  readonly code: 'REPAIR_COSTS_MORE' | 'REPAIR_HOPELESS';
  readonly plan: RepairPlan;

  constructor(code: RepairRefusedError['code'], message: string, plan: RepairPlan) {
    super(message);
    this.code = code;
    this.plan = plan;
  }
}

/**
 * Repairs a data directory as far as `planRepair` says and `allowed` goes. It copies first, and may be interrupted
 * anywhere: what it leaves then does not start as anything that it is not, and can be repaired again.
 * @returns the plan that was carried out; nothing was written, nor copied, if it has no steps.
 * @throws RepairRefusedError; DirectoryRefusedError if it is no data directory; DiskError, ELOCKED while a node runs on it.
 */
export function repairLog(disk: Disk, directory: string, options: RepairOptions): RepairPlan {
  const lock = disk.lockDirectorySync(directory);
  try {
    const plan = planRepair(disk, directory);
    if (plan.hopeless !== null) throw new RepairRefusedError('REPAIR_HOPELESS', plan.hopeless, plan);
    if (plan.steps.length === 0) return plan;
    if (REPAIR_COSTS.indexOf(plan.cost) > REPAIR_COSTS.indexOf(options.allowed)) {
      const costliest = plan.steps.find((step) => step.cost === plan.cost)?.what ?? '';
      throw new RepairRefusedError('REPAIR_COSTS_MORE', costliest, plan);
    }
    copyTouched(disk, directory, plan, options.copies);
    const identity = plan.cost === 'tidy' ? plan.identity : comeBackAnew(disk, directory, plan, options.prng);
    for (const name of plan.badCheckpoints) disk.unlinkSync(join(directory, name));
    // The rest is what a start does.
    const { map, files, watermarkFile } = recoverLog(disk, directory, identity, NO_MUTATIONS);
    files.closeAll();
    watermarkFile.closeSync();
    const hardState = disk.openSync(join(directory, HARD_STATE_NAME), 'write');
    HardStateFile.recover(hardState, identity, map.lastTerm).closeSync();
    return plan;
  } finally {
    lock.release();
  }
}

/** All of it durable before anything is changed. */
function copyTouched(disk: Disk, directory: string, plan: DetailedPlan, copies: string): void {
  disk.mkdirSync(copies);
  for (const name of disk.listSync(directory)) {
    const sequence = segmentSequence(name);
    const isTouched =
      sequence === null
        ? [IDENTITY_NAME, HARD_STATE_NAME, WATERMARK_NAME, ...plan.badCheckpoints].includes(name)
        : sequence >= plan.firstTouched || plan.lostFooters.includes(name);
    if (isTouched) copyFile(disk, join(directory, name), join(copies, name));
  }
  disk.syncDirectorySync(copies);
  disk.syncDirectorySync(dirname(copies));
}

/**
 * The new name first: with it the slots in `hard-state` and `watermark` are another's, and a directory in that state does
 * not start. The watermark, which makes it whole again, last.
 */
function comeBackAnew(disk: Disk, directory: string, plan: DetailedPlan, prng: Prng): Identity {
  const { last, map, salvaged, term, commitHint } = plan;
  assert(last !== null, 'a log of which nothing is left was to be repaired');
  const identity = { ...plan.identity, incarnation: prng.safeInteger() as Incarnation };
  replaceIdentity(disk, directory, identity);
  remake(disk, join(directory, HARD_STATE_NAME), (file) => HardStateFile.format(file, identity, term));
  if (plan.cuts) cut(disk, directory, last, (file) => keepSalvaged(file, last, map, salvaged));
  remake(disk, join(directory, WATERMARK_NAME), (file) =>
    WatermarkFile.format(file, identity, watermarkOf(map, last, commitHint)),
  );
  disk.syncDirectorySync(directory);
  return identity;
}

function remake(disk: Disk, path: string, format: (file: DiskFile) => void): void {
  if (disk.existsSync(path)) disk.unlinkSync(path);
  const file = disk.openSync(path, 'create');
  format(file);
  file.datasyncSync();
  file.closeSync();
}

/**
 * Removes every segment behind the last good block, the newest first, keeps what can be kept of the block that follows, and
 * writes zeros over the rest.
 */
function cut(disk: Disk, directory: string, last: Segment, keep: (file: DiskFile) => void): void {
  const later = disk
    .listSync(directory)
    .map(segmentSequence)
    .filter((sequence) => sequence !== null && sequence > last.header.sequence);
  for (const sequence of later.toReversed()) {
    disk.unlinkSync(join(directory, segmentName(sequence ?? 0)));
    disk.syncDirectorySync(directory);
  }
  const file = disk.openSync(last.path, 'write');
  keep(file);
  const zeros = new Uint8Array(ZERO_BYTES_MAX);
  for (let at = last.end; at < last.bytes; at += zeros.length)
    file.writevSync([zeros.subarray(0, last.bytes - at)], at);
  file.datasyncSync();
  file.closeSync();
}
