import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeBatch } from '../../src/base/batch.ts';
import { crc32 } from '../../src/base/crc32.ts';
import type { LogIndex } from '../../src/base/units.ts';
import { logIndex, nodeId, term } from '../../src/base/units.ts';
import {
  decodeAppend,
  decodeAppendResults,
  decodeOpenProducer,
  decodeProducerOpened,
  decodeRead,
  decodeReadResult,
  decodeStatusResult,
  decodeTransferLeadership,
  decodeTransferred,
  encodeAppend,
  encodeAppendResults,
  encodeOpenProducer,
  encodeProducerOpened,
  encodeRead,
  encodeReadResult,
  encodeStatusResult,
  encodeTransferLeadership,
  encodeTransferred,
} from '../../src/wire/client-codec.ts';
import { FrameFlags, FrameKind, encodeFrame } from '../../src/wire/frame.ts';
import { WireError } from '../../src/wire/frame-parser.ts';
import { LIMITS } from '../../src/wire/limits.ts';
import { encodeMsgpack } from '../../src/wire/msgpack.ts';
import type { NodeStatus } from '../../src/wire/status-schema.ts';
import { bytesOf, draft, frameOf, sealed, someNodeId, uint32, uint53 } from './support/messages.ts';

const durationMs = fc.integer({ min: 0, max: LIMITS.durationMsMax });
const index = uint53.map((value) => value as LogIndex);
const someTerm = uint53.map(term);

const status: NodeStatus = {
  nodeId: nodeId('n1'),
  incarnation: 2 ** 53 - 1,
  bootId: 2 ** 40,
  clusterId: '0123456789abcdef0123456789abcdef',
  version: '0.1.0',
  durability: 'quorum-sync',
  address: '127.0.0.1:7101',
  startedAtMs: 1_700_000_000_000,
  groups: [
    {
      group: 1,
      role: 'leader',
      term: 7,
      votedFor: nodeId('n1'),
      leaderId: nodeId('n1'),
      firstIndex: 1,
      lastIndex: 2 ** 33,
      lastTerm: 7,
      durableIndex: 2 ** 33,
      commitIndex: 100,
      appliedIndex: 99,
      members: [
        { id: nodeId('n1'), address: '127.0.0.1:7101', role: 'voter', incarnation: 5 },
        { id: nodeId('n2'), address: '127.0.0.1:7102', role: 'learner', incarnation: null },
      ],
      eligible: true,
      ineligibleWhy: null,
      progress: [
        {
          id: nodeId('n2'),
          state: 'replicate',
          matchIndex: 90,
          nextIndex: 101,
          inflightMessages: 2,
          inflightBytes: 4096,
          recentlyActive: true,
          counts: true,
          roundTripMs: 0.4,
          lastHeardMs: 12.5,
        },
      ],
      lastElection: {
        term: 7,
        leaderId: nodeId('n1'),
        why: 'timeout',
        atMs: 1_700_000_000_100,
        durationMs: null,
      },
    },
  ],
  counters: { appendsAccepted: 12, 'reads.served': 3.5 },
  unsafe: [],
  pace: { syncMs: { p50: 0.3, p99: 1.5, max: 9 }, commitMs: null, loopDelayMs: 1.5 },
  disk: { freeBytes: 5, totalBytes: 10 },
  allowsFaults: true,
  faults: [{ id: 'f1', owner: 'test', spec: { kind: 'stall' }, ttlMs: 100, remainingMs: 50, affected: 50 }],
  snapshots: [{ direction: 'out', peer: nodeId('n2'), index: 40, bytes: 5000, doneBytes: 2500 }],
};

