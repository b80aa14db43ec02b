import type { Entry } from '../../../src/base/entry.ts';
import type { PeerMessage } from '../../../src/base/peer-message.ts';
import type { NodeId } from '../../../src/base/units.ts';
import { History } from './history.ts';
import { trio } from './logs.ts';
import { Replica, type ReplicaOptions } from './replica.ts';

export interface ClusterOptions {
  readonly members?: readonly NodeId[];
  /** The durable log of each node at the start; nodes that are left out have an empty one. */
  readonly logs?: Partial<Record<NodeId, readonly Entry[]>>;
  readonly of?: (id: NodeId) => ReplicaOptions;
}

/**
 * A few cores, their disks and the messages between them. Nothing happens unless a test says so: there is no clock,
 * and a message stays in `inFlight` until it is delivered. Every Ready is judged by a `History`.
 */
export class Cluster {
  readonly replicas: ReadonlyMap<NodeId, Replica>;
  readonly history: History;
  inFlight: PeerMessage[] = [];
  readonly #down = new Set<NodeId>();
  readonly #cut = new Set<string>();

  constructor({ members = trio, logs, of }: ClusterOptions = {}) {
    this.replicas = new Map(
      members.map((id) => [
        id,
        new Replica({ id, members, ...(logs ? { log: logs[id] ?? [] } : {}), ...of?.(id) }),
      ]),
    );
    this.history = new History(this.replicas);
    for (const replica of this.replicas.values()) {
      replica.onReady = (ready) => {
        this.history.observe(replica, ready);
        this.inFlight.push(...ready.messages.filter((message) => this.#passes(message)));
      };
    }
  }

  get all(): Replica[] {
    return [...this.replicas.values()];
  }

  get running(): Replica[] {
    return this.all.filter((one) => !this.#down.has(one.id));
  }

  at(id: NodeId): Replica {
    const replica = this.replicas.get(id);
    if (replica === undefined) throw new Error(`there is no ${id}`);
    return replica;
  }

  isDown(id: NodeId): boolean {
    return this.#down.has(id);
  }

  /** The running leader of the highest term, if there is one. */
  leader(): Replica | null {
    const leaders = this.running.filter((one) => one.core.role === 'leader');
    return leaders.toSorted((a, b) => b.core.term - a.core.term)[0] ?? null;
  }

  // The network

  /** Messages from `from` to `to` are lost from now on, those under way too. */
  cut(from: NodeId, to: NodeId): void {
    this.#cut.add(`${from} ${to}`);
    this.inFlight = this.inFlight.filter((message) => this.#passes(message));
  }

  /** Nothing passes between this node and the others, in either direction. */
  isolate(id: NodeId): void {
    for (const other of this.replicas.keys()) {
      this.cut(id, other);
      this.cut(other, id);
    }
  }

  heal(): void {
    this.#cut.clear();
  }

  /** Hands over one message under way, by its place. */
  deliver(at = 0): void {
    const [message] = this.inFlight.splice(at, 1);
    if (message !== undefined && this.#passes(message)) this.at(message.to).core.step(message);
  }

  #passes(message: PeerMessage): boolean {
    return (
      this.replicas.has(message.to) &&
      !this.#down.has(message.to) &&
      !this.#cut.has(`${message.from} ${message.to}`)
    );
  }

  // Processes

  /** See `TestDisk.crash` for what of the unsynced writes survives. */
  crash(id: NodeId, survivors = 0, tornEntries = 0): void {
    this.#down.add(id);
    this.inFlight = this.inFlight.filter((message) => message.to !== id);
    this.at(id).disk.crash(survivors, tornEntries);
  }

  start(id: NodeId): void {
    this.#down.delete(id);
    const replica = this.at(id);
    replica.restart();
    this.history.restarted(replica);
  }

  // Whole rounds

  /** Good disks and a good network until nothing is left to do. Time stands still. */
  settle(): void {
    for (let round = 0; round < 10_000; round += 1) {
      for (const replica of this.running) replica.settle();
      if (this.inFlight.length === 0) return;
      this.deliver();
    }
    throw new Error(`the nodes talk without end: ${this.inFlight.map((message) => message.type).join(' ')}`);
  }

  /** Time passes at all running nodes, or at these. */
  tick(count = 1, ...ids: readonly NodeId[]): void {
    for (let one = 0; one < count; one += 1) {
      for (const replica of this.running) if (ids.length === 0 || ids.includes(replica.id)) replica.tick();
      this.settle();
    }
  }

  /**
   * Makes `id` the leader by letting time pass at it alone until it campaigns. The others' leases on an earlier leader have to
   * be over: crash or isolate that one and call `forgetLeader` first.
   */
  elect(id: NodeId): Replica {
    const replica = this.at(id);
    for (let count = 0; count < 300 && replica.core.role !== 'leader'; count += 1) this.tick(1, id);
    if (replica.core.role !== 'leader')
      throw new Error(`${id} was not elected: ${JSON.stringify(replica.core.status())}`);
    return replica;
  }

  /** Time passes at `ids` until no lease of a leader holds there, but not until they campaign themselves. */
  forgetLeader(...ids: readonly NodeId[]): void {
    for (const id of ids) this.at(id).tick(20);
    for (const id of ids) this.at(id).settle();
  }
}
