export {
  COMMAND_VERSION,
  IN_FLIGHT_MAX,
  decodeCommand,
  encodeOpenProducer,
  type Command,
} from './commands.ts';
export { InFlightSequences, type Admission } from './in-flight-sequences.ts';
export { SESSION_LIMITS, type Judgement, type Rejection, type SessionLimits } from './producer-sessions.ts';
export { StateMachine, UnknownEntryKind, type ApplyResult } from './state-machine.ts';
