import type { Clock } from '../base/ports/clock.ts';
import {
  ClusterWatch,
  type GroupStatus,
  type NodeEvent,
  type NodeStatus,
  type WatchedNode,
} from '../client/index.ts';

/** What a node was at some moment of the drill, as far as one saw from outside. */
export interface RoleChange {
  /** Since the drill began. */
  readonly atMs: number;
  readonly node: string;
  readonly role: GroupStatus['role'] | 'down';
  readonly term: number;
}

export interface SeenEvent {
  readonly atMs: number;
  readonly node: string;
  readonly level: NodeEvent['level'];
  readonly code: string;
  readonly text: string;
}

export interface SeenLeader {
  readonly atMs: number;
  readonly node: string;
  readonly term: number;
}

export interface ClusterViewOptions {
  readonly endpoints: readonly string[];
  readonly clock: Clock;
  /** Monotonic: where the time of the drill begins. */
  readonly zeroMs: number;
  /** For tests: what looks on instead of a real watch. */
  readonly watch?: (handlers: ConstructorParameters<typeof ClusterWatch>[1]) => { close(): void };
}

interface Sample {
  readonly atMs: number;
  readonly group: GroupStatus;
}

/** So often each node says how it is: what a wait notices, it notices so late. */
const STATUS_EVERY_MS = 100;

/** The cluster as it is seen from outside, now and since the drill began. */
export class ClusterView {
  readonly roles: RoleChange[] = [];
  readonly events: SeenEvent[] = [];
  /** The first time that each node was known to lead a term; by time. */
  readonly leaders: SeenLeader[] = [];
  /** Commit indexes that went back while a process ran: that must never be. */
  readonly regressions: string[] = [];
  /** Called with every word of a node. */
  onStatus: (id: string, status: NodeStatus) => void = () => undefined;
  readonly #clock: Clock;
  readonly #zeroMs: number;
  readonly #unixZeroMs: number;
  readonly #nodes = new Map<string, WatchedNode>();
  /** Events that were noted, by node, sequence and time: a disk that was lost begins to count anew. */
  readonly #known = new Set<string>();
  readonly #watch: { close(): void };
  readonly #waiters = new Set<() => void>();
  /** By node: what its process had committed when it was heard last. */
  readonly #committed = new Map<string, { bootId: number; commitIndex: number }>();
  /** What the leader said last, and before. */
  #leaderSamples: Sample[] = [];
  #isClosed = false;

  constructor(options: ClusterViewOptions) {
    this.#clock = options.clock;
    this.#zeroMs = options.zeroMs;
    this.#unixZeroMs = options.clock.unixMs() - (options.clock.monotonicMs() - options.zeroMs);
    const handlers = {
      onNode: (node: WatchedNode) => this.#onNode(node),
      onEvents: (node: WatchedNode, events: readonly NodeEvent[]) => this.#onEvents(node, events),
    };
    this.#watch =
      options.watch?.(handlers) ??
      new ClusterWatch({ endpoints: options.endpoints, statusEveryMs: STATUS_EVERY_MS }, handlers);
  }

