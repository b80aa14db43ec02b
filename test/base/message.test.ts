import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BatchFormatError, encodeBatch } from '../../src/base/batch.ts';
import {
  MESSAGE_LIMITS,
  MessageFormatError,
  checkMessage,
  checkMessageBatch,
  decodeMessage,
  encodeMessage,
  hashText,
  isBrokerName,
  isMessageBatch,
  messageKeyBytes,
  messageTagHash,
  queueOfMessage,
  type Message,
} from '../../src/base/message.ts';

const text = (max: number): fc.Arbitrary<string | null> =>
  fc.option(
    fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: Math.floor(max / 12) })
      .filter((value) => Buffer.byteLength(value) <= max),
  );

const someMessage: fc.Arbitrary<Message> = fc.record({
  bornTimeMs: fc.maxSafeNat(),
  key: text(MESSAGE_LIMITS.keyBytesMax),
  tag: text(MESSAGE_LIMITS.tagBytesMax),
  orderingGroup: text(MESSAGE_LIMITS.orderingGroupBytesMax),
  headers: fc.array(
    fc.record({ name: fc.string({ minLength: 1, maxLength: 20 }), value: fc.uint8Array({ maxLength: 40 }) }),
    { maxLength: 5 },
  ),
  body: fc.uint8Array({ maxLength: 60 }),
});

const plain: Message = {
  bornTimeMs: 1_700_000_000_000,
  key: null,
  tag: null,
  orderingGroup: null,
  headers: [],
  body: Buffer.from('hello'),
};

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function comparable(message: Message): unknown {
  return {
    ...message,
    headers: message.headers.map(({ name, value }) => [name, hex(value)]),
    body: hex(message.body),
  };
}

describe('a message', () => {
  test('comes back as it was, wherever in a buffer it lies', () => {
    fc.assert(
      fc.property(someMessage, fc.nat(9), (message, shift) => {
        const encoded = encodeMessage(message);
        const within = new Uint8Array(shift + encoded.length + 3).fill(0xee);
        within.set(encoded, shift);
        const view = within.subarray(shift, shift + encoded.length);
        expect(comparable(decodeMessage(view))).toEqual(comparable(message));
        expect(hex(encodeMessage(decodeMessage(view)))).toBe(hex(encoded));
        expect(messageTagHash(view)).toBe(message.tag === null ? 0 : hashText(message.tag));
        const key = messageKeyBytes(view);
        expect(key === null ? null : Buffer.from(key).toString()).toBe(message.key);
      }),
      { numRuns: 500 },
    );
  });

  test('has these bytes', () => {
    expect(hex(encodeMessage(plain))).toBe('01000000' + '0068e5cf8b010000' + '68656c6c6f');
    const full = {
      ...plain,
      key: 'k1',
      tag: 'T',
      orderingGroup: 'g',
      headers: [{ name: 'a', value: Uint8Array.of(1, 2) }],
    };
    expect(hex(encodeMessage(full))).toBe(
      '010f0000' +
        '0068e5cf8b010000' +
        '02006b31' + // key
        '0154' + // tag
        '010067' + // ordering group
        '0100' + // one header
        '0161' +
        '02000102' +
        '68656c6c6f',
    );
  });

  test('with an empty key is one without', () => {
    const encoded = encodeMessage({ ...plain, key: '', tag: '', orderingGroup: '' });
    expect(hex(encoded)).toBe(hex(encodeMessage(plain)));
  });

  test('is refused where a part is over its limit', () => {
    const value = new Uint8Array(0);
    for (const [change, expected] of [
      [{ key: 'x'.repeat(1025) }, /key of 1025 bytes/],
      [{ key: 'ä'.repeat(513) }, /key of 1026 bytes/],
      [{ tag: 'x'.repeat(128) }, /tag of 128 bytes/],
      [{ orderingGroup: 'x'.repeat(256) }, /ordering group of 256 bytes/],
      [{ headers: Array.from({ length: 65 }, () => ({ name: 'a', value })) }, /65 headers/],
      [{ headers: [{ name: '', value }] }, /header name of 0 bytes/],
      [{ headers: [{ name: 'x'.repeat(256), value }] }, /header name of 256 bytes/],
      [{ headers: [{ name: 'a', value: new Uint8Array(65_536) }] }, /header "a" of 65536 bytes/],
      [{ bornTimeMs: -1 }, /born time -1/],
      [{ bornTimeMs: 0.5 }, /born time 0.5/],
    ] as const) {
      expect(() => encodeMessage({ ...plain, ...change })).toThrow(expected);
    }
    const largest = {
      ...plain,
      key: 'x'.repeat(1024),
      tag: 'x'.repeat(127),
      orderingGroup: 'x'.repeat(255),
      headers: Array.from({ length: 64 }, () => ({ name: 'y'.repeat(255), value: new Uint8Array(65_535) })),
    };
    expect(comparable(decodeMessage(encodeMessage(largest)))).toEqual(comparable(largest));
  });
});

