import fc from 'fast-check';
import { encodeBatch } from '../../../src/base/batch.ts';
import { crc32 } from '../../../src/base/crc32.ts';
import { EntryKind, sealEntries, type Entry, type EntryDraft } from '../../../src/base/entry.ts';
import type { PeerMessage } from '../../../src/base/peer-message.ts';
import {
  FIRST_GROUP,
  logIndex,
  nodeId,
  term,
  type Incarnation,
  type LogIndex,
  type NodeId,
} from '../../../src/base/units.ts';
import type { Frame } from '../../../src/wire/frame.ts';
import { FrameParser } from '../../../src/wire/frame-parser.ts';
import { LIMITS } from '../../../src/wire/limits.ts';

// What the tests of the wire are fed with.

/** Parses chunks that must hold exactly one frame. */
export function frameOf(chunks: readonly Uint8Array[]): Frame {
  const frames = framesOf(chunks);
  const [frame] = frames;
  if (frame === undefined || frames.length !== 1) throw new Error(`${frames.length} frames`);
  return frame;
}

export function framesOf(
  chunks: readonly Uint8Array[],
  bodyBytesMax: number = LIMITS.peerFrameBytesMax,
): Frame[] {
  const frames: Frame[] = [];
  const parser = new FrameParser({ bodyBytesMax }, (frame) => frames.push(frame));
  for (const chunk of chunks) parser.push(chunk);
  return frames;
}

export function draft(records: readonly Uint8Array[], sequence = 1): EntryDraft {
  const body = encodeBatch({ producerId: 7, epoch: 1, sequence }, records);
  return {
    kind: EntryKind.batch,
    version: 1,
    queue: 0,
    recordCount: records.length,
    body,
    bodyChecksum: crc32(body),
  };
}

export function sealed(
  drafts: readonly EntryDraft[],
  firstIndex = 1,
  previousChecksum = 0,
  atTerm = 3,
): Entry[] {
  return sealEntries(drafts, {
    group: FIRST_GROUP,
    firstIndex: logIndex(firstIndex),
    term: term(atTerm),
    time: 1_700_000_000_000,
    previousChecksum,
  });
}

/** Numbers where representations change: 31, 32, 53 bits. */
export const uint53: fc.Arbitrary<number> = fc.oneof(
  fc.maxSafeNat(),
  fc.constantFrom(0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1),
);
export const uint32: fc.Arbitrary<number> = fc.oneof(
  fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  fc.constantFrom(0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1),
);
const index = uint53.map((value) => value as LogIndex);
const someTerm = uint53.map(term);
export const incarnation: fc.Arbitrary<Incarnation> = uint53.map((value) => value as Incarnation);
export const someNodeId: fc.Arbitrary<NodeId> = fc
  .stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)
  .map(nodeId);

const envelope = { from: someNodeId, to: someNodeId, term: someTerm };
const reason = fc.constantFrom('timeout' as const, 'leader-gone' as const, 'transfer' as const);
const verdict = fc.constantFrom(
  'granted' as const,
  'leader-alive' as const,
  'voted-for-other' as const,
  'log-behind' as const,
  'stale-term' as const,
  'not-eligible' as const,
);
const candidacy = {
  ...envelope,
  lastIndex: index,
  lastTerm: someTerm,
  reason,
  voterIncarnation: incarnation,
};

const snapshot = fc.record({
  lastIncludedIndex: index,
  lastIncludedTerm: someTerm,
  lastIncludedChecksum: uint32,
  bytes: fc.integer({ min: 0, max: LIMITS.snapshotBytesMax }),
  checksum: uint32,
});

/** Entries that continue a log at some index. */
const appended = fc
  .record({
    prevIndex: fc.oneof(fc.nat(1000), fc.constant(2 ** 53 - 100)),
    prevChecksum: uint32,
    payloads: fc.array(fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 3 }), {
      maxLength: 6,
    }),
  })
  .map(({ prevIndex, prevChecksum, payloads }) => ({
    prevIndex: logIndex(prevIndex),
    prevChecksum,
    entries: sealed(
      payloads.map((records, at) => draft(records, at + 1)),
      prevIndex + 1,
      prevChecksum,
    ),
  }));

export const peerMessage: fc.Arbitrary<PeerMessage> = fc.oneof(
  fc.record({ type: fc.constant('PreVote' as const), ...candidacy }),
  fc.record({ type: fc.constant('RequestVote' as const), ...candidacy }),
  fc.record({ type: fc.constant('PreVoteResponse' as const), ...envelope, verdict }),
  fc.record({ type: fc.constant('RequestVoteResponse' as const), ...envelope, verdict }),
  fc
    .tuple(
      fc.record({
        type: fc.constant('AppendEntries' as const),
        ...envelope,
        prevTerm: someTerm,
        commitIndex: index,
      }),
      appended,
    )
    .map(([fixed, log]) => ({ ...fixed, ...log })),
  fc.record({
    type: fc.constant('AppendEntriesResponse' as const),
    ...envelope,
    matchIndex: index,
    rejection: fc.option(
      fc.record({ prevIndex: index, conflictTerm: someTerm, conflictIndex: index, lastIndex: index }),
    ),
  }),
  fc.record({ type: fc.constant('Heartbeat' as const), ...envelope, commitIndex: index, round: uint53 }),
  fc.record({
    type: fc.constant('HeartbeatResponse' as const),
    ...envelope,
    round: uint53,
    matchIndex: index,
    syncMs: uint32,
    surplusBytes: uint53,
  }),
  fc
    .record({
      type: fc.constant('InstallSnapshot' as const),
      ...envelope,
      snapshot,
      offset: fc.nat(1000),
      data: fc.uint8Array({ maxLength: 5000 }),
    })
    .map((message) => ({
      ...message,
      snapshot: {
        ...message.snapshot,
        bytes: Math.max(message.snapshot.bytes, message.offset + message.data.length),
      },
    })),
  fc.record({
    type: fc.constant('InstallSnapshotResponse' as const),
    ...envelope,
    snapshot,
    offset: uint53,
    installed: fc.boolean(),
  }),
  fc.record({ type: fc.constant('TimeoutNow' as const), ...envelope }),
);

/** The same message with entries and data that can be compared: whether their bytes are a view or not does not matter. */
export function comparable(message: PeerMessage): unknown {
  if (message.type === 'InstallSnapshot') return { ...message, data: [...message.data] };
  if (message.type !== 'AppendEntries') return message;
  return { ...message, entries: message.entries.map((entry) => ({ ...entry, bytes: [...entry.bytes] })) };
}

export function bytesOf(chunks: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(chunks));
}

/** Bytes written as hexadecimal digits, with spaces and line ends wherever they help. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replace(/\s+/g, ''), 'hex'));
}
