import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeHello, decodeHelloAck, encodeHello, encodeHelloAck } from '../../src/wire/handshake.ts';
import type { Hello, HelloAck } from '../../src/wire/handshake.ts';
import { WireError } from '../../src/wire/frame-parser.ts';
import { LIMITS } from '../../src/wire/limits.ts';
import { incarnation, someNodeId, uint32, uint53 } from './support/messages.ts';

const clusterId = fc.option(fc.stringMatching(/^[0-9a-f]{31}[1-9a-f]$/));
const softwareVersion = fc.stringMatching(/^[0-9a-z.+-]{0,64}$/);

const said = {
  protocolVersion: uint32,
  lane: fc.constantFrom('none' as const, 'control' as const, 'bulk' as const),
  clusterId,
  nodeId: fc.option(someNodeId),
  incarnation,
  bootId: uint53,
  softwareVersion,
  credentials: fc.option(fc.uint8Array({ minLength: 1, maxLength: LIMITS.credentialsBytesMax })),
};

const no = fc.constant(false);

/** Only peers have a priority, and only the others have flags: they share four bytes. */
const hello: fc.Arbitrary<Hello> = fc.oneof(
  fc.record({
    ...said,
    role: fc.constant('peer' as const),
    priority: uint32,
    redirects: no,
    forwarded: no,
  }),
  fc.record({
    ...said,
    role: fc.constantFrom('client' as const, 'admin' as const),
    priority: fc.constant(0),
    redirects: fc.boolean(),
    forwarded: fc.boolean(),
  }),
);

const helloAck: fc.Arbitrary<HelloAck> = fc.record({
  protocolVersion: uint32,
  clusterId,
  nodeId: someNodeId,
  incarnation,
  bootId: uint53,
  priority: uint32,
  softwareVersion,
  leaderId: fc.option(someNodeId),
  leaderAddress: fc.option(fc.stringMatching(/^[a-z0-9.:[\]]{1,255}$/)),
  limits: fc.record({
    batchBytesMax: fc.integer({ min: 1, max: LIMITS.batchBytesMax }),
    recordBytesMax: fc.integer({ min: 1, max: LIMITS.recordBytesMax }),
    inFlightMax: fc.integer({ min: 1, max: LIMITS.inFlightMax }),
  }),
  durability: fc.constantFrom('quorum-sync' as const, 'unsafe-no-sync' as const),
});

function plain(value: Hello): unknown {
  return { ...value, credentials: value.credentials === null ? null : [...value.credentials] };
}

describe('the greeting', () => {
  test('comes back as it was sent, and fits into what a stranger may send', () => {
    fc.assert(
      fc.property(hello, (value) => {
        const body = encodeHello(value);
        expect(body.length).toBeLessThan(LIMITS.handshakeBytesMax);
        expect(plain(decodeHello(body))).toEqual(plain(value));
      }),
    );
  });

  test('its answer comes back as it was sent', () => {
    fc.assert(
      fc.property(helloAck, (value) => {
        const body = encodeHelloAck(value);
        expect(body.length).toBeLessThan(LIMITS.handshakeBytesMax);
        expect(decodeHelloAck(body)).toEqual(value);
      }),
    );
  });

  test('no part of either may be missing, and nothing may follow', () => {
    fc.assert(
      fc.property(hello, helloAck, fc.nat(), (greeting, answer, pick) => {
        for (const [body, decode] of [
          [encodeHello(greeting), decodeHello],
          [encodeHelloAck(answer), decodeHelloAck],
        ] as const) {
          expect(() => decode(body.subarray(0, pick % body.length))).toThrow(WireError);
          expect(() => decode(Buffer.concat([body, Buffer.alloc(1)]))).toThrow(
            /1 bytes after the last field/,
          );
        }
      }),
    );
  });

  test('random bytes do nothing but a WireError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (body) => {
        for (const decode of [decodeHello, decodeHelloAck]) {
          try {
            decode(body);
          } catch (error) {
            expect(error).toBeInstanceOf(WireError);
          }
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('names the field that is out of bounds', () => {
    const [greeting] = fc.sample(hello, { numRuns: 1, seed: 1 });
    const body = Uint8Array.from(encodeHello(greeting as Hello));
    body[4] = 4;
    expect(() => decodeHello(body)).toThrow('HELLO: role 4 is not known');
    const [answer] = fc.sample(helloAck, { numRuns: 1, seed: 1 });
    const ack = Uint8Array.from(encodeHelloAck(answer as HelloAck));
    new DataView(ack.buffer).setUint32(48, 8193, true);
    expect(() => decodeHelloAck(ack)).toThrow('HELLO_ACK: inFlightMax 8193 is not in 1..8192');
  });

  test('what is over its bound is not even sent', () => {
    const [greeting] = fc.sample(hello, { numRuns: 1, seed: 1 });
    const value = greeting as Hello;
    expect(() => encodeHello({ ...value, softwareVersion: 'v'.repeat(65) })).toThrow(/over 64 bytes/);
    expect(() => encodeHello({ ...value, clusterId: 'abc' })).toThrow(/not 32 hexadecimal digits/);
    expect(() => encodeHello({ ...value, bootId: 2 ** 53 })).toThrow(/not in 0\.\.2\^53-1/);
    expect(() => encodeHello({ ...value, credentials: new Uint8Array(1025) })).toThrow(/1025/);
  });
});
