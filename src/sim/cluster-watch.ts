import type { History } from '../check/index.ts';
import { ClusterHistory, type RaftCore } from '../raft/index.ts';
import type { SimulatedCluster } from './simulated-cluster.ts';
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
  readonly #seen: readonly { readonly id: string; readonly seen: Seen }[];
  #events = 0;

  constructor(cluster: SimulatedCluster, history: History, trace: Trace) {
    this.#cluster = cluster;
    this.#history = history;
    this.#trace = trace;
    this.#seen = cluster.ids.map((id) => ({
      id,
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
    let isDue = this.#events % FULL_CHECK_EVERY === 0;
    for (const { id, seen } of this.#seen) {
      const core = this.#cluster.core(id);
      if (core === null) {
        seen.core = null;
        continue;
      }
      if (this.#note(id, core, seen)) isDue = true;
    }
    if (isDue) this.check();
  }

  /** All properties of all nodes that run. @throws InvariantViolation */
  check(): void {
    const cores = this.#seen.flatMap(({ seen }) => (seen.core === null ? [] : [seen.core]));
    this.#properties.check(cores);
  }

  /** @returns whether something changed that other nodes must agree with. */
  #note(id: string, core: RaftCore, seen: Seen): boolean {
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
    this.#trace.mix(term);
    this.#trace.mix(commitIndex);
    this.#trace.mix(lastIndex);
    const isOther = core !== seen.core || term !== seen.term || isLeader !== seen.isLeader;
    if (isOther && isLeader) this.#history.note({ type: 'leader', node: id, term });
    // What is in memory may be lost again; what a node starts with or leads in is on its disk.
    if (core !== seen.core || (isOther && isLeader)) {
      this.#history.note({ type: 'term', node: id, incarnation: this.#cluster.machine(id).disks, term });
    }
    const mustAgree = isOther || commitIndex !== seen.commitIndex;
    Object.assign(seen, { core, term, commitIndex, lastIndex, isLeader });
    return mustAgree;
  }
}
