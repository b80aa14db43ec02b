import { join } from 'node:path';
import { crc32 } from '../base/crc32.ts';
import type { Disk } from '../base/ports/disk.ts';
import type { GroupId, Incarnation, NodeId } from '../base/units.ts';
import { DirectoryRefusedError } from './errors.ts';
import { IDENTITY_NAME, IDENTITY_TEMPORARY_NAME, WAL_FORMAT_VERSION } from './format.ts';

/** Who a data directory belongs to. */
export interface Identity {
  readonly nodeId: NodeId;
  /** Drawn when the directory was made: tells this node from itself with a wiped disk. */
  readonly incarnation: Incarnation;
  readonly group: GroupId;
  /** 32 hexadecimal digits; null until the node has learnt it from the log. */
  readonly clusterId: string | null;
  /** Clusters that this one was recovered from by force: their members are refused, whatever they hold. */
  readonly replaces: readonly string[];
}

/** What its user takes the directory for. */
export interface ExpectedIdentity {
  readonly nodeId: NodeId;
  readonly group: GroupId;
  /** Null = any. */
  readonly clusterId: string | null;
}

/** @throws DirectoryRefusedError if there is one that cannot be read. @returns null if there is none. */
export function readIdentity(disk: Disk, directory: string): Identity | null {
  const path = join(directory, IDENTITY_NAME);
  if (!disk.existsSync(path)) return null;
  const file = disk.openSync(path, 'read');
  const bytes = new Uint8Array(Math.min(file.size(), 4096));
  file.readSync(bytes, 0);
  file.closeSync();
  return decode(new TextDecoder().decode(bytes), path);
}

/** @throws DirectoryRefusedError if the directory belongs to somebody else. */
export function checkIdentity(directory: string, found: Identity, expected: ExpectedIdentity): void {
  if (found.nodeId !== expected.nodeId) {
    throw new DirectoryRefusedError(
      'DIRECTORY_NODE',
      `${directory} belongs to node ${found.nodeId}, this is node ${expected.nodeId}: ` +
        'start this node with a data directory of its own, or as the node that the directory belongs to',
      { expected: expected.nodeId, found: found.nodeId },
    );
  }
  if (found.group !== expected.group) {
    throw new DirectoryRefusedError(
      'DIRECTORY_GROUP',
      `${directory} holds the log of group ${found.group}, not of group ${expected.group}: give each group its own`,
      { expected: String(expected.group), found: String(found.group) },
    );
  }
  if (expected.clusterId !== null && found.clusterId !== null && found.clusterId !== expected.clusterId) {
    throw new DirectoryRefusedError(
      'DIRECTORY_CLUSTER',
      `${directory} belongs to cluster ${found.clusterId}, this node is to join cluster ${expected.clusterId}: ` +
        'use another data directory, or correct the cluster id',
      { expected: expected.clusterId, found: found.clusterId },
    );
  }
}

/** Puts the identity in place of the one before, if any, whole or not at all, and durable. */
export function replaceIdentity(disk: Disk, directory: string, identity: Identity): void {
  const temporary = join(directory, IDENTITY_TEMPORARY_NAME);
  if (disk.existsSync(temporary)) disk.unlinkSync(temporary);
  writeTemporaryIdentity(disk, directory, identity);
  publishIdentity(disk, directory);
}

/** The first half: under its temporary name it marks a directory that is being made. */
export function writeTemporaryIdentity(disk: Disk, directory: string, identity: Identity): void {
  const file = disk.openSync(join(directory, IDENTITY_TEMPORARY_NAME), 'create');
  file.writevSync([new TextEncoder().encode(encode(identity))], 0);
  file.datasyncSync();
  file.closeSync();
}

/** The second half. */
export function publishIdentity(disk: Disk, directory: string): void {
  disk.renameSync(join(directory, IDENTITY_TEMPORARY_NAME), join(directory, IDENTITY_NAME));
  disk.syncDirectorySync(directory);
}

function encode(identity: Identity): string {
  const { nodeId, incarnation, group, clusterId, replaces } = identity;
  const history = replaces.length === 0 ? {} : { replaces };
  const line = (checksum: number): string =>
    JSON.stringify({
      format: WAL_FORMAT_VERSION,
      nodeId,
      incarnation,
      group,
      clusterId,
      ...history,
      checksum,
    });
  return `${line(crc32(new TextEncoder().encode(line(0))))}\n`;
}

function decode(text: string, path: string): Identity {
  const value = parse(text);
  // The version first: another version may have another shape, and its user should hear of the version.
  if (value !== null && typeof value['format'] === 'number' && value['format'] !== WAL_FORMAT_VERSION) {
    throw new DirectoryRefusedError(
      'DIRECTORY_FORMAT',
      `${path} has format ${value['format']}, this program reads and writes format ${WAL_FORMAT_VERSION}: ` +
        'run the version of the program that made the directory, or start with an empty one',
      { expected: String(WAL_FORMAT_VERSION), found: String(value['format']) },
    );
  }
  if (value !== null) {
    const identity = {
      nodeId: value['nodeId'] as NodeId,
      incarnation: value['incarnation'] as Incarnation,
      group: value['group'] as GroupId,
      clusterId: (value['clusterId'] ?? null) as string | null,
      replaces: (value['replaces'] ?? []) as readonly string[],
    };
    if (encode(identity) === text) return identity;
  }
  throw new DirectoryRefusedError(
    'DIRECTORY_IDENTITY_DAMAGED',
    `${path} does not verify: the directory cannot be told to be this node's; ` +
      'move it away and start the node with an empty directory, as a node that lost its disk',
    { expected: `an identity of format ${WAL_FORMAT_VERSION}`, found: text.slice(0, 200) },
  );
}

function parse(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
