import { findMember } from '../base/configuration.ts';
import { Prng } from '../base/prng.ts';
import type { NodeId } from '../base/units.ts';
import { RequestChannel, type Request } from '../client/request-channel.ts';
import { decodeTransferred, encodeTransferLeadership, type Transferred } from '../wire/client-codec.ts';
import { FrameKind } from '../wire/frame.ts';
import type { NodeError, NodeEvent } from '../node/index.ts';
import { SimulatedCrash } from './crashable-disk.ts';
import { RecordRot } from './record-rot.ts';
import { damage } from './rot.ts';
import { NODE_PORT, type SimulatedCluster } from './simulated-cluster.ts';
import { FAULT_KINDS, type FaultKind, type PlannedFault, type Scenario } from './scenario.ts';
import { exponential } from './swarm.ts';
import type { Trace } from './trace.ts';

/** When somebody may be waited for. */
type Moment = 'vote' | 'election' | 'truncation' | 'snapshot';

/** Events of both ends of a snapshot. */
const SNAPSHOT_MOMENTS: ReadonlySet<string> = new Set([
  'snapshot-sending',
  'snapshot-receiving',
  'snapshot-received',
  'snapshot-installed',
]);

/** What is known to be committed is on disk within 100 ms, unless the disk is slow. */
const KNOWN_FOR_MS_MIN = 2000;

/** What a node says that finds what lies on its disk damaged. */
const ROT_CODES: ReadonlySet<string> = new Set([
  'LOG_ROT',
  'DATA_NOT_OURS',
  'DATA_VERSION',
  'DATA_OF_ANOTHER_NODE',
  'DATA_OF_ANOTHER_CLUSTER',
]);

/**
 * Breaks things by a plan, and mends them after a while. Each fault draws from its own seed alone. Whatever it does is
 * something that the cluster must survive: it keeps account of what is broken, so that a disk is wiped or damaged only
 * while all that was ever acknowledged is on the others.
 */
