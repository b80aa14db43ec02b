import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc32 } from '../../src/base/crc32.ts';
import { FRAME_HEADER_BYTES, FrameFlags, FrameKind, encodeFrame, type Frame } from '../../src/wire/frame.ts';
import { FrameParser, WireError } from '../../src/wire/frame-parser.ts';
import { bytesOf, framesOf, hex } from './support/messages.ts';

const KINDS = Object.values(FrameKind);

const someFrame = fc.record({
  kind: fc.constantFrom(...KINDS),
  requestId: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  body: fc.uint8Array({ maxLength: 300 }),
});

/** A header with some fields changed after its checksum was made, or before. */
function header(changes: {
  magic?: number;
  version?: number;
  kind?: number;
  flags?: number;
  zero?: number;
  bodyLength?: number;
  badChecksum?: boolean;
}): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, changes.magic ?? 0xd1ed, true);
  view.setUint8(2, changes.version ?? 1);
  view.setUint8(3, changes.kind ?? FrameKind.PING);
  view.setUint16(4, changes.flags ?? 0, true);
  view.setUint16(6, changes.zero ?? 0, true);
  view.setUint32(12, changes.bodyLength ?? 0, true);
  view.setUint32(20, crc32(bytes.subarray(0, 20)) ^ (changes.badChecksum === true ? 1 : 0), true);
  return bytes;
}

function codeOf(bytes: Uint8Array, bodyBytesMax = 1000): string {
  try {
    framesOf([bytes], bodyBytesMax);
  } catch (error) {
    if (error instanceof WireError) return error.code;
    throw error;
  }
  return 'accepted';
}

