import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assert, InvariantViolation, unreachable } from '../../src/base/assert.ts';
import { crc32 } from '../../src/base/crc32.ts';
import { readUint53, UINT53_MAX, writeUint53 } from '../../src/base/uint53.ts';
import { incarnation, indexPlus, isNodeId, logIndex, nodeId, term } from '../../src/base/units.ts';
import { uint53 } from './support.ts';

describe('numbers with a meaning', () => {
  test.each([
    ['log index', logIndex],
    ['term', term],
    ['incarnation', incarnation],
  ])('%s: an integer in 0..2^53-1', (_name, make) => {
    for (const value of [0, 1, Number.MAX_SAFE_INTEGER]) expect(make(value)).toBe(value);
    for (const value of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, Number.MAX_SAFE_INTEGER + 1]) {
      expect(() => make(value)).toThrow(InvariantViolation);
    }
  });

  test('an index moves both ways, but not below 0', () => {
    expect(indexPlus(logIndex(5), 2)).toBe(7);
    expect(indexPlus(logIndex(5), -5)).toBe(0);
    expect(() => indexPlus(logIndex(5), -6)).toThrow(InvariantViolation);
  });

  test('a node id is 1 to 64 letters, digits, dots, underscores and dashes, and begins with a letter or digit', () => {
    for (const id of ['n1', 'A', '7', 'broker-a.rack_2', 'x'.repeat(64)]) expect(nodeId(id)).toBe(id);
    for (const id of ['', '-n', '.n', 'n 1', 'n/1', 'n1\n', 'nö', 'x'.repeat(65)]) {
      expect(isNodeId(id)).toBe(false);
      expect(() => nodeId(id)).toThrow(InvariantViolation);
    }
  });
});

describe('integers in 64 bits', () => {
  test('are written as BigInt would write them, and read back', () => {
    fc.assert(
      fc.property(uint53, (value) => {
        const view = new DataView(new ArrayBuffer(10));
        writeUint53(view, 1, value);
        expect(view.getBigUint64(1, true)).toBe(BigInt(value));
        expect(readUint53(view, 1, RangeError)).toBe(value);
      }),
    );
  });

  test('above 2^53-1 are refused with the error of the format they stand in', () => {
    const view = new DataView(new ArrayBuffer(8));
    view.setBigUint64(0, BigInt(UINT53_MAX), true);
    expect(readUint53(view, 0, RangeError)).toBe(UINT53_MAX);
    for (const value of [2n ** 53n, 2n ** 53n + 1n, 2n ** 64n - 1n]) {
      view.setBigUint64(0, value, true);
      expect(() => readUint53(view, 0, RangeError)).toThrow(RangeError);
    }
  });
});

describe('crc32', () => {
  test('is the one of IEEE 802.3', () => {
    expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf4_3926);
    expect(crc32(new Uint8Array())).toBe(0);
  });

  test('chains: of one part after the other is of the whole', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (one, other) => {
        expect(crc32(other, crc32(one))).toBe(crc32(Uint8Array.of(...one, ...other)));
      }),
    );
  });
});

describe('assert', () => {
  test('lets pass what holds, without building its message', () => {
    assert(true, () => {
      throw new Error('built');
    });
    expect(() => assert(false, () => `${1 + 1} is not 3`)).toThrow('2 is not 3');
  });

  test('throws what is recognised by its code', () => {
    expect(() => assert(false, 'no')).toThrow(expect.objectContaining({ code: 'INVARIANT_VIOLATION' }));
    expect(() => unreachable('x' as never)).toThrow(InvariantViolation);
  });
});
