import { coalesceEntryBytes, parseEntries, EntryFormatError, type Entry } from '../base/entry.ts';
import type {
  AppendEntries,
  AppendEntriesResponse,
  AppendRejection,
  CampaignReason,
  Heartbeat,
  HeartbeatResponse,
  InstallSnapshot,
  InstallSnapshotResponse,
  PeerMessage,
  PreVote,
  PreVoteResponse,
  RequestVote,
  RequestVoteResponse,
  SnapshotId,
  TimeoutNow,
  VoteVerdict,
} from '../base/peer-message.ts';
import { indexPlus, type GroupId, type Incarnation, type NodeId } from '../base/units.ts';
import { UINT53_MAX } from '../base/uint53.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { encodeFrame, FrameFlags, FrameKind, type Frame } from './frame.ts';
import { LIMITS } from './limits.ts';
import { WireError } from './wire-error.ts';

/** A message between nodes, and the Raft group it is about. */
export interface AddressedMessage {
  readonly group: GroupId;
  readonly message: PeerMessage;
}

/** @returns the chunks of one whole frame. Entries are not copied. */
export function encodePeerMessage(message: PeerMessage, group: GroupId): Uint8Array[] {
  switch (message.type) {
    case 'PreVote':
      return encodeCandidacy(FrameKind.PRE_VOTE, message, group);
    case 'PreVoteResponse':
      return encodeVerdict(FrameKind.PRE_VOTE_RESPONSE, message, group);
    case 'RequestVote':
      return encodeCandidacy(FrameKind.REQUEST_VOTE, message, group);
    case 'RequestVoteResponse':
      return encodeVerdict(FrameKind.REQUEST_VOTE_RESPONSE, message, group);
    case 'AppendEntries':
      return encodeAppendEntries(message, group);
    case 'AppendEntriesResponse':
      return encodeAppendEntriesResponse(message, group);
    case 'Heartbeat':
      return encodeHeartbeat(message, group);
    case 'HeartbeatResponse':
      return encodeHeartbeatResponse(message, group);
    case 'InstallSnapshot':
      return encodeInstallSnapshot(message, group);
    case 'InstallSnapshotResponse':
      return encodeInstallSnapshotResponse(message, group);
    case 'TimeoutNow':
      return encodeTimeoutNow(message, group);
  }
}

/**
 * Entries refer into the frame's body.
 * @throws WireError BAD_BODY for a frame that is no peer message, breaks its grammar, or holds an entry whose
 * checksums do not fit: a damaged entry never gets as far as the consensus core.
 */
export function decodePeerMessage(frame: Frame): AddressedMessage {
  switch (frame.kind) {
    case FrameKind.PRE_VOTE:
      return decodeCandidacy('PreVote', frame.body);
    case FrameKind.PRE_VOTE_RESPONSE:
      return decodeVerdict('PreVoteResponse', frame.body);
    case FrameKind.REQUEST_VOTE:
      return decodeCandidacy('RequestVote', frame.body);
    case FrameKind.REQUEST_VOTE_RESPONSE:
      return decodeVerdict('RequestVoteResponse', frame.body);
    case FrameKind.APPEND_ENTRIES:
      return decodeAppendEntries(frame.body);
    case FrameKind.APPEND_ENTRIES_RESPONSE:
      return decodeAppendEntriesResponse(frame.body);
    case FrameKind.HEARTBEAT:
      return decodeHeartbeat(frame.body);
    case FrameKind.HEARTBEAT_RESPONSE:
      return decodeHeartbeatResponse(frame.body);
    case FrameKind.INSTALL_SNAPSHOT:
      return decodeInstallSnapshot(frame.body);
    case FrameKind.INSTALL_SNAPSHOT_RESPONSE:
      return decodeInstallSnapshotResponse(frame.body);
    case FrameKind.TIMEOUT_NOW:
      return decodeTimeoutNow(frame.body);
    default:
      throw new WireError('BAD_BODY', `frame kind ${frame.kind} is no message between nodes`);
  }
}

// Envelope, at the beginning of every message: u32 group, u64 term, text8 from, text8 to.

const ENVELOPE_BYTES_MAX = 4 + 8 + 2 * (1 + LIMITS.nodeIdBytesMax);

