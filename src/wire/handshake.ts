import type { Incarnation, NodeId } from '../base/units.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { LIMITS } from './limits.ts';

export type Role = 'peer' | 'client' | 'admin';
/** Peers keep two connections, so that a vote never waits behind a megabyte of log. */
export type Lane = 'control' | 'bulk' | 'none';
export type Durability = 'quorum-sync' | 'unsafe-no-sync';

/** The first frame on a connection: who calls, and as what. */
export interface Hello {
  readonly protocolVersion: number;
  readonly role: Role;
  readonly lane: Lane;
  /** 32 hexadecimal digits. Null: not known yet (a node before its cluster is founded) or not cared for (a client). */
  readonly clusterId: string | null;
  /** Null for clients. */
  readonly nodeId: NodeId | null;
  readonly incarnation: Incarnation;
  /** Drawn at each start of the process: tells a reconnect from a restart. 1..2^53-1; 0 for clients. */
  readonly bootId: number;
  /** Of a peer in elections; 0 for all others. */
  readonly priority: number;
  /** A client that goes to the leader when it is told who leads; for others the node forwards what it cannot answer. */
  readonly redirects: boolean;
  /** A node speaks here for clients of its own: nothing that comes this way is forwarded again. */
  readonly forwarded: boolean;
  readonly softwareVersion: string;
  /** At most 1 KiB. */
  readonly credentials: Uint8Array | null;
}

/** The answer to a HELLO that was accepted. */
export interface HelloAck {
  readonly protocolVersion: number;
  readonly clusterId: string | null;
  readonly nodeId: NodeId;
  readonly incarnation: Incarnation;
  readonly bootId: number;
  readonly priority: number;
  readonly softwareVersion: string;
  readonly leaderId: NodeId | null;
  /** Where clients reach the leader, host:port. */
  readonly leaderAddress: string | null;
  readonly limits: {
    readonly batchBytesMax: number;
    readonly recordBytesMax: number;
    /** Batches that one producer may have in flight. */
    readonly inFlightMax: number;
  };
  readonly durability: Durability;
}

const ROLES: readonly (Role | undefined)[] = [undefined, 'peer', 'client', 'admin'];
const LANES: readonly Lane[] = ['none', 'control', 'bulk'];
const DURABILITIES: readonly (Durability | undefined)[] = [undefined, 'quorum-sync', 'unsafe-no-sync'];
const NO_CLUSTER = '0'.repeat(32);
const NO_BYTES = new Uint8Array(0);

// HELLO: u32 protocolVersion, u8 role, u8 lane, 16 bytes clusterId (zero = null), u64 incarnation, u64 bootId,
//        u32 priority of a peer or flags of anybody else, text8 nodeId (empty = null), text8 softwareVersion,
//        bytes16 credentials (empty = null).
//
// Only peers have a priority, and whoever knows of no flags sends 0 and ignores what is there: the layout stays.

const HELLO_FLAGS = { redirects: 1, forwarded: 2 } as const;

export function encodeHello(hello: Hello): Uint8Array {
  const credentials = hello.credentials ?? NO_BYTES;
  return new ByteWriter(44 + 2 * 256 + credentials.length)
    .u32(hello.protocolVersion)
    .u8(ROLES.indexOf(hello.role))
    .u8(LANES.indexOf(hello.lane))
    .hex16(hello.clusterId ?? NO_CLUSTER)
    .uint53(hello.incarnation)
    .uint53(hello.bootId)
    .u32(hello.role === 'peer' ? hello.priority : flagsOf(hello))
    .text8(hello.nodeId ?? '', LIMITS.nodeIdBytesMax)
    .text8(hello.softwareVersion, LIMITS.versionBytesMax)
    .bytes16(credentials, LIMITS.credentialsBytesMax)
    .finish();
}

