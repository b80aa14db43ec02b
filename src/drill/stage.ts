import path from 'node:path';
import type { Clock } from '../base/ports/clock.ts';
import { Prng } from '../base/prng.ts';
import { Client, NodeAdmin, type ClusterStatus, type GroupStatus } from '../client/index.ts';
import { ClusterView } from './cluster-view.ts';
import { HISTORY_NAME } from './drill-directory.ts';
import type { Drill } from './drill.ts';
import { FaultDesk } from './faults.ts';
import { Fleet } from './fleet.ts';
import { Measurements } from './measurements.ts';
import { Recorder } from './recorder.ts';
import type { Scene } from './selectors.ts';
import { Workload } from './workload.ts';

export interface StageOptions {
  readonly clock: Clock;
  /** Monotonic: where the time of the drill begins. */
  readonly zeroMs: number;
  readonly seed: number;
  /** Exists already. */
  readonly directory: string;
  /** For the nodes of a cluster that is the drill's own. */
  readonly nodesDirectory: string;
  /** Endpoints of a cluster that is there; null: the drill brings its own. */
  readonly target: readonly string[] | null;
  /** Ends the drill early. */
  readonly abort: AbortController;
}

/** A process that ended though nobody had asked it to. */
export interface Death {
  readonly atMs: number;
  readonly node: string;
  readonly how: string;
}

/** Everything that a drill has about it while it runs: the cluster, who breaks it, who loads it, who looks on. */
export class Stage {
  readonly clock: Clock;
  readonly zeroMs: number;
  /** Comes when the drill is to end early. */
  readonly signal: AbortSignal;
  readonly prng: Prng;
  readonly fleet: Fleet | null;
  readonly client: Client;
  readonly view: ClusterView;
  readonly desk: FaultDesk;
  readonly measurements: Measurements = new Measurements();
  readonly recorder: Recorder;
  readonly workload: Workload;
  readonly deaths: Death[];
  /** Values of `$name` in the step that runs. */
  readonly variables: Map<string, string> = new Map();
  /** What lies before it was there before the drill. */
  firstIndex = 1;
  /** Who led when the last fault was made. */
  leaderBefore: string | null = null;
  /** Whether all that was expected is so, and nothing has to be kept for looking at it. */
  passed = false;
  readonly #abort: AbortController;
  readonly #tag: string;

