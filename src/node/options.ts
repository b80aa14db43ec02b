import { isNodeId, type NodeId } from '../base/units.ts';
import { batchBytes } from '../base/batch.ts';
import { parseHostPort, type HostPort } from '../base/host-port.ts';
import { NO_MUTATIONS, type Mutations } from '../base/mutations.ts';
import { MEMBERS_MAX } from '../base/configuration.ts';
import { LIMITS } from '../wire/limits.ts';
import { NodeError } from './errors.ts';

export interface NodeOptions {
  readonly id: string;
  /** All voters of the cluster as this operator knows them, this node included. Founds a cluster; later only a hint. */
  readonly peers: readonly { readonly id: string; readonly address: string }[];
  /** Absolute. */
  readonly dataDirectory: string;
  /** Where to listen; by default the address that `peers` gives for this id. */
  readonly listen?: HostPort;
  /** Larger is preferred as leader. Default 0. */
  readonly priority: number;
  /** Milliseconds of one tick of the consensus core. Default 10. */
  readonly tickMs: number;
  /** Default 50. */
  readonly heartbeatMs: number;
  /** An election timeout is drawn from [min, max]. Default 150 to 300. */
  readonly electionTimeoutMsMin: number;
  readonly electionTimeoutMsMax: number;
  /** Default 64 MiB. */
  readonly segmentBytes: number;
  /** Recent entries kept in memory, for followers and readers, 8192 of them at most. Default 16 MiB. */
  readonly cacheBytesMax: number;
  /** Most entries of one message to a follower. Default 4,096. */
  readonly appendEntriesMax: number;
  /** Most messages with entries on their way to a follower. Default 64. */
  readonly inflightMessagesMax: number;
  /** Largest batch a client may append, in bytes of its encoding. Default: room for one record of 1 MiB. */
  readonly batchBytesMax: number;
  /** Most batches one producer may have in flight. Default 8,192. */
  readonly inFlightMax: number;
  /** A checkpoint of the state machine is taken after this many bytes of log. Default 64 MiB. */
  readonly checkpointEveryBytes: number;
  /** Segments of the log go when all their entries are older. Default 72 hours; null: never for their age. */
  readonly retentionMs: number | null;
  /** Segments go, the oldest first, when all together have more bytes. Default null: never for that. */
  readonly retentionBytes: number | null;
  /** The oldest segments go where more of the file system is in use, if that helps. Default 0.85; null: never for that. */
  readonly retentionDiskShare: number | null;
  /** A snapshot for a follower is sent no faster. Default 64 MiB a second. */
  readonly snapshotBytesPerSecondMax: number;
  /** The log is read for rot in the background, so fast. Default 1 MiB a second; 0: never. */
  readonly scrubBytesPerSecond: number;
  /** Most connections from clients. Default 1,024; peers have places of their own. */
  readonly clientConnectionsMax: number;
  /**
   * `unsafe-no-sync` acknowledges from the page cache: a power cut may lose what was acknowledged. For measuring what
   * durability costs, never for data.
   */
  readonly durability: 'quorum-sync' | 'unsafe-no-sync';
  /** Whether the node breaks something on request (a stall, lost messages), for drills. Never where strangers connect. */
  readonly allowFaults: boolean;
  /** Wrong behaviours that a simulation must notice. Default none. */
  readonly mutations: Mutations;
  /** Version string for status and handshakes. */
  readonly softwareVersion: string;
}

export const NODE_DEFAULTS: Omit<NodeOptions, 'id' | 'peers' | 'dataDirectory' | 'listen'> = {
  priority: 0,
  tickMs: 10,
  heartbeatMs: 50,
  electionTimeoutMsMin: 150,
  electionTimeoutMsMax: 300,
  segmentBytes: 64 * 1024 * 1024,
  cacheBytesMax: 16 * 1024 * 1024,
  appendEntriesMax: 4096,
  inflightMessagesMax: 64,
  batchBytesMax: LIMITS.batchBytesMax,
  inFlightMax: LIMITS.inFlightMax,
  checkpointEveryBytes: 64 * 1024 * 1024,
  retentionMs: 72 * 3_600_000,
  retentionBytes: null,
  retentionDiskShare: 0.85,
  snapshotBytesPerSecondMax: 64 * 1024 * 1024,
  scrubBytesPerSecond: 1024 * 1024,
  clientConnectionsMax: 1024,
  durability: 'quorum-sync',
  allowFaults: false,
  mutations: NO_MUTATIONS,
  softwareVersion: '0.1.0',
};

/** @throws NodeError BAD_OPTIONS */
export function hostPort(text: string): HostPort {
  const parsed = parseHostPort(text);
  if (parsed === null) {
    throw new NodeError(
      'BAD_OPTIONS',
      `${JSON.stringify(text)} is no address`,
      'write addresses as host:port',
    );
  }
  return parsed;
}

