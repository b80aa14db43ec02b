import { setTimeout } from 'node:timers/promises';
import { ClusterWatch, connect, type Client, type Producer } from '../src/client/index.ts';
import type { NodeEvent } from '../src/wire/watch-schema.ts';
import type { BenchCluster } from './processes.ts';

/** How a leader's reign ends: its process is killed, stopped (silent to everybody, as behind a cut), or it hands over. */
export const FAILOVERS = ['kill', 'silent', 'transfer'] as const;
export type Failover = (typeof FAILOVERS)[number];

/** Milliseconds of one failover, one after the other; together they are about the gap. */
export interface Parts {
  /** From the event until a node knew that its leader was gone. */
  readonly notice: number;
  /** Until one had won a pre-vote. */
  readonly preVote: number;
  /** Until it was elected. */
  readonly vote: number;
  /** Until a client had its next acknowledgement: the first entry of the term, and finding the leader. */
  readonly firstAck: number;
}

export interface FailoverResult {
  readonly how: Failover;
  /** Milliseconds between the last acknowledgement before and the first after, one for each round. */
  readonly gapsMs: readonly number[];
  /** Of the rounds whose events all came in. */
  readonly parts: readonly Parts[];
}

/** A node that was stopped goes on after so long. */
const SILENT_MS = 3000;
const LANES = 4;
/** A cluster that is not whole again by then, or acknowledges nothing, ends the run. */
const PATIENCE_MS = 60_000;
const POLL_MS = 10;

/**
 * Writes one record after the other and ends the leader's reign again and again. What counts is what a client sees: the
 * longest time without an acknowledgement around each event. Each round begins with a whole cluster, every follower
 * caught up.
 */
export async function measureFailover(
  cluster: BenchCluster,
  how: Failover,
  rounds: number,
  recordBytes: number,
  progress: (round: number) => void,
): Promise<FailoverResult> {
  const client = await connect({ endpoints: cluster.endpoints });
  const producer = client.createProducer({ inFlightMax: 8 });
  const load = new Load(producer, recordBytes);
  const events: NodeEvent[] = [];
  const watch = new ClusterWatch(
    { endpoints: cluster.endpoints, wantsPast: false },
    { onNode: () => undefined, onEvents: (_node, news) => events.push(...news) },
  );
  const gapsMs: number[] = [];
  const parts: Parts[] = [];
  try {
    for (let round = 1; round <= rounds; round += 1) {
      progress(round);
      const leader = await settled(client, cluster.ids.length);
      await load.acknowledged(200);
      events.length = 0;
      const eventMs = performance.now();
      await end(how, cluster, client, leader);
      await load.acknowledged(200);
      const gap = load.longestGap(eventMs);
      gapsMs.push(gap.toMs - gap.fromMs);
      const found = partsOf(events, eventMs, gap.toMs);
      if (found !== null) parts.push(found);
      if (how === 'kill') cluster.startNode(leader);
      if (how === 'silent') await cluster.resumeAfter(leader, SILENT_MS);
    }
  } finally {
    load.stop();
    watch.close();
    producer.close();
    await client.close();
  }
  return { how, gapsMs, parts };
}

async function end(how: Failover, cluster: BenchCluster, client: Client, leader: string): Promise<void> {
  if (how === 'kill') await cluster.kill(leader);
  else if (how === 'silent') cluster.stopProcess(leader);
  else await client.transferLeadership();
}

/** A few requests at a time, each followed by the next, and when they were acknowledged. */
class Load {
  readonly #producer: Producer;
  readonly #record: Uint8Array;
  readonly #acksMs: number[] = [];
  #isStopped = false;
  #wake: (() => void) | null = null;

  constructor(producer: Producer, recordBytes: number) {
    this.#producer = producer;
    this.#record = new Uint8Array(recordBytes).fill(120);
    for (let lane = 0; lane < LANES; lane += 1) this.#next();
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Resolves when so many more were acknowledged. @throws after a minute. */
  async acknowledged(count: number): Promise<void> {
    const goal = this.#acksMs.length + count;
    const all = new Promise<boolean>((resolve) => {
      this.#wake = () => {
        if (this.#acksMs.length < goal) return;
        this.#wake = null;
        resolve(true);
      };
    });
    const patience = new AbortController();
    const late = setTimeout(PATIENCE_MS, false, { signal: patience.signal }).catch(() => false);
    const areAll = await Promise.race([all, late]);
    patience.abort();
    if (areAll) return;
    const missing = goal - this.#acksMs.length;
    throw new Error(`${missing} of ${count} acknowledgements are missing after ${PATIENCE_MS / 1000} s`);
  }

  longestGap(sinceMs: number): { fromMs: number; toMs: number } {
    let longest = { fromMs: sinceMs, toMs: sinceMs };
    for (let at = this.#acksMs.length - 1; at > 0; at -= 1) {
      const fromMs = this.#acksMs[at - 1] ?? 0;
      const toMs = this.#acksMs[at] ?? 0;
      if (toMs < sinceMs) break;
      if (toMs - fromMs > longest.toMs - longest.fromMs) longest = { fromMs, toMs };
    }
    return longest;
  }

  #next(): void {
    this.#producer.send(this.#record, (error) => {
      if (error === null) this.#acksMs.push(performance.now());
      if (!this.#isStopped) this.#next();
      this.#wake?.();
    });
  }
}

/** From what the nodes tell of it, to the millisecond. */
function partsOf(events: readonly NodeEvent[], eventMs: number, ackMs: number): Parts | null {
  const eventAt = Math.floor(performance.timeOrigin + eventMs);
  // A watch that comes back tells what was before too.
  const news = events.filter((event) => event.at >= eventAt);
  const first = (is: (event: NodeEvent) => boolean): number | null => {
    const times = news.filter(is).map((event) => event.at - performance.timeOrigin);
    return times.length === 0 ? null : Math.min(...times);
  };
  const noticed = first(({ code, fields }) => code === 'leader-changed' && fields['leader'] === null);
  const preVoted = first(({ code, fields }) => code === 'campaign-started' && fields['kind'] === 'vote');
  const elected = first(({ code }) => code === 'election-won');
  if (noticed === null || preVoted === null || elected === null) return null;
  return {
    notice: Math.max(0, noticed - eventMs),
    preVote: Math.max(0, preVoted - noticed),
    vote: elected - preVoted,
    firstAck: Math.max(0, ackMs - elected),
  };
}

/**
 * Resolves with the leader when every node is up, follows it, and has what it has but for what is on its way.
 * @throws after a minute: then the figures of this round would mean nothing.
 */
async function settled(client: Client, size: number): Promise<string> {
  const endMs = performance.now() + PATIENCE_MS;
  for (;;) {
    if (performance.now() > endMs)
      throw new Error(`the cluster is not whole again after ${PATIENCE_MS / 1000} s`);
    await setTimeout(POLL_MS);
    const { leaderId, nodes } = await client.status();
    const leader = nodes.find(({ status }) => status?.nodeId === leaderId)?.status?.groups[0];
    const isWhole =
      leaderId !== null &&
      leader?.role === 'leader' &&
      nodes.every(({ status }) => status?.groups[0]?.leaderId === leaderId) &&
      leader.progress.length === size - 1 &&
      leader.progress.every(
        (peer) => peer.state === 'replicate' && peer.matchIndex >= leader.commitIndex - 64,
      );
    if (isWhole) return leaderId;
  }
}