  private constructor(drill: Drill, options: StageOptions, fleet: Fleet | null, deaths: Death[]) {
    const { clock, zeroMs, seed, directory, abort } = options;
    const endpoints = fleet?.addresses ?? options.target ?? [];
    this.clock = clock;
    this.zeroMs = zeroMs;
    this.#abort = abort;
    // Runs against one cluster are told apart; in a cluster that is the drill's own there is nobody else.
    this.#tag = fleet === null ? `${clock.unixMs().toString(36)}-` : '';
    this.signal = abort.signal;
    this.prng = new Prng(seed);
    this.fleet = fleet;
    this.deaths = deaths;
    this.client = new Client({ endpoints });
    this.view = new ClusterView({ endpoints, clock, zeroMs });
    this.view.onStatus = (id, status) => this.desk.heard(id, status.faults);
    this.desk = new FaultDesk({
      clock,
      nowMs: () => this.nowMs(),
      prng: this.prng.fork(),
      fleet,
      order: async (node, order) => new NodeAdmin(this.addressOf(node)).fault(order),
      owner: `drill ${drill.name}`,
    });
    this.recorder = new Recorder(path.join(directory, HISTORY_NAME), `drill ${drill.name}, seed ${seed}`);
    this.workload = new Workload(
      planOf(drill, this.#tag),
      endpoints,
      { clock, zeroMs },
      { recorder: this.recorder, measurements: this.measurements },
      (value) => this.isOurs(value),
      () => this.view.touch(),
    );
  }

  /** Starts the cluster, where it is the drill's own. */
  static async set(drill: Drill, options: StageOptions): Promise<Stage> {
    const deaths: Death[] = [];
    if (options.target !== null) return new Stage(drill, options, null, deaths);
    const { nodes, profile, segmentMib, retentionMib, unsafeMutations } = drill.cluster;
    let stage: Stage | null = null;
    const fleet = await Fleet.start(
      {
        size: nodes,
        directory: options.nodesDirectory,
        settings: [
          `--profile=${profile}`,
          ...(segmentMib === null ? [] : [`--segment-mib=${segmentMib}`]),
          ...(retentionMib === null ? [] : [`--retention-size=${retentionMib}`]),
        ],
        unsafeMutations,
      },
      {
        onEvent: (node, event) => {
          if (event.code !== 'fatal') return;
          stage?.desk.fatal(node, event.text);
          stage?.view.noteEvent(node, event);
        },
        onEnd: (node, how, wasAsked) => {
          if (!wasAsked) deaths.push({ atMs: options.clock.monotonicMs() - options.zeroMs, node, how });
          stage?.view.touch();
        },
      },
    );
    stage = new Stage(drill, options, fleet, deaths);
    return stage;
  }

  /** Since the drill began. */
  nowMs(): number {
    return this.clock.monotonicMs() - this.zeroMs;
  }

  /** All nodes, ascending. */
  get ids(): string[] {
    return this.fleet?.ids ?? this.view.nodes.map(({ nodeId }) => nodeId);
  }

  get scene(): Scene {
    return {
      ids: this.ids,
      leader: this.view.leader,
      oldLeader: this.view.oldLeader,
      absent: this.desk.absent,
      struck: this.desk.struck,
      group: (id) => this.view.group(id),
      prng: this.prng,
      variables: this.variables,
    };
  }

  /** Whether a record is of this run. In a cluster that is the drill's own all are, or should be. */
  isOurs(value: string): boolean {
    return value.startsWith(this.#tag);
  }

  /** host:port. @throws Error for a node that was never seen */
  addressOf(id: string): string {
    const address = this.view.node(id)?.address;
    if (address === undefined) throw new Error(`no address of ${id} is known`);
    return address;
  }

  /** @param why for people. */
  abort(why: string): void {
    this.#abort.abort(why);
  }

  /** Ends early when the drill is aborted. */
  async pause(ms: number): Promise<void> {
    await this.view.until(() => false, ms, this.signal);
  }

  /**
   * Waits until every node has applied, and has on disk, all that the leader has now, by what they say when they are asked: others may write
   * on meanwhile.
   * @returns what all of them have then; null where it is not so in time.
   */
  async converged(timeoutMs: number): Promise<{ readonly commitIndex: number } | null> {
    const endMs = this.clock.monotonicMs() + timeoutMs;
    let term: number | null = null;
    let commitIndex = 0;
    for (;;) {
      const status = await this.client.status({ timeoutMs: STATUS_TIMEOUT_MS });
      const leader = groupsOf(status).find(({ nodeId }) => nodeId === status.leaderId);
      // What a leader of the past had in its log may have gone with it.
      if (leader !== undefined && leader.term !== term) ({ term, lastIndex: commitIndex } = leader);
      if (leader !== undefined && haveAll(status, this.ids, commitIndex)) return { commitIndex };
      if (this.clock.monotonicMs() >= endMs) return null;
      await this.view.until(() => false, CONVERGED_EVERY_MS);
    }
  }

  /** To be called at the very end: nothing of the drill is left then. */
  async clear(): Promise<void> {
    await this.workload.close();
    this.view.close();
    await this.client.close();
    await this.fleet?.close();
    await this.recorder.close();
  }
}

const STATUS_TIMEOUT_MS = 1000;
const CONVERGED_EVERY_MS = 50;

function groupsOf({ nodes }: ClusterStatus): readonly (GroupStatus & { readonly nodeId: string | null })[] {
  return nodes.flatMap(({ nodeId, status }) => (status?.groups ?? []).map((group) => ({ ...group, nodeId })));
}

function haveAll(status: ClusterStatus, ids: readonly string[], index: number): boolean {
  const groups = groupsOf(status);
  // A leader applies what the others have on disk; its own may be behind, and is to be read from its files.
  const isThere = ({ appliedIndex, durableIndex }: GroupStatus): boolean =>
    Math.min(appliedIndex, durableIndex) >= index;
  return groups.length >= ids.length && groups.every(isThere);
}

function planOf({ load }: Drill, tag: string): ConstructorParameters<typeof Workload>[0] {
  return {
    producers: load.producers,
    ratePerSecond: load.rate,
    inFlight: load.inFlight,
    recordBytes: load.sizeBytes,
    readers: load.consumers,
    reads: load.reads,
    timeoutMs: load.timeoutMs,
    tag,
  };
}
