import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectRedis, parseRedisUrl } from '../../src/sink/redis-connection.ts';
import { RedisStream } from '../../src/sink/redis-stream.ts';
import { runSink, type SinkResult } from '../../src/sink/sink.ts';
import { RedisServer, noRedis } from './support/redis-server.ts';
import { ListSource, held, someEntries } from './support/source.ts';

const KEY = 'test:{log}';
const FIRST = { major: 1, minor: 0 };

function sinkOf(redis: Redis, said: string[], onPause: () => Promise<void>): Promise<SinkResult> {
  return runSink({
    source: new ListSource(someEntries(50)),
    stream: new RedisStream(redis, { key: KEY, source: 'a list', owner: 'a', lengthMax: 0 }),
    first: FIRST,
    signal: new AbortController().signal,
    abandon: new AbortController().signal,
    say: (line) => said.push(line),
    pause: onPause,
  });
}

test.each(['', 'foo', 'http://127.0.0.1:6379', 'redis://'])('the URL %j is none of a Redis', (url) => {
  expect(() => parseRedisUrl(url)).toThrow(expect.objectContaining({ code: 'BAD_URL' }));
});

test('a Redis that is not there is named, and its password is not', async () => {
  const url = 'redis://somebody:secret@127.0.0.1:1';
  const error: unknown = await connectRedis({
    url,
    password: null,
    timeoutMs: 200,
    say: () => undefined,
  }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'REDIS_UNREACHABLE' });
  expect((error as Error).message).toContain('127.0.0.1:1 in 200 ms: connect ECONNREFUSED');
  expect((error as Error).message).not.toContain('secret');
});

describe.runIf(noRedis === null)('with a real Redis', () => {
  let server: RedisServer;

  beforeAll(async () => {
    server = await RedisServer.start(['--requirepass', 'open sesame']);
  });
  afterAll(async () => server.stop());

  async function connect(password: string | null, said: string[] = []): Promise<Redis> {
    return connectRedis({ url: server.url, password, timeoutMs: 5000, say: (line) => said.push(line) });
  }

  test('a password is needed, and has to be right', async () => {
    await expect(connect(null)).rejects.toMatchObject({ code: 'REDIS_AUTH' });
    await expect(connect('close sesame')).rejects.toMatchObject({ code: 'REDIS_AUTH' });
    const redis = await connect('open sesame');
    expect(await redis.ping()).toBe('PONG');
    redis.disconnect();
  });

  test('a replica is refused at the start', async () => {
    const redis = await connect('open sesame');
    await redis.replicaof('127.0.0.1', 1);
    const failed = sinkOf(redis, [], async () => Promise.resolve());
    await expect(failed).rejects.toMatchObject({ code: 'REDIS_READONLY' });
    await redis.replicaof('NO', 'ONE');
    redis.disconnect();
  });

  test('a Redis that is full for a while is waited for', async () => {
    const redis = await connect('open sesame');
    await redis.flushall();
    const control = await connect('open sesame');
    const said: string[] = [];
    const source = new ListSource(someEntries(50));
    const stream = new RedisStream(redis, { key: KEY, source: 'a list', owner: 'a', lengthMax: 0 });
    let pauses = 0;
    const result = await runSink({
      source: {
        identity: source.identity,
        read: async function* (from, signal) {
          await control.config('SET', 'maxmemory', '1');
          yield* source.read(from, signal);
        },
      },
      stream,
      first: FIRST,
      signal: new AbortController().signal,
      abandon: new AbortController().signal,
      say: (line) => said.push(line),
      pause: async () => {
        pauses += 1;
        if (pauses === 3) await control.config('SET', 'maxmemory', '0');
      },
    });
    expect(pauses).toBe(3);
    expect(result.records).toBe(someEntries(50).length);
    expect(said).toEqual([
      `fills ${KEY} from 1-0 on`,
      expect.stringContaining('Redis takes no writes for now: OOM'),
      'Redis takes writes again',
    ]);
    expect(await redis.xrange(KEY, '-', '+')).toEqual(held(someEntries(50)));
    redis.disconnect();
    control.disconnect();
  });

  test('a Redis that is killed and comes back empty is filled again', async () => {
    const said: string[] = [];
    const redis = await connect('open sesame', said);
    await redis.flushall();
    const source = new ListSource(someEntries(50));
    let isKilled = false;
    const result = await runSink({
      source: {
        identity: source.identity,
        read: async function* (from, signal) {
          for await (const entry of source.read(from, signal)) {
            if (entry.position.major === 25 && !isKilled) {
              isKilled = true;
              // The first step is on its way since the first entry was read.
              while ((await redis.xlen(KEY)) === 0);
              await server.kill();
              await server.restart();
            }
            yield entry;
          }
        },
      },
      stream: new RedisStream(redis, { key: KEY, source: 'a list', owner: 'a', lengthMax: 0 }),
      first: FIRST,
      signal: new AbortController().signal,
      abandon: new AbortController().signal,
      say: (line) => said.push(line),
      pause: async () => Promise.resolve(),
    });
    expect(result.next).toEqual({ major: 50, minor: 3 });
    expect(await redis.xrange(KEY, '-', '+')).toEqual(held(someEntries(50)));
    expect(said).toContainEqual(`lost Redis at 127.0.0.1:${server.port}: connecting again`);
    expect(said).toContainEqual(`Redis has lost what was after 1-0 in ${KEY}: writing it again`);
    redis.disconnect();
  });
});
