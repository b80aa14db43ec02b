export { NodeError, type NodeErrorCode } from './errors.ts';
export { describeFault } from './fault-board.ts';
export type { NodeEvent } from '../wire/watch-schema.ts';
export { startNode, type DledgerNode, type NodeHandlers, type NodePorts } from './node.ts';
export { NODE_DEFAULTS, checkOptions, type NodeOptions } from './options.ts';
