import { Prng } from '../../../src/base/prng.ts';
import { incarnation, logIndex, type NodeId } from '../../../src/base/units.ts';
import { Cluster } from './cluster.ts';
import { draft, quintet } from './logs.ts';
import { ofType } from './messages.ts';
import type { Replica, ReplicaOptions } from './replica.ts';
import { SnapshotCourier } from './snapshot-courier.ts';
import { must } from './test-disk.ts';

/** What can happen to a cluster, and how often it does, relative to the rest. */
export const actionWeights = {
  deliver: 24,
  deliverSome: 22,
  lose: 3,
  repeat: 3,
  sync: 18,
  tickAll: 14,
  tickOne: 6,
  propose: 10,
  drainAll: 8,
  readLog: 4,
  read: 3,
  apply: 3,
  checkpoint: 2,
  crash: 1,
  start: 5,
  transfer: 1,
  stepDown: 0.3,
  leaderGone: 2,
  breakLane: 1,
  pause: 1,
  isolate: 1,
  cut: 1,
  heal: 3,
  trim: 2,
  sendSnapshot: 6,
  storeSnapshot: 6,
  failSnapshot: 0.5,
  wipe: 0.5,
} as const;
export type ActionName = keyof typeof actionWeights;

/** One thing that happens. `x` and `y` choose whom and what, by remainder, so that any numbers mean something. */
export interface Action {
  readonly name: ActionName;
  readonly x: number;
  readonly y: number;
}

export interface ChaosPlan {
  readonly seed: number;
  readonly size: 3 | 4 | 5;
  /** Small limits make windows, reads from the log and splits of appends common. */
  readonly appendEntriesMax: number;
  readonly inflightMessagesMax: number;
  readonly tailEntriesMax: number;
  /** Whether entry 1 is everywhere before anything happens. */
  readonly founded: boolean;
  readonly actions: readonly Action[];
}

/** What a run came across: a property that never meets the rare cases proves nothing about them. */
export interface Sightings {
  [name: string]: number;
}

/**
 * Lets a plan happen, then heals everything and lets time pass until the nodes agree. Anything that breaks the paper's
 * properties throws on the step that breaks it.
 */
export class Chaos {
  readonly cluster: Cluster;
  readonly sightings: Sightings = {};
  readonly #prng: Prng;
  readonly #ids: readonly NodeId[];
  readonly #incarnations = new Map<NodeId, number>();
  /** The commit index of the cluster at the moment when each read was asked for. */
  readonly #readFloors = new Map<number, number>();
  readonly #courier = new SnapshotCourier();
  #proposals = 0;

