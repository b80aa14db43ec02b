export {
  ConsumptionCheck,
  type ConsumptionRule,
  type ConsumptionViolation,
  type RecordValue,
} from './consumption.ts';
export { checkHistory, HistoryChecker } from './checker.ts';
export type { CheckResult, Rule, Violation } from './verdict.ts';
export {
  History,
  HistoryError,
  type FinalEntry,
  type FinalLog,
  type HistoryEvent,
  type ReadRecord,
} from './history.ts';
export {
  HistoryFormatError,
  HistoryReader,
  HistoryWriter,
  HISTORY_VERSION,
  type HistoryHeader,
} from './history-file.ts';