function writeEnvelope(fixedBytes: number, message: PeerMessage, group: GroupId): ByteWriter {
  return new ByteWriter(ENVELOPE_BYTES_MAX + fixedBytes)
    .u32(group)
    .uint53(message.term)
    .text8(message.from, LIMITS.nodeIdBytesMax)
    .text8(message.to, LIMITS.nodeIdBytesMax);
}

interface Envelope {
  readonly group: GroupId;
  readonly term: PeerMessage['term'];
  readonly from: NodeId;
  readonly to: NodeId;
}

function readEnvelope(reader: ByteReader): Envelope {
  return {
    group: reader.u32('group') as GroupId,
    term: reader.term('term'),
    from: reader.nodeId('from'),
    to: reader.nodeId('to'),
  };
}

// PreVote and RequestVote: envelope, u64 lastIndex, u64 lastTerm, u8 reason, u64 voterIncarnation.

const REASONS: readonly (CampaignReason | undefined)[] = [undefined, 'timeout', 'leader-gone', 'transfer'];

function encodeCandidacy(kind: FrameKind, message: PreVote | RequestVote, group: GroupId): Uint8Array[] {
  const body = writeEnvelope(25, message, group)
    .uint53(message.lastIndex)
    .uint53(message.lastTerm)
    .u8(REASONS.indexOf(message.reason))
    .uint53(message.voterIncarnation)
    .finish();
  return encodeFrame(kind, 0, [body]);
}

function decodeCandidacy(type: 'PreVote' | 'RequestVote', body: Uint8Array): AddressedMessage {
  const reader = new ByteReader(body, type);
  const { group, term, from, to } = readEnvelope(reader);
  const lastIndex = reader.logIndex('lastIndex');
  const lastTerm = reader.term('lastTerm');
  const reason = reader.code('reason', REASONS);
  const voterIncarnation = reader.uint53('voterIncarnation') as Incarnation;
  reader.end();
  return { group, message: { type, from, to, term, lastIndex, lastTerm, reason, voterIncarnation } };
}

// PreVoteResponse and RequestVoteResponse: envelope, u8 verdict.

const VERDICTS: readonly (VoteVerdict | undefined)[] = [
  undefined,
  'granted',
  'leader-alive',
  'voted-for-other',
  'log-behind',
  'stale-term',
  'not-eligible',
];

function encodeVerdict(
  kind: FrameKind,
  message: PreVoteResponse | RequestVoteResponse,
  group: GroupId,
): Uint8Array[] {
  return encodeFrame(kind, 0, [
    writeEnvelope(1, message, group).u8(VERDICTS.indexOf(message.verdict)).finish(),
  ]);
}

function decodeVerdict(type: 'PreVoteResponse' | 'RequestVoteResponse', body: Uint8Array): AddressedMessage {
  const reader = new ByteReader(body, type);
  const { group, term, from, to } = readEnvelope(reader);
  const verdict = reader.code('verdict', VERDICTS);
  reader.end();
  return { group, message: { type, from, to, term, verdict } };
}

// AppendEntries: envelope, u64 prevIndex, u64 prevTerm, u32 prevChecksum, u64 commitIndex, u32 entryCount,
//                u32 crc32 of everything before; then the entries as they lie in the log (base/entry.ts).
//
// The frame does not sum its body: each entry brings the checksum of its body and, chained from prevChecksum, that of
// its header.

function encodeAppendEntries(message: AppendEntries, group: GroupId): Uint8Array[] {
  const fixed = writeEnvelope(36, message, group)
    .uint53(message.prevIndex)
    .uint53(message.prevTerm)
    .u32(message.prevChecksum)
    .uint53(message.commitIndex)
    .u32(message.entries.length)
    .checksum()
    .finish();
  const flags = message.entries.length > 0 ? FrameFlags.BODY_UNCHECKED : 0;
  return encodeFrame(FrameKind.APPEND_ENTRIES, 0, [fixed, ...coalesceEntryBytes(message.entries)], flags);
}

