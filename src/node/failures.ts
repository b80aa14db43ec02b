import { formatHostPort, type HostPort } from '../base/host-port.ts';
import { DiskError } from '../base/ports/disk.ts';
import type { NodeId } from '../base/units.ts';
import { errorInfo, type ErrorInfo } from '../wire/errors.ts';
import { WalReadError, WalRotError } from '../wal/index.ts';
import { NodeError } from './errors.ts';

/** What went wrong below, in the words of the person who runs the node. */

export function diskFailure(error: Error): NodeError {
  if (error instanceof DiskError && error.code === 'ENOSPC') {
    return new NodeError(
      'DISK_FULL',
      `the disk is full: ${error.message}`,
      'make room and start the node again',
      { cause: error },
    );
  }
  return new NodeError(
    'DISK_FAILED',
    `the disk failed: ${error.message}`,
    'nothing was acknowledged after it; check the disk, then start the node again: it recovers from what was synced',
    { cause: error },
  );
}

export function applyFailure(error: Error): NodeError {
  if (error.name === 'UnknownEntryKind') {
    return new NodeError(
      'UNKNOWN_ENTRY',
      error.message,
      'a newer version wrote this entry: upgrade this node',
      { cause: error },
    );
  }
  if (error.name === 'InvariantViolation') {
    return new NodeError('INVARIANT', error.message, 'this is a bug: keep the data directory and report it', {
      cause: error,
    });
  }
  return new NodeError(
    'LOG_ROT',
    `the log cannot be read: ${error.message}`,
    'run `dledger log verify` on the data directory',
    { cause: error },
  );
}

/** The ways into the log: of the disk under them, or of what they say. */
export function indexFailure(error: Error): NodeError {
  if (error instanceof DiskError) return diskFailure(error);
  return new NodeError(
    'INVARIANT',
    `an index does not agree with the log: ${error.message}`,
    'this is a bug: keep the data directory and report it. Without its folder `queues` the node makes the indexes again',
    { cause: error },
  );
}

export function listenFailure(error: Error & { code?: string }, at: HostPort): NodeError {
  const where = formatHostPort(at);
  if (error.code === 'EADDRINUSE') {
    return new NodeError(
      'PORT_IN_USE',
      `port ${where} is in use`,
      `stop what listens there, or give another address for this node`,
      { cause: error },
    );
  }
  return new NodeError(
    'LISTEN_FAILED',
    `cannot listen on ${where}: ${error.message}`,
    'give an address of this machine',
    { cause: error },
  );
}

export function turnedAway(by: NodeId, error: ErrorInfo): NodeError {
  if (error.code === 'WRONG_CLUSTER') {
    return new NodeError(
      'DATA_OF_ANOTHER_CLUSTER',
      `${by} refuses this node: ${error.message}`,
      'check --peers and --data: they belong to different clusters',
    );
  }
  if (error.code === 'CLUSTER_REPLACED') {
    return new NodeError(
      'CLUSTER_REPLACED',
      `${by} refuses this node: ${error.message}`,
      'keep the directory: `dledger log export` reads what only it has. To take part, start this node with an empty one',
    );
  }
  return new NodeError(
    'DUPLICATE_NODE',
    `${by} refuses this node: ${error.message}`,
    'give each node an id of its own, and stop the other one first if this node replaces it',
  );
}

/** What a reader is told. A log that is closed is that of a node which is about to end: another one has the same. */
export function readFailure(where: string, error: Error): ErrorInfo {
  if (error instanceof WalReadError && error.code === 'WAL_CLOSED')
    return errorInfo('SHUTTING_DOWN', `this node ends, and cannot read ${where} any more; ask another one`);
  if (error instanceof WalRotError) return errorInfo('DAMAGED', `cannot read ${where}: ${error.message}`);
  return errorInfo('INTERNAL', `cannot read ${where}: ${error.message}`);
}
