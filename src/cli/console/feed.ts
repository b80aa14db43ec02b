import { performance } from 'node:perf_hooks';
import { ClusterWatch, NodeAdmin } from '../../client/index.ts';
import type { Screen } from './keys.ts';
import { ConsoleStore } from './store.ts';
import { DrillsFeed } from './drills-feed.ts';
import { TopicsFeed } from './topics-feed.ts';

export interface FeedOptions {
  readonly endpoints: readonly string[];
  readonly isReadOnly: boolean;
  readonly environment: string;
  readonly managed: ReadonlySet<string>;
  readonly statusEveryMs: number;
}

const PEEK_EVERY_MS = 500;
const PEEK_ENTRIES = 200;

/** Where a console's knowledge comes from: what every node pushes, and what only one screen needs, while it is shown. */
export class Feed {
  readonly store: ConsoleStore;
  readonly #watch: ClusterWatch;
  readonly #topics: TopicsFeed;
  readonly #drills: DrillsFeed;
  readonly #timer: NodeJS.Timeout;
  #screen: Screen = 'overview';
  #isPeeking = false;

  constructor({ endpoints, statusEveryMs, ...options }: FeedOptions) {
    const store = new ConsoleStore({
      ...options,
      publishEveryMs: statusEveryMs,
      nowMs: () => performance.now(),
      unixMs: () => Date.now(),
      later: (ms, callback) => {
        const timer = setTimeout(callback, ms);
        return () => clearTimeout(timer);
      },
    });
    this.store = store;
    this.#watch = new ClusterWatch(
      { endpoints, statusEveryMs },
      {
        onNode: (node) => store.onNode(node),
        onEvents: (node, events) => store.onEvents(node, events),
        onForgotten: (address) => store.onForgotten(address),
      },
    );
    this.#topics = new TopicsFeed(endpoints, (topics) => store.setTopics(topics));
    this.#drills = new DrillsFeed((drills) => store.setDrills(drills));
    this.#timer = setInterval(() => void this.#peek(), PEEK_EVERY_MS);
  }

  /** What is looked at: only that is asked for. */
  shows(screen: Screen): void {
    if (screen === this.#screen) return;
    this.#screen = screen;
    this.#topics.shows(screen === 'topics');
    if (screen === 'drills') this.#drills.list();
    void this.#peek();
  }

  /** Runs a drill of the library beside what is shown. @returns what to tell when it is over. */
  async drill(name: string): Promise<string> {
    return this.#drills.run(name);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#drills.close();
    this.#topics.close();
    this.#watch.close();
    this.store.close();
  }

  async #peek(): Promise<void> {
    if (this.#screen !== 'log' || this.#isPeeking) return;
    const { leader, nodes } = this.store.snapshot();
    const node = leader ?? nodes.find(({ isUp }) => isUp);
    if (node === undefined) return;
    this.#isPeeking = true;
    try {
      const { commitIndex, lastIndex, entries } = await new NodeAdmin(node.address).peek(PEEK_ENTRIES);
      this.store.setTail({
        node: node.name,
        commitIndex,
        lastIndex,
        entries: entries.map((entry) => ({ ...entry, isCommitted: entry.index <= commitIndex })),
      });
    } catch {
      // The screen keeps what it has, and the node's own row says that it is gone.
    } finally {
      this.#isPeeking = false;
    }
  }
}
