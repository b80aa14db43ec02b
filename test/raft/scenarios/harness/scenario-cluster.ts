import { configurationDraft } from '../../../../src/base/configuration.ts';
import { textDraft } from './drafts.ts';
import type { Configuration } from '../../../../src/base/configuration.ts';
import { sealEntries, type Entry } from '../../../../src/base/entry.ts';
import type { InstallSnapshot, PeerMessage, SnapshotId } from '../../../../src/base/peer-message.ts';
import { Prng } from '../../../../src/base/prng.ts';
import {
  FIRST_GROUP,
  type Incarnation,
  type LogIndex,
  type NodeId,
  type Term,
} from '../../../../src/base/units.ts';
import {
  ClusterHistory,
  RAFT_DEFAULTS,
  RaftCore,
  type LogRead,
  type SnapshotWanted,
  type RaftOptions,
} from '../../../../src/raft/index.ts';
import { describeReady } from './describe.ts';
import { ScenarioDisk } from './scenario-disk.ts';

/** Draws the election timeouts that a scenario says. */
class ScriptedPrng extends Prng {
  timeoutTicks: number;

  constructor(timeoutTicks: number) {
    super(0);
    this.timeoutTicks = timeoutTicks;
  }

  override between(): number {
    return this.timeoutTicks;
  }
}

export class ScenarioNode {
  readonly id: NodeId;
  readonly disk: ScenarioDisk = new ScenarioDisk();
  readonly prng: ScriptedPrng;
  incarnation: Incarnation;
  priority = 0;
  /** Null while it is down. */
  core: RaftCore | null = null;
  logReads: LogRead[] = [];
  /** Pieces of a snapshot that it was to store, and has not yet. */
  pieces: InstallSnapshot[] = [];
  /** What it has of the snapshot that it is sent. */
  stored: { readonly snapshot: SnapshotId; bytes: number } | null = null;

  constructor(id: NodeId, incarnation: Incarnation, timeoutTicks: number) {
    this.id = id;
    this.incarnation = incarnation;
    this.prng = new ScriptedPrng(timeoutTicks);
  }
}

const SNAPSHOT_BYTES = 1000;

export type ClusterSettings = Partial<RaftOptions> & {
  readonly tailEntries?: number;
};

/** Several cores with nothing happening by itself: messages wait to be delivered, writes wait to be synced. */
export class ScenarioCluster {
  readonly nodes: Map<NodeId, ScenarioNode> = new Map();
  /** Under way, oldest first. */
  messages: PeerMessage[] = [];
  /** Lines that the commands of a block printed. */
  readonly output: string[] = [];
  readonly #settings: ClusterSettings;
  readonly #cuts = new Set<string>();
  #history = new ClusterHistory();

  constructor(ids: readonly NodeId[], settings: ClusterSettings) {
    this.#settings = settings;
    const { electionTimeoutTicksMin: ticksMin } = RAFT_DEFAULTS;
    for (const [at, id] of ids.entries()) {
      // Each waits a little longer than the one before: unless a scenario says otherwise, the first one stands first.
      this.nodes.set(id, new ScenarioNode(id, (101 + at) as Incarnation, ticksMin + 5 * at));
    }
  }

  node(id: string): ScenarioNode {
    const node = this.nodes.get(id as NodeId);
    if (node === undefined) throw new Error(`there is no node ${JSON.stringify(id)}`);
    return node;
  }

  core(id: string): RaftCore {
    const { core } = this.node(id);
    if (core === null) throw new Error(`${id} is down`);
    return core;
  }

  get up(): ScenarioNode[] {
    return [...this.nodes.values()].filter((node) => node.core !== null);
  }