describe('the frame parser', () => {
  test('gives the same frames however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(someFrame, { maxLength: 8 }),
        fc.array(fc.nat(400), { maxLength: 30 }),
        (sent, sizes) => {
          const stream = bytesOf(
            sent.flatMap(({ kind, requestId, body }) => encodeFrame(kind, requestId, [body])),
          );
          const pieces: Uint8Array[] = [];
          let offset = 0;
          for (const size of sizes) {
            pieces.push(stream.slice(offset, offset + size));
            offset += size;
          }
          pieces.push(stream.slice(offset));
          const got = framesOf(pieces).map(({ kind, requestId, body }) => ({
            kind,
            requestId,
            body: [...body],
          }));
          expect(got).toEqual(sent.map((frame) => ({ ...frame, body: [...frame.body] })));
        },
      ),
    );
  });

  test('takes its bytes one at a time', () => {
    const sent = [0, 1, 23, 24, 25, 5000].map((length) => new Uint8Array(length).map((_, at) => at % 251));
    const stream = bytesOf(sent.flatMap((body, at) => encodeFrame(FrameKind.READ_RESULT, at, [body])));
    const got: Frame[] = [];
    const parser = new FrameParser({ bodyBytesMax: 5000 }, (frame) => got.push(frame));
    const counts = [];
    for (const byte of stream) {
      parser.push(Uint8Array.of(byte));
      counts.push(got.length);
    }
    expect(got.map(({ body }) => [...body])).toEqual(sent.map((body) => [...body]));
    // Each frame comes with its last byte and not later.
    let end = 0;
    for (const [at, body] of sent.entries()) {
      end += FRAME_HEADER_BYTES + body.length;
      expect([counts[end - 2], counts[end - 1]]).toEqual([at, at + 1]);
    }
    expect(parser.isMidFrame).toBe(false);
  });

  test('hands out views of what arrived whole, and copies only what did not', () => {
    const bodies = [new Uint8Array(100), new Uint8Array(200)];
    const stream = bytesOf(bodies.flatMap((body) => encodeFrame(FrameKind.READ_RESULT, 1, [body])));
    const [first, second] = framesOf([stream]);
    expect(first?.body.buffer).toBe(stream.buffer);
    expect(second?.body.buffer).toBe(stream.buffer);
    const cut = stream.length - 1;
    const [whole, broken] = framesOf([stream.subarray(0, cut), stream.subarray(cut)]);
    expect(whole?.body.buffer).toBe(stream.buffer);
    expect(broken?.body.buffer.byteLength).toBe(200);
  });

  test('names each violation', () => {
    expect(codeOf(header({}))).toBe('accepted');
    expect(codeOf(Buffer.from('GET / HTTP/1.1\r\n\r\n'))).toBe('BAD_MAGIC');
    expect(codeOf(header({ version: 0 }))).toBe('UNSUPPORTED_VERSION');
    expect(codeOf(header({ version: 2 }))).toBe('UNSUPPORTED_VERSION');
    expect(codeOf(header({ badChecksum: true }))).toBe('BAD_HEADER_CHECKSUM');
    for (const kind of [0, 6, 15, 27, 44, 255]) expect(codeOf(header({ kind }))).toBe('UNKNOWN_KIND');
    expect(codeOf(header({ flags: 1 }))).toBe('BAD_FLAGS');
    expect(codeOf(header({ flags: 1, kind: FrameKind.APPEND }))).toBe('accepted');
    expect(codeOf(header({ flags: 3, kind: FrameKind.APPEND }))).toBe('BAD_FLAGS');
    expect(codeOf(header({ zero: 1 }))).toBe('BAD_FLAGS');
    expect(codeOf(header({ bodyLength: 1001 }))).toBe('FRAME_TOO_LARGE');
    const damaged = bytesOf(encodeFrame(FrameKind.READ, 1, [hex('010203')]));
    damaged[FRAME_HEADER_BYTES] = 9;
    expect(codeOf(damaged)).toBe('BAD_BODY_CHECKSUM');
    // A checksum where none was announced is a difference of opinion too.
    const unchecked = bytesOf(encodeFrame(FrameKind.APPEND, 1, [hex('010203')], FrameFlags.BODY_UNCHECKED));
    new DataView(unchecked.buffer).setUint32(16, 1, true);
    new DataView(unchecked.buffer).setUint32(20, crc32(unchecked.subarray(0, 20)), true);
    expect(codeOf(unchecked)).toBe('BAD_BODY_CHECKSUM');
  });

  test('tells another protocol by its second byte', () => {
    const parser = new FrameParser({ bodyBytesMax: 100 }, () => undefined);
    parser.push(Uint8Array.of(0x47));
    expect(() => parser.push(Uint8Array.of(0x45))).toThrow(WireError);
  });

  test.each([2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1])(
    'refuses a length of %d before it takes memory',
    (bodyLength) => {
      const before = process.memoryUsage().arrayBuffers;
      const parsers = Array.from(
        { length: 1000 },
        () => new FrameParser({ bodyBytesMax: 4096 }, () => undefined),
      );
      for (const parser of parsers) {
        expect(() => parser.push(header({ bodyLength }))).toThrow(/the limit here is 4096/);
      }
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024);
    },
  );

  test('a body takes memory of its own length, once, when its header is there', () => {
    const body = new Uint8Array(1_000_000);
    const stream = bytesOf(encodeFrame(FrameKind.READ_RESULT, 1, [body]));
    const got: Frame[] = [];
    const parser = new FrameParser({ bodyBytesMax: body.length }, (frame) => got.push(frame));
    const before = process.memoryUsage().arrayBuffers;
    for (let at = 0; at < stream.length; at += 1000) parser.push(stream.subarray(at, at + 1000));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(body.length + 300_000);
    expect(got[0]?.body.buffer.byteLength).toBe(body.length);
  });

  test('a limit that is raised holds from the next frame on, also within the same bytes', () => {
    const large = encodeFrame(FrameKind.READ_RESULT, 2, [new Uint8Array(500)]);
    const stream = bytesOf([...encodeFrame(FrameKind.HELLO, 1, [new Uint8Array(10)]), ...large]);
    const got: number[] = [];
    const parser = new FrameParser({ bodyBytesMax: 100 }, (frame) => {
      got.push(frame.requestId);
      parser.setLimit(500);
    });
    parser.push(stream);
    expect(got).toEqual([1, 2]);
    expect(() => new FrameParser({ bodyBytesMax: 100 }, () => undefined).push(bytesOf(large))).toThrow(
      WireError,
    );
    expect(() => parser.setLimit(2 ** 32)).toThrow(/is not in 0\.\.16777216/);
  });

  test('stays broken once it has refused something', () => {
    const good = bytesOf(encodeFrame(FrameKind.PING, 1, []));
    let frames = 0;
    const parser = new FrameParser({ bodyBytesMax: 100 }, () => {
      frames += 1;
    });
    const stream = bytesOf([good, header({ version: 9 }), good]);
    expect(() => parser.push(stream)).toThrow(/protocol version 9/);
    expect(() => parser.push(good)).toThrow(/protocol version 9/);
    expect(frames).toBe(1);
  });

  test('what a reader of frames throws breaks it too', () => {
    const parser = new FrameParser({ bodyBytesMax: 100 }, () => {
      throw new WireError('BAD_BODY', 'nonsense');
    });
    const good = bytesOf(encodeFrame(FrameKind.PING, 1, []));
    expect(() => parser.push(good)).toThrow('nonsense');
    expect(() => parser.push(good)).toThrow('nonsense');
  });

  test('no garbage, and no damage to real frames, does anything but a WireError', () => {
    const valid = bytesOf([
      ...encodeFrame(FrameKind.HELLO, 1, [new Uint8Array(60).fill(3)]),
      ...encodeFrame(FrameKind.APPEND, 2, [new Uint8Array(90).fill(4)], FrameFlags.BODY_UNCHECKED),
      ...encodeFrame(FrameKind.PING, 3, []),
    ]);
    const damage = fc.array(fc.record({ at: fc.nat(valid.length - 1), value: fc.nat(255) }), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }),
          damage.map((changes) => {
            const bytes = valid.slice();
            for (const { at, value } of changes) bytes[at] = value;
            return bytes;
          }),
        ),
        fc.integer({ min: 1, max: 50 }),
        (bytes, step) => {
          let seen = 0;
          const parser = new FrameParser({ bodyBytesMax: 4096 }, (frame) => {
            seen += FRAME_HEADER_BYTES + frame.body.length;
          });
          try {
            for (let at = 0; at < bytes.length; at += step) parser.push(bytes.slice(at, at + step));
          } catch (error) {
            expect(error).toBeInstanceOf(WireError);
          }
          expect(seen).toBeLessThanOrEqual(bytes.length);
        },
      ),
      { numRuns: 3000 },
    );
  });
});
