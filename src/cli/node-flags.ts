import { parseHostPort } from '../base/host-port.ts';
import path from 'node:path';
import { NODE_DEFAULTS, type NodeOptions } from '../node/index.ts';
import { usageError } from './cli-error.ts';
import { flag, number, text, type Call, type Flag } from './command.ts';
import { parseDuration, showDuration } from './duration.ts';
import { parsePeers } from './peers.ts';
import { VERSION } from './version.ts';

const MIB = 1024 * 1024;
const MIB_MAX = 1024;
const NONE = 'none';

/** Times that belong together: across sites everything takes longer, so everything waits longer. */
const PROFILES = {
  lan: { tickMs: 10, heartbeatMs: 50, electionTimeoutMsMin: 150, electionTimeoutMsMax: 300 },
  wan: { tickMs: 50, heartbeatMs: 300, electionTimeoutMsMin: 1500, electionTimeoutMsMax: 3000 },
} as const;

/** Settings of a node that `up` gives to all of its nodes. */
export const NODE_FLAGS: readonly Flag[] = [
  {
    name: 'profile',
    type: 'string',
    describe:
      'lan: heartbeats of 50 ms, election timeouts of 150 to 300 ms, for one site; wan: 300 ms, 1.5 to 3 s, for several',
    choices: Object.keys(PROFILES),
    default: 'lan',
    inConfig: true,
  },
  {
    name: 'segment-mib',
    type: 'number',
    describe: `size of a log segment, in MiB, up to ${MIB_MAX}`,
    default: NODE_DEFAULTS.segmentBytes / MIB,
    inConfig: true,
  },
  {
    name: 'cache-mib',
    type: 'number',
    describe: `recent log kept in memory, in MiB, up to ${MIB_MAX}`,
    default: NODE_DEFAULTS.cacheBytesMax / MIB,
    inConfig: true,
  },
  {
    name: 'retention-age',
    type: 'string',
    describe:
      'drop whole segments of the log when all in them is older: a number with ms, s, m or h; or none',
    default: showDuration(NODE_DEFAULTS.retentionMs ?? 0),
    inConfig: true,
  },
  {
    name: 'retention-size',
    type: 'string',
    describe: 'drop the oldest segments when all together have more MiB; or none',
    default: NONE,
    inConfig: true,
  },
  {
    name: 'retention-disk',
    type: 'string',
    describe: 'drop the oldest segments where a larger share of the disk is in use: 0.85 is 85 %; or none',
    default: String(NODE_DEFAULTS.retentionDiskShare ?? NONE),
    inConfig: true,
  },
  {
    name: 'snapshot-mib-per-s',
    type: 'number',
    describe: `how fast a snapshot is sent to a node that needs one, in MiB a second, up to ${MIB_MAX}`,
    default: NODE_DEFAULTS.snapshotBytesPerSecondMax / MIB,
    inConfig: true,
  },
  {
    name: 'scrub-mib-per-s',
    type: 'number',
    describe: `how fast the log is read for damage in the background, in MiB a second, up to ${MIB_MAX}; 0: never`,
    default: NODE_DEFAULTS.scrubBytesPerSecond / MIB,
    inConfig: true,
  },
  {
    name: 'unsafe-no-sync',
    type: 'boolean',
    describe:
      'acknowledge from the page cache: a power cut may lose acknowledged records; for measuring only',
    default: false,
    inConfig: true,
  },
];

/** Who a node is, and where. */
export const IDENTITY_FLAGS: readonly Flag[] = [
  { name: 'id', type: 'string', describe: 'name of this node; required', inConfig: true },
  {
    name: 'peers',
    type: 'string',
    describe:
      'all nodes, this one included, each at the address where the others and clients reach it: n1=HOST:PORT,n2=HOST:PORT,...; required',
    inConfig: true,
  },
  {
    name: 'data',
    type: 'string',
    describe: 'directory of this node, made if it is not there; required',
    inConfig: true,
  },
  {
    name: 'listen',
    type: 'string',
    describe: 'HOST:PORT to listen on, where that is not the address in --peers; default: that address',
    inConfig: true,
  },
  {
    name: 'priority',
    type: 'number',
    describe: 'a whole number from 0 on; larger is preferred as leader',
    default: 0,
    inConfig: true,
  },
];