export class Nemesis {
  readonly counts: Record<FaultKind, number>;
  readonly #cluster: SimulatedCluster;
  readonly #brokenMs: number;
  readonly #leaderShare: number;
  readonly #trace: Trace;
  readonly #hosts: readonly string[];
  readonly #cuts = new Map<string, { readonly from: string; readonly to: string }>();
  readonly #slow = new Map<string, number>();
  /** Disks that were told to fail, with the chance of who told them: their nodes may end. */
  readonly #failing = new Map<string, Prng>();
  /** Told to end, and perhaps still at it. */
  readonly #leaving = new Set<string>();
  /** Each waits for the next one to do this, and strikes. */
  readonly #ambushes: Record<Moment, ((id: string) => void)[]> = {
    vote: [],
    election: [],
    truncation: [],
    snapshot: [],
  };
  /** Disks that are full, or were a moment ago, with the chance of who filled them: their nodes may end. */
  readonly #full = new Map<string, Prng>();
  /** Disks that were damaged at rest. Their nodes may refuse to go on, whenever they find it, and are then wiped. */
  readonly #rotten = new Map<string, Prng>();
  /** The one that lost its disk, or part of it, and is not back in full. */
  #wiped: string | null = null;
  /** Have seen a configuration committed, and when they did last. */
  readonly #members = new Map<string, number>();
  /** Nodes that count, by their own word, and have not lost their disk since. */
  readonly #joined = new Set<string>();
  /** Know for good that the one that lost its disk last counts again. */
  readonly #aware = new Set<string>();
  readonly #recordRot: RecordRot;
  #isActive = true;
  #isFounded: boolean;

  constructor(cluster: SimulatedCluster, scenario: Scenario, trace: Trace) {
    this.#cluster = cluster;
    this.#brokenMs = scenario.brokenMs;
    this.#leaderShare = scenario.leaderShare ?? 0.3;
    this.#trace = trace;
    this.#recordRot = new RecordRot(cluster, scenario.seed);
    this.#hosts = [...cluster.ids, ...scenario.clients.map(({ name }) => name)];
    // An even number of nodes can be halved by a crash into those that have the founding entry and those that have
    // nothing: neither half is a majority, and an empty log votes for none that is not. So nothing breaks before.
    this.#isFounded = cluster.ids.length % 2 === 1;
    this.counts = Object.fromEntries(FAULT_KINDS.map((kind) => [kind, 0])) as Record<FaultKind, number>;
    for (const fault of scenario.faults) this.#later(fault.atMs, () => this.#inflict(fault));
  }

  /** What this machine's disk takes longer at the moment. */
  slowMs(id: string): number {
    return this.#slow.get(id) ?? 0;
  }

  /** A process ended by itself. @returns whether that was to be expected. */
  onFatal(id: string, error: NodeError): boolean {
    const rotten = this.#rotten.get(id);
    if (rotten !== undefined && ROT_CODES.has(error.code)) {
      this.#trace.note('nemesis', `${id} found its disk damaged (${error.code}): it gets another one`);
      this.#lose(id);
      this.#rotten.delete(id);
      this.#startSoon(id, rotten);
      return true;
    }
    const full = error.code === 'DISK_FULL' ? this.#full.get(id) : undefined;
    const failing =
      error.code === 'DISK_FULL' || error.code === 'DISK_FAILED' ? this.#failing.get(id) : undefined;
    const prng = failing ?? full;
    if (prng === undefined) return false;
    this.#startSoon(id, prng);
    return true;
  }

  /** Something happened at a node: somebody may have waited for it. */
  onEvent(id: string, { code, fields }: NodeEvent): void {
    if (!this.#isActive) return;
    const isVote = code === 'vote-cast' && fields['kind'] === 'vote' && fields['verdict'] === 'granted';
    if (isVote) this.#ambushes.vote.shift()?.(id);
    if (code === 'election-won') this.#ambushes.election.shift()?.(id);
    if (code === 'log-truncated') this.#ambushes.truncation.shift()?.(id);
    if (SNAPSHOT_MOMENTS.has(code)) this.#ambushes.snapshot.shift()?.(id);
    if (code === 'configuration-committed') this.#members.set(id, this.#cluster.clock.monotonicMs());
  }

  /**
   * From now on nothing more breaks. A majority is healed, and the rest stays as broken as can be: dead, stopped, or cut
   * off from everybody.
   * @returns the majority; null where none could be expected to do anything without the others: nodes that nobody knows
   * yet, or that lost their disks, do not count until a majority without them has agreed.
   */
  healMajority(prng: Prng): readonly string[] | null {
    const cluster = this.#cluster;
    this.#noteJoined();
    if (this.#wiped !== null || this.#rotten.size > 0) return null;
    this.#isActive = false;
    const majority = Math.floor(cluster.ids.length / 2) + 1;
    const able = cluster.ids.filter((id) => this.#joined.has(id));
    if (able.length < majority) return null;
    const core: string[] = [];
    const size = prng.between(majority, Math.min(able.length, Math.max(majority, cluster.ids.length - 1)));
    while (core.length < size) core.push(...able.splice(prng.below(able.length), 1));
    const rest = cluster.ids.filter((id) => !core.includes(id));
    this.#mendNetwork();
    for (const id of core) this.#mendMachine(id);
    for (const id of rest) {
      const how = prng.below(3);
      if (how === 0) cluster.kill(id);
      else if (how === 1) cluster.stop(id);
      for (const host of this.#hosts.filter((other) => other !== id)) {
        cluster.network.cut(id, host);
        cluster.network.cut(host, id);
      }
    }
    this.#trace.note('nemesis', `[${core.join(' ')}] are healed, [${rest.join(' ')}] stay broken`);
    return core;
  }

  /** Nothing is broken any more, and nothing will be: everybody runs. */
  end(): void {
    this.#isActive = false;
    this.#trace.note('nemesis', 'everything is healed');
    this.#mendNetwork();
    for (const id of this.#cluster.ids) {
      // What lies on a damaged disk and was not found yet is found by whoever reads it one day.
      if (this.#rotten.delete(id)) this.#lose(id);
      this.#mendMachine(id);
    }
  }

  #mendNetwork(): void {
    this.#cluster.network.healAll();
    this.#cuts.clear();
    this.#slow.clear();
  }

  #mendMachine(id: string): void {
    this.#cluster.disk(id).setFull(false);
    this.#start(id);
    this.#mendDisk(id);
    this.#cluster.continue(id);
  }

  /** It ended by itself. Where everything is to be healed already, at once. */
  #startSoon(id: string, prng: Prng): void {
    if (this.#isActive) this.#startLater(id, prng);
    else this.#cluster.clock.setTimer(1, () => this.#start(id));
  }

  #later(delayMs: number, callback: () => void): void {
    this.#cluster.clock.setTimer(delayMs, () => {
      if (this.#isActive) callback();
    });
  }

  #mendLater(prng: Prng, callback: () => void): void {
    this.#later(exponential(prng, this.#brokenMs), callback);
  }

  #inflict({ kind, seed }: PlannedFault): void {
    this.#isFounded ||= this.#cluster.ids.some((id) => (this.#cluster.core(id)?.commitIndex ?? 0) > 0);
    if (!this.#isFounded) return;
    this.#noteJoined();
    this.#recordRot.note();
    const prng = new Prng(seed);
    const what = this.#do(kind, this.#victim(prng), prng);
    if (what === null) return;
    this.counts[kind] += 1;
    this.#trace.note('nemesis', what);
  }

  /** @returns what was done, or null where it could not be. */
  #do(kind: FaultKind, id: string, prng: Prng): string | null {
    const cluster = this.#cluster;
    switch (kind) {
      case 'kill':
        if (!cluster.isRunning(id)) return null;
        cluster.kill(id);
        this.#startLater(id, prng);
        return `kill ${id}`;
      case 'power-cut':
        // A machine whose process is dead already may lose its power too: what that one wrote was not all synced.
        if (cluster.isRunning(id)) this.#startLater(id, prng);
        cluster.powerCut(id);
        return `cut the power of ${id}`;
      case 'power-cut-all':
        for (const each of cluster.ids) {
          if (cluster.isRunning(each)) this.#startLater(each, prng);
          cluster.powerCut(each);
        }
        return 'cut the power of all machines';
      case 'crash-point':
        return this.#crashInside(id, prng);
      case 'restart':
        if (!cluster.isRunning(id)) return null;
        cluster.shutDown(id, 500);
        this.#leaving.add(id);
        this.#startLater(id, prng);
        return `shut ${id} down`;
      case 'stop':
        if (!cluster.isRunning(id)) return null;
        cluster.stop(id);
        this.#mendLater(prng, () => {
          this.#trace.note('nemesis', `continue ${id}`);
          cluster.continue(id);
        });
        return `stop ${id}`;
      case 'slow-disk':
        this.#slow.set(id, prng.between(10, 600));
        this.#mendLater(prng, () => this.#slow.delete(id));
        return `the disk of ${id} takes ${this.#slow.get(id)} ms more`;
      case 'failed-sync':
      case 'failed-write':
        return this.#failDisk(kind, id, prng);
      case 'wiped-disk':
        return this.#wipe(id, prng);
      case 'dying-disk':
        this.#slow.set(id, prng.between(5, 200));
        this.#later(exponential(prng, this.#brokenMs / 2), () => {
          this.#slow.delete(id);
          this.#crash(id, prng);
        });
        return `the disk of ${id} takes ${this.#slow.get(id)} ms more, and then ${id} dies`;
      case 'voter-crash':
        return this.#ambush('vote', 'who votes next', prng);
      case 'leader-crash':
        return this.#ambush('election', 'who is elected next', prng);
      case 'truncation-crash':
        return this.#ambush('truncation', 'who drops entries next', prng);
      case 'snapshot-crash':
        return this.#ambush('snapshot', 'who sends, gets or installs a snapshot next', prng);
      case 'lost-leader':
        return this.#loseLeader(prng);
      case 'silent-power-cut':
        if (cluster.isRunning(id)) this.#startLater(id, prng);
        cluster.powerCut(id, true);
        return `cut the power of ${id}, and nobody is told`;
      case 'full-disk':
        return this.#fill(id, prng);
      case 'no-room':
        return this.#cramp(id, prng);
      case 'rot-at-rest':
        return this.#rot(id, prng);
      case 'record-rot':
        return this.#recordRot.strike(id, prng);
      case 'clock-step': {
        const byMs = prng.between(-3_600_000, 3_600_000);
        cluster.machine(id).oscillator.unixOffsetMs += byMs;
        return `the calendar of ${id} jumps by ${byMs} ms`;
      }
      case 'transfer':
        return this.#transfer(id, prng);
      case 'clogged-way':
      case 'jitter':
      case 'noise':
        return this.#slowDown(kind, id, prng);
      case 'one-way-cut':
      case 'link-cut':
      case 'isolate':
      case 'partition':
      case 'reset':
        return this.#disturb(kind, id, prng);
    }
  }

  /** The log finds room for so much more and then none for a while: it stops in the middle of a block. */
  #cramp(id: string, prng: Prng): string | null {
    if (this.#full.has(id)) return null;
    this.#full.set(id, prng);
    const bytes = prng.below(20_000);
    const mend = this.#cluster.disk(id).failWrite((path) => /segment-|spare/.test(path), 'ENOSPC', bytes);
    this.#mendLater(prng, () => {
      this.#trace.note('nemesis', `there is room for the log of ${id} again`);
      mend();
      this.#forgetFull(id);
    });
    return `there is room for ${bytes} bytes more of the log of ${id}`;
  }

  /** Nothing new fits on the disk for a while; a node that ends and starts again finds it so. */
  #fill(id: string, prng: Prng): string | null {
    const disk = this.#cluster.disk(id);
    if (this.#full.has(id)) return null;
    this.#full.set(id, prng);
    disk.setFull(true);
    this.#mendLater(prng, () => {
      this.#trace.note('nemesis', `there is room on the disk of ${id} again`);
      disk.setFull(false);
      this.#forgetFull(id);
    });
    return `the disk of ${id} is full`;
  }

  /** A write that did not fit may not have been reported yet: not for a while, and not to a process that stands still. */
  #forgetFull(id: string): void {
    this.#later(100, () => {
      if (this.#cluster.standsStill(id)) this.#forgetFull(id);
      else this.#full.delete(id);
    });
  }

  /**
   * A disk is damaged while its machine is off. Whatever the node does about it, or does not notice: all that was
   * acknowledged is on all the others.
   */
  #rot(id: string, prng: Prng): string | null {
    const cluster = this.#cluster;
    if (cluster.ids.length < 3 || !this.#isBack(this.#wiped) || !this.#isWell()) return null;
    cluster.kill(id);
    const what = damage(cluster.disk(id), prng);
    this.#startLater(id, prng);
    if (what === null) return null;
    this.#wiped = id;
    this.#rotten.set(id, prng);
    return `kill ${id}; on its disk ${what}`;
  }

  /** An operator wants this one to lead. */
  #transfer(id: string, prng: Prng): string {
    const { clock, network, ids } = this.#cluster;
    const endpoints = ids.map((host) => ({ host, port: NODE_PORT }));
    const ports = { network: network.host('operator'), clock, prng };
    const channel = new RequestChannel({ endpoints, clusterId: null, wants: 'leader' }, ports);
    const target = prng.chance(0.8) ? (id as NodeId) : null;
    const request: Request<Transferred> = {
      kind: FrameKind.TRANSFER_LEADERSHIP,
      answerKind: FrameKind.TRANSFERRED,
      isRepeatable: false,
      timeoutMs: 1000,
      encode: (remainingMs) => encodeTransferLeadership({ target, deadlineMs: Math.ceil(remainingMs) }),
      decode: decodeTransferred,
    };
    channel.ask(request, (error, done) => {
      channel.close();
      this.#trace.note('operator', error === null ? `${done?.to ?? '?'} leads now` : error.message);
    });
    return `ask for ${target ?? 'anybody else'} to lead`;
  }

  #slowDown(kind: 'clogged-way' | 'jitter' | 'noise', id: string, prng: Prng): string {
    const { network, ids } = this.#cluster;
    const other = pick(
      this.#hosts.filter((host) => host !== id),
      prng,
    );
    const ways: (readonly [string, string])[] =
      kind === 'jitter'
        ? ids.flatMap((from) => ids.filter((to) => to !== from).map((to) => [from, to] as const))
        : prng.chance(0.5)
          ? [[id, other]]
          : [
              [id, other],
              [other, id],
            ];
    const ms = prng.between(20, kind === 'jitter' ? 400 : 2000);
    const chance = prng.fraction() * 0.1;
    for (const [from, to] of ways) {
      if (kind === 'noise') network.disturb(from, to, chance);
      else network.clog(from, to, kind === 'jitter' ? 0 : ms, ms * 1.5);
    }
    this.#mendLater(prng, () => {
      this.#trace.note('nemesis', `${kind} between ${id} and others is over`);
      for (const [from, to] of ways) {
        if (kind === 'noise') network.disturb(from, to, 0);
        else network.unclog(from, to);
      }
    });
    const where = kind === 'jitter' ? 'everywhere' : `between ${id} and ${other}`;
    return kind === 'noise'
      ? `${Math.round(chance * 100)} % of what goes ${where} is damaged`
      : `${kind} of ${ms} ms ${where}`;
  }

  /** Somebody is to die within a few milliseconds of what it does, perhaps slowly: what it did may be half done then. */
  #ambush(moment: Moment, whom: string, prng: Prng): string {
    this.#ambushes[moment].push((id) => {
      const isSlow = prng.chance(0.5);
      if (isSlow) this.#slow.set(id, prng.between(5, 100));
      this.#later(exponential(prng, isSlow ? 50 : prng.between(1, 20)), () => {
        if (isSlow) this.#slow.delete(id);
        this.#crash(id, prng);
      });
    });
    return `${whom} is to die`;
  }

  /** A leader is cut off with what only it has, and dies with it; it comes back to a cluster that went on. */
  #loseLeader(prng: Prng): string | null {
    const id = this.#leader();
    if (id === null) return null;
    this.#cut(
      [id],
      this.#cluster.ids.filter((each) => each !== id),
      true,
      prng,
    );
    this.#later(exponential(prng, this.#brokenMs / 2), () => this.#crash(id, prng));
    return `isolate ${id} from the nodes, and then it dies`;
  }

  #crash(id: string, prng: Prng): void {
    if (!this.#cluster.isRunning(id)) return;
    const isPowerCut = prng.chance(0.7);
    this.#trace.note('nemesis', isPowerCut ? `cut the power of ${id}` : `kill ${id}`);
    if (isPowerCut) this.#cluster.powerCut(id);
    else this.#cluster.kill(id);
    // What it had promised is wanted of it again at once, or when everybody has forgotten.
    if (prng.chance(0.5)) this.#later(exponential(prng, 10), () => this.#start(id));
    else this.#startLater(id, prng);
  }

  #disturb(
    kind: 'one-way-cut' | 'link-cut' | 'isolate' | 'partition' | 'reset',
    id: string,
    prng: Prng,
  ): string | null {
    const others = this.#hosts.filter((host) => host !== id);
    const other = pick(others, prng);
    switch (kind) {
      case 'reset':
        this.#cluster.network.reset(id, other);
        return `reset between ${id} and ${other}`;
      case 'one-way-cut': {
        const [from, to] = prng.chance(0.5) ? [id, other] : [other, id];
        this.#cut([from], [to], false, prng);
        return `cut ${from} → ${to}`;
      }
      case 'link-cut': {
        // Those who hear each other are no majority for everybody: a third may be heard by both.
        const nodes = this.#cluster.ids.filter((each) => each !== id);
        if (nodes.length === 0) return null;
        const peer = pick(nodes, prng);
        this.#cut([id], [peer], true, prng);
        return `cut ${id} from ${peer}`;
      }
      case 'isolate': {
        // A leader that only its clients reach goes on for a while, and they believe it.
        const isAmongNodes = prng.chance(0.5);
        const from = isAmongNodes ? this.#cluster.ids.filter((each) => each !== id) : others;
        if (from.length === 0) return null;
        const isOneWay = prng.chance(0.4);
        if (isOneWay && prng.chance(0.5)) this.#cut(from, [id], false, prng);
        else this.#cut([id], from, !isOneWay, prng);
        return `isolate ${id}${isAmongNodes ? ' from the nodes' : ''}${isOneWay ? ' in one direction' : ''}`;
      }
      case 'partition': {
        // Any halves, or one node with some of the clients: a leader then goes on for them as if nothing were.
        const isOne = prng.chance(0.4);
        const isAlone = (host: string): boolean => isOne && host !== id && this.#cluster.ids.includes(host);
        const side = this.#hosts.filter((host) => prng.chance(0.5) && !isAlone(host));
        if (isOne && !side.includes(id)) side.push(id);
        const rest = this.#hosts.filter((host) => !side.includes(host));
        if (side.length === 0 || rest.length === 0) return null;
        this.#cut(side, rest, prng.chance(0.7), prng);
        return `partition [${side.join(' ')}] from [${rest.join(' ')}]`;
      }
    }
  }

  #cut(from: readonly string[], to: readonly string[], isBothWays: boolean, prng: Prng): void {
    const cuts: { from: string; to: string }[] = [];
    for (const one of from) {
      for (const other of to) {
        cuts.push({ from: one, to: other });
        if (isBothWays) cuts.push({ from: other, to: one });
      }
    }
    for (const cut of cuts) {
      this.#cuts.set(`${cut.from} ${cut.to}`, cut);
      this.#cluster.network.cut(cut.from, cut.to);
    }
    this.#mendLater(prng, () => {
      this.#trace.note('nemesis', `heal [${from.join(' ')}] and [${to.join(' ')}]`);
      for (const cut of cuts) {
        this.#cuts.delete(`${cut.from} ${cut.to}`);
        this.#cluster.network.heal(cut.from, cut.to);
      }
    });
  }

  #failDisk(kind: 'failed-sync' | 'failed-write', id: string, prng: Prng): string | null {
    if (!this.#cluster.isRunning(id)) return null;
    this.#failing.set(id, prng);
    const disk = this.#cluster.disk(id);
    if (kind === 'failed-sync') {
      const after = prng.below(20);
      disk.failSync(() => true, 'EIO', after);
      return `the disk of ${id} fails a sync after ${after} more`;
    }
    const bytes = prng.below(20_000);
    const code = prng.chance(0.5) ? 'ENOSPC' : 'EIO';
    disk.failWrite(() => true, code, bytes);
    return `the disk of ${id} fails writes after ${bytes} bytes with ${code}`;
  }

  /** Dies between two operations on its disk, in the middle of a turn or of a recovery. */
  #crashInside(id: string, prng: Prng): string {
    const cluster = this.#cluster;
    const disk = cluster.disk(id);
    const isPowerCut = prng.chance(0.7);
    // Whoever is dead is to die again as it recovers.
    let left = prng.below(cluster.isRunning(id) ? 40 : 15);
    disk.onOperation = (operation) => {
      left -= 1;
      if (left >= 0) return;
      disk.onOperation = null;
      if (!cluster.isRunning(id)) return;
      this.#trace.note(
        'nemesis',
        `${id} dies before ${operation.kind} ${operation.path} at ${operation.position}`,
      );
      if (isPowerCut) cluster.powerCut(id);
      else cluster.kill(id);
      this.#startLater(id, prng);
      throw new SimulatedCrash(`${id} died before operation ${operation.number} of its disk`);
    };
    return `${id} is to die ${isPowerCut ? 'with its power ' : ''}after ${left} more operations of its disk`;
  }

  /**
   * One disk may be lost at a time: what a majority held, a majority of the others still holds more than half of, and
   * nobody is elected without a majority that the lost one does not belong to. The next goes only when the one before is
   * back in full.
   */
  #wipe(id: string, prng: Prng): string | null {
    const cluster = this.#cluster;
    if (cluster.ids.length < 3 || this.#cuts.size > 0 || this.#failing.size > 0 || this.#rotten.size > 0)
      return null;
    if (!this.#isFoundedWithout(id) || !this.#isBack(this.#wiped)) return null;
    this.#lose(id);
    this.#startLater(id, prng);
    return `wipe the disk of ${id}`;
  }

  /** All others know that they belong to the cluster, and so many of them count that they can lead it without this one. */
  #isFoundedWithout(id: string): boolean {
    this.#noteJoined();
    const others = this.#cluster.ids.filter((other) => other !== id);
    const counting = others.filter((other) => this.#joined.has(other)).length;
    return counting * 2 > this.#cluster.ids.length && others.every((other) => this.#members.has(other));
  }

  /**
   * It runs, counts, and holds all that anybody knows to be committed; and everybody has known for long enough that it
   * counts to have that on disk. A node that has to be told so after a start does not count its vote: where its vote and
   * that of the next one to be lost are both needed for a majority, nobody is elected who could tell.
   */
  #isBack(id: string | null): boolean {
    if (id === null) return true;
    const cores = this.#cluster.ids.map((each) => this.#cluster.core(each));
    const committed = Math.max(...cores.map((core) => core?.commitIndex ?? 0));
    const core = this.#cluster.core(id);
    if (!this.#cluster.ids.every((each) => this.#aware.has(each))) return false;
    if (core === null || core.durableIndex < committed || !core.status().eligible) return false;
    this.#trace.note('nemesis', `${id} is back in full`);
    this.#wiped = null;
    return true;
  }

  /** It gets an empty disk. */
  #lose(id: string): void {
    this.#wiped = id;
    this.#aware.clear();
    this.#members.delete(id);
    this.#joined.delete(id);
    this.#cluster.wipe(id);
  }

  #noteJoined(): void {
    for (const id of this.#cluster.ids) {
      const core = this.#cluster.core(id);
      if (core !== null && core.commitIndex > 0 && core.status().eligible) this.#joined.add(id);
    }
    if (this.#wiped !== null) this.#noteAware(this.#wiped as NodeId);
  }

  #noteAware(wiped: NodeId): void {
    const { ids, clock } = this.#cluster;
    // In the middle of its start it has no word of its own yet.
    const incarnation = this.#cluster.machine(wiped).node?.status()?.incarnation ?? null;
    if (incarnation === null) return;
    for (const id of ids) {
      const configuration = this.#cluster.core(id)?.status().configuration ?? null;
      const knownForMs = clock.monotonicMs() - (this.#members.get(id) ?? Infinity);
      if (configuration === null || knownForMs < KNOWN_FOR_MS_MIN || this.#slow.has(id)) continue;
      if (findMember(configuration, wiped)?.incarnation === incarnation) this.#aware.add(id);
    }
  }

  /** Nothing is broken, everybody counts and holds all that anybody knows to be committed. */
  #isWell(): boolean {
    const cluster = this.#cluster;
    if (this.#cuts.size > 0 || this.#failing.size > 0 || this.#full.size > 0 || this.#rotten.size > 0)
      return false;
    if (cluster.ids.some((id) => cluster.machine(id).process?.isRunning !== true)) return false;
    const cores = cluster.ids.map((id) => cluster.core(id));
    const committed = Math.max(...cores.map((core) => core?.commitIndex ?? 0));
    return cores.every(
      (core) =>
        core !== null && core.durableIndex >= committed && core.commitIndex > 0 && core.status().eligible,
    );
  }

  #startLater(id: string, prng: Prng): void {
    this.#mendLater(prng, () => this.#start(id));
  }

  #start(id: string): void {
    // Whoever was told to end and stands still is not waited for.
    if (this.#leaving.delete(id) && this.#cluster.isRunning(id)) this.#cluster.kill(id);
    if (this.#cluster.isRunning(id)) return;
    this.#mendDisk(id);
    this.#trace.note('nemesis', `start ${id}`);
    this.#cluster.start(id);
  }

  #mendDisk(id: string): void {
    const disk = this.#cluster.disk(id);
    // After a failed sync comes, now and then, the loss of what only the page cache still shows.
    if (!this.#cluster.isRunning(id) && this.#failing.get(id)?.chance(0.5) === true) {
      this.#cluster.powerCut(id);
    }
    disk.clearFaults();
    if (!this.#isActive) disk.onOperation = null;
    if (this.#cluster.isRunning(id)) this.#forgetFailing(id);
    else this.#failing.delete(id);
  }

  /** What failed is reported a moment later, and to a process that stands still when it goes on. */
  #forgetFailing(id: string): void {
    this.#later(100, () => {
      if (this.#cluster.standsStill(id)) this.#forgetFailing(id);
      else this.#failing.delete(id);
    });
  }

  /** Rather often whoever leads: most of what can go wrong begins there. */
  #victim(prng: Prng): string {
    const anybody = pick(this.#cluster.ids, prng);
    return prng.chance(this.#leaderShare) ? (this.#leader() ?? anybody) : anybody;
  }

  #leader(): string | null {
    return this.#cluster.ids.find((id) => this.#cluster.core(id)?.role === 'leader') ?? null;
  }
}

function pick<T>(items: readonly T[], prng: Prng): T {
  return items[prng.below(items.length)] as T;
}
