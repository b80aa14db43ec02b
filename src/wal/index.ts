export { adoptLog, copyLog, removeLog } from './adopt.ts';
export {
  CheckpointStore,
  type Checkpoint,
  type CheckpointHeader,
  type CheckpointStoreOptions,
} from './checkpoint.ts';
export { dumpLog, type DumpItem } from './dump.ts';
export { DirectoryRefusedError, WalReadError, WalRotError, type RotPlace } from './errors.ts';
export type { HardState } from './hard-state.ts';
export { readIdentity, type Identity } from './identity.ts';
export type { TermRun } from './log-map.ts';
export type { ReadRequest, ReadResult } from './log-reader.ts';
export { IncomingSnapshot, isSame } from './incoming-snapshot.ts';
export { OfflineLog } from './offline-log.ts';
export { SegmentMender, type Damage, type EntrySource, type MendingReport } from './mending/mender.ts';
export { outlineOnDisk, type SegmentOutline } from './mending/segment-outline.ts';
export { planRepair, REPAIR_COSTS, type RepairCost, type RepairPlan } from './repair-plan.ts';
export { repairLog, RepairRefusedError, type RepairOptions } from './repair.ts';
export { proveCheckpoint, SnapshotFile } from './snapshot-file.ts';
export { verifyLog, type LogReport } from './verify.ts';
export { Wal } from './wal.ts';
export type { WalOptions, WalStats } from './wal-options.ts';
export type { WalWork } from './work.ts';
