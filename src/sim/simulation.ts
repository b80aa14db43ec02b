import { InvariantViolation } from '../base/assert.ts';
import { MARK_NAMES, markCounts, type Mark } from '../base/marks.ts';
import { NO_MUTATIONS, type Mutations } from '../base/mutations.ts';
import { Prng } from '../base/prng.ts';
import {
  checkHistory,
  History,
  type CheckResult,
  type ConsumptionRule,
  type FinalEntry,
  type FinalLog,
  type Violation,
} from '../check/index.ts';
import type { LogRecord } from '../client/records.ts';
import { RequestChannel } from '../client/request-channel.ts';
import type { NodeError, NodeOptions } from '../node/index.ts';
import { ClusterWatch } from './cluster-watch.ts';
import { Nemesis } from './nemesis.ts';
import type { FaultKind, PlannedClient, Scenario } from './scenario.ts';
import { OutsideWorld } from './outside-world.ts';
import { PayloadValues } from './payload-values.ts';
import { NODE_PORT, SimulatedCluster } from './simulated-cluster.ts';
import { RecordedRead, SimulatedProducer, SimulatedReader, type ClientWorld } from './simulated-client.ts';
import {
  SESSION_MS_MAX,
  SimulatedMember,
  SimulatedTopic,
  SimulatedTopicProducer,
} from './simulated-topics.ts';
import { StateWatch, type StateViolation } from './state-watch.ts';
import { Trace } from './trace.ts';
import { drawSeed } from './worlds.ts';

/** What was wrong with a run. */
export interface Failure {
  /** A rule of the history checker, or what else did not hold. */
  readonly rule:
    | Violation['rule']
    | StateViolation['rule']
    | ConsumptionRule
    | 'invariant'
    | 'exception'
    | 'node-ended'
    | 'nobody-leads'
    | 'clients-wait'
    | 'member-ended'
    | 'no-convergence'
    /** Nodes that applied the same serve it from different places on. */
    | 'log-starts-differ'
    | 'rot-left'
    | 'unreadable'
    /** Something that runs in a simulation looked past it, at a clock or a disk of the real world. */
    | 'touched-the-world';
  readonly message: string;
  readonly evidence: readonly string[];
}

export interface SimulationResult {
  readonly scenario: Scenario;
  readonly failures: readonly Failure[];
  /** Of everything that happened, every byte that was sent or written included: the same seed gives the same hash. */
  readonly hash: string;
  readonly simulatedMs: number;
  readonly events: number;
  readonly operations: number;
  readonly faults: Readonly<Record<FaultKind, number>>;
  /** Rare paths, and how often they were taken. */
  readonly marks: Readonly<Record<Mark, number>>;
  /** Null where the run did not come as far. */
  readonly check: CheckResult | null;
}

/** A record as a reader got it, and what it says. */
interface ReadValue {
  readonly record: LogRecord;
  readonly value: string;
}

export interface SimulationOptions {
  /** Told what happens, a line each. */
  readonly onLine?: (line: string) => void;
  /** Options for all nodes, over those of the scenario. */
  readonly node?: Partial<NodeOptions>;
  /** Wrong behaviours of all nodes and clients, which the run should notice. Default none. */
  readonly mutations?: Mutations;
}

/** Once all is healed, somebody must lead after so many of the longest election timeouts, and connections made anew. */
const ELECTION_TIMEOUTS_MAX = 20;
const RECONNECT_MS = 3000;
const CLIENTS_FINISH_MS = 60_000;
const CONVERGE_MS = 30_000;
/** Attempts to put something back come seconds apart at most. */
const ROT_LEFT_MS = 30_000;
/** What clients have given up may still be on its way to a leader. */
const SETTLE_MS = 500;

/**
 * Runs one world with its faults and its clients, and gives a verdict on what came of it.
 * @param what a scenario, or a seed that draws one.
 */
export function simulate(what: number | Scenario, options: SimulationOptions = {}): SimulationResult {
  const { node, ...scenario } = typeof what === 'number' ? drawSeed(what) : what;
  const world = new OutsideWorld();
  const merged = { ...scenario, node: { ...node, ...options.node } };
  return world.sealed(() => new Simulation(merged, options, world).run());
}