describe('requests and answers', () => {
  test('come back as they were sent', () => {
    fc.assert(
      fc.property(
        fc.record({ inFlightMax: fc.integer({ min: 1, max: LIMITS.inFlightMax }), deadlineMs: durationMs }),
        fc.record({ producerId: uint53, epoch: uint32 }),
        fc.record({
          from: index,
          entriesMax: fc.integer({ min: 1, max: LIMITS.readEntriesMax }),
          bytesMax: fc.integer({ min: 1, max: LIMITS.readBytesMax }),
          waitMs: durationMs,
          deadlineMs: durationMs,
          consistency: fc.constantFrom('linearizable' as const, 'committed' as const),
        }),
        fc.record({ target: fc.option(someNodeId), deadlineMs: durationMs }),
        fc.record({ from: someNodeId, to: someNodeId, term: someTerm, tookMs: durationMs }),
        (open, opened, read, transfer, transferred) => {
          expect(decodeOpenProducer(encodeOpenProducer(open))).toEqual(open);
          expect(decodeProducerOpened(encodeProducerOpened(opened))).toEqual(opened);
          expect(decodeRead(encodeRead(read))).toEqual(read);
          expect(decodeTransferLeadership(encodeTransferLeadership(transfer))).toEqual(transfer);
          expect(decodeTransferred(encodeTransferred(transferred))).toEqual(transferred);
        },
      ),
    );
  });

  test('random bytes do nothing but a WireError', () => {
    const decoders = [
      decodeOpenProducer,
      decodeProducerOpened,
      decodeAppendResults,
      decodeRead,
      decodeReadResult,
      decodeStatusResult,
      decodeTransferLeadership,
      decodeTransferred,
      (body: Uint8Array) => decodeAppend({ kind: FrameKind.APPEND, flags: 1, requestId: 1, body }),
    ];
    fc.assert(
      fc.property(fc.constantFrom(...decoders), fc.uint8Array({ maxLength: 120 }), (decode, body) => {
        try {
          decode(body);
        } catch (error) {
          expect(error).toBeInstanceOf(WireError);
        }
      }),
      { numRuns: 5000 },
    );
  });

  test('what a request may ask for is bounded', () => {
    const open = (inFlightMax: number): unknown =>
      decodeOpenProducer(encodeOpenProducer({ inFlightMax, deadlineMs: 0 }));
    for (const inFlightMax of [0, 8193, 2 ** 31, 2 ** 32 - 1])
      expect(() => open(inFlightMax)).toThrow(/not in 1\.\.8192/);
    const read = {
      from: logIndex(1),
      entriesMax: 1,
      bytesMax: 1,
      waitMs: 0,
      deadlineMs: 0,
      consistency: 'committed' as const,
    };
    for (const [change, expected] of [
      [{ entriesMax: 0 }, /entriesMax 0/],
      [{ entriesMax: 65_537 }, /entriesMax 65537/],
      [{ bytesMax: 0 }, /bytesMax 0/],
      [{ bytesMax: 2 ** 32 - 1 }, /bytesMax 4294967295/],
      [{ waitMs: 3_600_001 }, /waitMs 3600001/],
      [{ deadlineMs: 2 ** 31 }, /deadlineMs 2147483648/],
    ] as const) {
      expect(() => decodeRead(encodeRead({ ...read, ...change }))).toThrow(expected);
    }
  });
});

describe('APPEND', () => {
  const batch = encodeBatch({ producerId: 1, epoch: 1, sequence: 1 }, [new Uint8Array(300).fill(9)]);
  const request = { deadlineMs: 1000, bodyChecksum: crc32(batch), batch };

  test('carries the batch as it is, its own checksum and no other', () => {
    const frame = frameOf(encodeAppend(5, request));
    expect(frame).toMatchObject({ kind: FrameKind.APPEND, requestId: 5, flags: FrameFlags.BODY_UNCHECKED });
    const decoded = decodeAppend(frame);
    expect({ ...decoded, batch: bytesOf([decoded.batch]) }).toEqual(request);
  });

  test('the largest batch fits into a frame of a client, and is not copied', () => {
    const largest = encodeBatch({ producerId: 1, epoch: 1, sequence: 1 }, [
      new Uint8Array(LIMITS.recordBytesMax),
    ]);
    expect(largest.length).toBe(LIMITS.batchBytesMax);
    const chunks = encodeAppend(5, { deadlineMs: 0, bodyChecksum: 0, batch: largest });
    expect(chunks[1]).toBe(largest);
    expect(frameOf(chunks).body.length).toBeLessThanOrEqual(LIMITS.clientFrameBytesMax);
  });

  test('a flipped bit in front of the batch is refused; in the batch, the leader finds it', () => {
    const frame = frameOf(encodeAppend(5, request));
    for (let at = 0; at < frame.body.length; at += 1) {
      const body = Uint8Array.from(frame.body);
      body[at] = (body[at] ?? 0) ^ 0x10;
      if (at < 12) {
        expect(() => decodeAppend({ ...frame, body })).toThrow(WireError);
      } else {
        const decoded = decodeAppend({ ...frame, body });
        expect(crc32(decoded.batch)).not.toBe(decoded.bodyChecksum);
      }
    }
  });
});

