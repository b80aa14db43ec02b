/** The public API of the package `dledger`. */
export { Admin, type NewTopic } from './admin.ts';
export type { CallOptions } from './call-options.ts';
export {
  Client,
  connect,
  type Appended,
  type BatchAppended,
  type ConnectOptions,
  type ProducerSettings,
  type ReadOptions,
  type TailOptions,
} from './client.ts';
export type { ClusterStatus, NodeAnswer } from './cluster-status.ts';
export {
  ClusterWatch,
  type ClusterWatchHandlers,
  type ClusterWatchOptions,
  type WatchedNode,
} from './cluster-watch.ts';
export type { DiagnosticEvents } from './diagnostics.ts';
export { Consumer } from './consumer.ts';
export type { ConsumedPage, GivenQueue } from './consumer-core.ts';
export { TopicProducer, type NewRecord } from './topic-producer.ts';
export type { Produced } from './topic-producer-core.ts';
export type { ConsumedRecord, ReadQueue } from './queue-reader.ts';
export type { ConsumeFrom, ConsumerSettings, TopicProducerSettings } from './topic-settings.ts';
export { NodeAdmin } from './node-admin.ts';
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
export type { FaultOrder, FaultReport, FaultSpec, FaultState } from '../wire/fault-schema.ts';
export type { PeekedEntry } from '../wire/peek-schema.ts';
export type { NodeEvent } from '../wire/watch-schema.ts';
export type { FollowerStatus, GroupStatus, MemberStatus, NodeStatus } from '../wire/status-schema.ts';
export type {
  FoundRecord,
  GroupInfo,
  GroupState,
  GroupSummary,
  MemberInfo,
  OwnedQueue,
  QueueInfo,
  QueueLag,
  QueueOffset,
  QueueReset,
  ResetTarget,
  TopicInfo,
  TopicSummary,
} from '../wire/broker-schema.ts';
