export {
  COMMAND_VERSION,
  IN_FLIGHT_MAX,
  decodeCommand,
  encodeCommand,
  encodeOpenProducer,
  type Command,
} from './commands.ts';
export type { QueuePosition } from './queue-position.ts';
export type { GroupQueue, GroupState, Member } from './group.ts';
export { GROUP_LIMITS, type GroupLimits } from './groups.ts';
export { BrokerWatch } from './broker-watch.ts';
export { brokerViolations } from './invariants.ts';
export { InFlightSequences, type Admission } from './in-flight-sequences.ts';
export type {
  ApplyResult,
  CommandOutcome,
  QueueOffset,
  Refusal,
  RefusalCode,
} from './outcomes.ts';
export { SESSION_LIMITS, type Judgement, type Rejection, type SessionLimits } from './producer-sessions.ts';
export { StateMachine, UnknownEntryKind } from './state-machine.ts';
export { TOPIC_LIMITS, type Queue, type Topic, type TopicLimits } from './topics.ts';
