import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeBatch } from '../../src/base/batch.ts';
import { crc32 } from '../../src/base/crc32.ts';
import { logIndex, term } from '../../src/base/units.ts';
import type { LogIndex } from '../../src/base/units.ts';
import {
  bitmapHas,
  decodeFetch,
  decodeFetchResult,
  decodeProduce,
  decodeProduceResults,
  encodeFetch,
  encodeFetchResult,
  encodeProduce,
  encodeProduceResults,
  type Fetch,
  type FetchResult,
} from '../../src/wire/broker-codec.ts';
import { WireError } from '../../src/wire/frame-parser.ts';
import { FrameKind, encodeFrame } from '../../src/wire/frame.ts';
import { LIMITS } from '../../src/wire/limits.ts';
import { bytesOf, draft, frameOf, sealed, uint32, uint53 } from './support/messages.ts';

const durationMs = fc.integer({ min: 0, max: LIMITS.durationMsMax });
const queue = fc.integer({ min: 1, max: 2 ** 32 - 1 });

const fetch: Fetch = {
  queue: 7,
  offset: 1000,
  recordsMax: 100,
  bytesMax: 65_536,
  waitMs: 500,
  deadlineMs: 2000,
  consistency: 'linearizable',
  tags: ['a', 'ä'],
};

describe('PRODUCE', () => {
  const batch = encodeBatch({ producerId: 1, epoch: 1, sequence: 1 }, [new Uint8Array(300).fill(9)]);
  const request = { deadlineMs: 1000, queue: 3, bodyChecksum: crc32(batch), batch };

  test('carries the batch as it is under its own checksum', () => {
    const frame = frameOf(encodeProduce(5, request));
    expect(frame).toMatchObject({ kind: FrameKind.PRODUCE, requestId: 5, flags: 1 });
    const decoded = decodeProduce(frame);
    expect({ ...decoded, batch: bytesOf([decoded.batch]) }).toEqual(request);
    expect(Buffer.from(frame.body.subarray(0, 16)).toString('hex')).toBe(
      'e8030000' + '03000000' + '7816a32e' + 'cf67fdcd',
    );
  });

  test('the largest batch fits, and is not copied', () => {
    const largest = encodeBatch({ producerId: 1, epoch: 1, sequence: 1 }, [
      new Uint8Array(LIMITS.recordBytesMax),
    ]);
    const chunks = encodeProduce(5, { deadlineMs: 0, queue: 1, bodyChecksum: 0, batch: largest });
    expect(chunks[1]).toBe(largest);
    expect(frameOf(chunks).body.length).toBeLessThanOrEqual(LIMITS.clientFrameBytesMax);
  });

  test('a flipped bit in front of the batch is refused; in the batch, the leader finds it', () => {
    const frame = frameOf(encodeProduce(5, request));
    for (let at = 0; at < frame.body.length; at += 1) {
      const body = Uint8Array.from(frame.body);
      body[at] = (body[at] ?? 0) ^ 0x10;
      if (at < 16) expect(() => decodeProduce({ ...frame, body })).toThrow(WireError);
      else expect(crc32(decodeProduce({ ...frame, body }).batch)).not.toBe(request.bodyChecksum);
    }
  });

  test('is for a queue of a topic, never for the raw log', () => {
    expect(() => decodeProduce(frameOf(encodeProduce(1, { ...request, queue: 0 })))).toThrow(/queue 0/);
  });
});

describe('PRODUCE_RESULTS', () => {
  const result = fc.record({
    requestId: uint32,
    index: uint53.map((value) => value as LogIndex),
    term: uint53.map(term),
    baseOffset: uint53,
  });

  test('come back as they were sent', () => {
    fc.assert(
      fc.property(fc.array(result, { minLength: 1, maxLength: 20 }), (results) => {
        expect(decodeProduceResults(encodeProduceResults(results))).toEqual(results);
      }),
    );
    const one = encodeProduceResults([{ requestId: 7, index: logIndex(9), term: term(2), baseOffset: 41 }]);
    expect(Buffer.from(one).toString('hex')).toBe(
      '01000000' + '07000000' + '0900000000000000' + '0200000000000000' + '2900000000000000',
    );
  });

  test('a count takes nothing before it is checked', () => {
    for (const [count, expected] of [
      [0, /count 0/],
      [2 ** 32 - 1, /count 4294967295/],
      [65_536, /needs byte/],
    ] as const) {
      const body = new Uint8Array(32);
      new DataView(body.buffer).setUint32(0, count, true);
      expect(() => decodeProduceResults(body)).toThrow(expected);
    }
  });
});

