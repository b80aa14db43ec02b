import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AppendEntries, InstallSnapshot, PeerMessage, SnapshotId } from '../../src/base/peer-message.ts';
import {
  FIRST_GROUP,
  NO_INDEX,
  logIndex,
  nodeId,
  term,
  type GroupId,
  type Term,
} from '../../src/base/units.ts';
import { FrameFlags, FrameKind, encodeFrame, type Frame } from '../../src/wire/frame.ts';
import { WireError } from '../../src/wire/frame-parser.ts';
import { LIMITS } from '../../src/wire/limits.ts';
import { decodePeerMessage, encodePeerMessage } from '../../src/wire/peer-codec.ts';
import { bytesOf, comparable, draft, frameOf, peerMessage, sealed } from './support/messages.ts';

const from = nodeId('n1');
const to = nodeId('n2');

function codeOf(frame: Frame): string {
  try {
    decodePeerMessage(frame);
  } catch (error) {
    if (error instanceof WireError) return error.code;
    throw error;
  }
  return 'accepted';
}

/** A body with its fixed part summed anew would get through: so change bytes of the finished frame. */
function damaged(frame: Frame, at: number, value: number): Frame {
  const body = Uint8Array.from(frame.body);
  body[at] = value;
  return { ...frame, body };
}

const append: AppendEntries = {
  type: 'AppendEntries',
  from,
  to,
  term: term(3),
  prevIndex: logIndex(41),
  prevTerm: term(2),
  prevChecksum: 77,
  commitIndex: logIndex(40),
  entries: sealed(
    [draft([Buffer.from('one')]), draft([Buffer.from('two'), Buffer.from('three')], 2)],
    42,
    77,
  ),
};

function snapshotMessage(id: Partial<SnapshotId>, offset: number, data: Uint8Array): InstallSnapshot {
  const snapshot = {
    lastIncludedIndex: logIndex(40),
    lastIncludedTerm: term(2),
    lastIncludedChecksum: 77,
    bytes: 0,
    checksum: 78,
    ...id,
  };
  return { type: 'InstallSnapshot', from, to, term: term(3), snapshot, offset, data };
}

function installSnapshot(id: Partial<SnapshotId>, offset: number, data: Uint8Array): Frame {
  return frameOf(encodePeerMessage(snapshotMessage(id, offset, data), FIRST_GROUP));
}