function decodeAppendEntries(body: Uint8Array): AddressedMessage {
  const reader = new ByteReader(body, 'AppendEntries');
  const { group, term, from, to } = readEnvelope(reader);
  const prevIndex = reader.logIndex('prevIndex');
  const prevTerm = reader.term('prevTerm');
  const prevChecksum = reader.u32('prevChecksum');
  const commitIndex = reader.logIndex('commitIndex');
  const entryCount = reader.u32('entryCount');
  reader.checksum();
  if (prevIndex + entryCount > UINT53_MAX) throw reader.bad(`${entryCount} entries after index ${prevIndex}`);
  let entries: Entry[] = [];
  if (entryCount > 0) {
    try {
      entries = parseEntries(reader.rest(), {
        previousChecksum: prevChecksum,
        firstIndex: indexPlus(prevIndex, 1),
      });
    } catch (error) {
      if (error instanceof EntryFormatError)
        throw reader.bad(`${error.code} in the entries: ${error.message}`);
      throw error;
    }
  }
  reader.end();
  if (entries.length !== entryCount) {
    throw reader.bad(`${entries.length} entries, ${entryCount} were announced`);
  }
  return {
    group,
    message: {
      type: 'AppendEntries',
      from,
      to,
      term,
      prevIndex,
      prevTerm,
      prevChecksum,
      commitIndex,
      entries,
    },
  };
}

// AppendEntriesResponse: envelope, u64 matchIndex, u8 rejected; if 1: u64 prevIndex, u64 conflictTerm,
//                        u64 conflictIndex, u64 lastIndex.

const REJECTED: readonly boolean[] = [false, true];

function encodeAppendEntriesResponse(message: AppendEntriesResponse, group: GroupId): Uint8Array[] {
  const { rejection } = message;
  const writer = writeEnvelope(41, message, group)
    .uint53(message.matchIndex)
    .u8(REJECTED.indexOf(rejection !== null));
  if (rejection !== null) {
    writer
      .uint53(rejection.prevIndex)
      .uint53(rejection.conflictTerm)
      .uint53(rejection.conflictIndex)
      .uint53(rejection.lastIndex);
  }
  return encodeFrame(FrameKind.APPEND_ENTRIES_RESPONSE, 0, [writer.finish()]);
}

function decodeAppendEntriesResponse(body: Uint8Array): AddressedMessage {
  const reader = new ByteReader(body, 'AppendEntriesResponse');
  const { group, term, from, to } = readEnvelope(reader);
  const matchIndex = reader.logIndex('matchIndex');
  const rejection: AppendRejection | null = reader.code('rejected', REJECTED)
    ? {
        prevIndex: reader.logIndex('prevIndex'),
        conflictTerm: reader.term('conflictTerm'),
        conflictIndex: reader.logIndex('conflictIndex'),
        lastIndex: reader.logIndex('lastIndex'),
      }
    : null;
  reader.end();
  return { group, message: { type: 'AppendEntriesResponse', from, to, term, matchIndex, rejection } };
}

// Heartbeat: envelope, u64 commitIndex, u64 round.

function encodeHeartbeat(message: Heartbeat, group: GroupId): Uint8Array[] {
  const body = writeEnvelope(16, message, group).uint53(message.commitIndex).uint53(message.round).finish();
  return encodeFrame(FrameKind.HEARTBEAT, 0, [body]);
}

function decodeHeartbeat(body: Uint8Array): AddressedMessage {
  const reader = new ByteReader(body, 'Heartbeat');
  const { group, term, from, to } = readEnvelope(reader);
  const commitIndex = reader.logIndex('commitIndex');
  const round = reader.uint53('round');
  reader.end();
  return { group, message: { type: 'Heartbeat', from, to, term, commitIndex, round } };
}

// HeartbeatResponse: envelope, u64 round, u64 matchIndex, u32 syncMs, u64 surplusBytes.

function encodeHeartbeatResponse(message: HeartbeatResponse, group: GroupId): Uint8Array[] {
  const { round, matchIndex, syncMs, surplusBytes } = message;
  const body = writeEnvelope(28, message, group)
    .uint53(round)
    .uint53(matchIndex)
    .u32(syncMs)
    .uint53(surplusBytes)
    .finish();
  return encodeFrame(FrameKind.HEARTBEAT_RESPONSE, 0, [body]);
}

function decodeHeartbeatResponse(body: Uint8Array): AddressedMessage {
  const reader = new ByteReader(body, 'HeartbeatResponse');
  const { group, term, from, to } = readEnvelope(reader);
  const round = reader.uint53('round');
  const matchIndex = reader.logIndex('matchIndex');
  const syncMs = reader.u32('syncMs');
  const surplusBytes = reader.uint53('surplusBytes');
  reader.end();
  return {
    group,
    message: { type: 'HeartbeatResponse', from, to, term, round, matchIndex, syncMs, surplusBytes },
  };
}

