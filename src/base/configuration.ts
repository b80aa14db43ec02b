import { crc32 } from './crc32.ts';
import { EntryKind, type EntryDraft } from './entry.ts';
import type { Prng } from './prng.ts';
import { isNodeId, type Incarnation, type NodeId } from './units.ts';
import { readUint53, writeUint53 } from './uint53.ts';

/** One member of a cluster, as the log records it. */
export interface Member {
  readonly id: NodeId;
  /** 0 until this member was first seen. Only the named incarnation votes and counts (see the raft floor). */
  readonly incarnation: Incarnation;
  readonly role: 'voter' | 'learner';
  /** Where other nodes reach it, host:port. */
  readonly peerAddress: string;
  /** Where clients reach it, host:port. */
  readonly clientAddress: string;
}

/**
 * Who the cluster is: the body of a `configuration` entry. The one at index 1 founds the cluster and draws its id.
 *
 * Encoding, little endian: u32 formatVersion; clusterId as 16 bytes; u16 count; then for each member u8 role
 * (1 voter, 2 learner), u64 incarnation, and three strings (id, peerAddress, clientAddress), each u8 length and ASCII.
 */
export interface Configuration {
  /** 32 lower-case hexadecimal digits. */
  readonly clusterId: string;
  /** Which entry kinds and versions a leader may write. */
  readonly formatVersion: number;
  /** Sorted by id. */
  readonly members: readonly Member[];
}

export const CONFIGURATION_VERSION = 1;
export const FORMAT_VERSION = 1;
export const MEMBERS_MAX = 31;

export class ConfigurationFormatError extends Error {
  override readonly name = 'ConfigurationFormatError';
  readonly code = 'CONFIGURATION_FORMAT';
}

export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const out: number[] = [];
  const scratch = new DataView(new ArrayBuffer(8));
  const push = (count: number): void => {
    for (let at = 0; at < count; at += 1) out.push(scratch.getUint8(at));
  };
  scratch.setUint32(0, configuration.formatVersion, true);
  push(4);
  if (!/^[0-9a-f]{32}$/.test(configuration.clusterId)) {
    throw new ConfigurationFormatError(
      `cluster id ${JSON.stringify(configuration.clusterId)} is not 32 hexadecimal digits`,
    );
  }
  for (let at = 0; at < 32; at += 2) out.push(Number.parseInt(configuration.clusterId.slice(at, at + 2), 16));
  checkMemberCount(configuration.members.length);
  scratch.setUint16(0, configuration.members.length, true);
  push(2);
  for (const member of configuration.members) {
    out.push(member.role === 'voter' ? 1 : 2);
    writeUint53(scratch, 0, member.incarnation);
    push(8);
    for (const text of [member.id, member.peerAddress, member.clientAddress]) {
      checkText(text);
      out.push(text.length);
      for (let at = 0; at < text.length; at += 1) out.push(text.charCodeAt(at));
    }
  }
  return Uint8Array.from(out);
}

/** @throws ConfigurationFormatError that names what is wrong. */
export function decodeConfiguration(bytes: Uint8Array): Configuration {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let offset = 0;
  const take = (count: number): number => {
    const at = offset;
    if (at + count > bytes.length) {
      throw new ConfigurationFormatError(`truncated: byte ${at + count} of ${bytes.length} is missing`);
    }
    offset += count;
    return at;
  };
  const text = (): string => {
    const length = view.getUint8(take(1));
    const at = take(length);
    const decoded = String.fromCharCode(...bytes.subarray(at, at + length));
    checkText(decoded);
    return decoded;
  };
  const formatVersion = view.getUint32(take(4), true);
  const idAt = take(16);
  let clusterId = '';
  for (let at = idAt; at < idAt + 16; at += 1) clusterId += (bytes[at] ?? 0).toString(16).padStart(2, '0');
  const count = view.getUint16(take(2), true);
  checkMemberCount(count);
  const members: Member[] = [];
  for (let at = 0; at < count; at += 1) {
    const role = view.getUint8(take(1));
    if (role !== 1 && role !== 2)
      throw new ConfigurationFormatError(`member ${at} has role ${role}, neither 1 nor 2`);
    const incarnation = readUint53(view, take(8), ConfigurationFormatError) as Incarnation;
    const id = text();
    if (!isNodeId(id))
      throw new ConfigurationFormatError(`member ${at} has the impossible id ${JSON.stringify(id)}`);
    members.push({
      id,
      incarnation,
      role: role === 1 ? 'voter' : 'learner',
      peerAddress: text(),
      clientAddress: text(),
    });
  }
  if (offset !== bytes.length)
    throw new ConfigurationFormatError(`${bytes.length - offset} bytes after the last member`);
  return { clusterId, formatVersion, members };
}

// Both ways the same checks: what is written can be read again, and what is read could have been written. Addresses are
// shown to people, so nothing that a terminal would obey gets in from either side.
function checkMemberCount(count: number): void {
  if (count === 0 || count > MEMBERS_MAX) {
    throw new ConfigurationFormatError(`${count} members, not 1 to ${MEMBERS_MAX}`);
  }
}

function checkText(text: string): void {
  if (text.length > 255 || !/^[\x21-\x7e]*$/.test(text)) {
    throw new ConfigurationFormatError(`${JSON.stringify(text)} is not up to 255 printable ASCII characters`);
  }
}

export function findMember(configuration: Configuration, id: NodeId): Member | null {
  return configuration.members.find((member) => member.id === id) ?? null;
}

export function voterIds(configuration: Configuration): NodeId[] {
  return configuration.members.filter((member) => member.role === 'voter').map((member) => member.id);
}

/** The entry that makes it hold, to be sealed. */
export function configurationDraft(configuration: Configuration): EntryDraft {
  const body = encodeConfiguration(configuration);
  return {
    kind: EntryKind.configuration,
    version: CONFIGURATION_VERSION,
    queue: 0,
    recordCount: 0,
    body,
    bodyChecksum: crc32(body),
  };
}

/** 32 hexadecimal digits, by chance. */
export function newClusterId(prng: Prng): string {
  let clusterId = '';
  for (let word = 0; word < 4; word += 1) clusterId += prng.uint32().toString(16).padStart(8, '0');
  return clusterId;
}
