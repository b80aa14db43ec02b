import { Redis } from 'ioredis';
import { SinkError, sinkError } from './errors.ts';

export interface RedisConnectionOptions {
  /** redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE], or rediss:// for TLS. */
  readonly url: string;
  /** Goes before one in the URL. */
  readonly password: string | null;
  /** How long to wait for the first answer, in milliseconds. */
  readonly timeoutMs: number;
  readonly say: (line: string) => void;
}

const RETRY_MS_MAX = 2000;
/** A peer that is gone without a word is noticed after so long without an answer. */
const SILENCE_MS_MAX = 15_000;
/** Of our own check of the URL: ioredis takes nearly everything for the name of a host. */
const SCHEMES = new Set(['redis:', 'rediss:']);

/**
 * Connects, and from then on for ever anew: commands wait for the connection and are sent again where it broke, which
 * is harmless because each of ours changes nothing the second time.
 * @throws SinkError BAD_URL, REDIS_UNREACHABLE, REDIS_AUTH.
 */
export async function connectRedis(options: RedisConnectionOptions): Promise<Redis> {
  const url = parseRedisUrl(options.url);
  const redis = new Redis(url.href, {
    ...(options.password === null ? {} : { password: options.password }),
    maxRetriesPerRequest: null,
    retryStrategy: (attempt) => Math.min(RETRY_MS_MAX, 50 * 2 ** Math.min(attempt, 10)),
    // A primary that was demoted: the address may lead to the new one by now.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
    socketTimeout: SILENCE_MS_MAX,
    connectTimeout: Math.min(options.timeoutMs, 10_000),
    disableClientInfo: true,
  });
  const failure: { last: Error | null } = { last: null };
  redis.on('error', (error: Error) => {
    failure.last = error;
  });
  const timer = Promise.withResolvers<never>();
  const timeout = setTimeout(() => {
    timer.reject(
      new SinkError(
        'REDIS_UNREACHABLE',
        `no answer from Redis at ${url.host} in ${options.timeoutMs} ms${because(failure.last)}`,
        'check that Redis runs, and that --url names it',
        failure.last,
      ),
    );
  }, options.timeoutMs);
  try {
    await Promise.race([redis.ping(), timer.promise]);
  } catch (error) {
    redis.disconnect();
    throw error instanceof SinkError ? error : sinkError(error, '');
  } finally {
    clearTimeout(timeout);
  }
  tellOutages(redis, url.host, options.say);
  return redis;
}

/** @throws SinkError BAD_URL; the password is in no message. */
export function parseRedisUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && SCHEMES.has(url.protocol) && url.hostname !== '') return url;
  throw new SinkError(
    'BAD_URL',
    'the URL is none of a Redis',
    'write it as redis://HOST:PORT or redis://USER@HOST:PORT/DATABASE; rediss:// is TLS',
  );
}

function tellOutages(redis: Redis, host: string, say: (line: string) => void): void {
  let isLost = false;
  redis.on('close', () => {
    if (!isLost) say(`lost Redis at ${host}: connecting again`);
    isLost = true;
  });
  redis.on('ready', () => {
    if (isLost) say(`Redis at ${host} is back`);
    isLost = false;
  });
}

function because(error: Error | null): string {
  return error === null || error.message === '' ? '' : `: ${error.message}`;
}