/** How a node works, whoever it is. */
export type NodeSettings = Omit<
  NodeOptions,
  'id' | 'peers' | 'dataDirectory' | 'listen' | 'priority' | 'allowFaults'
>;

/** @throws CliError that names the flag. What only the node can judge it refuses itself. */
export function nodeOptionsOf(call: Call): NodeOptions {
  const id = required(call, 'id', 'name this node: --id n1');
  const peers = parsePeers(
    required(call, 'peers', 'name all nodes: --peers n1=127.0.0.1:7101,n2=127.0.0.1:7102,n3=127.0.0.1:7103'),
  );
  const data = required(call, 'data', 'say where the log goes: --data DIR');
  const listen = text(call, 'listen');
  const listenAt = listen === null ? null : parseHostPort(listen);
  if (listen !== null && listenAt === null) {
    throw usageError(`--listen ${JSON.stringify(listen)} is not HOST:PORT`, 'write it as 0.0.0.0:7101');
  }
  return {
    ...nodeSettingsOf(call),
    id,
    peers,
    dataDirectory: path.resolve(data),
    ...(listenAt === null ? {} : { listen: listenAt }),
    priority: number(call, 'priority') ?? 0,
    allowFaults: flag(call, 'allow-faults'),
  };
}

/** What NODE_FLAGS say, for one node or all. @throws CliError that names the flag. */
export function nodeSettingsOf(call: Call): NodeSettings {
  return {
    ...NODE_DEFAULTS,
    ...PROFILES[(text(call, 'profile') ?? 'lan') as keyof typeof PROFILES],
    segmentBytes: mebibytes(call, 'segment-mib'),
    // A segment can go when a checkpoint has what it held: one for each, so that what retention gives up really goes.
    checkpointEveryBytes: Math.min(NODE_DEFAULTS.checkpointEveryBytes, mebibytes(call, 'segment-mib')),
    cacheBytesMax: mebibytes(call, 'cache-mib'),
    retentionMs: retentionMs(call),
    retentionBytes: retentionBytes(call),
    retentionDiskShare: retentionDiskShare(call),
    snapshotBytesPerSecondMax: mebibytes(call, 'snapshot-mib-per-s'),
    scrubBytesPerSecond: number(call, 'scrub-mib-per-s') === 0 ? 0 : mebibytes(call, 'scrub-mib-per-s'),
    durability: flag(call, 'unsafe-no-sync') ? 'unsafe-no-sync' : 'quorum-sync',
    softwareVersion: VERSION,
  };
}

function retentionMs(call: Call): number | null {
  const age = text(call, 'retention-age') ?? NONE;
  if (age === NONE) return null;
  const ms = Math.ceil(parseDuration(age, 'retention-age'));
  if (ms > 0 && Number.isSafeInteger(ms)) return ms;
  throw usageError(`--retention-age ${age} is out of bounds`, 'give 1ms or more, or none');
}

function retentionBytes(call: Call): number | null {
  const size = text(call, 'retention-size') ?? NONE;
  if (size === NONE) return null;
  const bytes = Math.ceil(Number(size) * MIB);
  if (bytes > 0 && Number.isSafeInteger(bytes)) return bytes;
  throw usageError(`--retention-size ${size} is no number of MiB`, 'give a number above 0, or none');
}

function retentionDiskShare(call: Call): number | null {
  const share = text(call, 'retention-disk') ?? NONE;
  if (share === NONE) return null;
  const value = Number(share);
  if (value > 0 && value <= 1) return value;
  throw usageError(`--retention-disk ${share} is no share of a disk`, 'give a number like 0.85, or none');
}

function mebibytes(call: Call, name: string): number {
  const value = number(call, name) ?? 0;
  if (!(value > 0 && value <= MIB_MAX))
    throw usageError(
      `--${name} ${value} is out of bounds`,
      `give a number of MiB, above 0 and up to ${MIB_MAX}`,
    );
  return Math.ceil(value * MIB);
}

function required(call: Call, name: string, next: string): string {
  const value = text(call, name);
  if (value === null || value === '') throw usageError(`--${name} is missing`, next);
  return value;
}
