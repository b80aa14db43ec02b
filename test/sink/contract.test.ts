import type { Redis } from 'ioredis';
import RedisMock from 'ioredis-mock';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { SinkError } from '../../src/sink/errors.ts';
import { RedisStream, type StreamEntry } from '../../src/sink/redis-stream.ts';
import { runSink, type SinkResult } from '../../src/sink/sink.ts';
import { RedisServer, noRedis } from './support/redis-server.ts';
import { ListSource, entry, held, someEntries } from './support/source.ts';

// What the sink needs of Redis, on the imitation and on a real one: one contract.

const KEY = 'test:{log}';
const FIRST = { major: 1, minor: 0 };

interface Place {
  readonly name: string;
  readonly isReal: boolean;
  readonly start: () => Promise<void>;
  readonly client: () => Redis;
  readonly stop: () => Promise<void>;
}

let server: RedisServer;
const places: Place[] = [
  {
    name: 'the imitation',
    isReal: false,
    start: async () => Promise.resolve(),
    client: () => new RedisMock(),
    stop: async () => Promise.resolve(),
  },
  {
    name: 'a real Redis',
    isReal: true,
    start: async () => {
      server = await RedisServer.start();
    },
    client: () => server.client(),
    stop: async () => server.stop(),
  },
];

describe.each(places.filter(({ isReal }) => !isReal || noRedis === null))('on $name', (place) => {
  let redis: Redis;

  beforeAll(place.start);
  afterAll(place.stop);
  beforeEach(async () => {
    redis = place.client();
    await redis.flushall();
  });
  afterEach(() => {
    redis.disconnect();
  });

  function stream(
    owner: string,
    options: { lengthMax?: number; source?: string; redis?: Redis } = {},
  ): RedisStream {
    return new RedisStream(options.redis ?? redis, {
      key: KEY,
      source: options.source ?? 'a list',
      owner,
      lengthMax: options.lengthMax ?? 0,
    });
  }

  /** The imitation adds a third part to ids. */
  async function contents(): Promise<[string, string[]][]> {
    const entries = await redis.xrange(KEY, '-', '+');
    return entries.map(([id, fields]) => [/^\d+-\d+/.exec(id)?.[0] ?? id, fields.map(String)]);
  }

  async function sink(entries: readonly StreamEntry[], through: RedisStream): Promise<SinkResult> {
    return runSink({
      source: new ListSource(entries),
      stream: through,
      first: FIRST,
      signal: new AbortController().signal,
      abandon: new AbortController().signal,
      say: () => undefined,
      pause: async () => Promise.resolve(),
    });
  }

  test('brings every record over, under ids that follow from its place', async () => {
    const last = place.isReal ? 1500 : 150;
    const entries = someEntries(last);
    expect(await sink(entries, stream('a'))).toEqual({
      records: entries.length,
      next: { major: last, minor: 1 },
    });
    expect(await contents()).toEqual(held(entries));
  });

  test('goes on where an earlier run stopped, also within an entry', async () => {
    const entries = someEntries(10);
    const early = entries.slice(0, 4);
    expect(early.at(-1)?.position).toEqual({ major: 2, minor: 1 });
    await sink(entries.slice(0, 3), stream('a'));
    await sink(early, stream('b'));
    expect(await sink(entries, stream('c'))).toMatchObject({ records: entries.length - 4 });
    expect(await sink(entries, stream('d'))).toMatchObject({ records: 0 });
    expect(await contents()).toEqual(held(entries));
  });

  test('keeps positions apart that a double does not tell apart', async () => {
    const one = stream('a');
    const last = Number.MAX_SAFE_INTEGER;
    await one.open({ major: last - 1, minor: 0 });
    await one.append([entry(last - 1, 0), entry(last, 0)]);
    expect((await stream('b').open(FIRST)).next).toEqual({ major: last, minor: 1 });
    expect((await contents()).map(([id]) => id)).toEqual([`${last - 1}-0`, `${last}-0`]);
  });

  test('writes once what is sent twice because the reply was lost', async () => {
    let isLosing = false;
    const losing = new Proxy(redis, {
      get: (target, name) => {
        if (name !== 'eval') return Reflect.get(target, name) as unknown;
        return async (...args: Parameters<Redis['eval']>) => {
          const reply = await target.eval(...args);
          if (isLosing) throw new Error('the reply was lost');
          return reply;
        };
      },
    });
    const one = stream('a', { redis: losing });
    await one.open(FIRST);
    isLosing = true;
    await expect(one.append([entry(1, 0), entry(2, 0)])).rejects.toThrow('the reply was lost');
    isLosing = false;
    expect(await one.append([entry(1, 0), entry(2, 0)])).toBe(true);
    expect(await one.append([entry(3, 0)])).toBe(true);
    expect(await contents()).toEqual(held([entry(1, 0), entry(2, 0), entry(3, 0)]));
  });

  test('lets the last one write that opened it, and tells the other', async () => {
    const old = stream('old');
    await old.open(FIRST);
    await old.append([entry(1, 0)]);
    const young = stream('young');
    expect((await young.open(FIRST)).next).toEqual({ major: 1, minor: 1 });
    expect(await old.append([entry(2, 0)])).toBe(false);
    await expect(old.open(FIRST)).rejects.toMatchObject({ code: 'FENCED' });
    expect(await young.append([entry(2, 0)])).toBe(true);
    expect(await contents()).toEqual(held([entry(1, 0), entry(2, 0)]));
  });

  test('begins again where Redis has forgotten everything', async () => {
    const entries = someEntries(20);
    const one = stream('a');
    await sink(entries, one);
    await redis.flushall();
    expect(await one.append([entry(21, 0)])).toBe(false);
    await sink(entries, one);
    expect(await contents()).toEqual(held(entries));
  });

  test('refuses a stream of another source, and one without a checkpoint', async () => {
    await sink(someEntries(3), stream('a'));
    await expect(stream('b', { source: 'another list' }).open(FIRST)).rejects.toMatchObject({
      code: 'WRONG_SOURCE',
    });
    await redis.del(`${KEY}:checkpoint`);
    await expect(stream('c').open(FIRST)).rejects.toMatchObject({ code: 'STRAY_STREAM' });
  });

  test('keeps about as many records as it was told', async () => {
    const entries = someEntries(place.isReal ? 2000 : 150);
    const result = await sink(entries, stream('a', { lengthMax: 100 }));
    expect(result.records).toBe(entries.length);
    const kept = await contents();
    // Redis drops whole nodes of its tree, of 100 entries each.
    expect(kept.length).toBeGreaterThanOrEqual(100);
    expect(kept.length).toBeLessThanOrEqual(200);
    expect(kept).toEqual(held(entries).slice(-kept.length));
  });

  test('holds each record once, in order, whatever befalls two sinks', async () => {
    // The imitation takes its time.
    const seeds = place.isReal ? 100 : 8;
    for (let seed = 1; seed <= seeds; seed += 1) {
      await redis.flushall();
      const prng = new Prng(seed);
      const opened = new Set<RedisStream>();
      const entries = someEntries(40);
      const streams = [stream('a'), stream('b')];
      for (let step = 0; step < 60; step += 1) {
        const at = prng.below(2);
        const one = streams[at] as RedisStream;
        const chance = prng.below(10);
        // A process that was killed and started again has a name of its own.
        if (chance === 0) streams[at] = stream(`${seed}.${step}`);
        else if (chance < 4 || !opened.has(one))
          await one.open(FIRST).then(() => opened.add(one), expectFenced);
        else await appendSome(one, entries, 1 + prng.below(9));
      }
      const seen = await contents();
      expect(seen, `seed ${seed}`).toEqual(held(entries).slice(0, seen.length));
      await sink(entries, stream('last'));
      expect(await contents(), `seed ${seed}`).toEqual(held(entries));
    }
  });

  if (!place.isReal) return;

  test('takes bytes as they are', async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, at) => at);
    const one = stream('a');
    await one.open(FIRST);
    await one.append([{ position: FIRST, fields: ['data', bytes.subarray(3)], bytes: 253 }]);
    const [found] = await redis.xrangeBuffer(KEY, '-', '+');
    expect(found?.[1][1]).toEqual(Buffer.from(bytes.subarray(3)));
  });

  test('goes on from what an older snapshot holds', async () => {
    const entries = someEntries(30);
    const one = stream('a');
    const two = stream('b');
    await sink(entries.slice(0, 20), one);
    await redis.save();
    await sink(entries.slice(0, 40), two);
    await server.kill();
    await server.restart();
    expect((await contents()).length).toBe(20);
    // Who was written down there has lost the stream since, even if nobody remembers that.
    expect(await two.append([entries[40] as StreamEntry])).toBe(false);
    expect(await sink(entries, two)).toMatchObject({ records: entries.length - 20 });
    await expect(sink(entries, one)).rejects.toMatchObject({ code: 'FENCED' });
    expect(await contents()).toEqual(held(entries));
    server.wipe();
  });

  test('says which key is in the way', async () => {
    await redis.set(KEY, 'mine');
    await redis.hset(`${KEY}:checkpoint`, { source: 'a list', next: '1-0', epoch: '1', owner: 'x' });
    await expect(sink(someEntries(3), stream('a'))).rejects.toMatchObject({ code: 'KEY_IN_USE' });
    expect(await redis.get(KEY)).toBe('mine');
    await redis.set(`${KEY}:checkpoint`, 'mine too');
    await expect(sink(someEntries(3), stream('b'))).rejects.toMatchObject({ code: 'KEY_IN_USE' });
  });

  test('leaves alone a stream that somebody else has written to', async () => {
    const one = stream('a');
    await one.open(FIRST);
    await redis.xadd(KEY, '7-0', 'not', 'ours');
    await expect(sink(someEntries(9), one)).rejects.toMatchObject({ code: 'STREAM_CONFLICT' });
    expect(await contents()).toEqual([['7-0', ['not', 'ours']]]);
    expect(await redis.hget(`${KEY}:checkpoint`, 'next')).toBe('1-0');
  });
});

/** What a process does between two looks at the world: go on from where it believes to be. */
async function appendSome(
  stream: RedisStream,
  entries: readonly StreamEntry[],
  count: number,
): Promise<void> {
  const { major, minor } = stream.next;
  const start = entries.findIndex(
    ({ position }) => position.major > major || (position.major === major && position.minor >= minor),
  );
  if (start !== -1) await stream.append(entries.slice(start, start + count));
}

function expectFenced(error: unknown): void {
  expect((error as SinkError).code).toBe('FENCED');
}