  constructor(plan: ChaosPlan) {
    this.#prng = new Prng(plan.seed);
    this.#ids = quintet.slice(0, plan.size);
    this.cluster = new Cluster({
      members: this.#ids,
      of: (): ReplicaOptions => ({
        tailEntriesMax: plan.tailEntriesMax,
        acquainted: false,
        raft: {
          prng: this.#prng.fork(),
          electionTimeoutTicksMin: 5,
          electionTimeoutTicksMax: 10,
          heartbeatTicks: 2,
          transferTimeoutTicks: 10,
          appendEntriesMax: plan.appendEntriesMax,
          inflightMessagesMax: plan.inflightMessagesMax,
          cacheBytesMax: 300,
        },
      }),
    });
    for (const id of this.#ids) this.#incarnations.set(id, 1000 + Number(id.slice(1)));
    for (const replica of this.cluster.all) {
      this.#watch(replica);
      this.#introduce(replica);
    }
    if (plan.founded) this.recover();
  }

  happen(action: Action): void {
    this.#act(action);
    // Now and then inputs gather before the next Ready, as they do in one turn of a node's loop.
    if (action.y % 4 !== 0) this.#drain();
  }

  /** Everything works again. @returns the ticks until all nodes agreed. */
  recover(): number {
    this.cluster.heal();
    for (const id of this.#ids) if (this.cluster.isDown(id)) this.#start(id);
    for (let tick = 1; tick <= 600; tick += 1) {
      this.cluster.tick(1);
      this.#carrySnapshots();
      const leader = this.cluster.leader();
      if (leader === null || !leader.core.termStartCommitted) continue;
      if (tick % 20 === 0) leader.core.propose([draft(`recovery ${tick}`)]);
      else if (this.#agreed()) return tick;
    }
    const states = this.cluster.all.map(
      ({ core }) => `${core.role} ${core.term} ${core.commitIndex}/${core.lastIndex}`,
    );
    throw new Error(`no agreement within 600 ticks: ${states.join(', ')}`);
  }

  #agreed(): boolean {
    const { all } = this.cluster;
    const [first] = all;
    return all.every(
      (one) =>
        one.core.commitIndex === one.core.lastIndex &&
        one.core.durableIndex === one.core.lastIndex &&
        one.disk.durableLog.length === first?.disk.durableLog.length &&
        one.core.status().eligible,
    );
  }

  #act({ name, x, y }: Action): void {
    const { cluster } = this;
    const { inFlight } = cluster;
    const any = cluster.at(this.#ids[x % this.#ids.length]!);
    const running = cluster.running[x % Math.max(1, cluster.running.length)];
    const leader = cluster.leader();
    if (running === undefined && name !== 'start') return;
    const one = running ?? any;
    switch (name) {
      case 'deliver':
        if (inFlight.length > 0) cluster.deliver(x % inFlight.length);
        break;
      case 'deliverSome':
        for (let count = x % 8; count >= 0; count -= 1) {
          cluster.deliver();
          this.#drain();
        }
        break;
      case 'lose':
        inFlight.splice(x % Math.max(1, inFlight.length), 1);
        break;
      case 'repeat': {
        const message = inFlight[x % Math.max(1, inFlight.length)];
        if (message !== undefined) inFlight.push(message);
        break;
      }
      case 'sync':
        one.sync(1 + (y % 3));
        break;
      case 'tickAll':
        for (const each of cluster.running) each.tick();
        break;
      case 'tickOne':
        one.tick(1 + (y % 6));
        break;
      case 'propose':
        this.#propose(y % 3 === 0 ? one : (leader ?? one), 1 + (x % 4));
        break;
      case 'drainAll':
        this.#drain();
        break;
      case 'readLog':
        one.answerLogReads();
        break;
      case 'read':
        this.#read(leader ?? one);
        break;
      case 'apply':
        one.core.applied(one.core.commitIndex);
        break;
      case 'checkpoint':
        this.#checkpoint(one);
        break;
      case 'crash':
        this.#drain();
        cluster.crash(one.id, y % (one.disk.pendingWrites + 1), x % 3);
        this.#saw('crash');
        break;
      case 'start':
        if (cluster.isDown(any.id)) this.#start(any.id);
        break;
      case 'transfer':
        if (leader?.core.transferLeadership(y % 3 === 0 ? null : any.id).ok) this.#saw('transfer');
        break;
      case 'stepDown':
        leader?.core.stepDown('chance');
        break;
      case 'leaderGone':
        if (one.core.leader !== null) one.core.leaderGone(one.core.leader);
        break;
      case 'breakLane':
        one.core.peerReachable(any.id, 'bulk', false);
        one.core.peerReachable(any.id, 'bulk', true);
        break;
      case 'pause':
        one.core.pauseDetected();
        break;
      case 'isolate':
        cluster.isolate(any.id);
        break;
      case 'cut':
        cluster.cut(any.id, this.#ids[y % this.#ids.length]!);
        break;
      case 'heal':
        cluster.heal();
        break;
      case 'trim':
        this.#trim(one, x);
        break;
      case 'sendSnapshot':
        if (this.#courier.send(leader ?? one, y % 2)) this.#saw('snapshot sent');
        break;
      case 'storeSnapshot':
        this.#storeSnapshot(one);
        break;
      case 'failSnapshot':
        for (const wanted of one.snapshotsWanted.splice(0)) one.core.snapshotFailed(wanted);
        break;
      case 'wipe':
        this.#wipe(any);
        break;
    }
  }

  /** The beginning of a log goes, as far as it is committed and durable there. */
  #trim({ core, disk }: Replica, x: number): void {
    const most = Math.min(core.commitIndex, core.durableIndex);
    if (most <= disk.base) return;
    const index = disk.base + 1 + (x % (most - disk.base));
    disk.trimTo(index);
    core.trimmed(logIndex(index + 1));
    this.#saw('trim');
  }

  #storeSnapshot(replica: Replica): void {
    if (!this.#courier.store(replica)) return;
    this.cluster.crash(replica.id);
    this.#start(replica.id);
    this.#saw('install');
  }

  /** Whatever is needed of snapshots arrives and is stored. */
  #carrySnapshots(): void {
    for (const replica of this.cluster.running) {
      for (const offset of [0, 1]) {
        this.#courier.send(replica, offset);
        this.cluster.settle();
      }
    }
    for (const replica of this.cluster.running) {
      while (replica.pieces.length > 0) this.#storeSnapshot(replica);
    }
  }

  #checkpoint({ core, disk }: Replica): void {
    disk.commitHint = Math.min(core.commitIndex, core.durableIndex);
  }

  #drain(): void {
    for (const replica of this.cluster.running) replica.drain();
  }

