import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { WireError } from '../../src/wire/frame-parser.ts';
import { LIMITS } from '../../src/wire/limits.ts';
import { decodeMsgpack, encodeMsgpack } from '../../src/wire/msgpack.ts';
import { bytesOf, hex } from './support/messages.ts';

const packed = (value: unknown): Uint8Array => new Packr({ useRecords: false }).pack(value);

function refusal(bytes: Uint8Array): string {
  try {
    decodeMsgpack(bytes);
  } catch (error) {
    if (error instanceof WireError && error.code === 'BAD_MSGPACK') return error.message;
    throw error;
  }
  return 'accepted';
}

const repeat = (pattern: string, count: number): Uint8Array => hex(pattern.repeat(count));

describe('MessagePack bodies', () => {
  test('come back as they were sent', () => {
    const key = fc
      .string({ maxLength: 40 })
      .filter((text) => !['__proto__', 'constructor', 'prototype', 'toJSON'].includes(text));
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.string({ unit: 'grapheme', maxLength: 100 }),
        fc.maxSafeInteger(),
        fc.integer({ min: -200, max: 300 }),
        fc.double({ noNaN: true }).filter((number) => !Object.is(number, -0)),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('value'), { maxLength: 20 }),
        fc.dictionary(key, tie('value'), { maxKeys: 20, noNullPrototype: true }),
      ),
    }));
    fc.assert(
      fc.property(value, (sent) => {
        expect(decodeMsgpack(encodeMsgpack(sent))).toEqual(sent);
      }),
      { numRuns: 500 },
    );
  });

  test('numbers that look like the ids of records are numbers', () => {
    const numbers = Array.from({ length: 300 }, (_, at) => at - 40);
    expect(decodeMsgpack(encodeMsgpack(numbers))).toEqual(numbers);
  });

  test.each<[string, Uint8Array, RegExp]>([
    ['an array of 33.5 million', hex('dd 02 00 00 00'), /ends beyond/],
    ['an array of 2^32-1', hex('dd ff ff ff ff'), /ends beyond/],
    ['a map of 2^32-1', hex('df ff ff ff ff'), /ends beyond/],
    ['eight such headers in each other', repeat('dd02000000', 8), /ends beyond/],
    ['the same with room for the first', bytesOf([hex('dc 00 20'), repeat('dd02000000', 8)]), /ends beyond/],
    ['5,000 arrays in each other', repeat('91', 5000), /deeper than 8/],
    ['5,000 maps in each other', repeat('81a161', 5000), /deeper than 8/],
    ['text of 4 GiB', hex('db ff ff ff ff'), /text of 4294967295 bytes/],
    ['text over its limit', packed('x'.repeat(LIMITS.msgpackStringBytesMax + 1)), /text of 4097 bytes/],
    ['text that is cut off', hex('d9 05 61'), /ends beyond/],
    ['too many values', bytesOf([hex('dd 00 01 00 01'), new Uint8Array(65_537)]), /more than 65536 values/],
    ['too large a body', new Uint8Array(LIMITS.msgpackBytesMax + 1), /1048577 bytes/],
    ['the key __proto__', packed(JSON.parse('{"a":{"__proto__":{"x":1}}}')), /key __proto/],
    [
      'the raw key __proto__',
      bytesOf([hex('81 a9'), Buffer.from('__proto__'), hex('81a17801')]),
      /key __proto__/,
    ],
    ['the key constructor', packed({ constructor: { prototype: { x: 1 } } }), /key constructor/],
    [
      'the key constructor, written long',
      bytesOf([hex('81 d9 0b'), Buffer.from('constructor'), hex('01')]),
      /key constructor/,
    ],
    ['a key that is a number', hex('81 01 01'), /not text/],
    ['a key that is an array', hex('81 91 01 01'), /not text/],
    ['an extension: a record definition', hex('d4 72 40'), /type 0xd4/],
    ['an extension: a regular expression', bytesOf([hex('c7 05 78'), Buffer.from('(a+)+')]), /type 0xc7/],
    ['an extension: an error', hex('c7 03 65 93 a1 61'), /type 0xc7/],
    ['an extension: a timestamp', hex('d6 ff 00 00 00 00'), /type 0xd6/],
    ['binary', hex('c4 01 00'), /type 0xc4/],
    ['the byte that means nothing', hex('c1'), /type 0xc1/],
    ['nothing', hex(''), /truncated/],
    ['a number that is cut off', hex('cd 01'), /ends beyond/],
    ['a second value', hex('01 02'), /1 bytes after the value/],
  ])('refuse %s, for little memory', (_, bytes, expected) => {
    expect(refusal(bytes)).toMatch(expected);
    // What the runtime allocates beside the decoder (compiled code, the runner's own) comes and goes; what the
    // decoder allocates comes every time, so that the least of some attempts is its own.
    const allocated = Array.from({ length: 5 }, () => {
      const before = process.memoryUsage();
      refusal(bytes);
      const after = process.memoryUsage();
      return after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
    });
    expect(Math.min(...allocated)).toBeLessThan(1024 * 1024);
  });

  test('nothing reaches the prototype of objects', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 16 }), fc.string({ maxLength: 16 }), (outer, inner) => {
        const bytes = packed(new Map([[outer, new Map([[inner, 'polluted']])]]));
        try {
          decodeMsgpack(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(WireError);
        }
        expect(Object.keys(Object.prototype)).toEqual([]);
        expect(({} as Record<string, unknown>)[inner]).not.toBe('polluted');
      }),
      { numRuns: 1000 },
    );
  });

  test('random bytes do nothing but a WireError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        refusal(bytes);
      }),
      { numRuns: 10_000 },
    );
  });
});
