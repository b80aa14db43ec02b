import type { HostPort } from '../base/host-port.ts';
import { assert } from '../base/assert.ts';
import { decodeConfiguration, type Configuration } from '../base/configuration.ts';
import { entryBody } from '../base/entry.ts';
import type { TimerHandle } from '../base/ports/clock.ts';
import { FIRST_GROUP, type LogIndex, type NodeId } from '../base/units.ts';
import type { StateMachine } from '../broker/index.ts';
import { RaftCore, type RaftEvent, type Ready } from '../raft/index.ts';
import type { Transferred } from '../wire/client-codec.ts';
import type { IncomingSnapshot, WalRotError } from '../wal/index.ts';
import { errorInfo, type ErrorInfo } from '../wire/errors.ts';
import type { NodeStatus } from '../wire/status-schema.ts';
import { AckGate } from './ack-gate.ts';
import { announceStart, type Announce } from './announcement.ts';
import { AppendPath } from './append-path.ts';
import { Applier } from './applier.ts';
import { Checkpointer } from './checkpointer.ts';
import { ElectionRecord } from './election-record.ts';
import { NodeError } from './errors.ts';
import { narrate } from './events.ts';
import { EventJournal } from './event-journal.ts';
import { coreOptions } from './core-options.ts';
import { CommitTimes } from './commit-times.ts';
import { DiskSpace } from './disk-space.ts';
import { applyFailure, diskFailure, indexFailure, turnedAway } from './failures.ts';
import { Forwarder } from './forwarding/forwarder.ts';
import { FrontDoor } from './front-door.ts';
import { FaultBoard } from './fault-board.ts';
import { HandOver } from './hand-over.ts';
import { Introduction } from './introduction.ts';
import { LeaderReads } from './leader-reads.ts';
import { LeadershipProofs } from './leadership-proofs.ts';
import { LogAccess } from './log-access.ts';
import { LogFeed } from './log-feed.ts';
import { LogRetention } from './log-retention.ts';
import type { DledgerNode, NodeHandlers, NodePorts } from './node-interface.ts';
import { asNodeId, hostPort, type NodeOptions } from './options.ts';
import { peek } from './peek.ts';
import { Peers } from './peers.ts';
import { ReadPath } from './read-path.ts';
import { handOut } from './repair/entry-service.ts';
import { RotRepair } from './repair/rot-repair.ts';
import { Scrubber } from './scrubber.ts';
import { SelfWatch } from './self-watch.ts';
import { Snapshots } from './snapshots/snapshots.ts';
import { buildStatus } from './status.ts';
import { SickMachine } from './sick-machine.ts';
import { openStorage, type Storage } from './storage.ts';
import { openTopics, type TopicsDesk } from './topics/topics-desk.ts';
import { TurnLoop } from './turn-loop.ts';
import type { NodeEvent } from '../wire/watch-schema.ts';
import { Watchers } from './watchers.ts';
import { WriteBacklog } from './write-backlog.ts';

/** What ends a node whose judgement is sound: only its disk is not. */
const SICK_CODES: ReadonlySet<string> = new Set(['DISK_FULL', 'DISK_FAILED', 'LOG_ROT']);

