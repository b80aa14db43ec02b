export { NodeError, type NodeErrorCode } from './errors.ts';
export { describeFault } from './fault-board.ts';
export {
  forceRecover,
  surveySurvivor,
  type NewMember,
  type Recovery,
  type RecoveryPorts,
  type Survivor,
} from './force-recovery.ts';
export { verifyQueues, type QueueDamage } from '../queue/index.ts';
export type { NodeEvent } from '../wire/watch-schema.ts';
export type { DledgerNode, NodeHandlers, NodePorts } from './node-interface.ts';
export { startNode } from './start-node.ts';
export { NODE_DEFAULTS, checkOptions, type NodeOptions } from './options.ts';
