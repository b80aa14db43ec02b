import type { History } from '../check/index.ts';
import { ClusterHistory, type RaftCore } from '../raft/index.ts';
import type { Machine, SimulatedCluster } from './simulated-cluster.ts';
import type { Trace } from './trace.ts';

interface Seen {
  core: RaftCore | null;
  term: number;
  commitIndex: number;
  lastIndex: number;
  isLeader: boolean;
}

const FULL_CHECK_EVERY = 1000;

/**
 * Looks at all cores after every event. What an event changed is compared with what it was and with the other nodes at
 * once; as most change nothing, that is a few comparisons. All of it is checked now and then, for what changed unseen.
 */
export class ClusterWatch {
  readonly #cluster: SimulatedCluster;
  readonly #history: History;
  readonly #trace: Trace;
  readonly #properties = new ClusterHistory();
  readonly #seen: readonly { readonly machine: Machine; readonly seen: Seen }[];
  #events = 0;

  constructor(cluster: SimulatedCluster, history: History, trace: Trace) {
    this.#cluster = cluster;
    this.#history = history;
    this.#trace = trace;
    this.#seen = cluster.ids.map((id) => ({
      machine: cluster.machine(id),
      seen: { core: null, term: 0, commitIndex: 0, lastIndex: 0, isLeader: false },
    }));
  }

  /** Events looked at. */
  get events(): number {
    return this.#events;
  }

  /** To be called after each event. @throws InvariantViolation */
  observe(): void {
    this.#events += 1;
    this.#trace.mix(this.#cluster.clock.monotonicMs());
    let changed: RaftCore[] | null = null;
    for (const { machine, seen } of this.#seen) {
      const { core } = machine;
      if (core === null) seen.core = null;
      else if (this.#note(machine, core, seen)) {
        if (changed === null) changed = [core];
        else changed.push(core);
      }
    }
    if (this.#events % FULL_CHECK_EVERY === 0) this.check();
    else if (changed !== null) this.#properties.check(this.#cores, changed);
  }

  /** All properties of all nodes that run. @throws InvariantViolation */
  check(): void {
    this.#properties.check(this.#cores);
  }

  get #cores(): RaftCore[] {
    return this.#seen.flatMap(({ seen }) => (seen.core === null ? [] : [seen.core]));
  }

  /** @returns whether something changed that other nodes must agree with. */
  #note(machine: Machine, core: RaftCore, seen: Seen): boolean {
    const { term, commitIndex, lastIndex } = core;
    const isLeader = core.role === 'leader';
    if (
      core === seen.core &&
      term === seen.term &&
      commitIndex === seen.commitIndex &&
      lastIndex === seen.lastIndex &&
      isLeader === seen.isLeader
    ) {
      return false;
    }
    const { id, disks } = machine;
    this.#trace.mix(term);
    this.#trace.mix(commitIndex);
    this.#trace.mix(lastIndex);
    const isOther = core !== seen.core || term !== seen.term || isLeader !== seen.isLeader;
    if (isOther && isLeader) this.#history.note({ type: 'leader', node: id, term });
    // What is in memory may be lost again; what a node starts with or leads in is on its disk.
    if (core !== seen.core || (isOther && isLeader)) {
      this.#history.note({ type: 'term', node: id, incarnation: disks, term });
    }
    const mustAgree = isOther || commitIndex !== seen.commitIndex;
    Object.assign(seen, { core, term, commitIndex, lastIndex, isLeader });
    return mustAgree;
  }
}