  /** Those that said who they are, by id. */
  get nodes(): readonly (WatchedNode & { readonly nodeId: string })[] {
    return [...this.#nodes.values()]
      .filter((node): node is WatchedNode & { nodeId: string } => node.nodeId !== null)
      .sort((one, other) => (one.nodeId < other.nodeId ? -1 : 1));
  }

  node(id: string): WatchedNode | null {
    return this.nodes.find(({ nodeId }) => nodeId === id) ?? null;
  }

  group(id: string): GroupStatus | null {
    return this.node(id)?.status?.groups[0] ?? null;
  }

  /** The highest that any node ever said. */
  get term(): number {
    return Math.max(0, ...this.nodes.map(({ status }) => status?.groups[0]?.term ?? 0));
  }

  /** Believed at its own word, while it can be reached, in the highest term that anybody knows. */
  get leader(): string | null {
    const { term } = this;
    const found = this.nodes.find(({ isUp, status }) => {
      const group = status?.groups[0];
      return isUp && group?.role === 'leader' && group.term === term;
    });
    return found?.nodeId ?? null;
  }

  /** Who led before whoever leads; where nobody does, who led last. */
  get oldLeader(): string | null {
    const now = this.leader;
    return this.leaders.findLast(({ node }) => node !== now)?.node ?? null;
  }

  /**
   * How many committed entries the node that is furthest behind lacks; null where nobody leads or a node is not up.
   * A node is held against what the leader had said before it: words of different moments cannot be compared.
   */
  get lag(): number | null {
    if (this.leader === null) return null;
    let lag = 0;
    for (const { isUp, status, heardAtMs } of this.nodes) {
      const group = status?.groups[0];
      if (!isUp || group === undefined || heardAtMs === null) return null;
      const before = this.#leaderSamples.findLast(({ atMs }) => atMs <= heardAtMs) ?? this.#leaderSamples[0];
      if (before === undefined) return null;
      lag = Math.max(lag, before.group.commitIndex - group.appliedIndex);
    }
    return lag;
  }

  /** Of the fullest file system of a node, as a share of 1; null where nobody can tell. */
  get diskUsed(): number | null {
    const disks = this.nodes.flatMap(({ status }) => status?.disk ?? []);
    return disks.length === 0
      ? null
      : Math.max(...disks.map(({ freeBytes, totalBytes }) => 1 - freeBytes / totalBytes));
  }

  nowMs(): number {
    return this.#clock.monotonicMs() - this.#zeroMs;
  }

  /**
   * Looks whenever something changes.
   * @returns false if the time ran out before it was so, or the signal came.
   */
  async until(condition: () => boolean, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    if (condition()) return true;
    if (signal?.aborted === true) return false;
    return new Promise((resolve) => {
      const end = (result: boolean): void => {
        timer.cancel();
        this.#waiters.delete(look);
        signal?.removeEventListener('abort', give);
        resolve(result);
      };
      const look = (): void => {
        if (condition()) end(true);
      };
      const give = (): void => end(false);
      const timer = this.#clock.setTimer(timeoutMs, give);
      this.#waiters.add(look);
      signal?.addEventListener('abort', give, { once: true });
    });
  }

  /** Somebody else knows of a change that waits may be about. */
  touch(): void {
    for (const look of this.#waiters) look();
  }

  /** What a node says, here or on another way: the last words of one that ends come too late for whoever only looks on. */
  noteEvent(node: string, event: NodeEvent): void {
    const key = `${node} ${event.sequence} ${event.at}`;
    if (this.#isClosed || this.#known.has(key)) return;
    this.#known.add(key);
    // Of another machine, whose clock is another: never later than it was heard, never before the beginning.
    const atMs = Math.min(this.nowMs(), Math.max(0, event.at - this.#unixZeroMs));
    const { level, code, text } = event;
    this.events.push({ atMs, node, level, code, text });
    const { term } = event.fields;
    if (code === 'election-won' && typeof term === 'number') this.#noteLeader(node, term, atMs);
  }

  /** Looks on no more; what was seen stays. */
  close(): void {
    this.#isClosed = true;
    this.#watch.close();
  }

  #onNode(node: WatchedNode): void {
    if (this.#isClosed) return;
    this.#nodes.set(node.address, node);
    const group = node.status?.groups[0];
    if (node.nodeId !== null && group !== undefined) {
      this.#noteRole(node.nodeId, node.isUp ? group.role : 'down', group.term);
      if (node.isUp && group.role === 'leader') {
        this.#noteLeader(node.nodeId, group.term, this.nowMs());
        this.#noteLeaderSample({ atMs: node.heardAtMs ?? this.#clock.monotonicMs(), group });
      }
      if (node.isUp) this.#checkCommit(node, group);
      if (node.status !== null) this.onStatus(node.nodeId, node.status);
    }
    this.touch();
  }

  #onEvents(node: WatchedNode, events: readonly NodeEvent[]): void {
    for (const event of events) this.noteEvent(node.nodeId ?? node.address, event);
    this.touch();
  }

  #noteRole(node: string, role: RoleChange['role'], term: number): void {
    const last = this.roles.findLast((change) => change.node === node);
    if (last?.role === role && last.term === term) return;
    this.roles.push({ atMs: this.nowMs(), node, role, term });
  }

  #noteLeader(node: string, term: number, atMs: number): void {
    if (this.leaders.some((known) => known.term === term && known.node === node)) return;
    this.leaders.push({ atMs, node, term });
    this.leaders.sort((one, other) => one.term - other.term || one.atMs - other.atMs);
  }

  #noteLeaderSample(sample: Sample): void {
    const isSameTerm = this.#leaderSamples.at(-1)?.group.term === sample.group.term;
    this.#leaderSamples = [...(isSameTerm ? this.#leaderSamples.slice(-4) : []), sample];
  }

  #checkCommit({ nodeId, status }: WatchedNode, { commitIndex }: GroupStatus): void {
    if (nodeId === null || status === null) return;
    const { bootId } = status;
    const before = this.#committed.get(nodeId);
    if (before?.bootId === bootId && commitIndex < before.commitIndex)
      this.regressions.push(
        `the commit index of ${nodeId} went back from ${before.commitIndex} to ${commitIndex}`,
      );
    this.#committed.set(nodeId, { bootId, commitIndex });
  }
}
