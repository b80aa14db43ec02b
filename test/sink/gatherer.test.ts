import { expect, test } from 'vitest';
import { Gatherer } from '../../src/sink/gatherer.ts';

async function* upTo(count: number, read: { count: number }): AsyncGenerator<number, void, undefined> {
  for (let at = 1; at <= count; at += 1) {
    read.count = at;
    yield await Promise.resolve(at);
  }
}

/** Long enough for everything that needs no help from outside. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

test('gives all that has come since, in order, and null at the end', async () => {
  const gatherer = new Gatherer(upTo(7, { count: 0 }), () => 1, { count: 3, bytes: 1000 });
  const taken: number[][] = [];
  for (;;) {
    await settled();
    const some = await gatherer.take();
    if (some === null) break;
    taken.push(some);
  }
  expect(taken).toEqual([[1, 2, 3], [4, 5, 6], [7]]);
});

test('stops reading while too much waits, by count and by bytes', async () => {
  const byCount = { count: 0 };
  const few = new Gatherer(upTo(1000, byCount), () => 1, { count: 10, bytes: 1000 });
  await settled();
  expect(byCount.count).toBe(10);
  const byBytes = { count: 0 };
  const light = new Gatherer(upTo(1000, byBytes), () => 300, { count: 10, bytes: 1000 });
  await settled();
  expect(byBytes.count).toBe(4);
  expect(await light.take()).toEqual([1, 2, 3, 4]);
  expect((await few.take())?.length).toBe(10);
});

test('hands over what came before an error, and then the error', async () => {
  const failing = async function* (): AsyncGenerator<number, void, undefined> {
    yield await Promise.resolve(1);
    throw new Error('the end of the world');
  };
  const gatherer = new Gatherer(failing(), () => 1, { count: 10, bytes: 10 });
  await settled();
  expect(await gatherer.take()).toEqual([1]);
  await expect(gatherer.take()).rejects.toThrow('the end of the world');
});