  #propose(replica: Replica, count: number): void {
    const { core } = replica;
    const before = core.lastIndex;
    const drafts = Array.from({ length: count }, () => draft(`proposal ${(this.#proposals += 1)}`));
    const result = core.propose(drafts);
    if (result.ok) {
      must(result.firstIndex === before + 1, () => `proposed at ${result.firstIndex} after ${before}`);
      must(
        core.role === 'leader' && result.term === core.term,
        () => `${replica.id} took a proposal as ${core.role}`,
      );
    }
    must(core.lastIndex === before + (result.ok ? count : 0), () => `a refused proposal changed the log`);
    this.#saw(result.ok ? 'proposal' : `refused: ${result.refusal}`);
  }

  #read(replica: Replica): void {
    const token = this.#readFloors.size + 1;
    this.#readFloors.set(token, this.cluster.history.committedCount);
    replica.core.readIndex(token);
  }

  #start(id: NodeId): void {
    this.cluster.start(id);
    this.#introduce(this.cluster.at(id));
  }

  /**
   * A disk is replaced by an empty one. A copy is gone then, so this happens to a cluster that has all of its copies:
   * whole again after the disk before, and knows it across a restart. Everything else may happen while the node is
   * brought up again.
   */
  #wipe(replica: Replica): void {
    this.recover();
    for (const one of this.cluster.all) this.#checkpoint(one);
    this.cluster.crash(replica.id);
    // A connection belongs to one incarnation: what the old one sent is not heard after the new one's handshake.
    this.cluster.inFlight = this.cluster.inFlight.filter((message) => message.from !== replica.id);
    const next = (this.#incarnations.get(replica.id) ?? 0) + 100;
    this.#incarnations.set(replica.id, next);
    replica.wipe(incarnation(next));
    this.#start(replica.id);
    this.#saw('wipe');
  }

  /** Handshakes between a node that has just started and all others. */
  #introduce(replica: Replica): void {
    const known = (id: NodeId): ReturnType<typeof incarnation> =>
      incarnation(this.#incarnations.get(id) ?? 0);
    for (const other of this.cluster.running) {
      if (other === replica) continue;
      replica.core.peerIdentified(other.id, known(other.id), 0);
      other.core.peerIdentified(replica.id, known(replica.id), 0);
    }
  }

  #watch(replica: Replica): void {
    const observe = replica.onReady;
    replica.onReady = (ready) => {
      observe(ready);
      for (const { token, index } of ready.reads) {
        const floor = this.#readFloors.get(token) ?? Number.POSITIVE_INFINITY;
        must(index >= floor, () => `${replica.id} reads at ${index} what was committed up to ${floor}`);
        this.#saw('read');
      }
      for (const event of ready.events)
        this.#saw(event.type === 'transfer-ended' ? `transfer ${event.outcome}` : event.type);
      if (ready.logReads.length > 0) this.#saw('log read');
      if (ofType('AppendEntriesResponse', ready.messages).some((one) => one.rejection !== null))
        this.#saw('rejection');
    };
  }

  #saw(name: string): void {
    this.sightings[name] = (this.sightings[name] ?? 0) + 1;
  }
}
