import { decodeConfiguration, type Configuration } from '../base/configuration.ts';
import { entryBody, type Entry } from '../base/entry.ts';
import { mark } from '../base/marks.ts';
import type { Clock } from '../base/ports/clock.ts';
import { DiskError, type Disk } from '../base/ports/disk.ts';
import type { Prng } from '../base/prng.ts';
import { FIRST_GROUP, NO_INDEX, type LogIndex } from '../base/units.ts';
import { SESSION_LIMITS, StateMachine } from '../broker/index.ts';
import type { Recovered } from '../raft/index.ts';
import {
  CheckpointStore,
  DirectoryRefusedError,
  proveCheckpoint,
  Wal,
  WalRotError,
  type Checkpoint,
  type Identity,
  type IncomingSnapshot,
} from '../wal/index.ts';
import { NodeError, type NodeErrorCode } from './errors.ts';
import { diskFailure } from './failures.ts';
import { asNodeId, type NodeOptions } from './options.ts';
import { withoutSync } from './unsynced-disk.ts';

export interface StorageHandlers {
  onDurable(number: number): void;
  onHardStateDurable(number: number): void;
  onRoom(hasRoom: boolean): void;
  onFailure(error: Error): void;
}

/** Everything this node has on disk, recovered. */
export interface Storage {
  /** As the log has it: without syncs, if that was asked for. */
  readonly disk: Disk;
  readonly identity: Identity;
  readonly wal: Wal;
  readonly checkpoints: CheckpointStore;
  /** Index of the checkpoint that the state machine was restored from; 0 if there was none. */
  readonly checkpointIndex: LogIndex;
  readonly machine: StateMachine;
  readonly configuration: { readonly index: LogIndex; readonly value: Configuration } | null;
  readonly recovered: Recovered;
  /** Whether a checkpoint verifies and is durable: then what it stands for may go. */
  proveCheckpoint(index: LogIndex, done: (isProven: boolean) => void): void;
  /** Remembers which cluster this directory belongs to. */
  foundCluster(clusterId: string): void;
  counters(): Record<string, number>;
  close(done: () => void): void;
  /** Closes it, and the next opening finds a log that begins anew behind this snapshot. */
  closeFor(snapshot: IncomingSnapshot, done: (error: Error | null) => void): void;
}

/** @throws NodeError where the directory does not allow this node to start. Then nothing in it was changed. */
export function openStorage(
  options: NodeOptions,
  ports: { readonly disk: Disk; readonly clock: Clock; readonly prng: Prng },
  handlers: StorageHandlers,
): Storage {
  const disk = options.durability === 'unsafe-no-sync' ? withoutSync(ports.disk, ports.clock) : ports.disk;
  const wal = refusing(options.dataDirectory, () =>
    Wal.open({
      disk,
      clock: ports.clock,
      prng: ports.prng,
      directory: options.dataDirectory,
      nodeId: asNodeId(options.id),
      group: FIRST_GROUP,
      segmentBytes: options.segmentBytes,
      mutations: options.mutations,
      onDurable: (number) => handlers.onDurable(number),
      onHardStateDurable: (number) => handlers.onHardStateDurable(number),
      onRoom: (hasRoom) => handlers.onRoom(hasRoom),
      onFailure: (error) => handlers.onFailure(error),
    }),
  );
  try {
    return refusing(options.dataDirectory, () => read(wal, disk, options, ports.clock));
  } catch (error) {
    wal.abandon();
    throw error;
  }
}

function read(wal: Wal, disk: Disk, options: NodeOptions, clock: Clock): Storage {
  const checkpoints = new CheckpointStore({
    disk,
    clock,
    directory: options.dataDirectory,
    group: FIRST_GROUP,
  });
  const checkpoint = checkpoints.load();
  const machine = restore(checkpoint, wal, options);
  const commitIndex = Math.max(machine.appliedIndex, Math.min(wal.commitHint, wal.lastIndex)) as LogIndex;
  const later = wal.configurationEntries(checkpoint?.configurationIndex ?? NO_INDEX);
  const configuration = newestCommitted(checkpoint, later, commitIndex);
  // A log that began with a snapshot has never seen the entry that founded its cluster.
  if (configuration !== null && wal.identity.clusterId === null)
    wal.setClusterId(configuration.value.clusterId);
  return {
    disk,
    identity: wal.identity,
    wal,
    checkpoints,
    checkpointIndex: checkpoint?.index ?? NO_INDEX,
    machine,
    configuration,
    recovered: {
      hardState: wal.hardState,
      hardStateTrusted: wal.hardStateTrusted,
      firstIndex: wal.firstIndex,
      lastIndex: wal.lastIndex,
      termRuns: wal.termRuns(),
      lastChecksum: wal.lastChecksum,
      lastTimeMs: checkpoint?.timeMs ?? 0,
      tail: wal.tail(options.cacheBytesMax),
      commitIndex,
      configuration,
      belongsToCluster: wal.identity.clusterId !== null,
      laterConfigurations: later.filter((entry) => entry.index > (configuration?.index ?? NO_INDEX)),
    },
    proveCheckpoint: (index, done) => proveCheckpoint(disk, options.dataDirectory, FIRST_GROUP, index, done),
    foundCluster: (clusterId) => refusing(options.dataDirectory, () => wal.setClusterId(clusterId)),
    counters: () => walCounters(wal),
    close: (done) => wal.close(done),
    closeFor: (snapshot, done) => wal.closeFor(snapshot, done),
  };
}

