import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ERROR_CODES, decodeError, encodeError, errorInfo } from '../../src/wire/errors.ts';
import type { ErrorCode } from '../../src/wire/errors.ts';
import { WireError } from '../../src/wire/frame-parser.ts';
import { LIMITS } from '../../src/wire/limits.ts';
import { someNodeId } from './support/messages.ts';

const codes = Object.keys(ERROR_CODES) as ErrorCode[];

describe('errors on the wire', () => {
  test('come back as they were sent', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...codes),
        fc.string({ unit: 'grapheme', maxLength: 2000 }),
        fc.record({
          leaderId: fc.option(someNodeId),
          leaderAddress: fc.option(fc.constantFrom('10.0.0.1:7101', '[::1]:7101', 'n1.example:1')),
          firstIndex: fc.option(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 1 })),
          lastIndex: fc.option(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 1 })),
        }),
        (code, message, hints) => {
          const error = errorInfo(code, message, hints);
          expect(Buffer.byteLength(error.message)).toBeLessThanOrEqual(LIMITS.errorMessageBytesMax);
          expect(message.startsWith(error.message)).toBe(true);
          const body = encodeError(error);
          expect(body.length).toBeLessThan(LIMITS.handshakeBytesMax);
          expect(decodeError(body)).toEqual(error);
        },
      ),
    );
  });

  test('keep their numbers', () => {
    const numbers = Object.values(ERROR_CODES).map(({ number }) => number);
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(Object.fromEntries(codes.map((code) => [code, ERROR_CODES[code].number]))).toMatchInlineSnapshot(`
      {
        "BAD_CHECKSUM": 18,
        "BAD_NAME": 26,
        "BAD_REQUEST": 64,
        "BATCH_FORMAT": 17,
        "CLUSTER_REPLACED": 41,
        "DAMAGED": 9,
        "DISK_FULL": 7,
        "DUPLICATE_NODE": 34,
        "FAULT_REFUSED": 49,
        "GROUP_NOT_EMPTY": 38,
        "IDENTITY_MISMATCH": 35,
        "INTERNAL": 65,
        "LEADERSHIP_LOST": 3,
        "LIMIT_EXCEEDED": 39,
        "MESSAGE_FORMAT": 40,
        "NOT_LEADER": 1,
        "NO_LEADER": 2,
        "OFFSET_EXPIRED": 28,
        "OFFSET_OUT_OF_RANGE": 27,
        "OUT_OF_ORDER": 19,
        "OUT_OF_RANGE": 22,
        "OVERLOADED": 6,
        "RECORD_TOO_LARGE": 16,
        "SESSION_EXPIRED": 20,
        "SHUTTING_DOWN": 8,
        "STALE_EPOCH": 21,
        "STALE_MEMBER": 30,
        "TIMEOUT": 5,
        "TIMEOUT_UNKNOWN": 4,
        "TOPIC_EXISTS": 25,
        "TRANSFER_REFUSED": 48,
        "UNAUTHORIZED": 37,
        "UNKNOWN_GROUP": 29,
        "UNKNOWN_TOPIC": 24,
        "UNSUPPORTED_VERSION": 36,
        "WRONG_CLUSTER": 32,
        "WRONG_NODE": 33,
      }
    `);
  });

  test('an error of a later version still says whether to retry and what became of the request', () => {
    const body = Uint8Array.from(encodeError(errorInfo('LEADERSHIP_LOST', 'the text')));
    new DataView(body.buffer).setUint16(0, 999, true);
    expect(decodeError(body)).toMatchObject({
      code: 'INTERNAL',
      message: 'error 999: the text',
      retryable: true,
      outcome: 'unknown',
    });
  });

  test('what may have been stored is never called failed', () => {
    // These are sent after a batch may have got into the log.
    for (const code of [
      'LEADERSHIP_LOST',
      'TIMEOUT_UNKNOWN',
      'SESSION_EXPIRED',
      'INTERNAL',
      'OUT_OF_ORDER',
    ] as const) {
      expect(ERROR_CODES[code].outcome).toBe('unknown');
    }
  });

  test('random bytes do nothing but a WireError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (body) => {
        try {
          decodeError(body);
        } catch (error) {
          expect(error).toBeInstanceOf(WireError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
