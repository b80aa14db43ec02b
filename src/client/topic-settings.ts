import { MESSAGE_LIMITS } from '../base/message.ts';
import type { Prng } from '../base/prng.ts';
import { UINT53_MAX } from '../base/uint53.ts';
import { encodeUtf8 } from '../base/utf8.ts';
import { LIMITS } from '../wire/limits.ts';
import type { QueuePosition, ResetTarget } from '../wire/broker-schema.ts';
import { integer } from './check.ts';
import type { ConsumerCoreOptions, ConsumerHandlers, GivenQueue } from './consumer-core.ts';
import { publish } from './diagnostics.ts';
import { ArgumentError } from './errors.ts';
import type { ReadQueue } from './queue-reader.ts';
import type { TopicProducerOptions } from './topic-producer-core.ts';

export interface TopicProducerSettings {
  /** Batches of one queue on their way at once. Default 16. */
  readonly inFlightMax?: number;
  /** How long records gather while an earlier batch of their queue is on its way, in milliseconds. Default 5; 0 not at all. */
  readonly lingerMs?: number;
  /** A batch with so many bytes leaves. Default 256 KiB. */
  readonly batchBytesMax?: number;
  /** Bytes of records that were not answered. Default 64 MiB; beyond it they are rejected as OVERLOADED. */
  readonly bufferBytesMax?: number;
}

/** Where a consumer begins: an offset in every queue, or the first record stored at a time (Unix milliseconds) or later. */
export type ConsumeFrom = 'earliest' | 'latest' | { readonly offset: number } | { readonly timeMs: number };

export interface ConsumerSettings {
  readonly topics: string | readonly string[];
  /** Whose queues and positions are shared. Default: none; then it reads all queues and commits nothing. */
  readonly group?: string;
  /** Where nothing was committed. Default `earliest`. */
  readonly from?: ConsumeFrom;
  /** Without a group: only these queues, by ordinal, each from an offset on; `from` is not looked at. Default: all. */
  readonly queues?: Readonly<Record<number, number>>;
  /** Only records with one of these tags, at most 16. Default: all. */
  readonly tags?: readonly string[];
  /** What is worked off is committed so often, in milliseconds. Default 1,000; null: only by `commit`. */
  readonly autoCommitMs?: number | null;
  /** A member that is silent for so long loses its queues, in milliseconds. Default 10,000. */
  readonly sessionTimeoutMs?: number;
  /** Who this is, in its own words: who joins as the same instance takes the old place and its queues at once. Default: by chance. */
  readonly instance?: string;
  /** For people who look at the group. Default `dledger-js`. */
  readonly clientName?: string;
  /** Bytes of one page, about. Default 1 MiB; a page a queue is with you and one more on its way. */
  readonly pageBytes?: number;
  /** If what is to be read next is not kept any more: `error` (default) ends the consumer, `earliest` goes on. */
  readonly onExpired?: 'error' | 'earliest';
  onAssigned?(queues: readonly GivenQueue[]): void;
  /** The group has stored these positions. */
  onCommitted?(positions: readonly QueuePosition[]): void;
  onRevoked?(queues: readonly ReadQueue[]): void;
  onLost?(queues: readonly ReadQueue[], why: string): void;
  /** Everything that there was is worked off. */
  onIdle?(): void;
  /** With `onExpired: 'earliest'`: what was passed over. */
  onSkipped?(queue: ReadQueue, from: number, to: number): void;
}

const PAGE_RECORDS = 8192;

/** @throws ArgumentError */
export function checkTopicSettings(
  settings: TopicProducerSettings,
): Omit<TopicProducerOptions, 'endpoints' | 'clusterId'> {
  return {
    inFlightMax: integer('inFlightMax', settings.inFlightMax ?? 16, LIMITS.inFlightMax),
    lingerMs: integer('lingerMs', settings.lingerMs ?? 5, LIMITS.durationMsMax, 0),
    batchBytesMax: integer('batchBytesMax', settings.batchBytesMax ?? 256 * 1024, LIMITS.batchBytesMax),
    bufferBytesMax: integer('bufferBytesMax', settings.bufferBytesMax ?? 64 * 1024 * 1024, UINT53_MAX),
  };
}

