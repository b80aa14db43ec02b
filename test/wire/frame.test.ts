import { describe, expect, test } from 'vitest';
import { crc32 } from '../../src/base/crc32.ts';
import { FRAME_HEADER_BYTES, FrameFlags, FrameKind, encodeFrame } from '../../src/wire/frame.ts';
import { LIMITS } from '../../src/wire/limits.ts';
import { bytesOf, frameOf, hex } from './support/messages.ts';

describe('a frame', () => {
  test('has these bytes', () => {
    const frame = bytesOf(encodeFrame(FrameKind.PING, 0x01020304, []));
    expect(Buffer.from(frame).toString('hex')).toBe('edd101040000000004030201000000000000000015aaf8fb');
    const body = hex('01 02 03');
    const withBody = bytesOf(encodeFrame(FrameKind.READ, 1, [body]));
    const view = new DataView(withBody.buffer);
    expect(view.getUint32(12, true)).toBe(3);
    expect(view.getUint32(16, true)).toBe(crc32(body));
    expect(view.getUint32(20, true)).toBe(crc32(withBody.subarray(0, 20)));
    expect(withBody.subarray(FRAME_HEADER_BYTES)).toEqual(body);
  });

  test('does not copy what is large, and joins what is small', () => {
    const small = new Uint8Array(100).fill(1);
    const large = new Uint8Array(5000).fill(2);
    const chunks = encodeFrame(FrameKind.READ_RESULT, 1, [small, small, large, large, small, small]);
    expect(chunks.map((chunk) => chunk.length)).toEqual([FRAME_HEADER_BYTES + 200, 5000, 5000, 200]);
    expect(chunks[1]).toBe(large);
    expect(chunks[2]).toBe(large);
    expect(frameOf(chunks).body.length).toBe(10_400);
    const alone = encodeFrame(FrameKind.READ_RESULT, 1, [large]);
    expect(alone.map((chunk) => chunk.length)).toEqual([FRAME_HEADER_BYTES, 5000]);
  });

  test('carries its request id up to the last bit', () => {
    for (const requestId of [0, 1, 2 ** 31, 2 ** 32 - 1]) {
      expect(frameOf(encodeFrame(FrameKind.PONG, requestId, [])).requestId).toBe(requestId);
    }
  });

  test('leaves the body unsummed only where the kind brings its own checksums', () => {
    const frame = bytesOf(encodeFrame(FrameKind.APPEND, 1, [hex('0102')], FrameFlags.BODY_UNCHECKED));
    expect(new DataView(frame.buffer).getUint32(16, true)).toBe(0);
    for (const kind of [FrameKind.READ_RESULT, FrameKind.HELLO, FrameKind.HEARTBEAT]) {
      expect(() => encodeFrame(kind, 1, [], FrameFlags.BODY_UNCHECKED)).toThrow(/do not go with frame kind/);
    }
    expect(() => encodeFrame(FrameKind.APPEND, 1, [], 2)).toThrow(/do not go with frame kind/);
  });

  test('is never larger than anybody would take', () => {
    const tooLarge = new Uint8Array(LIMITS.peerFrameBytesMax + 1);
    expect(() => encodeFrame(FrameKind.APPEND, 1, [tooLarge])).toThrow(/16777217 bytes/);
  });
});