// InstallSnapshot: envelope, snapshot, u64 offset, u32 dataBytes, data; summed by the frame.
// InstallSnapshotResponse: envelope, snapshot, u64 offset, u8 installed.
// Snapshot: u64 lastIncludedIndex, u64 lastIncludedTerm, u32 lastIncludedChecksum, u64 bytes, u32 checksum.

const SNAPSHOT_BYTES = 32;

function writeSnapshot(writer: ByteWriter, snapshot: SnapshotId): ByteWriter {
  return writer
    .uint53(snapshot.lastIncludedIndex)
    .uint53(snapshot.lastIncludedTerm)
    .u32(snapshot.lastIncludedChecksum)
    .uint53(snapshot.bytes)
    .u32(snapshot.checksum);
}

function readSnapshot(reader: ByteReader): SnapshotId {
  const snapshot = {
    lastIncludedIndex: reader.logIndex('lastIncludedIndex'),
    lastIncludedTerm: reader.term('lastIncludedTerm'),
    lastIncludedChecksum: reader.u32('lastIncludedChecksum'),
    bytes: reader.uint53('bytes'),
    checksum: reader.u32('checksum'),
  };
  if (snapshot.bytes > LIMITS.snapshotBytesMax) {
    throw reader.bad(`a snapshot of ${snapshot.bytes} bytes, at most ${LIMITS.snapshotBytesMax}`);
  }
  return snapshot;
}

function encodeInstallSnapshot(message: InstallSnapshot, group: GroupId): Uint8Array[] {
  const writer = writeEnvelope(SNAPSHOT_BYTES + 12, message, group);
  const fixed = writeSnapshot(writer, message.snapshot)
    .uint53(message.offset)
    .u32(message.data.length)
    .finish();
  return encodeFrame(FrameKind.INSTALL_SNAPSHOT, 0, [fixed, message.data]);
}

function decodeInstallSnapshot(body: Uint8Array): AddressedMessage {
  const reader = new ByteReader(body, 'InstallSnapshot');
  const { group, term, from, to } = readEnvelope(reader);
  const snapshot = readSnapshot(reader);
  const offset = reader.uint53('offset');
  const dataBytes = reader.u32In('dataBytes', 0, LIMITS.snapshotChunkBytesMax);
  const data = reader.rest();
  if (data.length !== dataBytes)
    throw reader.bad(`${data.length} bytes of data, ${dataBytes} were announced`);
  if (offset + data.length > snapshot.bytes) {
    throw reader.bad(`data for bytes ${offset} to ${offset + data.length} of ${snapshot.bytes}`);
  }
  return { group, message: { type: 'InstallSnapshot', from, to, term, snapshot, offset, data } };
}

const INSTALLED: readonly boolean[] = [false, true];

function encodeInstallSnapshotResponse(message: InstallSnapshotResponse, group: GroupId): Uint8Array[] {
  const writer = writeEnvelope(SNAPSHOT_BYTES + 9, message, group);
  const body = writeSnapshot(writer, message.snapshot)
    .uint53(message.offset)
    .u8(INSTALLED.indexOf(message.installed))
    .finish();
  return encodeFrame(FrameKind.INSTALL_SNAPSHOT_RESPONSE, 0, [body]);
}

function decodeInstallSnapshotResponse(body: Uint8Array): AddressedMessage {
  const reader = new ByteReader(body, 'InstallSnapshotResponse');
  const { group, term, from, to } = readEnvelope(reader);
  const snapshot = readSnapshot(reader);
  const offset = reader.uint53('offset');
  const installed = reader.code('installed', INSTALLED);
  reader.end();
  return { group, message: { type: 'InstallSnapshotResponse', from, to, term, snapshot, offset, installed } };
}

// TimeoutNow: the envelope alone.

function encodeTimeoutNow(message: TimeoutNow, group: GroupId): Uint8Array[] {
  return encodeFrame(FrameKind.TIMEOUT_NOW, 0, [writeEnvelope(0, message, group).finish()]);
}

function decodeTimeoutNow(body: Uint8Array): AddressedMessage {
  const reader = new ByteReader(body, 'TimeoutNow');
  const { group, term, from, to } = readEnvelope(reader);
  reader.end();
  return { group, message: { type: 'TimeoutNow', from, to, term } };
}
