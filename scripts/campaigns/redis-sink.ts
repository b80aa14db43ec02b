import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { Prng } from '../../src/base/prng.ts';
import { connect } from '../../src/client/index.ts';
import { Cluster, Command } from '../../test/e2e/support/cluster.ts';
import { Writer } from '../../test/e2e/support/load.ts';
import { RedisServer, noRedis } from '../../test/sink/support/redis-server.ts';

const KEY = 'dledger:{log}';
const IN_FLIGHT = 128;
const PAUSE_MS_MAX = 900;
const PAGE = 10_000;

interface Kills {
  sinks: number;
  redis: number;
  leaders: number;
  /** Sinks that ended because another one had taken over. */
  fenced: number;
}

/**
 * For so long, one after the other by chance: sinks are killed and started, also several at once; Redis is killed and comes
 * back with the last snapshot; the leader is killed. Then the stream must be the log, record for record.
 */
export async function redisSink(seconds: number, seed: number): Promise<boolean> {
  if (noRedis !== null) return false;
  const cluster = await Cluster.start(3);
  const server = await RedisServer.start();
  const redis = server.client();
  redis.on('error', () => undefined);
  const flags = ['sink', 'redis', '--url', server.url, '--endpoints', cluster.endpoints];
  try {
    const writer = await Writer.start(cluster.endpoints, 'w', IN_FLIGHT);
    const kills = await harass(cluster, server, redis, { flags, seconds, prng: new Prng(seed) });
    await writer.stop();
    const last = await new Command([...flags, '--once']).finished;
    if (last.code !== 0) throw new Error(`the last sink ended with ${last.code}: ${last.stderr}`);
    const { records, different } = await compare(cluster, redis);
    const { sinks, redis: redisKills, leaders, fenced } = kills;
    const isGood = records > 0 && different === 0;
    process.stdout.write(
      `seed ${seed}: ${sinks} sinks, Redis ${redisKills} times and ${leaders} leaders killed, ${fenced} sinks fenced\n` +
        `${isGood ? 'good' : 'BAD'}: ${records} records in the log, ${different} places where the stream differs\n`,
    );
    return isGood;
  } finally {
    redis.disconnect();
    await server.stop();
    await cluster.stop();
  }
}

async function harass(
  cluster: Cluster,
  server: RedisServer,
  redis: Redis,
  { flags, seconds, prng }: { flags: readonly string[]; seconds: number; prng: Prng },
): Promise<Kills> {
  const kills: Kills = { sinks: 0, redis: 0, leaders: 0, fenced: 0 };
  let sinks = [new Command(flags)];
  const endMs = performance.now() + seconds * 1000;
  while (performance.now() < endMs) {
    await delay(prng.below(PAUSE_MS_MAX));
    const chance = prng.below(20);
    if (chance < 10) {
      const [victim] = sinks.splice(prng.below(sinks.length), 1);
      await kill(victim);
      kills.sinks += 1;
    } else if (chance < 13) {
      await redis.save();
      await delay(prng.below(PAUSE_MS_MAX));
      await server.kill();
      await server.restart();
      kills.redis += 1;
    } else if (chance < 15) {
      const leader = await cluster.leader();
      await cluster.kill(leader);
      cluster.startNode(leader);
      kills.leaders += 1;
    } else {
      sinks.push(new Command(flags));
    }
    for (const sink of sinks.filter(({ isRunning }) => !isRunning)) {
      const { code, stderr } = await sink.finished;
      if (!stderr.includes('error[FENCED]')) throw new Error(`a sink ended with ${code}: ${stderr}`);
      kills.fenced += 1;
    }
    sinks = sinks.filter(({ isRunning }) => isRunning);
    if (sinks.length === 0) sinks.push(new Command(flags));
  }
  for (const sink of sinks) await kill(sink);
  return kills;
}

async function kill(sink: Command | undefined): Promise<void> {
  sink?.signal('SIGKILL');
  await sink?.finished;
}

/** Page by page: neither fits into memory for long. */
async function compare(cluster: Cluster, redis: Redis): Promise<{ records: number; different: number }> {
  const client = await connect({ endpoints: cluster.endpoints });
  const stream = entries(redis);
  let records = 0;
  let different = 0;
  for await (const { index, ordinal, data } of client.read()) {
    records += 1;
    const { value, done } = await stream.next();
    const expected = `${index}-${ordinal} ${new TextDecoder().decode(data)}`;
    if (done === true || value !== expected) different += 1;
  }
  for await (const _ of stream) different += 1;
  await client.close();
  return { records, different };
}

async function* entries(redis: Redis): AsyncGenerator<string, void, undefined> {
  for (let from = '-'; ; ) {
    const page = await redis.xrange(KEY, from, '+', 'COUNT', PAGE);
    for (const [id, fields] of page) yield `${id} ${fields[1] ?? ''}`;
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return;
    from = `(${last[0]}`;
  }
}