/** The newest configuration that is known to be committed: the checkpoint's, or one behind it in the log. */
function newestCommitted(
  checkpoint: Checkpoint | null,
  later: readonly Entry[],
  commitIndex: LogIndex,
): Storage['configuration'] {
  const entry = later.findLast((candidate) => candidate.index <= commitIndex);
  if (entry !== undefined) return { index: entry.index, value: decodeConfiguration(entryBody(entry)) };
  if (checkpoint === null) return null;
  return { index: checkpoint.configurationIndex, value: decodeConfiguration(checkpoint.configuration) };
}

function restore(
  checkpoint: Checkpoint | null,
  wal: Wal,
  { dataDirectory: directory, mutations }: NodeOptions,
): StateMachine {
  if (checkpoint === null) {
    if (wal.firstIndex <= 1) return new StateMachine(SESSION_LIMITS, mutations);
    throw new NodeError(
      'LOG_ROT',
      `the log in ${directory} begins at ${wal.firstIndex} and there is no checkpoint of what came before`,
      'start this node with an empty directory: it is then brought up to date by the others',
    );
  }
  if (checkpoint.index < wal.firstIndex - 1) {
    throw new NodeError(
      'LOG_ROT',
      `the log in ${directory} begins at ${wal.firstIndex} and the newest checkpoint that verifies is at ${checkpoint.index}: what lies between is gone`,
      'start this node with an empty directory: it is then brought up to date by the others',
    );
  }
  if (checkpoint.index > wal.lastIndex) {
    throw new NodeError(
      'LOG_ROT',
      `the checkpoint in ${directory} is at ${checkpoint.index}, the log ends at ${wal.lastIndex}: entries that were durable are gone`,
      'run `dledger log verify` on the data directory',
    );
  }
  mark('node.checkpoint-restored');
  try {
    return StateMachine.restore(checkpoint.state, SESSION_LIMITS, mutations);
  } catch (error) {
    // It verifies, so it is what somebody wrote: this program, or with a snapshot another one.
    if (!(error instanceof RangeError)) throw error;
    throw new NodeError(
      'DATA_VERSION',
      `the checkpoint at ${checkpoint.index} in ${directory} cannot be read: ${error.message}`,
      'a newer version wrote it: upgrade this node',
      { cause: error },
    );
  }
}

function walCounters(wal: Wal): Record<string, number> {
  const stats = wal.stats();
  return {
    walSegments: stats.segments,
    walSegmentBytes: stats.segmentBytes,
    walSyncs: stats.syncs,
    ...(stats.syncMs.p50 === null ? {} : { walSyncMsP50: stats.syncMs.p50 }),
    ...(stats.syncMs.p99 === null ? {} : { walSyncMsP99: stats.syncMs.p99 }),
    ...(stats.syncMs.max === null ? {} : { walSyncMsMax: stats.syncMs.max }),
    walEntriesWritten: stats.entries,
    walBytesWritten: stats.bytesWritten,
    walEpoch: stats.epoch,
  };
}

const REFUSALS: Record<DirectoryRefusedError['code'], NodeErrorCode> = {
  DIRECTORY_NODE: 'DATA_OF_ANOTHER_NODE',
  DIRECTORY_GROUP: 'DATA_OF_ANOTHER_CLUSTER',
  DIRECTORY_CLUSTER: 'DATA_OF_ANOTHER_CLUSTER',
  DIRECTORY_FORMAT: 'DATA_VERSION',
  DIRECTORY_FOREIGN: 'DATA_NOT_OURS',
  DIRECTORY_IDENTITY_DAMAGED: 'DATA_NOT_OURS',
};

/** Says what the storage floor refuses in the words of the person who runs the node. */
function refusing<T>(directory: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    if (error instanceof DirectoryRefusedError) {
      throw new NodeError(REFUSALS[error.code], error.message, 'nothing in the directory was changed', {
        cause: error,
      });
    }
    if (error instanceof WalRotError) {
      throw new NodeError(
        'LOG_ROT',
        error.message,
        `nothing was cut or changed; look at it with \`dledger log verify ${directory}\`. To rebuild this node from the others, move the directory away and start it empty`,
        { cause: error },
      );
    }
    if (error instanceof DiskError && error.code === 'ELOCKED') {
      throw new NodeError(
        'DATA_LOCKED',
        error.message,
        'one process has a data directory at a time: stop the other one, or give this node its own',
        { cause: error },
      );
    }
    if (error instanceof DiskError && (error.operation === 'mkdir' || error.operation === 'lock')) {
      // At these two doors it is not the disk that is at fault but the directory that was given.
      throw new NodeError(
        'DATA_UNUSABLE',
        `cannot use the data directory: ${error.message}`,
        'give a directory that this user owns, or a new one',
        { cause: error },
      );
    }
    if (error instanceof DiskError) throw diskFailure(error);
    throw error;
  }
}
