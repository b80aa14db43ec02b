import type { LatencySummary } from '../base/latency-histogram.ts';
import type { Mutations } from '../base/mutations.ts';
import type { Clock } from '../base/ports/clock.ts';
import type { Disk } from '../base/ports/disk.ts';
import type { Prng } from '../base/prng.ts';
import type { GroupId, NodeId } from '../base/units.ts';

export interface WalOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  /** For the incarnation and for nonces. */
  readonly prng: Prng;
  /** Absolute. Made if it is not there. */
  readonly directory: string;
  readonly nodeId: NodeId;
  readonly group: GroupId;
  /** What the operator says the cluster is; null = whatever the directory says. Default null. */
  readonly clusterId?: string | null;
  /** Length of a segment. Default 64 MiB, at least 64 KiB. An entry that does not fit gets a longer one. */
  readonly segmentBytes?: number;
  /** Wrong behaviours that a simulation must notice. Default none. */
  readonly mutations?: Mutations;
  /** Everything up to and including work `number` is durable. Called in order, in a turn of its own. */
  readonly onDurable: (number: number) => void;
  /**
   * Term and vote of work `number` and of all before are durable, while what is to go into the log waits for room. In a
   * turn of its own.
   */
  readonly onHardStateDurable?: (number: number) => void;
  /** The log found no room on the disk and waits, or goes on. Nothing that waits is reported durable. In a turn of its own. */
  readonly onRoom?: (hasRoom: boolean) => void;
  /**
   * The disk failed, once and for good: nothing more is ever reported durable and no sync is repeated. The owner stops
   * acknowledging and ends the process. `DiskError` has the reason (EIO ...).
   */
  readonly onFailure: (error: Error) => void;
}

export interface WalStats {
  readonly segments: number;
  /** Of the files of all segments. */
  readonly segmentBytes: number;
  /** Of the log: one a block. */
  readonly syncs: number;
  readonly syncMs: LatencySummary;
  readonly blocks: number;
  readonly entries: number;
  /** Into the log, with block headers. */
  readonly bytesWritten: number;
  readonly watermarks: number;
  readonly hardStates: number;
  /** Truncations over the life of the log. */
  readonly epoch: number;
  /** Cut when the log was opened. */
  readonly tornBytesAtOpen: number;
}
