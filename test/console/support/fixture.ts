import { ConsoleStore } from '../../../src/cli/console/store.ts';
import type { ConsoleModel } from '../../../src/cli/console/model.ts';
import type { NodeAnswer, NodeEvent, WatchedNode } from '../../../src/client/index.ts';
import { VirtualClock } from '../../../src/sim/virtual-clock.ts';
import { downNode, nodeOf } from '../../cli/support/cluster-fixture.ts';

export { downNode, nodeOf };

/** Unix milliseconds of the moment at which all fixtures play. */
export const NOW_MS: number = Date.UTC(2026, 10, 23, 12, 40, 58, 100);

/** A store on a virtual clock, told about nodes as they are described. */
export class Bench {
  readonly clock = new VirtualClock();
  readonly store: ConsoleStore;
  published = 0;

  constructor(
    nodes: readonly NodeAnswer[] = [],
    options: { isReadOnly?: boolean; managed?: readonly string[] } = {},
  ) {
    this.store = new ConsoleStore({
      isReadOnly: options.isReadOnly ?? false,
      environment: 'dev',
      managed: new Set(options.managed ?? nodes.map(({ address }) => address)),
      nowMs: () => this.clock.monotonicMs(),
      unixMs: () => NOW_MS + this.clock.monotonicMs(),
      later: (ms, callback) => {
        const timer = this.clock.setTimer(ms, callback);
        return () => timer.cancel();
      },
    });
    this.store.subscribe(() => {
      this.published += 1;
    });
    for (const node of nodes) this.tell(node);
    this.store.refresh();
  }

  tell(answer: NodeAnswer): void {
    this.store.onNode(watched(answer, this.clock.monotonicMs()));
  }

  events(answer: NodeAnswer, ...events: readonly NodeEvent[]): void {
    this.store.onEvents(watched(answer, this.clock.monotonicMs()), events);
  }

  get model(): ConsoleModel {
    this.store.refresh();
    return this.store.snapshot();
  }
}

function watched({ nodeId, address, status, error }: NodeAnswer, heardAtMs: number): WatchedNode {
  return {
    nodeId,
    address,
    isUp: status !== null,
    why: error,
    status,
    heardAtMs: status === null ? null : heardAtMs,
  };
}

let sequence = 0;

export function event(
  code: string,
  agoMs: number,
  text: string,
  fields: NodeEvent['fields'] = {},
  level: NodeEvent['level'] = 'info',
): NodeEvent {
  sequence += 1;
  return { sequence, at: NOW_MS - agoMs, level, code, text, fields };
}

/** Three nodes after a failover: n1 is down, n2 leads. */
export function afterFailover(): Bench {
  const n2 = nodeOf(
    'n2',
    {},
    {
      role: 'leader',
      term: 8,
      leaderId: 'n2' as never,
      commitIndex: 1_204_877,
      durableIndex: 1_204_877,
      lastIndex: 1_204_877,
      appliedIndex: 1_204_877,
    },
  );
  const n3 = nodeOf(
    'n3',
    {},
    {
      term: 8,
      leaderId: 'n2' as never,
      commitIndex: 1_204_648,
      appliedIndex: 1_204_640,
      lastIndex: 1_204_700,
      durableIndex: 1_204_700,
    },
  );
  const bench = new Bench([downNode('n1'), n2, n3]);
  bench.events(
    n2,
    event(
      'leader-gone',
      120,
      'the leader n1 is gone: it closed its connection and refuses a new one',
      { leader: 'n1' },
      'warn',
    ),
    event(
      'campaign-started',
      115,
      'stands for election in term 8',
      { term: 8, kind: 'vote', reason: 'leader-gone' },
      'warn',
    ),
    event('election-won', 100, 'won the election of term 8 with 2 of 3 votes (n2, n3)', {
      term: 8,
      votes: 'n2,n3',
      voters: 3,
    }),
  );
  bench.events(
    n3,
    event('vote-cast', 110, 'granted vote to n2 for term 8: its log is up to date', {
      term: 8,
      candidate: 'n2',
    }),
  );
  return bench;
}