  /** Gives a node a durable log, drawn as the terms of its entries; entry 1 is the configuration, and committed. */
  draw(id: string, terms: readonly number[], term: number): void {
    const { disk } = this.node(id);
    disk.entries = [];
    for (const [at, entryTerm] of terms.entries()) {
      const draft =
        at === 0 ? configurationDraft(this.#configuration(true)) : textDraft(`${at + 1}.${entryTerm}`);
      const [entry] = sealEntries([draft], {
        group: FIRST_GROUP,
        firstIndex: (at + 1) as LogIndex,
        term: entryTerm as Term,
        time: 0,
        previousChecksum: disk.entries.at(-1)?.checksum ?? 0,
      });
      disk.entries.push(entry as Entry);
    }
    disk.hardState = { term: Math.max(term, terms.at(-1) ?? 0) as Term, votedFor: null };
    disk.commitHint = Math.min(1, terms.length);
  }

  start(id: string): void {
    const node = this.node(id);
    const { tailEntries, ...settings } = this.#settings;
    node.logReads = [];
    node.pieces = [];
    node.core = new RaftCore({
      ...RAFT_DEFAULTS,
      ...settings,
      id: node.id,
      incarnation: node.incarnation,
      priority: node.priority,
      group: FIRST_GROUP,
      prng: node.prng,
      bootstrap: { configuration: this.#configuration(false) },
      recovered: node.disk.recover(tailEntries ?? node.disk.entries.length),
    });
    for (const other of this.nodes.values()) {
      if (other === node || other.core === null || this.isCut(node.id, other.id)) continue;
      this.introduce(node, other);
      this.introduce(other, node);
    }
  }

  introduce(to: ScenarioNode, who: ScenarioNode): void {
    to.core?.peerIdentified(who.id, who.incarnation, who.priority);
  }

  crash(id: string): void {
    const node = this.node(id);
    node.disk.commitHint = Math.max(
      node.disk.commitHint,
      Math.min(node.core?.commitIndex ?? 0, node.disk.base.index + node.disk.entries.length),
    );
    node.disk.crash();
    node.core = null;
    this.messages = this.messages.filter((message) => message.to !== node.id && message.from !== node.id);
  }

  cut(from: NodeId, to: NodeId): void {
    this.#cuts.add(`${from}->${to}`);
    this.messages = this.messages.filter((message) => message.from !== from || message.to !== to);
  }

  heal(): void {
    this.#cuts.clear();
  }

  isCut(from: NodeId, to: NodeId): boolean {
    return this.#cuts.has(`${from}->${to}`) || this.#cuts.has(`${to}->${from}`);
  }

  /** Takes what the cores want done, prints it, and puts it in the way of disk and network. */
  drain(): void {
    for (const node of this.up) {
      while (node.core?.hasReady() === true) {
        const ready = node.core.ready();
        this.output.push(...describeReady(node.id, ready));
        node.disk.write(ready);
        node.logReads.push(...ready.logReads);
        node.pieces.push(...ready.snapshotPieces);
        for (const message of ready.messages) {
          if (!this.#cuts.has(`${message.from}->${message.to}`)) this.messages.push(message);
        }
      }
    }
    this.#history.check(this.up.map((node) => node.core as RaftCore));
  }

  /** Delivers those that match and were under way before. @returns how many. */
  deliver(matches: (message: PeerMessage) => boolean): number {
    const due = this.messages.filter(matches);
    this.messages = this.messages.filter((message) => !due.includes(message));
    for (const message of due) this.nodes.get(message.to)?.core?.step(message);
    return due.length;
  }

  sync(id: string, count: number = Number.POSITIVE_INFINITY): void {
    const node = this.node(id);
    const number = node.disk.sync(count);
    if (number !== null) node.core?.persisted(number);
  }

  /** One node sends another so much of the snapshot at its base, which has 1,000 bytes. */
  sendSnapshot(id: string, to: string, offset: number, bytes: number): boolean {
    const { core, disk } = this.node(id);
    if (core === null) throw new Error(`${id} is down`);
    const { index, term, checksum } = disk.base;
    const snapshot: SnapshotId = {
      lastIncludedIndex: index,
      lastIncludedTerm: term,
      lastIncludedChecksum: checksum,
      bytes: SNAPSHOT_BYTES,
      checksum: index,
    };
    const wanted: SnapshotWanted = { to: to as NodeId, term: core.term };
    return core.sendSnapshot(wanted, { snapshot, offset, data: new Uint8Array(bytes) });
  }

  /** Stores what a node was sent of a snapshot, and answers it; the last piece is not answered by this process. */
  store(id: string): void {
    const node = this.node(id);
    for (const piece of node.pieces.splice(0)) {
      if (node.stored?.snapshot.lastIncludedIndex !== piece.snapshot.lastIncludedIndex)
        node.stored = { snapshot: piece.snapshot, bytes: 0 };
      if (piece.offset === node.stored.bytes) node.stored.bytes += piece.data.length;
      if (node.stored.bytes < SNAPSHOT_BYTES) node.core?.snapshotStored(piece, node.stored.bytes);
      else this.output.push(`${id}: has all of the snapshot at ${piece.snapshot.lastIncludedIndex}`);
    }
  }

  /** Log and core begin anew with the snapshot that a node has. */
  install(id: string, from: string): void {
    const node = this.node(id);
    if (node.stored?.bytes !== SNAPSHOT_BYTES) throw new Error(`${id} has no whole snapshot`);
    node.stored = null;
    this.sync(id);
    node.disk.install(this.node(from).disk.base);
    this.start(id);
  }

  readLog(id: string): number {
    const node = this.node(id);
    const reads = node.logReads;
    node.logReads = [];
    for (const request of reads) {
      const { entries, prevChecksum } = node.disk.read(request);
      node.core?.logRead(request, entries, prevChecksum);
    }
    return reads.length;
  }

  /** Everything that is under way arrives and everything written is synced, until nothing moves any more. */
  settle(): void {
    for (let moved = true; moved; ) {
      this.drain();
      moved = this.deliver(() => true) > 0;
      this.drain();
      for (const node of this.up) {
        moved = node.disk.pending.length > 0 || node.logReads.length > 0 || moved;
        this.sync(node.id);
        this.readLog(node.id);
      }
      this.drain();
    }
  }

  #configuration(withIncarnations: boolean): Configuration {
    return {
      clusterId: '0123456789abcdef0123456789abcdef',
      formatVersion: 1,
      members: [...this.nodes.values()].map(({ id, incarnation }) => ({
        id,
        incarnation: (withIncarnations ? incarnation : 0) as Incarnation,
        role: 'voter',
        peerAddress: `${id}:7101`,
        clientAddress: `${id}:7201`,
      })),
    };
  }
}
