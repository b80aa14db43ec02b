import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvariantViolation } from '../../src/base/assert.ts';
import {
  BATCH_HEADER_BYTES,
  BatchFormatError,
  batchBytes,
  batchStamp,
  checkBatch,
  decodeBatch,
  encodeBatch,
  type ProducerStamp,
} from '../../src/base/batch.ts';
import { uint32, uint53 } from './support.ts';

const stamp: ProducerStamp = { producerId: 7, epoch: 2, sequence: 3 };
const stamps: fc.Arbitrary<ProducerStamp> = fc.record({
  producerId: uint53,
  epoch: uint32,
  sequence: uint53,
});
const records = fc.array(fc.uint8Array({ maxLength: 50 }), { minLength: 1, maxLength: 20 });

test('a batch is laid out as documented', () => {
  const bytes = encodeBatch({ producerId: 0x1_0000_0002, epoch: 3, sequence: 4 }, [
    Uint8Array.of(9),
    new Uint8Array(),
  ]);
  expect([...bytes]).toEqual(
    [
      [2, 0, 0, 0, 1, 0, 0, 0],
      [4, 0, 0, 0, 0, 0, 0, 0],
      [3, 0, 0, 0, 2, 0, 0, 0],
      [1, 0, 0, 0, 9],
      [0, 0, 0, 0],
    ].flat(),
  );
});

test('encoding and decoding give back the stamp and the records', () => {
  fc.assert(
    fc.property(stamps, records, (by, these) => {
      const bytes = encodeBatch(by, these);
      expect(batchStamp(bytes)).toEqual(by);
      expect(checkBatch(bytes)).toBe(these.length);
      expect(decodeBatch(bytes).map((record) => [...record])).toEqual(these.map((record) => [...record]));
    }),
  );
});

test('the size can be known beforehand', () => {
  fc.assert(
    fc.property(records, (these) => {
      const payloadBytes = these.reduce((sum, record) => sum + record.length, 0);
      expect(encodeBatch(stamp, these)).toHaveLength(batchBytes(these.length, payloadBytes));
    }),
  );
});

test('decoding copies nothing and works inside a larger buffer', () => {
  const bytes = encodeBatch(stamp, [Uint8Array.of(1, 2), Uint8Array.of(3)]);
  const larger = new Uint8Array(bytes.length + 9);
  larger.set(bytes, 5);
  const decoded = decodeBatch(larger.subarray(5, 5 + bytes.length));
  expect(decoded.map((record) => [...record])).toEqual([[1, 2], [3]]);
  expect(decoded.every((record) => record.buffer === larger.buffer)).toBe(true);
});

test('a batch without records cannot be made', () => {
  expect(() => encodeBatch(stamp, [])).toThrow(InvariantViolation);
});

describe('checking refuses', () => {
  const bytes = encodeBatch(stamp, [Uint8Array.of(1, 2), new Uint8Array(), Uint8Array.of(3)]);

  test('a batch that ends anywhere before its end', () => {
    for (let length = 0; length < bytes.length; length += 1) {
      expect(() => checkBatch(bytes.subarray(0, length)), `${length} bytes`).toThrow(BatchFormatError);
    }
  });

  test('bytes after the last record', () => {
    expect(() => checkBatch(Uint8Array.of(...bytes, 0))).toThrow(BatchFormatError);
  });

  test('no records, and more records than there are', () => {
    for (const count of [0, 2, 4, 0xffff_ffff]) {
      const changed = bytes.slice();
      new DataView(changed.buffer).setUint32(20, count, true);
      expect(() => checkBatch(changed), `${count} records`).toThrow(BatchFormatError);
    }
  });

  test('a record that claims more than the batch has', () => {
    const changed = bytes.slice();
    new DataView(changed.buffer).setUint32(BATCH_HEADER_BYTES, 0xffff_ffff, true);
    expect(() => checkBatch(changed)).toThrow(BatchFormatError);
  });

  test('or decodes, whatever the bytes are, and fails in no other way', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (garbage) => {
        try {
          const count = checkBatch(garbage);
          expect(decodeBatch(garbage)).toHaveLength(count);
        } catch (error) {
          expect(error).toBeInstanceOf(BatchFormatError);
        }
      }),
    );
  });

  test('numbers above 2^53-1 in the stamp', () => {
    for (const offset of [0, 8]) {
      const changed = bytes.slice();
      changed.fill(0xff, offset, offset + 8);
      expect(() => batchStamp(changed)).toThrow(BatchFormatError);
    }
  });
});
