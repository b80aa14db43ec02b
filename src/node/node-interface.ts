import type { Entry } from '../base/entry.ts';
import type { Clock } from '../base/ports/clock.ts';
import type { Disk } from '../base/ports/disk.ts';
import type { Network } from '../base/ports/network.ts';
import type { Prng } from '../base/prng.ts';
import type { ApplyResult, StateMachine } from '../broker/index.ts';
import type { RaftCore } from '../raft/index.ts';
import type { NodeStatus } from '../wire/status-schema.ts';
import type { NodeEvent } from '../wire/watch-schema.ts';
import type { NodeError } from './errors.ts';

export interface NodePorts {
  readonly disk: Disk;
  readonly network: Network;
  readonly clock: Clock;
  readonly prng: Prng;
  /** Shows the consensus core to a simulation, which checks it and must not touch it. */
  readonly inspect?: (core: RaftCore) => void;
  /** For simulations: told of every entry right after it was applied. */
  readonly onApplied?: (machine: StateMachine, entry: Entry, result: ApplyResult) => void;
}

export interface NodeHandlers {
  onEvent(event: NodeEvent): void;
  /** Listening and taking part. */
  onReady(status: NodeStatus): void;
  /** This node cannot go on and has stopped acknowledging: the process should end. */
  onFatal(error: NodeError): void;
}

/** How a running node is spoken to by its process. */
export interface DledgerNode {
  /** Null while it takes no part yet: a damaged log is mended first. */
  status(): NodeStatus | null;
  /** Hands leadership over first if `handOver`, then says goodbye to everybody and closes the log. */
  stop(options: { readonly handOver: boolean; readonly timeoutMs: number }, done: () => void): void;
}