describe('bytes that are no message', () => {
  test('do nothing but a MessageFormatError, and what passes can be decoded', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 60 }),
          fc
            .tuple(fc.nat(31), fc.uint8Array({ maxLength: 40 }))
            .map(([flags, rest]) => Uint8Array.of(1, flags, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ...rest)),
          fc.tuple(someMessage, fc.nat(), fc.nat(255)).map(([message, at, value]) => {
            const bytes = encodeMessage(message);
            bytes[at % Math.min(bytes.length, 80)] = value;
            return bytes;
          }),
        ),
        (bytes) => {
          try {
            checkMessage(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(MessageFormatError);
            return;
          }
          decodeMessage(bytes);
          messageTagHash(bytes);
          messageKeyBytes(bytes);
        },
      ),
      { numRuns: 3000 },
    );
  });

  test('are named for what is wrong with them', () => {
    const head = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for (const [bytes, expected] of [
      [[], /0 bytes/],
      [[2, 0, ...head], /version 2/],
      [[1, 16, ...head], /flags 16/],
      [[1, 0, 1, ...head.slice(1)], /flags 0/],
      [[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff], /2\^53-1/],
      [[1, 1, ...head], /key lies beyond/],
      [[1, 1, ...head, 0, 0], /key of 0 bytes/],
      [[1, 1, ...head, 5, 0, 1], /key lies beyond/],
      [[1, 2, ...head, 128], /tag of 128 bytes/],
      [[1, 4, ...head, 0, 1], /ordering group of 256/],
      [[1, 8, ...head, 0, 0], /0 headers/],
      [[1, 8, ...head, 65, 0], /65 headers/],
      [[1, 8, ...head, 1, 0, 1, 97], /header value lies beyond/],
      [[1, 8, ...head, 1, 0, 1, 97, 9, 0], /header value lies beyond/],
    ] as const) {
      expect(() => checkMessage(Uint8Array.from(bytes))).toThrow(expected);
    }
  });

  test('make a batch that names the record', () => {
    const stamp = { producerId: 1, epoch: 1, sequence: 1 };
    const good = encodeMessage({ ...plain, tag: 'a' });
    expect(checkMessageBatch(encodeBatch(stamp, [good, good]))).toBe(2);
    expect(isMessageBatch(encodeBatch(stamp, [good]))).toBe(true);
    const bad = encodeBatch(stamp, [good, Buffer.from('hello, I am no message')]);
    expect(() => checkMessageBatch(bad)).toThrow(/record 1 of 2: version 104/);
    expect(isMessageBatch(bad)).toBe(false);
    expect(() => checkMessageBatch(bad.subarray(0, 30))).toThrow(BatchFormatError);
    expect(isMessageBatch(bad.subarray(0, 30))).toBe(false);
    // A length that reaches into the next record is found in the record that has it.
    const long = encodeBatch(stamp, [Uint8Array.of(1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9), good]);
    expect(() => checkMessageBatch(long)).toThrow(/record 0 of 2: the tag lies beyond/);
  });
});

describe('the queue of a message', () => {
  test('is that of its ordering group, else of its key', () => {
    for (const count of [1, 3, 16]) {
      expect(queueOfMessage({ key: 'k', orderingGroup: 'g' }, count)).toBe(hashText('g') % count);
      expect(queueOfMessage({ key: 'k', orderingGroup: null }, count)).toBe(hashText('k') % count);
      expect(queueOfMessage({ key: null, orderingGroup: null }, count)).toBeNull();
    }
    // The same on every client there will ever be.
    expect(hashText('123456789')).toBe(0xcbf43926);
  });
});

test('names of topics and groups', () => {
  for (const name of ['orders', 'a', 'A.b_c-9', '...', '_x', 'x'.repeat(127)])
    expect(isBrokerName(name), name).toBe(true);
  for (const name of ['', '.', '..', '__x', 'x'.repeat(128), 'a b', 'a/b', 'ä', 'a\n']) {
    expect(isBrokerName(name), name).toBe(false);
  }
});
