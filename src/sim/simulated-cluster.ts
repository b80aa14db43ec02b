import { assert } from '../base/assert.ts';
import type { Entry } from '../base/entry.ts';
import { Prng } from '../base/prng.ts';
import type { ApplyResult, StateMachine } from '../broker/index.ts';
import {
  NODE_DEFAULTS,
  startNode,
  type DledgerNode,
  NodeError,
  type NodeEvent,
  type NodeOptions,
} from '../node/index.ts';
import type { RaftCore } from '../raft/index.ts';
import type { GroupStatus, NodeStatus } from '../wire/status-schema.ts';
import { CrashableDisk, SimulatedCrash, type DiskOperation } from './crashable-disk.ts';
import { SimulatedNetwork, type SimulatedNetworkOptions } from './simulated-network.ts';
import { SimulatedProcess, type Oscillator } from './simulated-process.ts';
import { VirtualClock } from './virtual-clock.ts';

export const NODE_PORT = 7100;

export interface SimulatedClusterOptions {
  readonly seed: number;
  readonly size: number;
  /** What differs from the defaults of a node. */
  readonly node?: Partial<NodeOptions>;
  readonly network?: SimulatedNetworkOptions;
  /** How fast the clock of each node goes, by its place; 1 is right. */
  readonly clockRates?: readonly number[];
  /** How long an operation of this machine's disk takes. Default: that of the crashable disk. */
  readonly diskLatencyMs?: (id: string, kind: DiskOperation['kind'], bytes: number) => number;
  /** What is written to this machine's disk. */
  readonly onWritten?: (id: string, path: string, position: number, bytes: Uint8Array) => void;
  readonly onEvent?: (id: string, event: NodeEvent) => void;
  /** A node applied an entry. */
  readonly onApplied?: (id: string, machine: StateMachine, entry: Entry, result: ApplyResult) => void;
  /** A process ended by itself, as it says why. */
  readonly onFatal?: (id: string, error: NodeError) => void;
}

/** What outlives the processes that run on it. */
export interface Machine {
  readonly id: string;
  /** Its own, so that what happens to one machine moves no chance of another. */
  readonly prng: Prng;
  disk: CrashableDisk;
  /** How many disks this machine has had. */
  disks: number;
  process: SimulatedProcess | null;
  node: DledgerNode | null;
  core: RaftCore | null;
  fatal: NodeError | null;
  readonly events: NodeEvent[];
  readonly oscillator: Oscillator;
}

/** Whole nodes, the real code, each on a machine of its own, in one process under one virtual clock. */
export class SimulatedCluster {
  readonly clock: VirtualClock = new VirtualClock();
  readonly network: SimulatedNetwork;
  readonly ids: readonly string[];
  readonly #prng: Prng;
  readonly #options: SimulatedClusterOptions;
  readonly #machines = new Map<string, Machine>();

