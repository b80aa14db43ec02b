import { ClusterWatch, connect, type Client, type NodeEvent, type Producer } from '../../src/client/index.ts';
import type { Send } from '../closed-loop.ts';
import type { BenchCluster } from '../processes.ts';
import { untilWhole } from '../whole-cluster.ts';
import { ReadProbe } from './read-probe.ts';
import type { Failover, FailoverSystem, Parts } from './system.ts';

/** The cluster as its client library sees it, which finds the next leader by itself. */
export class DledgerFailover implements FailoverSystem {
  readonly #cluster: BenchCluster;
  readonly #client: Client;
  readonly #producer: Producer;
  readonly #record: Uint8Array;
  readonly #events: NodeEvent[] = [];
  readonly #probes: Map<string, ReadProbe>;
  readonly #watch: ClusterWatch;
  /** When the new leader first served somebody. */
  #servedMs: number | null = null;
  #leader = '';

  private constructor(cluster: BenchCluster, client: Client, recordBytes: number) {
    this.#cluster = cluster;
    this.#client = client;
    this.#producer = client.createProducer({ inFlightMax: 8 });
    this.#record = new Uint8Array(recordBytes).fill(120);
    this.#probes = new Map(cluster.endpoints.map((address) => [address, new ReadProbe(address)]));
    this.#watch = new ClusterWatch(
      { endpoints: cluster.endpoints, wantsPast: false },
      { onNode: () => undefined, onEvents: ({ address }, events) => this.#onEvents(address, events) },
    );
  }

  static async start(cluster: BenchCluster, recordBytes: number): Promise<DledgerFailover> {
    return new DledgerFailover(cluster, await connect({ endpoints: cluster.endpoints }), recordBytes);
  }

  readonly send: Send = (done) => {
    this.#producer.send(this.#record, done);
  };

  async settled(): Promise<void> {
    const probes = [...this.#probes.values()];
    this.#leader = await untilWhole(this.#client, this.#cluster.ids.length, () => {
      for (const probe of probes) probe.open();
      return probes.every(({ isUp }) => isUp);
    });
  }

  async end(how: Failover): Promise<() => void> {
    const leader = this.#leader;
    this.#events.length = 0;
    this.#servedMs = null;
    switch (how) {
      case 'kill':
        await this.#cluster.kill(leader);
        return () => this.#cluster.startNode(leader);
      case 'silent':
        this.#cluster.stopProcess(leader);
        return () => this.#cluster.resumeProcess(leader);
      case 'transfer':
        await this.#client.transferLeadership();
        return () => undefined;
    }
  }

  partsSince(eventMs: number, firstAckAfter: (ms: number) => number | null): Parts | null {
    const eventAt = Math.floor(performance.timeOrigin + eventMs);
    // A watch that comes back tells what was before too.
    const news = this.#events.filter((event) => event.at >= eventAt);
    const first = (is: (event: NodeEvent) => boolean): number | null => {
      const times = news.filter(is).map((event) => event.at - performance.timeOrigin);
      return times.length === 0 ? null : Math.min(...times);
    };
    const noticed = first(({ code, fields }) => code === 'leader-changed' && fields['leader'] === null);
    const preVoted = first(({ code, fields }) => code === 'campaign-started' && fields['kind'] === 'vote');
    const elected = first(({ code }) => code === 'election-won');
    const servedMs = this.#servedMs;
    if (noticed === null || preVoted === null || elected === null || servedMs === null) return null;
    const ackMs = firstAckAfter(elected);
    if (ackMs === null) return null;
    return {
      notice: Math.max(0, noticed - eventMs),
      preVote: Math.max(0, preVoted - noticed),
      vote: elected - preVoted,
      noop: Math.max(0, servedMs - elected),
      client: Math.max(0, ackMs - servedMs),
    };
  }

  async close(): Promise<void> {
    this.#watch.close();
    for (const probe of this.#probes.values()) probe.close();
    this.#producer.close();
    await this.#client.close();
  }

  #onEvents(address: string, events: readonly NodeEvent[]): void {
    this.#events.push(...events);
    if (!events.some(({ code }) => code === 'election-won')) return;
    this.#probes.get(address)?.ask(() => (this.#servedMs ??= performance.now()));
  }
}
