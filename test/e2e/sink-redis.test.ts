import type { Redis } from 'ioredis';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connect } from '../../src/client/index.ts';
import { RedisServer, noRedis } from '../sink/support/redis-server.ts';
import { Cluster, Command } from './support/cluster.ts';
import { Writer } from './support/load.ts';

// The sink as a process, killed at any moment, with a real Redis that is killed too: in the end the stream is the log.

const KEY = 'dledger:{log}';

describe.runIf(noRedis === null)('the Redis sink', () => {
  let cluster: Cluster;
  let server: RedisServer;
  let redis: Redis;

  beforeEach(async () => {
    cluster = await Cluster.start(3);
    server = await RedisServer.start();
    redis = server.client();
    redis.on('error', () => undefined);
  });

  afterEach(async () => {
    redis.disconnect();
    await server.stop();
    await cluster.stop();
  });

  function startSink(...flags: string[]): Command {
    return new Command(['sink', 'redis', '--url', server.url, '--endpoints', cluster.endpoints, ...flags]);
  }

  /** Waits until the stream holds so many entries. */
  async function untilLength(count: number): Promise<void> {
    while ((await redis.xlen(KEY)) < count);
  }

  /** What the stream should hold: each record of the log under its place. */
  async function log(): Promise<[string, string][]> {
    const client = await connect({ endpoints: cluster.endpoints });
    const records: [string, string][] = [];
    for await (const { index, ordinal, data } of client.read())
      records.push([`${index}-${ordinal}`, new TextDecoder().decode(data)]);
    await client.close();
    return records;
  }

  async function stream(): Promise<(string | undefined)[][]> {
    return (await redis.xrange(KEY, '-', '+')).map(([id, fields]) => [id, fields[1]]);
  }

  test('is killed 6 times under load: the stream is the log, each record once', async () => {
    const writer = await Writer.start(cluster.endpoints, 'w', 64);
    for (let kill = 0; kill < 6; kill += 1) {
      const sink = startSink();
      const before = await redis.xlen(KEY);
      await untilLength(before + 1 + kill * 37);
      sink.signal('SIGKILL');
      await sink.finished;
    }
    await writer.stop();
    const last = await startSink('--once', '-o', 'json').finished;
    expect(last).toMatchObject({ code: 0 });
    expect(await stream()).toEqual(await log());
  });

  test('a topic becomes a stream for each queue; killed in the middle, each record is there once', async () => {
    const client = await connect({ endpoints: cluster.endpoints });
    const { queues } = await client.admin.createTopic({ name: 'orders', queues: 3 });
    const producer = client.createTopicProducer({ batchBytesMax: 2000 });
    const sent = Array.from({ length: 4000 }, (_, at) => ({
      body: `order ${at}`,
      key: `k${at % 17}`,
      tag: 'new',
    }));
    const stored = producer.sendBatch('orders', sent);
    const keys = queues.map(({ ordinal }) => `dledger:{orders}:${ordinal}`);
    const length = async (): Promise<number> =>
      (await Promise.all(keys.map(async (key) => redis.xlen(key)))).reduce((sum, one) => sum + one, 0);
    for (let kill = 0; kill < 3; kill += 1) {
      const sink = startSink('--topic', 'orders');
      const before = await length();
      while ((await length()) < before + 300);
      sink.signal('SIGKILL');
      await sink.finished;
    }
    const places = await stored;
    const last = await startSink('--topic', 'orders', '--once', '-o', 'json').finished;
    expect(last).toMatchObject({ code: 0 });
    for (const [queue, key] of keys.entries()) {
      const expected = places
        .flatMap(({ queue: of, offset }, at) => (of === queue ? [{ offset, at }] : []))
        .sort((a, b) => a.offset - b.offset)
        .map(({ offset, at }) => [`${offset}-1`, `order ${at}`, `k${at % 17}`, 'new']);
      const entries = (await redis.xrange(key, '-', '+')).map(([id, fields]) => {
        const named = new Map(
          fields.flatMap((name, at) => (at % 2 === 0 ? [[name, fields[at + 1]]] : [])) as [string, string][],
        );
        return [id, named.get('data'), named.get('key'), named.get('tag')];
      });
      expect(entries).toEqual(expected);
    }
    const unknown = await startSink('--topic', 'nix', '--once').finished;
    expect(unknown.code).toBe(8);
    await producer.close();
    await client.close();
  });

  test('says what is wrong with what it was given, and begins where it is told', async () => {
    const secret = path.join(cluster.directory, 'password');
    fs.writeFileSync(secret, 'sesame', { mode: 0o644 });
    const wrong: [string[], number, string][] = [
      [['--url', 'foo'], 2, 'error[BAD_URL]'],
      [['--from', '0'], 2, '--from 0 is no place in the log'],
      [['--max-len', '-1'], 2, '--max-len -1 is not an integer'],
      [['--prefix', 'a{b'], 2, 'cannot begin a key'],
      [['--password-file', secret], 2, `chmod 600 ${secret}`],
      [
        ['--url', 'redis://127.0.0.1:1', '--timeout', '1s'],
        3,
        'error[REDIS_UNREACHABLE]: no answer from Redis',
      ],
    ];
    for (const [flags, code, text] of wrong) {
      const { code: ended, stderr } = await cluster.command('sink', 'redis', ...flags);
      expect({ flags, ended, isSaid: stderr.includes(text) }).toEqual({ flags, ended: code, isSaid: true });
    }
    for (const record of ['a', 'b']) await cluster.command('append', '-d', record);
    const late = startSink('--from', 'latest', '--once');
    expect(await late.finished).toMatchObject({ code: 0 });
    expect(await redis.xlen(KEY)).toBe(0);
    await cluster.command('append', '-d', 'c');
    await startSink('--once').finished;
    expect((await stream()).map(([, data]) => data)).toEqual(['c']);
  });

  test('outlives a Redis that forgets and a leader that dies; a second sink fences the first', async () => {
    const writer = await Writer.start(cluster.endpoints, 'w');
    const first = startSink();
    await untilLength(200);
    await redis.save();
    // Behind the snapshot, wherever it was: else there is nothing to forget.
    await untilLength((await redis.xlen(KEY)) + 200);
    await server.kill();
    await server.restart();
    await first.untilPrinted((_, stderr) => stderr.includes(`Redis has lost what was after`));
    await cluster.kill(await cluster.leader());
    await untilLength((await redis.xlen(KEY)) + 200);
    const second = startSink();
    const fenced = await first.finished;
    expect(fenced.code).toBe(7);
    expect(fenced.stderr).toContain('error[FENCED]: another sink');
    await untilLength((await redis.xlen(KEY)) + 200);
    await writer.stop();
    const records = await log();
    await untilLength(records.length);
    expect(await stream()).toEqual(records);
    second.signal('SIGTERM');
    const ended = await second.finished;
    expect(ended.code).toBe(0);
    expect(ended.stdout).toContain(KEY);
  });

  test('ends when it is told to, also while it waits for Redis', async () => {
    const waiting = startSink();
    await waiting.untilPrinted((_, stderr) => stderr.includes('fills'));
    await server.kill();
    await cluster.command('append', '-d', 'a');
    await waiting.untilPrinted((_, stderr) => stderr.includes('lost Redis'));
    waiting.signal('SIGINT');
    expect((await waiting.finished).code).toBe(130);
    await server.restart();
    const full = startSink();
    await untilLength(1);
    await redis.config('SET', 'maxmemory', '1');
    await cluster.command('append', '-d', 'b');
    await full.untilPrinted((_, stderr) => stderr.includes('Redis takes no writes for now: OOM'));
    full.signal('SIGTERM');
    expect(await full.finished).toMatchObject({ code: 0 });
  });
});
