import type { ClusterStatus, NodeEvent, WatchedNode } from '../../client/index.ts';
import { judgeHealth } from '../health.ts';
import { electionsSince, lastElection } from './elections.ts';
import {
  STALE_MS,
  groupOf,
  type ClusterEvent,
  type ConsoleModel,
  type ConsoleNode,
  type Drills,
  type LogTail,
  type Sample,
  type Topics,
} from './model.ts';

export interface StoreOptions {
  readonly isReadOnly: boolean;
  readonly environment: string;
  /** Nodes that an `up` of this machine runs, by address. */
  readonly managed: ReadonlySet<string>;
  /** Changes are shown so often at most; a change of leader at once. Default 250. */
  readonly publishEveryMs?: number;
  /** Monotonic. */
  readonly nowMs: () => number;
  readonly unixMs: () => number;
  /** @returns cancels it. */
  readonly later: (ms: number, callback: () => void) => () => void;
}

const EVENTS_MAX = 2000;
const SAMPLES_MAX = 600;
const HOUR_MS = 3_600_000;

/**
 * What the console knows of React. It takes in what the nodes push and hands out a new model now and then: four
 * times a second at most, however many nodes say how much, and at once when leadership changes.
 */
export class ConsoleStore {
  readonly #options: StoreOptions;
  readonly #publishEveryMs: number;
  readonly #nodes = new Map<string, WatchedNode>();
  readonly #listeners = new Set<() => void>();
  #events: ClusterEvent[] = [];
  #history: Sample[] = [];
  #tail: LogTail | null = null;
  #topics: Topics | null = null;
  #drills: Drills | null = null;
  #model: ConsoleModel;
  #publishedAtMs = Number.NEGATIVE_INFINITY;
  #cancelPublish: (() => void) | null = null;
  #cancelSample: (() => void) | null = null;
  /** Of the leader at the last sample. */
  #counted: { readonly bootId: number; readonly accepted: number; readonly atMs: number } | null = null;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#publishEveryMs = options.publishEveryMs ?? 250;
    this.#model = this.#build();
    this.#armSample();
  }

  readonly snapshot = (): ConsoleModel => this.#model;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  onNode(node: WatchedNode): void {
    const before = this.#nodes.get(node.address);
    this.#nodes.set(node.address, node);
    const isNews =
      before?.isUp !== node.isUp ||
      before.status?.groups[0]?.role !== node.status?.groups[0]?.role ||
      before.status?.groups[0]?.leaderId !== node.status?.groups[0]?.leaderId;
    this.#changed(isNews);
  }

  onForgotten(address: string): void {
    this.#nodes.delete(address);
    this.#changed(true);
  }

  onEvents(node: WatchedNode, events: readonly NodeEvent[]): void {
    const name = node.nodeId ?? node.address;
    const told = events.map((event): ClusterEvent => ({ ...event, node: name }));
    this.#events = [...this.#events, ...told].toSorted(byTime).slice(-EVENTS_MAX);
    this.#changed(events.some(({ code }) => code === 'election-won'));
  }

  setTail(tail: LogTail | null): void {
    this.#tail = tail;
    this.#changed(false);
  }

  setTopics(topics: Topics): void {
    this.#topics = topics;
    this.#changed(false);
  }

  setDrills(drills: Drills): void {
    this.#drills = drills;
    this.#changed(false);
  }

  /** For what must be seen at once: a key was pressed. Ages are those of this moment. */
  refresh(): void {
    this.#publish();
  }

  close(): void {
    this.#cancelPublish?.();
    this.#cancelSample?.();
    this.#listeners.clear();
  }

  #changed(isUrgent: boolean): void {
    if (isUrgent) {
      this.#publish();
      return;
    }
    if (this.#cancelPublish !== null) return;
    const dueMs = this.#publishedAtMs + this.#publishEveryMs - this.#options.nowMs();
    this.#cancelPublish = this.#options.later(Math.max(0, dueMs), () => {
      this.#cancelPublish = null;
      this.#publish();
    });
  }

  #publish(): void {
    this.#cancelPublish?.();
    this.#cancelPublish = null;
    this.#publishedAtMs = this.#options.nowMs();
    this.#model = this.#build();
    for (const listener of this.#listeners) listener();
  }

  /** A second passed: even where nothing came, everything is a second older. */
  #armSample(): void {
    this.#cancelSample = this.#options.later(1000, () => {
      this.#history = [...this.#history, this.#sample()].slice(-SAMPLES_MAX);
      this.#publish();
      this.#armSample();
    });
  }

  #sample(): Sample {
    const status = this.#build().leader?.status ?? null;
    if (status === null) {
      this.#counted = null;
      return { acknowledgedPerSecond: null, commitP50Ms: null, commitP99Ms: null };
    }
    const accepted = status.counters['appendsAccepted'] ?? 0;
    const atMs = this.#options.nowMs();
    const before = this.#counted;
    this.#counted = { bootId: status.bootId, accepted, atMs };
    const rate =
      before === null || before.bootId !== status.bootId
        ? null
        : Math.max(0, ((accepted - before.accepted) * 1000) / Math.max(1, atMs - before.atMs));
    const { commitMs } = status.pace;
    return {
      acknowledgedPerSecond: rate,
      commitP50Ms: commitMs?.p50 ?? null,
      commitP99Ms: commitMs?.p99 ?? null,
    };
  }

  #build(): ConsoleModel {
    const now = this.#options.nowMs();
    const nodes = [...this.#nodes.values()]
      .map(
        (node): ConsoleNode => ({
          ...node,
          name: node.nodeId ?? node.address,
          ageMs: node.heardAtMs === null ? null : now - node.heardAtMs,
          isManaged: this.#options.managed.has(node.address),
        }),
      )
      .toSorted((one, other) => (one.name < other.name ? -1 : 1));
    const leader = leaderOf(nodes);
    const ages = nodes.flatMap(({ ageMs }) => ageMs ?? []);
    const status = asStatus(nodes, leader);
    const unixMs = this.#options.unixMs();
    return {
      cluster: status.clusterId?.slice(0, 8) ?? '?',
      environment: this.#options.environment,
      nodes,
      leader,
      status,
      health: judgeHealth(status),
      ageMs: ages.length === 0 ? null : Math.min(...ages),
      events: this.#events,
      history: this.#history,
      election: lastElection(this.#events),
      electionsLastHour: electionsSince(this.#events, unixMs - HOUR_MS),
      tail: this.#tail,
      topics: this.#topics,
      drills: this.#drills,
      isReadOnly: this.#options.isReadOnly,
      nowMs: unixMs,
    };
  }
}

/** Whoever says that it leads, in the highest term that anybody knows, and was heard just now. */
function leaderOf(nodes: readonly ConsoleNode[]): ConsoleNode | null {
  const term = Math.max(0, ...nodes.filter(({ isUp }) => isUp).map((node) => groupOf(node)?.term ?? 0));
  return (
    nodes.find((node) => {
      const group = groupOf(node);
      return node.isUp && (node.ageMs ?? 0) < STALE_MS && group?.role === 'leader' && group.term === term;
    }) ?? null
  );
}

/** As `cluster status` would have it, for the same judgement. A node that is silent for too long does not answer. */
function asStatus(nodes: readonly ConsoleNode[], leader: ConsoleNode | null): ClusterStatus {
  const answering = nodes.filter((node) => node.isUp && (node.ageMs ?? 0) < STALE_MS);
  const terms = answering.map((node) => groupOf(node)?.term ?? 0);
  return {
    clusterId: nodes.find((node) => (node.status?.clusterId ?? null) !== null)?.status?.clusterId ?? null,
    leaderId: leader?.nodeId ?? null,
    term: terms.length === 0 ? null : Math.max(...terms),
    nodes: nodes.map((node) => ({
      nodeId: node.nodeId,
      address: node.address,
      status: answering.includes(node) ? node.status : null,
      error: answering.includes(node) ? null : (node.why ?? (node.isUp ? 'silent' : 'not reached yet')),
    })),
  };
}

function byTime(one: ClusterEvent, other: ClusterEvent): number {
  return one.at - other.at || (one.node === other.node ? one.sequence - other.sequence : 0);
}
