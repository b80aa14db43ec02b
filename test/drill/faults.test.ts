import { beforeEach, describe, expect, test } from 'vitest';
import type { FaultOrder, FaultReport, FaultState } from '../../src/client/index.ts';
import { Prng } from '../../src/base/prng.ts';
import { FaultDesk, FaultFailedError, type Breakage, type FaultParts } from '../../src/drill/faults.ts';
import { VirtualClock } from '../../src/sim/virtual-clock.ts';

/** Nodes that take orders and count what a fault does, and processes that obey. */
class World {
  readonly clock = new VirtualClock();
  readonly running = new Set(['n1', 'n2']);
  readonly did: string[] = [];
  readonly states: FaultState[] = [];
  refuses = false;
  affected = 0;

  desk(hasFleet = true): FaultDesk {
    const fleet: FaultParts['fleet'] = {
      end: async (id, signal) => {
        this.did.push(`${signal} ${id}`);
        return this.running.delete(id) ? signal : null;
      },
      start: (id) => {
        this.did.push(`start ${id}`);
        this.running.add(id);
      },
      signal: (id, signal) => {
        this.did.push(`${signal} ${id}`);
        return this.running.has(id);
      },
      pid: (id) => (this.running.has(id) ? 1 : null),
      dataDirectory: (id) => id,
    };
    return new FaultDesk({
      clock: this.clock,
      nowMs: () => this.clock.monotonicMs(),
      prng: new Prng(1),
      fleet: hasFleet ? fleet : null,
      order: async (node, order) => this.#order(node, order),
      owner: 'drill test',
    });
  }

  async #order(node: string, order: FaultOrder): Promise<FaultReport> {
    if (this.refuses) throw new Error('no');
    if (order.op === 'add') {
      const { spec, ttlMs, owner } = order;
      this.states.push({
        id: `f${this.states.length + 1}`,
        owner,
        spec,
        ttlMs,
        remainingMs: ttlMs,
        affected: 0,
      });
      return { added: `f${this.states.length}`, active: this.states, ended: [] };
    }
    this.did.push(`${order.op} ${node}`);
    return {
      added: null,
      active: [],
      ended: this.states.map((state) => ({ ...state, affected: this.affected })),
    };
  }
}

const DROP: Breakage = {
  kind: 'order',
  node: 'n1',
  spec: { kind: 'drop', peer: 'n2' as never, direction: 'out', mode: 'blackhole', share: 1 },
};

let world = new World();

beforeEach(() => {
  world = new World();
});

describe('the desk of faults', () => {
  test('kills, and starts again what it killed when it is told to heal', async () => {
    const desk = world.desk();
    const record = await desk.apply('kill', { kind: 'kill', node: 'n1', signal: 'SIGKILL' }, 5000);
    expect([...desk.absent]).toEqual(['n1']);
    expect(record.proof).toMatchObject({ affected: 1 });
    await desk.healAll();
    expect(world.did).toEqual(['SIGKILL n1', 'start n1']);
    expect([record.healedMs, [...desk.absent], desk.unhealed]).toEqual([0, [], []]);
  });

  test('heals by itself when the time to live is over', async () => {
    const desk = world.desk();
    const record = await desk.apply('kill', { kind: 'kill', node: 'n1', signal: 'SIGTERM' }, 5000);
    world.clock.advanceTo(4999);
    expect(record.healedMs).toBeNull();
    world.clock.advanceTo(5000);
    await desk.healAll();
    expect([record.healedMs, world.did]).toEqual([5000, ['SIGTERM n1', 'start n1']]);
  });

  test('takes the word of the node for proof, and nothing else', async () => {
    const desk = world.desk();
    const record = await desk.apply('cut', DROP, 5000);
    expect(record.proof).toBeNull();
    await desk.heal(({ step }) => step === 'other');
    expect(record.healedMs).toBeNull();
    world.affected = 12;
    await desk.heal(({ step }) => step === 'cut');
    expect(record.proof).toMatchObject({ affected: 12 });
  });

  test('believes what a node says of a fault while it is active, and of no other one', async () => {
    const desk = world.desk();
    const record = await desk.apply('cut', DROP, 5000);
    const [state] = world.states as [FaultState];
    desk.heard('n1', [{ ...state, owner: 'somebody', affected: 3 }]);
    desk.heard('n2', [{ ...state, affected: 3 }]);
    expect(record.proof).toBeNull();
    desk.heard('n1', [{ ...state, affected: 3 }]);
    expect(record.proof).toMatchObject({ affected: 3 });
  });

  test('takes the last word of a node for proof that its disk failed as it was asked to', async () => {
    const desk = world.desk();
    const spec = { kind: 'disk-sync-error' } as const;
    const record = await desk.apply('fail', { kind: 'order', node: 'n1', spec }, 5000);
    desk.fatal('n1', 'the disk failed: sync log: input/output error');
    desk.fatal('n2', 'the disk failed: sync log: input/output error, on request');
    expect(record.proof).toBeNull();
    desk.fatal('n1', 'the disk failed: sync log: input/output error, on request');
    expect(record.proof).toMatchObject({ affected: 1 });
  });

  test('takes several cuts for one fault, which took hold if anything went through one of them', async () => {
    const desk = world.desk();
    const back: Breakage = { ...DROP, node: 'n2' };
    await desk.applyAll('cut', [DROP, back], 5000);
    expect(desk.unproven).toHaveLength(2);
    desk.heard('n1', [{ ...(world.states[0] as FaultState), affected: 1 }]);
    expect(desk.unproven).toEqual([]);
    await desk.apply('cut', back, 5000);
    expect(desk.unproven).toHaveLength(1);
  });

  test('says what it could not mend, and asks nothing of a process that is gone', async () => {
    const desk = world.desk();
    await desk.apply('cut', DROP, 5000);
    world.refuses = true;
    await desk.healAll();
    expect(desk.unhealed).toEqual(['f1 at n1: no']);
    world.refuses = false;
    await desk.apply('cut', DROP, 5000);
    world.running.delete('n1');
    await desk.healAll();
    expect(world.did).toEqual([]);
    expect(desk.unhealed).toHaveLength(1);
  });

  test.each<[string, boolean, Breakage]>([
    ['of a process that is not its own', false, { kind: 'pause', node: 'n1' }],
    ['of a process that is gone', true, { kind: 'kill', node: 'n3', signal: 'SIGKILL' }],
  ])('refuses a fault %s', async (_, hasFleet, breakage) => {
    await expect(world.desk(hasFleet).apply('x', breakage, 5000)).rejects.toThrow(FaultFailedError);
  });

  test('refuses a fault that the node refuses', async () => {
    const desk = world.desk();
    world.refuses = true;
    await expect(desk.apply('cut', DROP, 5000)).rejects.toThrow('n1 does not take the fault drop: no');
    await desk.healAll();
    expect(world.did).toEqual([]);
  });
});