describe('APPEND_RESULTS', () => {
  const run = fc.record({
    firstRequestId: uint32,
    count: fc.integer({ min: 1, max: LIMITS.appendRunsMax }),
    firstIndex: index,
    term: someTerm,
  });

  test('come back as they were sent', () => {
    fc.assert(
      fc.property(fc.array(run, { minLength: 1, maxLength: 20 }), (runs) => {
        expect(decodeAppendResults(encodeAppendResults(runs))).toEqual(runs);
      }),
    );
  });

  test('answer a thousand requests in 28 bytes', () => {
    const runs = [{ firstRequestId: 10, count: 1000, firstIndex: logIndex(7), term: term(2) }];
    expect(Buffer.from(encodeAppendResults(runs)).toString('hex')).toBe(
      '01000000' + '0a000000' + 'e8030000' + '0700000000000000' + '0200000000000000',
    );
  });

  test('a count of runs or of requests takes nothing before it is checked', () => {
    const body = encodeAppendResults([
      { firstRequestId: 1, count: 1, firstIndex: logIndex(1), term: term(1) },
    ]);
    for (const [offset, value, expected] of [
      [0, 0, /runCount 0/],
      [0, 2 ** 32 - 1, /runCount 4294967295/],
      [0, 65_536, /needs byte/],
      [8, 0, /count 0/],
      [8, 2 ** 32 - 1, /count 4294967295/],
    ] as const) {
      const changed = Uint8Array.from(body);
      new DataView(changed.buffer).setUint32(offset, value, true);
      expect(() => decodeAppendResults(changed)).toThrow(expected);
    }
  });
});

describe('READ_RESULT', () => {
  const log = sealed(
    [draft([Buffer.from('a')]), draft([Buffer.from('b')], 2), draft([Buffer.from('c')], 3)],
    10,
  );
  const result = {
    firstIndex: logIndex(1),
    commitIndex: logIndex(20),
    nextIndex: logIndex(15),
    entries: log,
  };

  test('carries a selection of entries as they lie in the log', () => {
    const selected = { ...result, entries: log.filter((_, at) => at !== 1) };
    const frame = frameOf(encodeFrame(FrameKind.READ_RESULT, 1, encodeReadResult(selected)));
    const decoded = decodeReadResult(frame.body);
    expect({ ...decoded, entries: decoded.entries.map(({ index: at, bytes }) => [at, [...bytes]]) }).toEqual({
      ...selected,
      entries: selected.entries.map(({ index: at, bytes }) => [at, [...bytes]]),
    });
    expect(decodeReadResult(bytesOf(encodeReadResult({ ...result, entries: [] }))).entries).toEqual([]);
  });

  test('no flipped bit gets through, not even in the time of an entry', () => {
    const chunks = encodeFrame(FrameKind.READ_RESULT, 1, encodeReadResult(result));
    const stream = bytesOf(chunks);
    for (let at = 0; at < stream.length; at += 1) {
      const damaged = stream.slice();
      damaged[at] = (damaged[at] ?? 0) ^ 0x04;
      expect(() => decodeReadResult(frameOf([damaged]).body), `byte ${at}`).toThrow();
    }
  });

  test('entries out of order or behind nextIndex are refused', () => {
    for (const wrong of [
      { ...result, entries: log.toReversed() },
      { ...result, entries: log.flatMap((entry) => [entry, entry]) },
      { ...result, nextIndex: logIndex(12) },
    ]) {
      expect(() => decodeReadResult(bytesOf(encodeReadResult(wrong)))).toThrow(/entry 1\d after/);
    }
  });
});

describe('STATUS_RESULT', () => {
  test('comes back as it was sent', () => {
    expect(decodeStatusResult(encodeStatusResult(status))).toEqual(status);
    const bare = { ...status, clusterId: null, groups: [], counters: {}, unsafe: ['unsafe-no-sync'] };
    expect(decodeStatusResult(encodeStatusResult(bare))).toEqual(bare);
  });

  test('leaves out what this version does not know', () => {
    expect(decodeStatusResult(encodeMsgpack({ ...status, later: { a: 1 } }))).toEqual(status);
  });

  test('names the value that does not fit', () => {
    const [group] = status.groups;
    for (const [change, expected] of [
      [{ nodeId: '../n1' }, /nodeId: is no node id/],
      [{ bootId: -1 }, /bootId/],
      [{ bootId: 2 ** 53 }, /bootId/],
      [{ startedAtMs: 1.5 }, /startedAtMs/],
      [{ clusterId: 'no' }, /clusterId/],
      [{ durability: 'maybe' }, /durability/],
      [{ groups: [{ ...group, role: 'king' }] }, /groups\.0\.role/],
      [{ groups: [{ ...group, members: undefined }] }, /groups\.0\.members/],
      [{ counters: { 'a b': 1 } }, /counters/],
      [{ counters: { a: 'x' } }, /counters\.a/],
      [{ address: 'x'.repeat(256) }, /address/],
    ] as const) {
      expect(() => decodeStatusResult(encodeMsgpack({ ...status, ...change }))).toThrow(expected);
    }
    for (const nothing of [null, 5, [], 'status']) {
      expect(() => decodeStatusResult(encodeMsgpack(nothing))).toThrow(WireError);
    }
  });
});
