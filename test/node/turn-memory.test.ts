import { expect, test } from 'vitest';
import type { Connection } from '../../src/base/ports/network.ts';
import { TurnMemory } from '../../src/node/turn-memory.ts';

function connection(released: Uint8Array[]): Connection {
  return {
    remoteAddress: '127.0.0.1:1',
    bufferedBytes: 0,
    write: () => true,
    release: (bytes) => void released.push(bytes),
    close: () => undefined,
    destroy: () => undefined,
  };
}

test('gives back at the end of a turn what came in it, once', () => {
  const memory = new TurnMemory();
  const ours: Uint8Array[] = [];
  const theirs: Uint8Array[] = [];
  const [chunk, other, body] = [new Uint8Array(8), new Uint8Array(9), new Uint8Array(10)];
  memory.received(connection(ours), chunk);
  memory.received(connection(theirs), other);
  memory.assembled(body);
  expect([ours, theirs, body.length]).toEqual([[], [], 10]);
  memory.end(true);
  memory.end(true);
  expect([ours, theirs, body.length]).toEqual([[chunk], [other], 0]);
});

test('what something still waits in is left alone for good', () => {
  const memory = new TurnMemory();
  const released: Uint8Array[] = [];
  const body = new Uint8Array(10);
  memory.received(connection(released), new Uint8Array(8));
  memory.assembled(body);
  memory.end(false);
  memory.end(true);
  expect([released, body.length]).toEqual([[], 10]);
});
