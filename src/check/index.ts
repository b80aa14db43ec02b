export { checkHistory, type CheckResult, type Rule, type Violation } from './checker.ts';
export { History, type FinalEntry, type FinalLog, type HistoryEvent, type ReadRecord } from './history.ts';