/** @throws NodeError BAD_OPTIONS that names the option and what it must be. */
export function checkOptions(options: NodeOptions): void {
  const refuse = (message: string, next: string): never => {
    throw new NodeError('BAD_OPTIONS', message, next);
  };
  if (!isNodeId(options.id)) {
    refuse(
      `node id ${JSON.stringify(options.id)} is not valid`,
      'use 1 to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or digit',
    );
  }
  if (options.peers.length === 0 || options.peers.length > MEMBERS_MAX) {
    refuse(`${options.peers.length} peers`, `name 1 to ${MEMBERS_MAX} voters, this node included`);
  }
  const ids = new Set<string>();
  for (const peer of options.peers) {
    if (!isNodeId(peer.id))
      refuse(`peer id ${JSON.stringify(peer.id)} is not valid`, 'write peers as n1=host:port,n2=host:port');
    if (ids.has(peer.id)) refuse(`peer ${peer.id} is named twice`, 'name each node once');
    ids.add(peer.id);
    if (parseHostPort(peer.address) === null) {
      refuse(
        `peer ${peer.id} has the address ${JSON.stringify(peer.address)}`,
        'write addresses as host:port',
      );
    }
  }
  if (!ids.has(options.id)) {
    refuse(
      `node ${options.id} is not among the peers ${[...ids].join(', ')}`,
      `add ${options.id}=host:port to the peers`,
    );
  }
  const positive = [
    'tickMs',
    'heartbeatMs',
    'electionTimeoutMsMin',
    'segmentBytes',
    'cacheBytesMax',
    'appendEntriesMax',
    'inflightMessagesMax',
    'batchBytesMax',
    'inFlightMax',
    'checkpointEveryBytes',
    'snapshotBytesPerSecondMax',
    'clientConnectionsMax',
  ] as const;
  for (const key of positive) {
    const value = options[key];
    if (!Number.isInteger(value) || value <= 0) refuse(`${key} is ${value}`, 'give a positive integer');
  }
  for (const key of ['retentionMs', 'retentionBytes'] as const) {
    const value = options[key];
    if (value !== null && (!Number.isInteger(value) || value <= 0))
      refuse(`${key} is ${value}`, 'give a positive integer, or null');
  }
  const { retentionDiskShare } = options;
  if (retentionDiskShare !== null && !(retentionDiskShare > 0 && retentionDiskShare <= 1))
    refuse(`retentionDiskShare is ${retentionDiskShare}`, 'give a share above 0, up to 1, or null');
  if (options.batchBytesMax > LIMITS.batchBytesMax || options.batchBytesMax <= batchBytes(1, 0)) {
    refuse(
      `batchBytesMax is ${options.batchBytesMax}`,
      `give ${batchBytes(1, 1)} to ${LIMITS.batchBytesMax} bytes`,
    );
  }
  if (options.inFlightMax > LIMITS.inFlightMax) {
    refuse(`inFlightMax is ${options.inFlightMax}`, `give at most ${LIMITS.inFlightMax}`);
  }
  if (!Number.isInteger(options.priority) || options.priority < 0 || options.priority > 0xffff_ffff) {
    refuse(`the priority is ${options.priority}`, 'give an integer in 0..2^32-1');
  }
  if (options.electionTimeoutMsMax < options.electionTimeoutMsMin) {
    refuse(
      `the election timeout is ${options.electionTimeoutMsMin} to ${options.electionTimeoutMsMax} ms`,
      'give a maximum that is not below the minimum',
    );
  }
  if (options.heartbeatMs * 2 > options.electionTimeoutMsMin || options.tickMs > options.heartbeatMs) {
    refuse(
      `tick ${options.tickMs} ms, heartbeat ${options.heartbeatMs} ms, election timeout from ${options.electionTimeoutMsMin} ms`,
      'a tick must fit into a heartbeat, and two heartbeats into the shortest election timeout',
    );
  }
}

export function asNodeId(id: string): NodeId {
  if (!isNodeId(id))
    throw new NodeError('BAD_OPTIONS', `node id ${JSON.stringify(id)} is not valid`, 'see --help');
  return id;
}

/** From which sync latency on a disk is slow: a fifth of a second, or more where time-outs are longer. */
export function slowSyncMs({ electionTimeoutMsMin }: Pick<NodeOptions, 'electionTimeoutMsMin'>): number {
  return Math.max(SLOW_SYNC_MS, electionTimeoutMsMin);
}

const SLOW_SYNC_MS = 200;

/**
 * What is to stay free of a disk: room for two segments, but no more than a tenth of it. Below, no records are taken from
 * clients.
 */
export function diskReserveBytes(
  { segmentBytes }: Pick<NodeOptions, 'segmentBytes'>,
  totalBytes: number,
): number {
  return Math.min(2 * segmentBytes, Math.floor(totalBytes / 10));
}