export function decodeHello(body: Uint8Array): Hello {
  const reader = new ByteReader(body, 'HELLO');
  const protocolVersion = reader.u32('protocolVersion');
  const role = reader.code('role', ROLES);
  const lane = reader.code('lane', LANES);
  const clusterId = reader.hex16OrNull('clusterId');
  const incarnation = reader.uint53('incarnation') as Incarnation;
  const bootId = reader.uint53('bootId');
  const priorityOrFlags = reader.u32('priority');
  const nodeId = reader.nodeIdOrNull('nodeId');
  const softwareVersion = reader.text8('softwareVersion', LIMITS.versionBytesMax);
  const credentials = reader.bytes16('credentials', LIMITS.credentialsBytesMax);
  reader.end();
  // Flags of a later version are ignored.
  const flags = role === 'peer' ? 0 : priorityOrFlags;
  return {
    protocolVersion,
    role,
    lane,
    clusterId,
    nodeId,
    incarnation,
    bootId,
    priority: role === 'peer' ? priorityOrFlags : 0,
    redirects: (flags & HELLO_FLAGS.redirects) !== 0,
    forwarded: (flags & HELLO_FLAGS.forwarded) !== 0,
    softwareVersion,
    credentials: credentials.length === 0 ? null : credentials,
  };
}

function flagsOf(hello: Hello): number {
  return (hello.redirects ? HELLO_FLAGS.redirects : 0) | (hello.forwarded ? HELLO_FLAGS.forwarded : 0);
}

// HELLO_ACK: u32 protocolVersion, 16 bytes clusterId, u64 incarnation, u64 bootId, u32 priority, u32 batchBytesMax,
//            u32 recordBytesMax, u32 inFlightMax, u8 durability, text8 nodeId, text8 softwareVersion,
//            text8 leaderId (empty = null), text8 leaderAddress (empty = null).

export function encodeHelloAck(ack: HelloAck): Uint8Array {
  return new ByteWriter(53 + 4 * 256)
    .u32(ack.protocolVersion)
    .hex16(ack.clusterId ?? NO_CLUSTER)
    .uint53(ack.incarnation)
    .uint53(ack.bootId)
    .u32(ack.priority)
    .u32(ack.limits.batchBytesMax)
    .u32(ack.limits.recordBytesMax)
    .u32(ack.limits.inFlightMax)
    .u8(DURABILITIES.indexOf(ack.durability))
    .text8(ack.nodeId, LIMITS.nodeIdBytesMax)
    .text8(ack.softwareVersion, LIMITS.versionBytesMax)
    .text8(ack.leaderId ?? '', LIMITS.nodeIdBytesMax)
    .text8(ack.leaderAddress ?? '', LIMITS.addressBytesMax)
    .finish();
}

export function decodeHelloAck(body: Uint8Array): HelloAck {
  const reader = new ByteReader(body, 'HELLO_ACK');
  const protocolVersion = reader.u32('protocolVersion');
  const clusterId = reader.hex16OrNull('clusterId');
  const incarnation = reader.uint53('incarnation') as Incarnation;
  const bootId = reader.uint53('bootId');
  const priority = reader.u32('priority');
  const limits = {
    batchBytesMax: reader.u32In('batchBytesMax', 1, LIMITS.clientFrameBytesMax),
    recordBytesMax: reader.u32In('recordBytesMax', 1, LIMITS.clientFrameBytesMax),
    inFlightMax: reader.u32In('inFlightMax', 1, LIMITS.inFlightMax),
  };
  const durability = reader.code('durability', DURABILITIES);
  const nodeId = reader.nodeId('nodeId');
  const softwareVersion = reader.text8('softwareVersion', LIMITS.versionBytesMax);
  const leaderId = reader.nodeIdOrNull('leaderId');
  const leaderAddress = reader.text8('leaderAddress', LIMITS.addressBytesMax);
  reader.end();
  return {
    protocolVersion,
    clusterId,
    nodeId,
    incarnation,
    bootId,
    priority,
    softwareVersion,
    leaderId,
    leaderAddress: leaderAddress === '' ? null : leaderAddress,
    limits,
    durability,
  };
}