/** Composition: owns one of each part, moves what one part says to the others, and holds no rule of theirs. */
export class Node implements DledgerNode {
  readonly #options: NodeOptions;
  readonly #ports: NodePorts;
  readonly #handlers: NodeHandlers & { onReplaced(): void };
  readonly #id: NodeId;
  readonly #bootId: number;
  readonly #startedAtMs: number;
  readonly #addresses: { readonly id: NodeId; readonly address: HostPort }[];
  readonly #storage: Storage;
  readonly #core: RaftCore;
  readonly #introduction: Introduction;
  readonly #machine: StateMachine;
  readonly #loop: TurnLoop;
  readonly #peers: Peers;
  readonly #appends: AppendPath;
  readonly #log: LogAccess;
  readonly #feed: LogFeed;
  readonly #leaderReads: LeaderReads;
  readonly #reads: ReadPath;
  readonly #topics: TopicsDesk;
  readonly #forwarder: Forwarder;
  readonly #applier: Applier;
  readonly #checkpointer: Checkpointer;
  readonly #self: SelfWatch;
  readonly #scrubber: Scrubber;
  readonly #repair: RotRepair;
  readonly #snapshots: Snapshots;
  readonly #logRetention: LogRetention;
  readonly #gate = new AckGate();
  readonly #backlog = new WriteBacklog();
  readonly #elections: ElectionRecord;
  readonly #journal: EventJournal;
  readonly #watchers: Watchers;
  readonly #faults: FaultBoard;
  readonly #commitTimes = new CommitTimes();
  readonly #space: DiskSpace;
  readonly #door: FrontDoor;
  #pauses = 0;
  /** Led when this node found its process gone, and has not been reached since. */
  #goneLeader: NodeId | null = null;
  readonly #proofs: LeadershipProofs;
  readonly #handOver: HandOver;
  #configuration: { readonly index: LogIndex; readonly value: Configuration } | null;
  #state: 'running' | 'stopping' | 'stopped' | 'failed' = 'running';