describe('messages between nodes', () => {
  test('come back as they were sent', () => {
    fc.assert(
      fc.property(peerMessage, fc.integer({ min: 0, max: 2 ** 32 - 1 }), (message, group) => {
        const decoded = decodePeerMessage(frameOf(encodePeerMessage(message, group as GroupId)));
        expect(decoded.group).toBe(group);
        expect(comparable(decoded.message)).toEqual(comparable(message));
      }),
      { numRuns: 1000 },
    );
  });

  test('have these bytes', () => {
    const heartbeat: PeerMessage = {
      type: 'Heartbeat',
      from,
      to,
      term: term(5),
      commitIndex: logIndex(2 ** 32 + 2),
      round: 9,
    };
    expect(Buffer.from(frameOf(encodePeerMessage(heartbeat, FIRST_GROUP)).body).toString('hex')).toBe(
      '01000000' + '0500000000000000' + '026e31' + '026e32' + '0200000001000000' + '0900000000000000',
    );
  });

  test('a snapshot larger than allowed is refused before anything of it is kept', () => {
    const sent = installSnapshot({ bytes: LIMITS.snapshotBytesMax + 1 }, 0, new Uint8Array(1));
    expect(() => decodePeerMessage(sent)).toThrow(/snapshot of 2147483649 bytes, at most/);
  });

  test('data of a snapshot lies within it, and is not longer than allowed', () => {
    expect(codeOf(installSnapshot({ bytes: 100 }, 90, new Uint8Array(10)))).toBe('accepted');
    expect(() => decodePeerMessage(installSnapshot({ bytes: 100 }, 90, new Uint8Array(11)))).toThrow(
      /data for bytes 90 to 101 of 100/,
    );
    const bytes = LIMITS.snapshotChunkBytesMax + 1;
    expect(() => decodePeerMessage(installSnapshot({ bytes }, 0, new Uint8Array(bytes)))).toThrow(
      /dataBytes 1048577 is not in/,
    );
  });

  test('a flipped bit in the data of a snapshot breaks its frame', () => {
    const frame = bytesOf(
      encodePeerMessage(
        snapshotMessage(
          { bytes: 5000 },
          0,
          Uint8Array.from({ length: 5000 }, (_, at) => at),
        ),
        FIRST_GROUP,
      ),
    );
    for (const at of [100, 2500, frame.length - 1]) {
      const flipped = Uint8Array.from(frame);
      flipped[at] = (flipped[at] ?? 0) ^ 0x10;
      expect(() => frameOf([flipped])).toThrow(/checksum/);
    }
  });

  test('entries travel uncopied, unsummed by the frame, and cost one chunk a run', () => {
    const large = sealed([draft([new Uint8Array(100_000)]), draft([new Uint8Array(100_000)], 2)], 1);
    const chunks = encodePeerMessage(
      { ...append, prevIndex: NO_INDEX, prevChecksum: 0, entries: large },
      FIRST_GROUP,
    );
    expect(chunks.length).toBe(2);
    expect(chunks[1]?.buffer).toBe(large[0]?.bytes.buffer);
    expect(frameOf(chunks).flags).toBe(FrameFlags.BODY_UNCHECKED);
    expect(frameOf(encodePeerMessage({ ...append, entries: [] }, FIRST_GROUP)).flags).toBe(0);
  });

  test('no flipped bit in an AppendEntries with entries gets through', () => {
    const frame = frameOf(encodePeerMessage(append, FIRST_GROUP));
    for (let at = 0; at < frame.body.length; at += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        const value = (frame.body[at] ?? 0) ^ (1 << bit);
        expect(codeOf(damaged(frame, at, value)), `byte ${at} bit ${bit}`).toBe('BAD_BODY');
      }
    }
  });

  test('entries that do not continue where they say are refused', () => {
    const wrongIndex = { ...append, prevIndex: logIndex(40) };
    const wrongChain = { ...append, prevChecksum: 78 };
    const hole = { ...append, entries: [append.entries[1]].filter((entry) => entry !== undefined) };
    const swapped = { ...append, entries: append.entries.toReversed() };
    for (const message of [wrongIndex, wrongChain, hole, swapped]) {
      expect(codeOf(frameOf(encodePeerMessage(message, FIRST_GROUP)))).toBe('BAD_BODY');
    }
  });

  test('entries that are missing at the end are missed', () => {
    const frame = frameOf(encodePeerMessage(append, FIRST_GROUP));
    const last = append.entries.at(-1)?.bytes.length ?? 0;
    const body = frame.body.subarray(0, frame.body.length - last);
    expect(() => decodePeerMessage({ ...frame, body })).toThrow(/1 entries, 2 were announced/);
  });

  test('the last index there is ends the log', () => {
    const prevIndex = logIndex(Number.MAX_SAFE_INTEGER);
    const beyond = { ...append, prevIndex };
    expect(codeOf(frameOf(encodePeerMessage(beyond, FIRST_GROUP)))).toBe('BAD_BODY');
    expect(codeOf(frameOf(encodePeerMessage({ ...beyond, entries: [] }, FIRST_GROUP)))).toBe('accepted');
  });

  test.each([
    ['2^53', 0, 0x0020_0000, 'BAD_BODY'],
    ['2^63', 0, 0x8000_0000, 'BAD_BODY'],
    ['2^64-1', 0xffff_ffff, 0xffff_ffff, 'BAD_BODY'],
    ['2^53-1', 0xffff_ffff, 0x001f_ffff, 'accepted'],
    ['2^32', 0, 1, 'accepted'],
    ['2^31', 0x8000_0000, 0, 'accepted'],
    ['0', 0, 0, 'accepted'],
  ])('a term of %s', (_, low, high, expected) => {
    const message: PeerMessage = { type: 'TimeoutNow', from, to, term: term(1) };
    const frame = frameOf(encodePeerMessage(message, FIRST_GROUP));
    const body = Uint8Array.from(frame.body);
    const view = new DataView(body.buffer);
    view.setUint32(4, low, true);
    view.setUint32(8, high, true);
    expect(codeOf({ ...frame, body })).toBe(expected);
  });

  test('no field is cut off or followed by anything', () => {
    fc.assert(
      fc.property(peerMessage, fc.nat(), (message, pick) => {
        const frame = frameOf(encodePeerMessage(message, FIRST_GROUP));
        const cut = pick % frame.body.length;
        expect(codeOf({ ...frame, body: frame.body.subarray(0, cut) })).toBe('BAD_BODY');
        expect(codeOf({ ...frame, body: bytesOf([frame.body, Uint8Array.of(0)]) })).toBe('BAD_BODY');
      }),
      { numRuns: 500 },
    );
  });

  test('random bytes of any kind do nothing but a WireError', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.values(FrameKind)),
        fc.uint8Array({ maxLength: 200 }),
        (kind, body) => {
          expect(['accepted', 'BAD_BODY']).toContain(codeOf({ kind, flags: 0, requestId: 0, body }));
        },
      ),
      { numRuns: 3000 },
    );
  });

  test('a count of entries takes no memory', () => {
    const writer = bytesOf(encodePeerMessage({ ...append, entries: [] }, FIRST_GROUP));
    const body = Uint8Array.from(frameOf([writer]).body);
    new DataView(body.buffer).setUint32(body.length - 8, 0xffff_ffff, true);
    expect(codeOf(frameOf(encodeFrame(FrameKind.APPEND_ENTRIES, 0, [body])))).toBe('BAD_BODY');
  });

  test('an impossible node id is refused', () => {
    const message: PeerMessage = { type: 'TimeoutNow', from, to, term: 1 as Term };
    const frame = frameOf(encodePeerMessage(message, FIRST_GROUP));
    // The first letter of "n1".
    for (const letter of [0x00, 0x1b, 0x20, 0x2f, 0xff])
      expect(codeOf(damaged(frame, 13, letter))).toBe('BAD_BODY');
    expect(codeOf(damaged(frame, 12, 65))).toBe('BAD_BODY');
  });
});