describe('FETCH', () => {
  test('comes back as it was sent', () => {
    fc.assert(
      fc.property(
        fc.record({
          queue,
          offset: uint53,
          recordsMax: fc.integer({ min: 1, max: LIMITS.fetchRecordsMax }),
          bytesMax: fc.integer({ min: 1, max: LIMITS.readBytesMax }),
          waitMs: durationMs,
          deadlineMs: durationMs,
          consistency: fc.constantFrom('linearizable' as const, 'committed' as const),
          tags: fc.array(
            fc.string({ unit: 'grapheme', maxLength: 30 }).filter((tag) => Buffer.byteLength(tag) <= 127),
            { maxLength: LIMITS.fetchTagsMax },
          ),
        }),
        (request) => {
          expect(decodeFetch(encodeFetch(request))).toEqual(request);
        },
      ),
    );
    expect(Buffer.from(encodeFetch(fetch)).toString('hex')).toBe(
      '07000000' +
        'e803000000000000' +
        '64000000' +
        '00000100' +
        'f4010000' +
        'd0070000' +
        '01' +
        '02' +
        '0161' +
        '02c3a4',
    );
  });

  test('is bounded in what it asks for', () => {
    for (const [change, expected] of [
      [{ queue: 0 }, /queue 0/],
      [{ recordsMax: 0 }, /recordsMax 0/],
      [{ recordsMax: 65_537 }, /recordsMax 65537/],
      [{ bytesMax: 0 }, /bytesMax 0/],
      [{ bytesMax: 2 ** 32 - 1 }, /bytesMax 4294967295/],
      [{ waitMs: 3_600_001 }, /waitMs/],
      [{ deadlineMs: 2 ** 31 }, /deadlineMs/],
      [{ tags: Array.from({ length: 17 }, () => 'a') }, /tagCount 17/],
    ] as const) {
      expect(() => decodeFetch(encodeFetch({ ...fetch, ...change }))).toThrow(expected);
    }
    const long = Uint8Array.from([
      ...encodeFetch({ ...fetch, tags: [] }).subarray(0, 29),
      1,
      128,
      ...new Uint8Array(128),
    ]);
    expect(() => decodeFetch(long)).toThrow(/tag of 128 bytes/);
  });
});

describe('FETCH_RESULT', () => {
  const log = sealed(
    [draft([Buffer.from('a')]), draft([Buffer.from('b'), Buffer.from('c')], 2), draft([Buffer.from('d')], 3)],
    10,
  );
  const result: FetchResult = {
    queue: 7,
    firstOffset: 5,
    endOffset: 100,
    nextOffset: 20,
    batches: log.map((entry, at) => ({
      baseOffset: 10 + at * 3,
      bitmap: at === 1 ? Uint8Array.of(0b10) : null,
      entry,
    })),
  };
  const comparable = (value: FetchResult): unknown => ({
    ...value,
    batches: value.batches.map(({ baseOffset, bitmap, entry }) => [
      baseOffset,
      bitmap === null ? null : [...bitmap],
      entry.index,
      [...entry.bytes],
    ]),
  });

  test('carries whole batches with the records that match', () => {
    const decoded = decodeFetchResult(
      frameOf(encodeFrame(FrameKind.FETCH_RESULT, 1, encodeFetchResult(result))).body,
    );
    expect(comparable(decoded)).toEqual(comparable(result));
    const bitmap = decoded.batches[1]?.bitmap ?? null;
    expect([bitmapHas(bitmap, 0), bitmapHas(bitmap, 1), bitmapHas(bitmap, 8)]).toEqual([false, true, false]);
    expect(bitmapHas(null, 5)).toBe(true);
    const none = { ...result, batches: [] };
    expect(decodeFetchResult(bytesOf(encodeFetchResult(none)))).toEqual(none);
  });

  test('no flipped bit gets through', () => {
    const stream = bytesOf(encodeFrame(FrameKind.FETCH_RESULT, 1, encodeFetchResult(result)));
    for (let at = 0; at < stream.length; at += 1) {
      const damaged = stream.slice();
      damaged[at] = (damaged[at] ?? 0) ^ 0x04;
      expect(() => decodeFetchResult(frameOf([damaged]).body), `byte ${at}`).toThrow();
    }
  });

  test('batches out of order, behind nextOffset or without their entries are refused', () => {
    const [first, second] = result.batches;
    if (first === undefined || second === undefined) throw new Error('no batches');
    for (const [change, expected] of [
      [{ batches: [second, first] }, /offset 10 after 13/],
      [{ batches: [first, first] }, /offset 10 after 10/],
      [{ nextOffset: 13 }, /before nextOffset 13/],
    ] as const) {
      expect(() => decodeFetchResult(bytesOf(encodeFetchResult({ ...result, ...change })))).toThrow(expected);
    }
    const body = bytesOf(encodeFetchResult(result));
    const cut = body.subarray(0, body.length - (log[2]?.bytes.length ?? 0));
    expect(() => decodeFetchResult(cut)).toThrow(/3 batches and 2 entries/);
    const many = Uint8Array.from(body);
    new DataView(many.buffer).setUint32(28, 2 ** 32 - 1, true);
    expect(() => decodeFetchResult(many)).toThrow(/batchCount 4294967295/);
  });
});

test('random bytes do nothing but a WireError', () => {
  const decoders = [
    decodeProduceResults,
    decodeFetch,
    decodeFetchResult,
    (body: Uint8Array) => decodeProduce({ kind: FrameKind.PRODUCE, flags: 1, requestId: 1, body }),
  ];
  fc.assert(
    fc.property(fc.constantFrom(...decoders), fc.uint8Array({ maxLength: 120 }), (decode, body) => {
      try {
        decode(body);
      } catch (error) {
        expect(error).toBeInstanceOf(WireError);
      }
    }),
    { numRuns: 4000 },
  );
});
