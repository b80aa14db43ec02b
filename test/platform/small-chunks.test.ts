import { expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { SmallChunks } from '../../src/platform/small-chunks.ts';

const SLAB_BYTES = 64 * 1024;

interface Sent {
  readonly bytes: Uint8Array;
  readonly sent: (() => void) | undefined;
}

function send(small: SmallChunks, chunks: readonly Uint8Array[]): Sent[] {
  const all: Sent[] = [];
  small.send(chunks, (bytes, sent) => all.push({ bytes, sent }));
  return all;
}

test('a run of small chunks is sent as one, a large chunk from where it lies', () => {
  const large = new Uint8Array(5000).fill(3);
  const sent = send(new SmallChunks(), [Uint8Array.of(1), Uint8Array.of(2, 2), large, Uint8Array.of(4)]);
  expect(sent.map(({ bytes }) => bytes.length)).toEqual([3, 5000, 1]);
  expect([...(sent[0]?.bytes ?? [])]).toEqual([1, 2, 2]);
  expect(sent[1]?.bytes).toBe(large);
});

test('whatever the sizes, the same bytes leave in the same order', () => {
  const prng = new Prng(7);
  const small = new SmallChunks();
  for (let round = 0; round < 200; round += 1) {
    const chunks = Array.from({ length: prng.between(1, 80) }, () =>
      new Uint8Array(prng.chance(0.9) ? prng.between(0, 4200) : prng.between(1, 200_000)).fill(
        prng.between(0, 255),
      ),
    );
    const sent = send(small, chunks);
    expect(Buffer.concat(sent.map(({ bytes }) => bytes)).equals(Buffer.concat(chunks))).toBe(true);
    for (const { bytes, sent: done } of sent) {
      if (done !== undefined) expect(bytes.length).toBeLessThanOrEqual(SLAB_BYTES);
      done?.();
    }
  }
});

test('memory is used again when the stream is done with it, and not before', () => {
  const small = new SmallChunks();
  const pair = [Uint8Array.of(1), Uint8Array.of(2)];
  const [first] = send(small, pair);
  const [second] = send(small, [Uint8Array.of(3), Uint8Array.of(4)]);
  expect(second?.bytes.buffer).not.toBe(first?.bytes.buffer);
  expect([...(first?.bytes ?? [])]).toEqual([1, 2]);
  first?.sent?.();
  const [third] = send(small, pair);
  expect(third?.bytes.buffer).toBe(first?.bytes.buffer);
});

test('connections that do not drain hold so much of it at most', () => {
  const small = new SmallChunks();
  const pair = [Uint8Array.of(1), Uint8Array.of(2)];
  const held = Array.from({ length: 64 }, () => send(small, pair)).flat();
  expect(held).toHaveLength(64);
  expect(send(small, pair).map(({ bytes }) => bytes)).toEqual(pair);
  held[5]?.sent?.();
  expect(send(small, pair)).toHaveLength(1);
});