  /** @param handlers `onReplaced`: this node has ended, and its directory holds another log now. */
  constructor(options: NodeOptions, outside: NodePorts, handlers: NodeHandlers & { onReplaced(): void }) {
    const sick = options.allowFaults ? new SickMachine(outside) : null;
    const ports = sick?.ports ?? outside;
    this.#options = options;
    this.#ports = ports;
    this.#handlers = handlers;
    this.#id = asNodeId(options.id);
    this.#bootId = ports.prng.safeInteger();
    this.#startedAtMs = ports.clock.unixMs();
    this.#addresses = options.peers.map((peer) => ({
      id: asNodeId(peer.id),
      address: hostPort(peer.address),
    }));
    this.#loop = new TurnLoop(ports.clock, options.tickMs, options.electionTimeoutMsMin / 2, {
      onTicks: (count) => {
        for (let tick = 0; tick < count; tick += 1) this.#core.tick();
        this.#self.passed(this.#loop.nowMs);
        this.#scrubber.passed(this.#loop.nowMs);
        this.#repair.passed(this.#loop.nowMs);
        this.#snapshots.passed(this.#loop.nowMs);
      },
      onPause: (gapMs) => this.#onPause(gapMs),
      onTurnEnd: () => this.#turnEnd(),
    });
    this.#storage = openStorage(options, ports, {
      onDurable: (number) => {
        this.#loop.enter();
        this.#backlog.durable(number);
        if (!this.#isAlive) return;
        this.#core.persisted(number);
        this.#noteCommit();
      },
      onHardStateDurable: (number) => {
        this.#loop.enter();
        if (!this.#isAlive) return;
        if (options.mutations.takesTheVoteForTheLog) this.#core.persisted(number);
        else this.#core.hardStatePersisted(number);
      },
      onRoom: (hasRoom) => {
        this.#loop.enter();
        if (this.#isAlive) this.#self.room.logWaits(!hasRoom);
      },
      onFailure: (error) => this.#fail(diskFailure(error)),
    });
    this.#journal = new EventJournal(ports.disk, ports.clock, options.dataDirectory);
    this.#watchers = new Watchers({
      clock: ports.clock,
      journal: this.#journal,
      enter: () => this.#loop.enter(),
      status: () => this.status(),
    });
    this.#space = new DiskSpace(ports.disk, ports.clock, options.dataDirectory);
    this.#faults = this.#makeFaults();
    sick?.obey(this.#faults);
    this.#configuration = this.#storage.configuration;
    this.#machine = this.#storage.machine;
    this.#core = new RaftCore(coreOptions(options, this.#storage, ports.prng));
    ports.inspect?.(this.#core);
    this.#introduction = new Introduction({
      id: this.#id,
      options,
      core: this.#core,
      incarnation: this.#storage.identity.incarnation,
      bootId: this.#bootId,
      clusterId: () => this.#clusterId(),
      configuration: () => this.#configuration?.value ?? null,
    });
    this.#proofs = new LeadershipProofs(this.#core);
    this.#handOver = new HandOver(this.#core, ports.clock);
    this.#elections = new ElectionRecord(ports.clock);
    this.#peers = this.#makePeers();
    if (this.#configuration !== null) this.#meet(this.#configuration.value);
    for (const entry of this.#storage.recovered.laterConfigurations)
      this.#meet(decodeConfiguration(entryBody(entry)));
    this.#appends = new AppendPath({
      core: this.#core,
      machine: this.#machine,
      gate: this.#gate,
      backlog: this.#backlog,
      mutations: options.mutations,
      batchBytesMax: options.batchBytesMax,
      nowMs: () => this.#loop.nowMs,
      noRoom: () => this.#self.room.refusal,
      refusalHint: () => this.#introduction.notLeader(),
    });
    const common = {
      clock: ports.clock,
      core: this.#core,
      machine: this.#machine,
      wal: this.#storage.wal,
      mutations: options.mutations,
      enter: () => this.#loop.enter(),
      onRot: (error: WalRotError) => this.#repair.found(error),
      refusalHint: () => this.#introduction.notLeader(),
      confirmLeadership: (done: (index: LogIndex | null) => void) => this.#proofs.ask(done),
    };
    this.#leaderReads = new LeaderReads(common);
    this.#log = new LogAccess(common);
    const reading = { ...common, log: this.#log, leaderReads: this.#leaderReads };
    this.#reads = new ReadPath(reading);
    this.#topics = openTopics({
      ...reading,
      disk: this.#storage.disk,
      dataDirectory: options.dataDirectory,
      appends: this.#appends,
      onFailure: (error) => this.#fail(indexFailure(error)),
    });
    this.#forwarder = new Forwarder({
      network: ports.network,
      clock: ports.clock,
      enter: () => this.#loop.enter(),
      leads: () => this.#core.role === 'leader',
      leaderAddress: () => this.#introduction.leaderAddress,
      hello: () => this.#introduction.helloAsForwarder(),
    });
    this.#applier = new Applier(this.#core, this.#machine, this.#storage.wal, options.mutations, {
      enter: () => this.#loop.enter(),
      onApplied: (entry, result) => {
        ports.onApplied?.(this.#machine, entry, result);
        this.#topics.onApplied(entry, result);
        this.#appends.onApplied(entry, result);
        if (result.result === 'done' && result.outcome.type === 'log-trimmed') this.#logRetention.trim();
      },
      onProgress: () => {
        this.#noteCommit();
        this.#leaderReads.onApplied();
        this.#reads.onApplied();
        this.#topics.onProgress();
      },
      onRot: (error) => this.#repair.takes(error),
      onFailure: (error) => this.#fail(applyFailure(error)),
    });
    this.#checkpointer = new Checkpointer(
      this.#core,
      this.#machine,
      this.#applier,
      this.#storage.checkpoints,
      this.#storage.checkpointIndex,
      {
        everyBytes: options.checkpointEveryBytes,
        mutations: options.mutations,
        configuration: () => this.#configuration,
        enter: () => this.#loop.enter(),
        hasRoom: () => this.#self.room.hasRoom,
        beforeWriting: (done) => this.#topics.beforeCheckpoint(done),
        onWritten: (index) => {
          this.#topics.checkpointed();
          this.#logRetention.trim();
          this.#event('info', 'checkpoint', `checkpoint at index ${index}`, { index });
        },
        onFailure: (error) => this.#fail(diskFailure(error)),
      },
    );
    const event: Announce = (level, code, text, fields) => this.#event(level, code, text, fields);
    this.#scrubber = new Scrubber({
      ...common,
      bytesPerSecond: options.scrubBytesPerSecond,
    });
    this.#repair = new RotRepair({
      ...common,
      event,
      disk: this.#storage.disk,
      network: ports.network,
      hello: () => this.#introduction.helloAsForwarder(),
      peers: () => this.#peers.addresses,
      onRepaired: () => {
        this.#applier.resume();
        this.#scrubber.lookAgain();
      },
      onFailure: (error) => this.#fail(diskFailure(error)),
    });
    this.#feed = new LogFeed({ ...common, event });
    this.#self = new SelfWatch({
      options,
      core: this.#core,
      wal: this.#storage.wal,
      space: this.#space,
      loopDelayMs: () => this.#loop.delayMs,
      event,
    });
    const keeping = { ...common, event, checkpoints: this.#storage.checkpoints };
    this.#snapshots = new Snapshots({
      ...keeping,
      disk: this.#storage.disk,
      directory: options.dataDirectory,
      bytesPerSecondMax: options.snapshotBytesPerSecondMax,
      onWhole: (take) => this.#checkpointer.settle(() => this.#replaceBy(take)),
      onFailure: (error) => this.#fail(diskFailure(error)),
    });
    this.#logRetention = new LogRetention({
      ...keeping,
      appends: this.#appends,
      ageMsMax: options.retentionMs,
      bytesMax: options.retentionBytes,
      diskShareMax: options.retentionDiskShare,
      space: () => this.#space.space,
      raiseFirstOffsets: (index, done) => this.#topics.raiseFirstOffsets(index, done),
      oldestIndexSent: () => this.#snapshots.oldestIndexSent,
      prove: (index, done) => this.#storage.proveCheckpoint(index, done),
    });
    this.#door = this.#makeDoor();
    announceStart(this.#id, this.#storage, event);
    this.#listen();
  }

  status(): NodeStatus {
    return buildStatus({
      options: this.#options,
      core: this.#core.status(),
      clusterId: this.#clusterId(),
      incarnation: this.#storage.identity.incarnation,
      bootId: this.#bootId,
      startedAtMs: this.#startedAtMs,
      address: this.#introduction.clientAddress,
      appliedIndex: this.#machine.appliedIndex,
      logStart: this.#machine.logStart,
      lastElection: this.#elections.last,
      tickMs: this.#options.tickMs,
      syncTimes: this.#storage.wal.recentSyncs(),
      commitTimes: this.#commitTimes.summary(this.#ports.clock.monotonicMs()),
      loopDelayMs: Math.round(this.#loop.delayMs * 10) / 10,
      space: this.#space.space,
      faults: this.#faults.active,
      snapshots: this.#snapshots.status,
      roundTripMs: (peer) => this.#peers.roundTripMs(peer),
      counters: {
        ...(this.#pauses === 0 ? {} : { pauses: this.#pauses }),
        ...this.#appends.counters(),
        ...this.#reads.counters(),
        ...this.#topics.counters(),
        ...this.#forwarder.counters(),
        ...this.#peers.counters(),
        ...this.#storage.counters(),
        ...this.#snapshots.counters(),
        walBacklogBytes: this.#backlog.bytes,
        ...this.#self.counters(),
        ...this.#scrubber.counters(),
        ...this.#repair.counters(),
        ...this.#door.counters(),
        watchers: this.#watchers.count,
        checkpointIndex: this.#checkpointer.lastIndex,
      },
    });
  }

  stop(options: { readonly handOver: boolean; readonly timeoutMs: number }, done: () => void): void {
    if (this.#state !== 'running') {
      done();
      return;
    }
    this.#loop.enter();
    let ended = false;
    const end = (): void => {
      if (ended) return;
      ended = true;
      timer?.cancel();
      this.#shutDown(done);
    };
    // A hand-over ends in the middle of a turn, whose other work still needs the log.
    const endAfterTurn = (): void =>
      this.#ports.clock.defer(() => {
        this.#loop.enter();
        end();
      });
    let timer: TimerHandle | null = null;
    if (!options.handOver || this.#core.role !== 'leader' || !this.#handOver.begin(null, endAfterTurn)) {
      end();
      return;
    }
    this.#event('info', 'stopping', 'stopping: handing leadership over first', {});
    timer = this.#ports.clock.setTimer(options.timeoutMs, () => {
      this.#loop.enter();
      end();
    });
  }

  get #isAlive(): boolean {
    return this.#state === 'running' || this.#state === 'stopping';
  }

  // What the parts are made from.

  #makePeers(): Peers {
    return new Peers(this.#id, FIRST_GROUP, this.#addresses, this.#ports, this.#faults, {
      enter: () => this.#loop.enter(),
      hello: (lane) => this.#introduction.helloAsPeer(lane),
      configuration: () => this.#configuration?.value ?? null,
      clusterId: () => this.#clusterId(),
      replacedClusters: () => this.#storage.identity.replaces,
      identified: (id, incarnation, priority) => this.#core.peerIdentified(id, incarnation, priority),
      clusterHeard: () => this.#core.clusterHeard(),
      reachable: (id, lane, up) => {
        this.#core.peerReachable(id, lane, up);
        if (up && this.#goneLeader === id) this.#goneLeader = null;
        if (lane === 'control') {
          this.#event(
            up ? 'info' : 'warn',
            up ? 'peer-up' : 'peer-down',
            up ? `connected to ${id}` : `lost the connection to ${id}`,
            { peer: id },
          );
        }
      },
      gone: (id, how) => {
        if (this.#core.leader !== id) return;
        this.#event(
          'warn',
          'leader-gone',
          `the leader ${id} is gone: it closed its connection and ${how === 'refused' ? 'refuses a new one' : 'a new process answers'}`,
          { leader: id, how },
        );
        this.#goneLeader = id;
        this.#core.leaderGone(id);
      },
      message: (message) => this.#core.step(message),
      hasLeader: () => this.#core.leader !== null,
      turnedAway: (by, error) => this.#fail(turnedAway(by, error)),
      notice: (code, text, fields) => this.#event('warn', code, text, fields),
    });
  }

  #makeFaults(): FaultBoard {
    return new FaultBoard({
      clock: this.#ports.clock,
      prng: this.#ports.prng.fork(),
      isAllowed: this.#options.allowFaults,
      enter: () => this.#loop.enter(),
      isPeer: (id) => this.#peers.has(id),
      stall: () => this.#loop.stall(),
      resume: () => this.#loop.resume(),
      breakLinks: (id) => this.#peers.breakLinks(id),
      onChanged: (code, text, { id, owner, remainingMs, affected }) =>
        this.#event('warn', code, text, { fault: id, owner, remainingMs, affected }),
    });
  }

  // The turn.

  /** Works off what the turn's input caused, until nothing is left that can be done now. */
  #turnEnd(): void {
    if (!this.#isAlive) return;
    this.#core.clock(this.#ports.clock.unixMs());
    // What a dead leader had sent may still come out of the socket buffers. It is good, but it is no sign of life.
    if (this.#goneLeader !== null && this.#goneLeader === this.#core.leader)
      this.#core.leaderGone(this.#goneLeader);
    let moreToApply = false;
    do {
      this.#appends.propose();
      if (this.#core.role === 'leader') this.#commitTimes.proposed(this.#core.lastIndex, this.#loop.nowMs);
      while (this.#core.hasReady()) this.#execute(this.#core.ready());
      moreToApply = this.#applier.run();
    } while (this.#isAlive && this.#core.hasReady());
    if (!this.#isAlive) return;
    this.#commitTimes.committed(this.#core.commitIndex, this.#loop.nowMs);
    this.#watchers.flush();
    this.#peers.flush();
    this.#door.flush();
    this.#forwarder.flush();
    this.#checkpointer.consider();
    if (moreToApply) this.#ports.clock.defer(() => this.#loop.enter());
  }

  #execute(ready: Ready): void {
    for (const event of ready.events) this.#onRaftEvent(event);
    for (const message of ready.messages) this.#peers.send(message);
    // AppendEntries leave before the write is issued: the followers' syncs run beside this one, not after it.
    if (ready.entries.length > 0) this.#peers.flush();
    if (ready.mustPersist) {
      let bytes = 0;
      for (const entry of ready.entries) bytes += entry.bytes.length;
      this.#backlog.submitted(ready.number, bytes);
      this.#storage.wal.submit({
        number: ready.number,
        hardState: ready.hardState,
        truncateFrom: ready.truncateFrom,
        truncateChecksum: ready.truncateChecksum,
        entries: ready.entries,
      });
    }
    this.#snapshots.execute(ready);
    for (const grant of ready.reads) this.#proofs.granted(grant);
    for (const token of ready.readsRefused) this.#proofs.refused(token);
    for (const id of ready.resetBulkLanes) this.#peers.resetBulkLane(id);
    for (const request of ready.logReads) this.#feed.read(request);
  }

  /**
   * Tells the log what is known to be committed, for the next start. Only what is durable: behind that the disk may still
   * hold other entries, dropped since, and a start would take those for the committed ones.
   */
  #noteCommit(): void {
    const { appliedIndex } = this.#machine;
    const durableIndex = this.#options.mutations.hintsCommitAheadOfDisk
      ? appliedIndex
      : this.#core.durableIndex;
    this.#storage.wal.noteCommit(Math.min(appliedIndex, durableIndex) as LogIndex);
  }

  #onPause(gapMs: number): void {
    if (!this.#isAlive) return;
    this.#pauses += 1;
    this.#event('warn', 'paused', `this process stood still for ${Math.round(gapMs)} ms`, {
      gapMs: Math.round(gapMs),
    });
    this.#core.pauseDetected();
    this.#topics.onPause();
    if (this.#core.role === 'leader') {
      this.#gate.close(
        (done) => this.#proofs.ask(done),
        () => errorInfo('LEADERSHIP_LOST', 'this node stood still, and another leads now'),
      );
    }
  }

  #onRaftEvent(event: RaftEvent): void {
    const { level, text, fields } = narrate(event, this.#options.tickMs);
    this.#event(level, event.type, text, fields);
    this.#elections.observe(event);
    if (event.type === 'role-changed' && event.from === 'leader') {
      this.#appends.leadershipLost();
      this.#leaderReads.onLeadershipLost();
      this.#reads.onLeadershipLost();
      this.#topics.onLeadershipLost();
      this.#commitTimes.leadershipLost();
    }
    if (event.type === 'configuration-committed') {
      this.#configuration = { index: event.index, value: event.configuration };
      this.#meet(event.configuration);
      this.#rememberCluster(event.configuration.clusterId);
    }
    if (event.type === 'leader-changed') this.#forwarder.onLeaderChanged();
    if (event.type === 'transfer-ended') this.#handOver.ended(event);
  }

  /** The configuration in the log rules; the operator's list of peers is where it starts from. */
  #meet(configuration: Configuration): void {
    for (const member of configuration.members) this.#peers.learn(member.id, hostPort(member.peerAddress));
  }

  /**
   * The first time that it learns of one, and for ever. A configuration from the beginning of the log may name a cluster
   * that the leader's was recovered from: what the leader says of itself goes before it.
   */
  #rememberCluster(founded: string): void {
    if (this.#storage.wal.identity.clusterId !== null) return;
    const clusterId =
      (this.#core.leader === null ? null : this.#peers.clusterOf(this.#core.leader)) ?? founded;
    try {
      this.#storage.foundCluster(clusterId);
    } catch (error) {
      if (!(error instanceof NodeError)) throw error;
      this.#fail(error);
    }
  }

  // Connections from outside.

  #makeDoor(): FrontDoor {
    return new FrontDoor({
      id: this.#id,
      network: this.#ports.network,
      clock: this.#ports.clock,
      clientConnectionsMax: this.#options.clientConnectionsMax,
      mutations: this.#options.mutations,
      enter: () => this.#loop.enter(),
      isRunning: () => this.#state === 'running',
      clusterId: () => this.#clusterId(),
      acknowledge: () => this.#introduction.acknowledge(),
      admitPeer: (hello, connection) => this.#peers.admit(hello, connection),
      services: () => ({
        appends: this.#appends,
        reads: this.#reads,
        topics: this.#topics,
        forwarder: this.#forwarder,
        stopping: () => this.#state !== 'running',
        mutations: this.#options.mutations,
        status: () => this.status(),
        watchers: this.#watchers,
        journal: this.#journal,
        peek: (request) => peek(request, this.#core),
        entries: (request, done) => handOut(request, this.#log, this.#core, done),
        faults: (order) => this.#faults.carryOut(order),
        transfer: (target, done) => this.#beginTransfer(target, done),
      }),
      isUsedUp: () => !this.#appends.isGathering,
      notice: (code, text, fields) => this.#event('warn', code, text, fields),
      onListening: () => {
        this.#loop.enter();
        this.#loop.start();
        this.#peers.open();
        this.#handlers.onReady(this.status());
      },
      onError: (error) => this.#fail(error),
    });
  }

  #listen(): void {
    const listen = this.#options.listen ?? this.#addresses.find((peer) => peer.id === this.#id)?.address;
    assert(listen !== undefined, () => `${this.#id} has no address`);
    this.#door.open(listen);
  }

  #beginTransfer(target: NodeId | null, done: (result: Transferred | ErrorInfo) => void): void {
    if (this.#core.role !== 'leader') {
      done(this.#introduction.notLeader());
      return;
    }
    this.#handOver.begin(target, done);
  }

  // Identity.

  #clusterId(): string | null {
    return this.#storage.wal.identity.clusterId ?? this.#configuration?.value.clusterId ?? null;
  }

  // Beginning and end.

  #shutDown(done: () => void): void {
    if (this.#state !== 'running') {
      done();
      return;
    }
    this.#state = 'stopping';
    this.#appends.leadershipLost();
    this.#peers.flush();
    this.#door.shut();
    this.#checkpointer.write(() => {
      this.#state = 'stopped';
      this.#halt();
      this.#storage.close(done);
    });
  }

  /** Ends with the log that is to begin anew. From the moment it is decided nothing is taken in or answered any more. */
  #replaceBy(take: () => IncomingSnapshot | null): void {
    const snapshot = this.#state === 'running' ? take() : null;
    if (snapshot === null) return;
    const index = snapshot.id.lastIncludedIndex;
    this.#event('info', 'snapshot-received', `the snapshot at index ${index} takes the place of the log`, {
      index,
    });
    this.#state = 'stopped';
    this.#halt();
    this.#storage.closeFor(snapshot, (error) => {
      if (error === null) this.#handlers.onReplaced();
      else this.#handlers.onFatal(diskFailure(error));
    });
  }

  /** Nothing of it is at work any more, but for the log. */
  #halt(): void {
    this.#loop.stop();
    this.#reads.stop();
    this.#topics.stop();
    this.#forwarder.stop();
    this.#watchers.stop();
    this.#repair.stop();
    this.#snapshots.close();
    this.#logRetention.stop();
    this.#faults.close();
    this.#journal.close();
    this.#peers.close();
    this.#door.close();
  }

  #fail(error: NodeError): void {
    if (!this.#isAlive) return;
    this.#state = 'failed';
    if (SICK_CODES.has(error.code)) this.#resign(error.message);
    this.#event('error', 'fatal', `${error.message}; ${error.next}`, { code: error.code });
    this.#halt();
    this.#handlers.onFatal(error);
  }

  /**
   * The log takes nothing more, but this node can still say who is to lead: then nobody has to miss it first. What clients
   * wait for is unknown, and they are told so. Nothing leaves that would have to be written before.
   */
  #resign(why: string): void {
    if (this.#core.role !== 'leader') return;
    this.#core.resign(why);
    const { events, messages } = this.#core.ready();
    for (const event of events) this.#onRaftEvent(event);
    for (const message of messages) this.#peers.send(message);
    this.#peers.flush();
    this.#door.flush();
  }

  #event(level: NodeEvent['level'], code: string, text: string, fields: NodeEvent['fields']): void {
    const event = this.#journal.add({ at: this.#ports.clock.unixMs(), level, code, text, fields });
    this.#watchers.onEvent(code === 'leader-changed' || code === 'role-changed');
    this.#handlers.onEvent(event);
  }
}
