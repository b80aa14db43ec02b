import { performance } from 'node:perf_hooks';
import {
  Client,
  DledgerError,
  type GroupSummary,
  type QueueLag,
  type TopicSummary,
} from '../../client/index.ts';
import type { GroupRow, TopicRow, Topics } from './model.ts';

/** What the leader says of topics and groups, at one moment. */
export interface TopicsListing {
  /** Monotonic. */
  readonly atMs: number;
  readonly topics: readonly TopicSummary[];
  readonly groups: readonly GroupSummary[];
  /** By group; groups that were not asked for are not in it. */
  readonly lags: ReadonlyMap<string, readonly QueueLag[]>;
}

const EVERY_MS = 1000;
const TIMEOUT_MS = 2000;
/** How far a group is takes a question each: with very many groups only the first are asked for. */
const GROUPS_MAX = 50;

/** Asks for topics and groups as long as they are looked at. */
export class TopicsFeed {
  readonly #endpoints: readonly string[];
  readonly #onTopics: (topics: Topics) => void;
  #client: Client | null = null;
  #timer: NodeJS.Timeout | null = null;
  #previous: TopicsListing | null = null;

  constructor(endpoints: readonly string[], onTopics: (topics: Topics) => void) {
    this.#endpoints = endpoints;
    this.#onTopics = onTopics;
  }

  /** Begins, or stops. */
  shows(isShown: boolean): void {
    if (!isShown) this.close();
    else if (this.#client === null) {
      this.#client = new Client({ endpoints: this.#endpoints, requestTimeoutMs: TIMEOUT_MS });
      void this.#ask(this.#client);
    }
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    void this.#client?.close();
    this.#client = null;
    this.#previous = null;
  }

  async #ask(client: Client): Promise<void> {
    try {
      const listing = await listingOf(client);
      if (client !== this.#client) return;
      this.#onTopics(topicsOf(listing, this.#previous));
      this.#previous = listing;
    } catch (error) {
      if (client !== this.#client) return;
      if (!(error instanceof DledgerError)) throw error;
      this.#previous = null;
      this.#onTopics({ topics: [], groups: [], error: error.message });
    }
    this.#timer = setTimeout(() => void this.#ask(client), EVERY_MS);
  }
}

async function listingOf({ admin }: Client): Promise<TopicsListing> {
  const [topics, groups] = await Promise.all([admin.listTopics(), admin.listGroups()]);
  const asked = groups
    .slice(0, GROUPS_MAX)
    .map(async ({ name }) => [name, await admin.groupLag(name)] as const);
  // A group that is deleted meanwhile is not there the next time.
  const answers = await Promise.allSettled(asked);
  const lags = new Map(answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : [])));
  return { atMs: performance.now(), topics, groups, lags };
}

/** Rows, with what changed since the listing before in a second. What is not known is null, and no rate is made of it. */
export function topicsOf(listing: TopicsListing, previous: TopicsListing | null): Topics {
  const seconds = previous === null ? 0 : (listing.atMs - previous.atMs) / 1000;
  const perSecond = (now: number | null, before: number | null | undefined): number | null =>
    seconds <= 0 || now === null || before === null || before === undefined ? null : (now - before) / seconds;
  const recordsBefore = new Map(previous?.topics.map(({ topicId, records }) => [topicId, records]));
  const topics = listing.topics.map(({ name, topicId, queueCount, records }): TopicRow => {
    const rate = perSecond(records, recordsBefore.get(topicId));
    // Fewer than before: retention took some, and how many came is not known.
    return { name, queues: queueCount, records, perSecond: rate === null || rate < 0 ? null : rate };
  });
  const before = new Map(
    previous?.groups.flatMap(({ name }) =>
      sumsOf(previous.lags.get(name)).map((sum) => [keyOf(name, sum.topic), sum]),
    ),
  );
  const groups = listing.groups.flatMap(({ name, memberCount }) => {
    const sums = sumsOf(listing.lags.get(name));
    if (sums.length === 0)
      return [
        { group: name, topic: '', members: memberCount, lag: null, perSecond: null, lagPerSecond: null },
      ];
    return sums.map(({ topic, read, lag }): GroupRow => {
      const was = before.get(keyOf(name, topic));
      const rate = perSecond(read, was?.read);
      return {
        group: name,
        topic,
        members: memberCount,
        lag,
        // A position that was moved back is no rate of reading.
        perSecond: rate === null || rate < 0 ? null : rate,
        lagPerSecond: perSecond(lag, was?.lag),
      };
    });
  });
  return { topics, groups, error: null };
}

interface Sum {
  readonly topic: string;
  /** Positions of all queues together; null where one is not known. */
  readonly read: number | null;
  readonly lag: number | null;
}

function sumsOf(queues: readonly QueueLag[] = []): Sum[] {
  const topics = [...new Set(queues.map(({ topic }) => topic))].sort();
  return topics.map((topic) => {
    const its = queues.filter((queue) => queue.topic === topic);
    return { topic, read: sum(its.map(({ committed }) => committed)), lag: sum(its.map(({ lag }) => lag)) };
  });
}

function sum(values: readonly (number | null)[]): number | null {
  let total = 0;
  for (const value of values) {
    if (value === null) return null;
    total += value;
  }
  return total;
}

/** No name has a slash. */
function keyOf(group: string, topic: string): string {
  return `${group}/${topic}`;
}
