export { RAFT_DEFAULTS, type Bootstrap, type RaftOptions, type Recovered } from './options.ts';
export { RaftCore } from './raft-core.ts';
export { checkClusterInvariants, checkInvariants, ClusterHistory } from './invariants.ts';
export type {
  HardState,
  LogRead,
  ProgressState,
  ProgressStatus,
  ProposeResult,
  RaftEvent,
  RaftStatus,
  ReadGrant,
  Ready,
  Role,
  SnapshotWanted,
  TermRun,
  TransferResult,
} from './ready.ts';
