export { tagMaskOf } from './batch-facts.ts';
export type { UnitKey, UnitRun } from './consume-queue.ts';
export type { KeyPlace } from './key-run.ts';
export { IndexMismatchError, type LogSource } from './log-source.ts';
export { QueueStore, type QueueState, type QueueStoreOptions } from './queue-store.ts';
export { unitEnd, type Unit } from './unit.ts';
export { verifyQueues, type QueueDamage } from './verify.ts';