/** Ends a run: what follows would say nothing more. */
class Stop extends Error {
  readonly failure: Failure;

  constructor(rule: Failure['rule'], message: string, evidence: readonly string[] = []) {
    super(message);
    this.failure = { rule, message, evidence };
  }
}

class Simulation {
  readonly #outside: OutsideWorld;
  readonly #scenario: Scenario;
  readonly #prng: Prng;
  readonly #cluster: SimulatedCluster;
  readonly #history = new History();
  readonly #trace: Trace;
  readonly #watch: ClusterWatch;
  readonly #state: StateWatch;
  readonly #world: ClientWorld;
  /** All whose answers are waited for. */
  readonly #clients: { readonly pending: number }[] = [];
  readonly #members: SimulatedMember[] = [];
  readonly #topic: SimulatedTopic | null;
  readonly #nemesis: Nemesis;
  /** Nodes that ended by themselves and had no reason to. */
  readonly #ended: { readonly id: string; readonly error: NodeError }[] = [];
  #check: CheckResult | null = null;

  constructor(scenario: Scenario, options: SimulationOptions, world: OutsideWorld) {
    this.#outside = world;
    this.#prng = new Prng(scenario.seed);
    this.#scenario = scenario;
    const values = new PayloadValues();
    this.#state = new StateWatch(typeof scenario.node.retentionBytes === 'number' ? values : null);
    const disks = this.#prng.fork();
    this.#cluster = new SimulatedCluster({
      seed: this.#prng.safeInteger(),
      size: scenario.size,
      ...(scenario.clockRates === undefined ? {} : { clockRates: scenario.clockRates }),
      node: { ...scenario.node, mutations: options.mutations ?? NO_MUTATIONS },
      network: {
        ...scenario.network,
        onArrival: (from, to, bytes) => this.#trace.bytes(from, to, 0, bytes),
      },
      onWritten: (id, path, position, bytes) => this.#trace.bytes(id, path, position, bytes),
      diskLatencyMs: (id, _kind, bytes) =>
        scenario.diskMsMin +
        disks.fraction() * scenario.diskMsSpread +
        bytes / (1024 * 1024) +
        this.#nemesis.slowMs(id),
      onApplied: (id, machine, entry, result) => this.#state.onApplied(id, machine, entry, result),
      onEvent: (id, event) => {
        this.#trace.note(id, event.text);
        this.#nemesis.onEvent(id, event);
      },
      onFatal: (id, error) => {
        if (!this.#nemesis.onFatal(id, error)) this.#ended.push({ id, error });
      },
    });
    const { clock, network } = this.#cluster;
    const { onLine } = options;
    this.#trace = new Trace(
      clock,
      onLine === undefined ? null : (line): void => world.open(() => onLine(line)),
    );
    this.#watch = new ClusterWatch(this.#cluster, this.#history, this.#trace);
    this.#world = {
      clock,
      network: (host) => network.host(host),
      vanish: (host) => network.kill(host),
      endpoints: this.#cluster.ids.map((host) => ({ host, port: NODE_PORT })),
      history: this.#history,
      values,
      trace: this.#trace,
      scenario,
      mutations: options.mutations ?? NO_MUTATIONS,
      highestIndex: 0,
    };
    this.#nemesis = new Nemesis(this.#cluster, scenario, this.#trace);
    const hasTopic = scenario.clients.some(({ kind }) => kind === 'topic-producer' || kind === 'member');
    this.#topic = hasTopic ? new SimulatedTopic(this.#world) : null;
    for (const plan of scenario.clients) this.#add(plan);
  }

  #add(plan: PlannedClient): void {
    const topic = this.#topic;
    if (plan.kind === 'producer') this.#clients.push(new SimulatedProducer(plan, this.#world));
    else if (plan.kind === 'reader') this.#clients.push(new SimulatedReader(plan, this.#world));
    else if (topic !== null && plan.kind === 'member')
      this.#members.push(new SimulatedMember(plan, this.#world, topic));
    else if (topic !== null) this.#clients.push(new SimulatedTopicProducer(plan, this.#world, topic));
  }

  run(): SimulationResult {
    const failures: Failure[] = [];
    const marksBefore = markCounts();
    try {
      this.#trace.note('scenario', JSON.stringify(this.#scenario));
      this.#cluster.startAll();
      this.#advance(this.#scenario.safetyMs);
      if (this.#scenario.healsMajorityFirst === true) this.#untilMajorityAgrees();
      this.#nemesis.end();
      this.#untilHealthy();
      failures.push(...this.#judge());
    } catch (error) {
      // To lay out a stack may take the sources.
      failures.push(error instanceof Stop ? error.failure : this.#outside.open(() => failureOf(error)));
    }
    failures.push(...this.#state.violations.map((violation) => ({ ...violation, evidence: [] })));
    for (const what of this.#outside.touched) {
      failures.push({ rule: 'touched-the-world', message: `${what} was called`, evidence: [] });
    }
    for (const { rule, message } of failures) this.#trace.note('failure', `${rule}: ${message}`);
    const marks = markedSince(marksBefore);
    for (const name of MARK_NAMES) this.#trace.mix(marks[name]);
    return {
      scenario: this.#scenario,
      failures,
      hash: this.#trace.hash,
      simulatedMs: this.#cluster.clock.monotonicMs(),
      events: this.#watch.events,
      operations: this.#history.operations,
      faults: this.#nemesis.counts,
      marks,
      check: this.#check,
    };
  }

  /** Lets time pass, looking at every event. */
  #advance(durationMs: number): void {
    this.#until(() => false, durationMs);
  }

  /** @returns false if it did not come about in time. */
  #until(condition: () => boolean, withinMs: number): boolean {
    return this.#cluster.clock.runUntil(() => {
      this.#watch.observe();
      const [ended] = this.#ended;
      if (ended !== undefined) {
        const { id, error } = ended;
        throw new Stop('node-ended', `${id} ended by itself: ${error.code} ${error.message}`, [
          error.next,
          this.#outside.open(() => stackOf(error.cause ?? error)),
        ]);
      }
      return condition();
    }, withinMs);
  }

  /** A majority is healed and the rest is not: it must do by itself. */
  #untilMajorityAgrees(): void {
    const core = this.#nemesis.healMajority(this.#prng.fork());
    if (core === null) return;
    const withinMs = this.#electionMs() + CLIENTS_FINISH_MS;
    if (this.#until(() => this.#hasLeader(core) && this.#agree(core), withinMs)) return;
    const text = `[${core.join(' ')}] do not agree ${withinMs} ms after they were healed`;
    throw new Stop('no-convergence', text, this.#statusLines());
  }

  #electionMs(): number {
    return ELECTION_TIMEOUTS_MAX * (this.#scenario.node.electionTimeoutMsMax ?? 0) + RECONNECT_MS;
  }

  /** The liveness half: nothing is broken any more, so everything must come to a good end. */
  #untilHealthy(): void {
    const electionMs = this.#electionMs();
    if (!this.#until(() => this.#hasLeader(), electionMs)) {
      throw new Stop(
        'nobody-leads',
        `nobody leads ${electionMs} ms after all was healed`,
        this.#statusLines(),
      );
    }
    const pending = (): number => this.#clients.reduce((sum, client) => sum + client.pending, 0);
    if (!this.#until(() => pending() === 0, CLIENTS_FINISH_MS)) {
      const text = `${pending()} operations wait ${CLIENTS_FINISH_MS} ms after all was healed`;
      throw new Stop('clients-wait', text, this.#statusLines());
    }
    this.#consumeAll();
    this.#advance(SETTLE_MS);
    if (!this.#until(() => this.#hasLeader() && this.#agree(this.#cluster.ids), CONVERGE_MS)) {
      const text = `the nodes do not agree ${CONVERGE_MS} ms after the last append`;
      throw new Stop('no-convergence', text, this.#statusLines());
    }
    this.#watch.check();
  }

  /** Whoever is left in the group, and one more, read the topic to its end; then they leave, and those that vanished expire. */
  #consumeAll(): void {
    const topic = this.#topic;
    if (topic === null) return;
    const { seed } = this.#scenario;
    const last = new SimulatedMember(
      { name: 'last', kind: 'member', seed, operations: [] },
      this.#world,
      topic,
    );
    if (!this.#until(() => topic.isThere, CLIENTS_FINISH_MS))
      throw new Stop('clients-wait', 'the topic could not be created', this.#statusLines());
    last.join();
    if (!this.#until(() => topic.check.undelivered === 0, CLIENTS_FINISH_MS)) {
      const text = `${topic.check.undelivered} records wait to be consumed`;
      throw new Stop(
        'clients-wait',
        text,
        topic.check.end().map((violation) => violation.text),
      );
    }
    let members = 0;
    for (const member of [...this.#members, last]) {
      members += 1;
      member.leave(() => {
        members -= 1;
      });
    }
    if (!this.#until(() => members === 0, CLIENTS_FINISH_MS))
      throw new Stop('clients-wait', `${members} members cannot leave`, this.#statusLines());
    this.#advance(2 * SESSION_MS_MAX);
  }

  #hasLeader(ids = this.#cluster.ids): boolean {
    return ids.some((id) => {
      const core = this.#cluster.core(id);
      return core?.role === 'leader' && core.termStartCommitted;
    });
  }

  /** These hold the same log, durable and committed to its end, and have applied all of it: what they show is all of it. */
  #agree(ids: readonly string[]): boolean {
    const cores = ids.map((id) => this.#cluster.core(id));
    const [first] = cores;
    if (first === undefined || first === null) return false;
    const end = first.lastIndex;
    const isSame = cores.every(
      (core) =>
        core !== null &&
        core.lastIndex === end &&
        core.durableIndex === end &&
        core.commitIndex === end &&
        core.checksumAt(end) === first.checksumAt(end),
    );
    return isSame && ids.every((id) => this.#cluster.group(id).appliedIndex === end);
  }

  #judge(): Failure[] {
    this.#readWholeLog();
    const logs = this.#cluster.ids.map((id) => this.#finalLog(id));
    this.#check = checkHistory(this.#history.events, logs);
    const consumption = this.#topic?.check.end() ?? [];
    const ended = this.#topic?.ended ?? [];
    return [
      ...this.#check.violations,
      ...this.#differentStarts(),
      ...this.#rotLeft(),
      ...ended.map((message): Failure => ({ rule: 'member-ended', message, evidence: [] })),
      ...consumption.map(({ rule, text }): Failure => ({ rule, message: text, evidence: [] })),
    ];
  }

  /** What was found damaged has been read by the judge, at the latest: all of it must come back. */
  #rotLeft(): Failure[] {
    const left = (): string[] =>
      this.#cluster.ids.filter((id) => (this.#cluster.status(id).counters['rotLeft'] ?? 0) > 0);
    if (this.#until(() => left().length === 0, ROT_LEFT_MS)) return [];
    const message = `what is damaged at ${left().join(', ')} is not put back ${ROT_LEFT_MS} ms after everything was read`;
    return [{ rule: 'rot-left', message, evidence: this.#statusLines() }];
  }

  /**
   * Where the log begins is decided for all: who keeps less has lost what the others would still serve. The leader applies
   * a decision first, and it may just have done so.
   */
  #differentStarts(): Failure[] {
    const startOf = (id: string): number => this.#cluster.group(id).firstIndex;
    const isSame = (): boolean => new Set(this.#cluster.ids.map(startOf)).size <= 1;
    if (this.#until(isSame, CONVERGE_MS)) return [];
    const starts = this.#cluster.ids.map(startOf);
    const message = this.#cluster.ids.map((id, at) => `${id} serves its log from ${starts[at]}`).join(', ');
    return [{ rule: 'log-starts-differ', message, evidence: [] }];
  }

  /** One linearizable read of everything, as a client would do it in the end. */
  #readWholeLog(): void {
    const { endpoints } = this.#world;
    const channel = new RequestChannel({ endpoints, clusterId: null, wants: 'leader' }, this.#judgePorts());
    this.#readAll('the judge', channel, 'linearizable', this.#cluster.ids);
    channel.close();
  }

  /** What a node shows of its log, as any client may ask it to. */
  #finalLog(id: string): FinalLog {
    const endpoints = [{ host: id, port: NODE_PORT }];
    const channel = new RequestChannel({ endpoints, clusterId: null, wants: 'anyNode' }, this.#judgePorts());
    const { from, records } = this.#readAll(`the judge at ${id}`, channel, 'committed', [id]);
    channel.close();
    // What was trimmed is as it was when it was applied.
    const entries: FinalEntry[] = this.#state.entriesBefore(from);
    let values: string[] = [];
    let index = 0;
    for (const { record, value } of records) {
      if (record.index !== index) {
        index = record.index;
        values = [];
        entries.push({ index, term: record.term, values });
      }
      values.push(value);
    }
    const core = this.#cluster.core(id);
    return { node: id, firstIndex: 1, commitIndex: core?.commitIndex ?? 0, entries };
  }

  /** From here on all of these serve the log. */
  #firstIndex(ids: readonly string[]): number {
    return Math.max(...ids.map((id) => this.#cluster.group(id).firstIndex));
  }

  /** Logs are trimmed while the judge reads, as while anybody does: it begins again where they begin by then. */
  #readAll(
    reader: string,
    channel: RequestChannel,
    consistency: 'linearizable' | 'committed',
    ids: readonly string[],
  ): { from: number; records: ReadValue[] } {
    for (;;) {
      const from = this.#firstIndex(ids);
      const records = this.#tryReadAll(reader, channel, consistency, from);
      if (records !== null) return { from, records };
      if (this.#firstIndex(ids) === from) {
        throw new Stop('unreadable', `${reader} cannot read the log`, this.#statusLines());
      }
    }
  }

  #tryReadAll(
    reader: string,
    channel: RequestChannel,
    consistency: 'linearizable' | 'committed',
    from: number,
  ): ReadValue[] | null {
    const records: ReadValue[] = [];
    const options = { from, consistency, isFollowing: false, timeoutMs: 10_000 };
    // The judge reads with the right client, whatever the clients of this world are like.
    const read = new RecordedRead({ ...this.#world, mutations: NO_MUTATIONS }, reader, channel, options);
    read.onRecord = (record, value) => records.push({ record, value });
    let isWhole: boolean | null = null;
    read.run(Number.POSITIVE_INFINITY, (whole) => {
      isWhole = whole;
    });
    this.#until(() => isWhole !== null, 60_000);
    return isWhole === true ? records : null;
  }

  #judgePorts(): ConstructorParameters<typeof RequestChannel>[1] {
    const { clock, network } = this.#cluster;
    return { network: network.host('judge'), clock, prng: this.#prng.fork() };
  }

  #statusLines(): string[] {
    return this.#cluster.ids.map((id) => {
      const core = this.#cluster.core(id);
      if (core === null) return `${id} does not run`;
      const { role, term, leader, lastIndex, durableIndex, commitIndex, ineligibleWhy } = core.status();
      const indexes = `last ${lastIndex}, durable ${durableIndex}, committed ${commitIndex}`;
      const why = ineligibleWhy === null ? '' : `; not eligible: ${ineligibleWhy}`;
      return `${id} ${role} in term ${term}, takes ${leader ?? 'nobody'} for the leader, ${indexes}${why}`;
    });
  }
}

function markedSince(before: Readonly<Record<Mark, number>>): Record<Mark, number> {
  const now = markCounts();
  return Object.fromEntries(MARK_NAMES.map((name) => [name, now[name] - before[name]])) as Record<
    Mark,
    number
  >;
}

function failureOf(error: unknown): Failure {
  const rule = error instanceof InvariantViolation ? 'invariant' : 'exception';
  return {
    rule,
    message: error instanceof Error ? error.message : String(error),
    evidence: [stackOf(error)],
  };
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
