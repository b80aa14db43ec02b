import type { NodeOptions } from '../node/index.ts';
import type { SimulatedNetworkOptions } from './simulated-network.ts';

/** What can be done to a cluster that it must survive. */
export const FAULT_KINDS = [
  'kill',
  'power-cut',
  'power-cut-all',
  'crash-point',
  'restart',
  'stop',
  'one-way-cut',
  'link-cut',
  'isolate',
  'partition',
  'reset',
  'slow-disk',
  'failed-sync',
  'failed-write',
  'wiped-disk',
  'dying-disk',
  'voter-crash',
  'leader-crash',
  'truncation-crash',
  'lost-leader',
  'silent-power-cut',
  'clogged-way',
  'jitter',
  'noise',
  'full-disk',
  'rot-at-rest',
  'clock-step',
  'transfer',
  'snapshot-crash',
  'no-room',
  'record-rot',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/**
 * A fault that is to happen. All that it leaves open (who is hit, how badly, for how long) it draws from a seed of its
 * own, so that leaving one fault out changes no other.
 */
export interface PlannedFault {
  readonly atMs: number;
  readonly kind: FaultKind;
  readonly seed: number;
}

/** One thing that a client is to do. As with faults, what it leaves open it draws from a seed of its own. */
export interface PlannedOperation {
  /** Ascends with each operation of this client; names it and what it writes, whatever else is left out. */
  readonly ordinal: number;
  readonly atMs: number;
  readonly seed: number;
}

/**
 * `producer` and `reader` work on the raw log; `topic-producer` sends to the topic of the world, and `member` reads it as a
 * member of the one group: each of its operations is a coming or a going.
 */
export const CLIENT_KINDS = ['producer', 'reader', 'topic-producer', 'member'] as const;
export type ClientKind = (typeof CLIENT_KINDS)[number];

export interface PlannedClient {
  readonly name: string;
  readonly kind: ClientKind;
  /** For what belongs to the client and not to one operation: its limits, its waits between retries. */
  readonly seed: number;
  readonly operations: readonly PlannedOperation[];
}

/**
 * A world, what goes wrong in it and what its clients do: all that a run depends on besides the code. Plain data, to be
 * stored as JSON, shrunk and edited.
 */
export interface Scenario {
  /** For everything that is not planned: delays, election timeouts, what survives a power cut. */
  readonly seed: number;
  /** Nodes. */
  readonly size: number;
  /** How long things go wrong; then all is healed. */
  readonly safetyMs: number;
  readonly node: Partial<NodeOptions>;
  readonly network: Required<Omit<SimulatedNetworkOptions, 'onArrival'>>;
  /** A disk operation takes this long, and up to so much more. */
  readonly diskMsMin: number;
  readonly diskMsSpread: number;
  /** How fast each node's clock goes. Default: all right. */
  readonly clockRates?: readonly number[];
  /**
   * Before all is healed a majority is, and the others stay broken: it must elect and agree by itself. Default false.
   */
  readonly healsMajorityFirst?: boolean;
  /** How long what is broken stays so, on average. */
  readonly brokenMs: number;
  /** How much of what happens to one node happens to whoever leads. Default 0.3. */
  readonly leaderShare?: number;
  /** Appends that one producer sends without waiting for the answers. */
  readonly inFlightMax: number;
  readonly payloadBytesMax: number;
  /** Of the topic; where there are no clients for it there is none. Default 3. */
  readonly topicQueues?: number;
  /** The patience of producers is drawn from one to this. */
  readonly timeoutMsMax: number;
  /** By ascending time. */
  readonly faults: readonly PlannedFault[];
  readonly clients: readonly PlannedClient[];
}