/** @throws ArgumentError */
export function consumerOptions(
  settings: ConsumerSettings,
  prng: Prng,
): {
  readonly options: Omit<ConsumerCoreOptions, 'endpoints' | 'clusterId' | 'timeoutMs'>;
  readonly handlers: ConsumerHandlers;
} {
  const topics = typeof settings.topics === 'string' ? [settings.topics] : settings.topics;
  if (topics.length === 0) throw new ArgumentError('a consumer needs at least one topic');
  const tags = settings.tags ?? [];
  if (tags.length > LIMITS.fetchTagsMax)
    throw new ArgumentError(`${tags.length} tags, at most ${LIMITS.fetchTagsMax} can be asked for`);
  const unfit = tags.find((tag) => tag === '' || encodeUtf8(tag).length > MESSAGE_LIMITS.tagBytesMax);
  if (unfit !== undefined)
    throw new ArgumentError(
      `${JSON.stringify(unfit)} is no tag: 1 to ${MESSAGE_LIMITS.tagBytesMax} bytes of UTF-8`,
    );
  const { autoCommitMs = 1000 } = settings;
  const group = settings.group ?? null;
  const doNothing = (): void => undefined;
  return {
    options: {
      topics,
      group,
      instance: settings.instance ?? `c-${randomText(prng)}`,
      clientName: settings.clientName ?? 'dledger-js',
      sessionTimeoutMs: integer(
        'sessionTimeoutMs',
        settings.sessionTimeoutMs ?? 10_000,
        LIMITS.sessionMsMax,
        LIMITS.sessionMsMin,
      ),
      from: targetOf(settings.from ?? 'earliest'),
      queues: queuesOf(settings),
      tags,
      pageRecords: PAGE_RECORDS,
      pageBytes: integer('pageBytes', settings.pageBytes ?? 1024 * 1024, LIMITS.readBytesMax),
      autoCommitMs:
        autoCommitMs === null ? null : integer('autoCommitMs', autoCommitMs, LIMITS.durationMsMax),
      onExpired: settings.onExpired ?? 'error',
    },
    handlers: {
      onAssigned: (queues) => {
        publish('dledger:assigned', () => ({ group, queues }));
        settings.onAssigned?.(queues);
      },
      onCommitted: (positions) => {
        publish('dledger:committed', () => ({ group, positions }));
        settings.onCommitted?.(positions);
      },
      onRevoked: (queues) => {
        publish('dledger:revoked', () => ({ group, queues }));
        settings.onRevoked?.(queues);
      },
      onLost: (queues, why) => {
        publish('dledger:lost', () => ({ group, queues, why }));
        settings.onLost?.(queues, why);
      },
      onIdle: settings.onIdle?.bind(settings) ?? doNothing,
      onSkipped: settings.onSkipped?.bind(settings) ?? doNothing,
    },
  };
}

function queuesOf({ queues, group }: ConsumerSettings): ReadonlyMap<number, number> | null {
  if (queues === undefined) return null;
  if (group !== undefined)
    throw new ArgumentError('a member of a group reads the queues that the group gives it');
  return new Map(
    Object.entries(queues).map(([ordinal, offset]) => [
      Number(ordinal),
      integer(`queues[${ordinal}]`, offset, UINT53_MAX, 0),
    ]),
  );
}

function targetOf(from: ConsumeFrom): ResetTarget {
  if (from === 'earliest' || from === 'latest') return { kind: from, value: null };
  return 'offset' in from
    ? { kind: 'offset', value: integer('from.offset', from.offset, UINT53_MAX, 0) }
    : { kind: 'time', value: integer('from.timeMs', from.timeMs, UINT53_MAX, 0) };
}

function randomText(prng: Prng): string {
  return [prng.below(2 ** 32), prng.below(2 ** 32)].map((number) => number.toString(36)).join('');
}
