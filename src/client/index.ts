/** The public API of the package `dledger`. */
export {
  Client,
  Producer,
  connect,
  type Appended,
  type BatchAppended,
  type CallOptions,
  type ClusterStatus,
  type ConnectOptions,
  type NodeAnswer,
  type ReadOptions,
} from './client.ts';
export {
  AbortedError,
  ArgumentError,
  ClosedError,
  DledgerError,
  OutcomeUnknownError,
  OverloadedError,
  RefusedError,
  TimeoutError,
  TimeoutUnknownError,
  UnreachableError,
  type ClientErrorCode,
} from './errors.ts';
export type { AppendCallback } from './producer-core.ts';
export type { LogRecord } from './records.ts';
export type { ClientPorts } from './leader-link.ts';
export type { FollowerStatus, GroupStatus, NodeStatus } from '../wire/status-schema.ts';
