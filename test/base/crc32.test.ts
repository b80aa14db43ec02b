import { crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { crc32, crc32Between } from '../../src/base/crc32.ts';

test('of any bytes, few or many, it is what zlib computes', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.nat(300),
      fc.nat(300),
      fc.integer({ min: 0, max: 0xffffffff }),
      (bytes, one, other, previous) => {
        const start = Math.min(one, other, bytes.length);
        const end = Math.min(Math.max(one, other), bytes.length);
        expect(crc32(bytes, previous)).toBe(zlibCrc32(bytes, previous));
        const part = zlibCrc32(bytes.subarray(start, end), previous);
        expect(crc32Between(bytes, start, end, previous)).toBe(part);
      },
    ),
    { numRuns: 500 },
  );
});

test('the check value of the standard', () => {
  expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
  expect(crc32(new Uint8Array())).toBe(0);
});
