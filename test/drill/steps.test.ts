import { beforeEach, describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import type { ClusterWatchHandlers, NodeStatus } from '../../src/client/index.ts';
import { ClusterView } from '../../src/drill/cluster-view.ts';
import type { Step } from '../../src/drill/drill.ts';
import { FaultDesk } from '../../src/drill/faults.ts';
import { Measurements } from '../../src/drill/measurements.ts';
import { parseDrill } from '../../src/drill/script.ts';
import type { Stage } from '../../src/drill/stage.ts';
import { StepAbortedError, StepFailedError, StepImpossibleError, StepRunner } from '../../src/drill/steps.ts';
import { VirtualClock } from '../../src/sim/virtual-clock.ts';

const IDS = ['n1', 'n2', 'n3'];

/** A stage without a cluster: nodes are what the test says, and do what they are told at once. */
class Scenery {
  readonly clock = new VirtualClock();
  readonly did: string[] = [];
  readonly abort = new AbortController();
  readonly running = new Set(IDS);
  readonly stage: Stage;
  #told: ClusterWatchHandlers | null = null;
  #boots = 0;

  constructor() {
    const { clock, did, running } = this;
    const watch = (handlers: ClusterWatchHandlers): { close(): void } => {
      this.#told = handlers;
      return { close: () => undefined };
    };
    const view = new ClusterView({ endpoints: [], clock, zeroMs: 0, watch });
    const fleet = {
      end: async (id: string, signal: string) => {
        did.push(`${signal} ${id}`);
        return running.delete(id) ? signal : null;
      },
      start: (id: string) => {
        did.push(`start ${id}`);
        running.add(id);
        this.says(id, 'follower');
      },
      signal: () => true,
      pid: (id: string) => (running.has(id) ? 1 : null),
      dataDirectory: (id: string) => id,
    };
    const nowMs = (): number => clock.monotonicMs();
    const order = async (): Promise<never> => Promise.reject(new Error('no'));
    const desk = new FaultDesk({ clock, nowMs, prng: new Prng(1), fleet, order, owner: 'test' });
    const variables = new Map<string, string>();
    const client = {
      transferLeadership: async (to: string) => {
        did.push(`lead ${to}`);
        this.says(view.leader ?? '', 'follower');
        this.says(to, 'leader');
        return { from: 'somebody', to, term: 2 };
      },
    };
    this.stage = {
      clock,
      view,
      desk,
      fleet,
      client,
      variables,
      nowMs,
      measurements: new Measurements(),
      signal: this.abort.signal,
      leaderBefore: null,
      pause: async (ms: number) => view.until(() => false, ms, this.abort.signal),
      get scene() {
        const { leader, oldLeader } = view;
        const { absent, struck } = desk;
        const group = (id: string): ReturnType<typeof view.group> => view.group(id);
        return { ids: IDS, leader, oldLeader, absent, struck, group, prng: new Prng(1), variables };
      },
    } as unknown as Stage;
  }

  says(nodeId: string, role: 'leader' | 'follower'): void {
    this.#boots += 1;
    const group = { role, term: 1, commitIndex: 5, appliedIndex: 5, lastIndex: 5, lastTerm: 1 };
    const status = { bootId: this.#boots, groups: [group], faults: [] } as unknown as NodeStatus;
    const heardAtMs = this.clock.monotonicMs();
    this.#told?.onNode({ nodeId, address: nodeId, isUp: true, why: null, status, heardAtMs });
  }

  /** Does the steps while time passes. */
  async run(steps: string): Promise<StepRunner> {
    const runner = new StepRunner(this.stage, () => undefined);
    let isOver = false;
    const done = runner.run(stepsOf(steps)).finally(() => {
      isOver = true;
    });
    done.catch(() => undefined);
    while (!isOver) {
      // Promises first, as far as they come without time passing.
      await new Promise(setImmediate);
      if (!isOver) this.clock.step();
    }
    await done;
    return runner;
  }
}

function stepsOf(steps: string): readonly Step[] {
  const script = `{drill: dledger/v1, name: x, hypothesis: y, steps: [${steps}], expect: [{id: a, logs: identical}]}`;
  return parseDrill(script, 'x.yaml').steps;
}

let scenery = new Scenery();

beforeEach(() => {
  scenery = new Scenery();
  for (const id of IDS) scenery.says(id, id === 'n1' ? 'leader' : 'follower');
});

describe('steps', () => {
  test('break, wait, repeat and heal in their order', async () => {
    const steps =
      '{name: kill, repeat: 2, every: 1s, fault: {kill: "@leader"}, then: {heal: kill}}, {sleep: 1s}';
    // The one that was killed comes back as a follower, and nobody leads then: the second round finds nobody to kill.
    await expect(scenery.run(steps)).rejects.toThrow(StepImpossibleError);
    expect(scenery.did).toEqual(['SIGKILL n1', 'start n1']);
  });

  test('wait for who is meant to be elected', async () => {
    scenery.says('n1', 'follower');
    scenery.clock.setTimer(2000, () => scenery.says('n3', 'leader'));
    const runner = await scenery.run('{name: kill, fault: {kill: "@leader"}}');
    expect(scenery.did).toEqual(['SIGKILL n3']);
    expect(runner.done).toMatchObject([{ name: 'kill', ok: true, text: 'SIGKILL to n3' }]);
  });

  test('that wait in vain fail, and say how it is', async () => {
    await expect(scenery.run('{wait: {leader: n2}, timeout: 3s}')).rejects.toThrow(
      new StepFailedError('not so within 3000 ms: leader n2 (n1 leads term 1, lag 0)'),
    );
  });

  test('go over nodes once each, the leader last and after it handed over', async () => {
    await scenery.run(
      '{forEach: {node: ["@followers", "@leader"]}, do: [{transferLeader: {if: "node == @leader", to: n2}}, {restart: "$node"}]}',
    );
    expect(scenery.did.join(', ')).toBe(
      'SIGTERM n2, start n2, SIGTERM n3, start n3, lead n2, SIGTERM n1, start n1',
    );
  });

  test('that the cluster refuses say nothing about it', async () => {
    await expect(scenery.run('{fault: {drop: {from: n1, to: n2}}}')).rejects.toThrow(StepImpossibleError);
    await expect(scenery.run('{name: gone, fault: {kill: n9}}')).rejects.toThrow(
      'step gone: n9 is nobody now',
    );
  });

  test('end when the drill is ended', async () => {
    scenery.clock.setTimer(500, () => scenery.abort.abort());
    await expect(scenery.run('{sleep: 1h}, {fault: {kill: n1}}')).rejects.toThrow(StepAbortedError);
    expect(scenery.did).toEqual([]);
  });
});
