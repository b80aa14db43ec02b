/** The public API of the package `dledger`. */
export {
  Client,
  connect,
  type Appended,
  type BatchAppended,
  type CallOptions,
  type ConnectOptions,
  type ProducerSettings,
  type ReadOptions,
  type TailOptions,
} from './client.ts';
export type { ClusterStatus, NodeAnswer } from './cluster-status.ts';
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
export type { ClientPorts } from './leader-link.ts';
export { Producer } from './producer.ts';
export type { AppendCallback } from './producer-core.ts';
export type { LogRecord } from './records.ts';
export type { Consistency, Transferred } from '../wire/client-codec.ts';
export type { FollowerStatus, GroupStatus, MemberStatus, NodeStatus } from '../wire/status-schema.ts';
