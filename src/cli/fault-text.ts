import type { FaultSpec } from '../client/index.ts';

/** A fault in few words, as seen from the node that has it. */
export function describeSpec(spec: FaultSpec): string {
  switch (spec.kind) {
    case 'stall':
      return 'stands still';
    case 'drop':
      return `${spec.mode} ${spec.direction} ${spec.peer}${spec.share === 1 ? '' : ` ${spec.share * 100} %`}`;
    case 'delay':
      return `to ${spec.peer} late by ${spec.delayMs} to ${spec.delayMs + spec.jitterMs} ms`;
  }
}
