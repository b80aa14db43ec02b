import type { Configuration } from '../base/configuration.ts';
import type { Entry } from '../base/entry.ts';
import { NO_MUTATIONS, type Mutations } from '../base/mutations.ts';
import type { Prng } from '../base/prng.ts';
import type { GroupId, Incarnation, LogIndex, NodeId } from '../base/units.ts';
import type { HardState, TermRun } from './ready.ts';

/** What a core is made from. Times are in ticks; the node decides how long a tick is (10 ms by default). */
export interface RaftOptions {
  readonly id: NodeId;
  readonly incarnation: Incarnation;
  readonly group: GroupId;
  readonly prng: Prng;
  /** An election timeout is drawn uniformly from [min, max]. Defaults 15 and 30. The lease of a leader is min. */
  readonly electionTimeoutTicksMin: number;
  readonly electionTimeoutTicksMax: number;
  /** Default 5. */
  readonly heartbeatTicks: number;
  /** A transfer that has not ended by then is given up. Default: electionTimeoutTicksMax. */
  readonly transferTimeoutTicks: number;
  /** Limits of one AppendEntries. An entry over the byte limit travels alone. Defaults 4,096 and 1 MiB. */
  readonly appendEntriesMax: number;
  readonly appendBytesMax: number;
  /** Limits of what may be unacknowledged at one follower. Defaults 64 messages and 8 MiB. */
  readonly inflightMessagesMax: number;
  readonly inflightBytesMax: number;
  /** Proposals beyond this many uncommitted bytes are refused. Default 32 MiB. */
  readonly uncommittedBytesMax: number;
  /** Durable, committed and applied entries are kept in memory up to this many bytes, for followers and readers. Default 16 MiB. */
  readonly cacheBytesMax: number;
  /**
   * Larger is preferred: a leader that is not the most preferred hands over to a caught-up, healthy follower of higher
   * priority, and in an election the less preferred wait longer. Default 0 for everybody. See `peerIdentified`.
   */
  readonly priority: number;
  /** Syncs that take so long, in milliseconds, make a disk slow. Default 200. See `syncPace`. */
  readonly slowSyncMs: number;
  /** What founds a cluster: used by whoever is elected with an empty log. */
  readonly bootstrap: Bootstrap;
  /** Wrong behaviours that a simulation must notice. Default none. */
  readonly mutations: Mutations;
  readonly recovered: Recovered;
}

export interface Bootstrap {
  /** Members as their operators named them; incarnations 0. Used until a configuration is committed. */
  readonly configuration: Configuration;
}

/** What the disk knew at start. Everything here is durable before the core is made. */
export interface Recovered {
  readonly hardState: HardState;
  /**
   * False if the hard state is lost or behind the log. Such a node may have voted in any term: it never votes or
   * campaigns, and acknowledges nothing to a leader, since a forgotten vote may have promised that to a later one.
   */
  readonly hardStateTrusted: boolean;
  /** First index that is on disk; lastIndex + 1 if there is none. */
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  /** Ascending; covers firstIndex - 1 (if it is known) to lastIndex. */
  readonly termRuns: readonly TermRun[];
  readonly lastChecksum: number;
  /**
   * Stored time of the entry at lastIndex or of one before it, Unix milliseconds; 0 if nothing is known. For where `tail`
   * is empty: entries are never stamped with an earlier time than those before them.
   */
  readonly lastTimeMs: number;
  /** The newest entries, consecutive, ending at lastIndex; empty only if the log is. They fill the cache. */
  readonly tail: readonly Entry[];
  /** Known to be committed (from the checkpoint or a hint); 0 if nothing is known. */
  readonly commitIndex: LogIndex;
  /** The newest configuration known to be committed, with its index; null before the cluster is founded. */
  readonly configuration: { readonly index: LogIndex; readonly value: Configuration } | null;
  /** Configuration entries on disk after that one (or all, if there is none), ascending: they may yet commit. */
  readonly laterConfigurations: readonly Entry[];
  /** This directory remembers its cluster's id: a configuration was committed, even if its entry is not on this disk. */
  readonly belongsToCluster: boolean;
}

/** What does not depend on the node. */
export const RAFT_DEFAULTS: Pick<
  RaftOptions,
  | 'electionTimeoutTicksMin'
  | 'electionTimeoutTicksMax'
  | 'heartbeatTicks'
  | 'transferTimeoutTicks'
  | 'appendEntriesMax'
  | 'appendBytesMax'
  | 'inflightMessagesMax'
  | 'inflightBytesMax'
  | 'uncommittedBytesMax'
  | 'cacheBytesMax'
  | 'priority'
  | 'slowSyncMs'
  | 'mutations'
> = {
  slowSyncMs: 200,
  electionTimeoutTicksMin: 15,
  electionTimeoutTicksMax: 30,
  heartbeatTicks: 5,
  transferTimeoutTicks: 30,
  appendEntriesMax: 4096,
  appendBytesMax: 1024 * 1024,
  inflightMessagesMax: 64,
  inflightBytesMax: 8 * 1024 * 1024,
  uncommittedBytesMax: 32 * 1024 * 1024,
  cacheBytesMax: 16 * 1024 * 1024,
  priority: 0,
  mutations: NO_MUTATIONS,
};