  constructor(options: SimulatedClusterOptions) {
    this.#options = options;
    this.#prng = new Prng(options.seed);
    this.network = new SimulatedNetwork(this.clock, this.#prng.fork(), options.network);
    this.ids = Array.from({ length: options.size }, (_, at) => `n${at + 1}`);
    for (const id of this.ids) this.#machines.set(id, this.#newMachine(id));
  }

  startAll(): void {
    for (const id of this.ids) this.start(id);
  }

  /**
   * Starts a process on this machine's disk.
   * @returns false if it died while it recovered, or refused to start: then `fatal` says why.
   */
  start(id: string, changes: Partial<NodeOptions> = {}): boolean {
    const machine = this.machine(id);
    assert(machine.process === null, () => `${id} runs already`);
    // What a process that ended by itself still held is free by now.
    if (machine.fatal !== null) machine.disk.kill();
    const process = new SimulatedProcess(this.clock, this.network.host(id), machine.oscillator);
    machine.process = process;
    machine.fatal = null;
    const fail = (error: NodeError): void => {
      if (machine.process !== process) return;
      machine.fatal = error;
      this.#end(machine);
      this.#options.onFatal?.(id, error);
    };
    try {
      const node = startNode(
        {
          ...NODE_DEFAULTS,
          segmentBytes: 256 * 1024,
          cacheBytesMax: 1024 * 1024,
          checkpointEveryBytes: 128 * 1024,
          // Clocks jump in some worlds; where logs are trimmed, the world says so.
          retentionMs: null,
          retentionDiskShare: null,
          scrubBytesPerSecond: 0,
          ...this.#options.node,
          id,
          peers: this.ids.map((peer) => ({ id: peer, address: `${peer}:${NODE_PORT}` })),
          dataDirectory: '/data',
          ...changes,
        },
        {
          disk: process.onDisk(machine.disk),
          network: process.network,
          clock: process.clock,
          prng: machine.prng.fork(),
          inspect: (core) => {
            machine.core = core;
          },
          onApplied: (state, entry, result) => this.#options.onApplied?.(id, state, entry, result),
        },
        {
          onEvent: (event) => {
            machine.events.push(event);
            this.#options.onEvent?.(id, event);
          },
          onReady: () => undefined,
          onFatal: fail,
        },
      );
      if (machine.process === process) machine.node = node;
    } catch (error) {
      if (error instanceof NodeError) fail(error);
      else if (!(error instanceof SimulatedCrash)) throw error;
    }
    return machine.process !== null;
  }

  /** SIGTERM: the process says goodbye, hands leadership over first if it has it, and ends. */
  shutDown(id: string, timeoutMs: number): void {
    const { process, node } = this.machine(id);
    process?.clock.defer(() =>
      node?.stop({ handOver: true, timeoutMs }, () => {
        if (this.machine(id).process === process) this.kill(id);
      }),
    );
  }

  /** SIGKILL: what the page cache holds stays. */
  kill(id: string): void {
    const machine = this.machine(id);
    this.#end(machine);
    machine.disk.kill();
  }

  /**
   * The machine loses power: what was not synced may be gone, or half there.
   * @param isSilent it takes its connections with it: nobody is told, and nothing answers there until it starts again.
   * Otherwise it is back at once, without its process, and resets what it does not know.
   */
  powerCut(id: string, isSilent = false): void {
    const machine = this.machine(id);
    if (isSilent) this.network.goDark(id);
    this.#end(machine);
    machine.disk.powerCut();
  }

  /** A new disk under the same name. */
  wipe(id: string): void {
    const machine = this.machine(id);
    this.#end(machine);
    machine.disk = this.#newDisk(machine);
    machine.disks += 1;
    machine.fatal = null;
  }

  stop(id: string): void {
    this.machine(id).process?.stop();
  }

  continue(id: string): void {
    this.machine(id).process?.continue();
  }

  isRunning(id: string): boolean {
    return this.machine(id).process !== null;
  }

  /** Stopped, and not continued. */
  standsStill(id: string): boolean {
    return this.machine(id).process?.isRunning === false;
  }

  node(id: string): DledgerNode {
    const { node, process } = this.machine(id);
    assert(node !== null && process !== null, () => `${id} does not run`);
    return node;
  }

  status(id: string): NodeStatus {
    const status = this.node(id).status();
    assert(status !== null, () => `${id} does not take part`);
    return status;
  }

  group(id: string): GroupStatus {
    const group = this.status(id).groups[0];
    assert(group !== undefined, () => `${id} shows no group`);
    return group;
  }

  /** Who leads in the highest term, if anybody does; stopped and dead processes are not asked. */
  leader(): string | null {
    let found: { id: string; term: number } | null = null;
    for (const id of this.ids) {
      const { process, core } = this.machine(id);
      // Without a core it is mending its log, and takes no part yet.
      if (process?.isRunning !== true || core === null) continue;
      const { role, term } = this.group(id);
      if (role === 'leader' && (found === null || term > found.term)) found = { id, term };
    }
    return found?.id ?? null;
  }

  /** Runs until somebody leads whose term has begun. @returns who. */
  runUntilLeader(withinMs = 10_000): string {
    const ready = (): boolean => {
      const leader = this.leader();
      if (leader === null) return false;
      const { commitIndex, lastTerm, term } = this.group(leader);
      return lastTerm === term && commitIndex > 0;
    };
    assert(this.clock.runUntil(ready, withinMs), () => `nobody leads after ${withinMs} ms`);
    return this.leader() as string;
  }

  followers(): string[] {
    const leader = this.leader();
    return this.ids.filter((id) => id !== leader && this.isRunning(id));
  }

  /** The consensus core of the process that runs there: to look at. */
  core(id: string): RaftCore | null {
    return this.machine(id).core;
  }

  events(id: string): readonly NodeEvent[] {
    return this.machine(id).events;
  }

  disk(id: string): CrashableDisk {
    return this.machine(id).disk;
  }

  fatal(id: string): NodeError | null {
    return this.machine(id).fatal;
  }

  machine(id: string): Machine {
    const machine = this.#machines.get(id);
    assert(machine !== undefined, () => `there is no ${id}`);
    return machine;
  }

  #end(machine: Machine): void {
    machine.process?.kill();
    machine.process = null;
    machine.node = null;
    machine.core = null;
    this.network.kill(machine.id);
  }

  #newMachine(id: string): Machine {
    const prng = this.#prng.fork();
    return {
      id,
      prng,
      disk: this.#newDisk({ id, prng }),
      disks: 1,
      process: null,
      node: null,
      core: null,
      fatal: null,
      events: [],
      oscillator: { rate: this.#options.clockRates?.[Number(id.slice(1)) - 1] ?? 1, unixOffsetMs: 0 },
    };
  }

  #newDisk({ id, prng }: Pick<Machine, 'id' | 'prng'>): CrashableDisk {
    const { diskLatencyMs, onWritten } = this.#options;
    return new CrashableDisk({
      prng: prng.fork(),
      clock: this.clock,
      ...(onWritten === undefined
        ? {}
        : { onWritten: (path, position, bytes): void => onWritten(id, path, position, bytes) }),
      ...(diskLatencyMs === undefined
        ? {}
        : { latencyMs: (kind, bytes): number => diskLatencyMs(id, kind, bytes) }),
    });
  }
}
