import type { NodeStatus } from '../wire/status-schema.ts';
import type { NodeEvent } from '../wire/watch-schema.ts';
import { formatEndpoint, parseEndpoint, parseEndpoints, type Endpoint } from './endpoint.ts';
import type { ClientPorts } from './leader-link.ts';
import { NodeWatch } from './node-watch.ts';
import { realPorts } from './real-ports.ts';

export interface ClusterWatchOptions {
  /** One or more nodes, host:port; the others are found through them. */
  readonly endpoints: string | readonly string[];
  /** Nodes of another cluster are refused. Default: any. */
  readonly clusterId?: string;
  /** How often each node pushes its state, besides whenever leadership changes. Default 250 ms; 100..60,000. */
  readonly statusEveryMs?: number;
  /** Whether events of the past are wanted too. Default true. */
  readonly wantsPast?: boolean;
  /** For tests: another network, clock and chance than the machine's. */
  readonly ports?: ClientPorts;
}

/** A node as it is known here. What it last said stays, with its age, when it is gone. */
export interface WatchedNode {
  /** By its own word, or by that of a member that has this address; null where nobody says. */
  readonly nodeId: string | null;
  /** host:port */
  readonly address: string;
  readonly isUp: boolean;
  /** Why not; null while it is up, or before the first attempt ended. */
  readonly why: string | null;
  readonly status: NodeStatus | null;
  /** When it said so, on the monotonic clock of this process. */
  readonly heardAtMs: number | null;
}

export interface ClusterWatchHandlers {
  /** Something about a node changed. */
  onNode(node: WatchedNode): void;
  /** In the order of this node; those of different nodes may come out of order. */
  onEvents(node: WatchedNode, events: readonly NodeEvent[]): void;
  /** One process turned out to be reached by two addresses: this one is not watched any more. */
  onForgotten?(address: string): void;
}

/** A node that lies about its members does not make us call the whole world. */
const NODES_MAX = 64;

interface Watched {
  node: WatchedNode;
  readonly watch: NodeWatch;
}

/**
 * Looks on at a whole cluster, through elections, deaths and restarts, with or without a leader: every node that the
 * endpoints and the members' own lists name.
 */
export class ClusterWatch {
  readonly #options: ClusterWatchOptions;
  readonly #ports: ClientPorts;
  readonly #handlers: ClusterWatchHandlers;
  readonly #watched = new Map<string, Watched>();

  constructor(options: ClusterWatchOptions, handlers: ClusterWatchHandlers) {
    this.#options = options;
    this.#ports = options.ports ?? realPorts();
    this.#handlers = handlers;
    for (const endpoint of parseEndpoints(options.endpoints)) this.#watch(endpoint, null);
  }

  get nodes(): readonly WatchedNode[] {
    return [...this.#watched.values()].map(({ node }) => node);
  }

  /** Of the clock that `heardAtMs` was read from. */
  nowMs(): number {
    return this.#ports.clock.monotonicMs();
  }

  close(): void {
    for (const { watch } of this.#watched.values()) watch.close();
    this.#watched.clear();
  }

  #watch(endpoint: Endpoint, nodeId: string | null): void {
    const address = formatEndpoint(endpoint);
    if (this.#watched.has(address) || this.#watched.size >= NODES_MAX) return;
    const { clusterId, statusEveryMs, wantsPast } = this.#options;
    const watch = new NodeWatch(
      endpoint,
      { clusterId: clusterId ?? null, statusEveryMs: statusEveryMs ?? 250, wantsPast: wantsPast ?? true },
      this.#ports,
      {
        onStatus: (status) => this.#onStatus(address, status),
        onEvents: (events) => {
          const watched = this.#watched.get(address);
          if (watched !== undefined) this.#handlers.onEvents(watched.node, events);
        },
        onDown: (why) => this.#change(address, { isUp: false, why }),
      },
    );
    const node = { nodeId, address, isUp: false, why: null, status: null, heardAtMs: null };
    this.#watched.set(address, { node, watch });
    this.#handlers.onNode(node);
  }

  #onStatus(address: string, status: NodeStatus): void {
    const heardAtMs = this.#ports.clock.monotonicMs();
    const { nodeId } = status;
    if (this.#isKnownElsewhere(address, status)) {
      this.#forget(address);
      return;
    }
    this.#change(address, { nodeId, isUp: true, why: null, status, heardAtMs });
    for (const group of status.groups) {
      for (const member of group.members) {
        const endpoint = parseEndpoint(member.address);
        if (endpoint !== null) this.#watch(endpoint, member.id);
      }
    }
  }

  /** By its own address, where this one is another name of the same process (localhost and 127.0.0.1, say). */
  #isKnownElsewhere(address: string, { bootId, address: own }: NodeStatus): boolean {
    if (address === own) return false;
    const there = this.#watched.get(own)?.node;
    return there?.isUp === true && there.status?.bootId === bootId;
  }

  #forget(address: string): void {
    this.#watched.get(address)?.watch.close();
    this.#watched.delete(address);
    this.#handlers.onForgotten?.(address);
  }

  #change(address: string, changes: Partial<WatchedNode>): void {
    const watched = this.#watched.get(address);
    if (watched === undefined) return;
    watched.node = { ...watched.node, ...changes };
    this.#handlers.onNode(watched.node);
  }
}
