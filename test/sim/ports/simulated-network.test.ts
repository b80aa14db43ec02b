import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type {
  CloseReason,
  Connection,
  ConnectionHandler,
  Listener,
} from '../../../src/base/ports/network.ts';
import { Prng } from '../../../src/base/prng.ts';
import { SimulatedNetwork, type SimulatedNetworkOptions } from '../../../src/sim/simulated-network.ts';
import { VirtualClock } from '../../../src/sim/virtual-clock.ts';

/** One end, as its application sees it. */
class Side implements ConnectionHandler {
  connection: Connection | null = null;
  received: number[] = [];
  opened = 0;
  drained = 0;
  closed: CloseReason[] = [];

  onOpen(): void {
    this.opened += 1;
  }
  onData(bytes: Uint8Array): void {
    expect(this.closed).toEqual([]);
    for (const byte of bytes) this.received.push(byte);
  }
  onDrain(): void {
    this.drained += 1;
  }
  onClose(reason: CloseReason): void {
    this.closed.push(reason);
  }
}

class World {
  readonly clock: VirtualClock = new VirtualClock();
  readonly network: SimulatedNetwork;
  readonly accepted: Side[] = [];
  listener: Listener | null = null;

  constructor(seed = 1, options: SimulatedNetworkOptions = {}) {
    this.network = new SimulatedNetwork(this.clock, new Prng(seed), options);
  }

  listen(host: string, port = 7101): void {
    this.network.host(host).listen({
      host: '0.0.0.0',
      port,
      onConnection: (connection) => {
        const side = new Side();
        side.connection = connection;
        this.accepted.push(side);
        return side;
      },
      onListening: (listener) => {
        this.listener = listener;
      },
      onError: (error) => {
        throw error;
      },
    });
    this.clock.advanceBy(1);
  }

  dial(from: string, to: string, timeoutMs = 1000, port = 7101): Side {
    const side = new Side();
    side.connection = this.network.host(from).connect({ host: to, port, timeoutMs, handler: side });
    return side;
  }

  /** A connection from a to b, open on both sides. */
  pair(): { near: Side; far: Side } {
    this.listen('b');
    const near = this.dial('a', 'b');
    this.clock.advanceBy(10);
    const far = this.accepted.at(-1);
    if (far === undefined) throw new Error('nobody accepted');
    expect(near.opened).toBe(1);
    return { near, far };
  }
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

describe('a simulated network', () => {
  test('carries bytes in order in both directions, however they are cut', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e9 }),
        fc.array(fc.tuple(fc.boolean(), fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 3 })), {
          maxLength: 40,
        }),
        (seed, writes) => {
          const world = new World(seed, { splitChance: 0.5, latencyMsMin: 0, latencyMsMax: 3 });
          const { near, far } = world.pair();
          const sent: { near: number[]; far: number[] } = { near: [], far: [] };
          for (const [fromNear, chunks] of writes) {
            (fromNear ? near : far).connection?.write(chunks);
            (fromNear ? sent.near : sent.far).push(...chunks.flatMap((chunk) => [...chunk]));
          }
          world.clock.runUntilIdle();
          expect(far.received).toEqual(sent.near);
          expect(near.received).toEqual(sent.far);
        },
      ),
      { numRuns: 50 },
    );
  });

  test('what was given back is overwritten, and nothing beside it', () => {
    const world = new World(1, { splitChance: 0 });
    const { near, far } = world.pair();
    const chunks: Uint8Array[] = [];
    far.onData = (data) => chunks.push(data);
    for (const value of [1, 2]) near.connection?.write([bytes(value, value)]);
    world.clock.runUntilIdle();
    const [first, second] = chunks;
    if (first === undefined) throw new Error('nothing came');
    far.connection?.release(first);
    expect(first).toEqual(bytes(0xdb, 0xdb));
    expect(second).toEqual(bytes(2, 2));
  });

  test('the same seed is the same run', () => {
    const run = (seed: number): string => {
      const world = new World(seed, { splitChance: 0.3 });
      const { near, far } = world.pair();
      const trace: string[] = [];
      far.onData = (data) => trace.push(`${world.clock.monotonicMs()}:${data.length}`);
      for (let at = 0; at < 50; at += 1) near.connection?.write([new Uint8Array(100)]);
      world.clock.runUntilIdle();
      return trace.join(' ');
    };
    expect(run(7)).toBe(run(7));
    expect(run(7)).not.toBe(run(8));
  });

  test('never calls back from inside a call', () => {
    const world = new World();
    world.listen('b');
    let inside = false;
    const side = new Side();
    const forbid = (): void => expect(inside).toBe(false);
    const guarded: ConnectionHandler = {
      onOpen: () => {
        forbid();
        side.onOpen();
        inside = true;
        side.connection?.write([bytes(1)]);
        side.connection?.destroy();
        inside = false;
      },
      onData: forbid,
      onClose: (reason) => {
        forbid();
        side.onClose(reason);
      },
    };
    inside = true;
    side.connection = world.network
      .host('a')
      .connect({ host: 'b', port: 7101, timeoutMs: 100, handler: guarded });
    inside = false;
    world.clock.runUntilIdle();
    expect(side.closed).toEqual([{ by: 'local' }]);
    expect(world.accepted[0]?.closed).toEqual([{ by: 'remote', code: 'reset' }]);
  });

  test('the receiver keeps its bytes when the sender uses its memory again', () => {
    const world = new World();
    const { near, far } = world.pair();
    const memory = bytes(1, 2, 3);
    near.connection?.write([memory]);
    memory.fill(9);
    world.clock.runUntilIdle();
    expect(far.received).toEqual([1, 2, 3]);
  });

  test('refuses where nobody listens, and where the process is gone', () => {
    const world = new World();
    world.listen('b');
    const nobody = world.dial('a', 'nowhere');
    const wrongPort = world.dial('a', 'b', 1000, 7102);
    world.clock.advanceBy(5);
    for (const side of [nobody, wrongPort]) {
      expect(side.closed).toEqual([
        { by: 'connect', code: 'refused', message: expect.stringContaining('refused') as string },
      ]);
    }
    world.listener?.close();
    const afterClose = world.dial('a', 'b');
    world.clock.advanceBy(5);
    expect(afterClose.closed[0]).toMatchObject({ by: 'connect', code: 'refused' });
  });

  test('one port is for one listener', () => {
    const world = new World();
    world.listen('b');
    expect(() => world.listen('b')).toThrow(/7101 of b is in use/);
    world.listen('b', 0);
    expect(world.listener?.port).toBeGreaterThanOrEqual(40_000);
  });

  test('a call into a cut gives up after its time', () => {
    for (const [from, to] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      const world = new World();
      world.listen('b');
      world.network.cut(from, to);
      const side = world.dial('a', 'b', 250);
      world.clock.advanceBy(240);
      expect(side.closed).toEqual([]);
      world.clock.advanceBy(20);
      expect(side.closed).toEqual([{ by: 'connect', code: 'timeout', message: 'no answer from b:7101' }]);
      world.network.healAll();
      world.clock.runUntilIdle();
      // What had come through before is told that nobody is there any more.
      for (const other of world.accepted) expect(other.closed).toEqual([{ by: 'remote', code: 'reset' }]);
    }
  });

  test('a cut is one-way and holds back what is sent, until it is healed', () => {
    const world = new World();
    const { near, far } = world.pair();
    world.network.cut('a', 'b');
    near.connection?.write([bytes(1)]);
    near.connection?.write([bytes(2)]);
    far.connection?.write([bytes(3)]);
    world.clock.advanceBy(1000);
    expect([near.received, far.received]).toEqual([[3], []]);
    world.network.heal('a', 'b');
    near.connection?.write([bytes(4)]);
    world.clock.advanceBy(1000);
    expect(far.received).toEqual([1, 2, 4]);
    expect([near.closed, far.closed]).toEqual([[], []]);
  });

  test('a close delivers what was written, then tells both sides', () => {
    const world = new World();
    const { near, far } = world.pair();
    const large = new Uint8Array(3 * 1024 * 1024).fill(5);
    expect(near.connection?.write([large])).toBe(true);
    near.connection?.write([bytes(6)]);
    near.connection?.close();
    expect(near.connection?.write([bytes(7)])).toBe(true);
    world.clock.advanceBy(100);
    expect(far.received.length).toBe(large.length + 1);
    expect(far.received.at(-1)).toBe(6);
    expect(far.closed).toEqual([{ by: 'remote', code: 'end' }]);
    expect(near.closed).toEqual([{ by: 'local' }]);
    world.clock.runUntilIdle();
    expect([far.closed.length, near.closed.length]).toEqual([1, 1]);
  });

  test('a close into a cut ends after a while', () => {
    const world = new World();
    const { near, far } = world.pair();
    world.network.cut('a', 'b');
    near.connection?.close();
    world.clock.advanceBy(1999);
    expect(near.closed).toEqual([]);
    world.clock.advanceBy(10);
    expect([near.closed, far.closed]).toEqual([[{ by: 'local' }], []]);
  });

  test('what is behind the window waits with the sender, who is told to wait and when to go on', () => {
    const world = new World();
    const { near, far } = world.pair();
    world.network.cut('a', 'b');
    const chunk = new Uint8Array(256 * 1024);
    const answers: (boolean | undefined)[] = [];
    for (let at = 0; at < 6; at += 1) answers.push(near.connection?.write([chunk]));
    // One is on its way; the mark is passed when more than 1 MiB waits behind it.
    expect(answers).toEqual([true, true, true, true, true, false]);
    expect(near.connection?.bufferedBytes).toBe(5 * chunk.length);
    world.clock.advanceBy(1000);
    expect(near.drained).toBe(0);
    world.network.heal('a', 'b');
    world.clock.advanceBy(100);
    expect([near.drained, near.connection?.bufferedBytes, far.received.length]).toEqual([
      1,
      0,
      6 * chunk.length,
    ]);
  });

  test('a killed process resets its connections and hears nothing more', () => {
    const world = new World();
    const { near, far } = world.pair();
    near.connection?.write([bytes(1)]);
    far.connection?.write([bytes(2)]);
    world.network.kill('b');
    world.clock.advanceBy(10);
    // What the dead process had handed to its kernel still arrives.
    expect([near.received, near.closed]).toEqual([[2], [{ by: 'remote', code: 'reset' }]]);
    expect([far.received, far.closed]).toEqual([[], []]);
    const refused = world.dial('a', 'b');
    world.clock.advanceBy(10);
    expect(refused.closed[0]).toMatchObject({ by: 'connect', code: 'refused' });
  });

  test('a dead process cannot act, its successor under the same name can', () => {
    const world = new World();
    world.listen('b');
    const old = world.network.host('a');
    world.network.kill('a');
    const ghost = new Side();
    ghost.connection = old.connect({ host: 'b', port: 7101, timeoutMs: 10, handler: ghost });
    ghost.connection.write([bytes(1)]);
    world.clock.advanceBy(100);
    expect([ghost.opened, ghost.closed, world.accepted.length]).toEqual([0, [], 0]);
    const young = world.dial('a', 'b');
    world.clock.advanceBy(10);
    expect(young.opened).toBe(1);
  });

  test('a process that dies behind a cut leaves the other side in doubt until it writes', () => {
    const world = new World();
    const { near } = world.pair();
    world.network.cut('b', 'a');
    world.network.kill('b');
    world.clock.advanceBy(1000);
    expect(near.closed).toEqual([]);
    world.network.heal('b', 'a');
    world.clock.advanceBy(1000);
    expect(near.closed).toEqual([]);
    near.connection?.write([bytes(1)]);
    world.clock.advanceBy(10);
    expect(near.closed).toEqual([{ by: 'remote', code: 'reset' }]);
  });

  test('a reset is sent once: one that meets a cut on its way is lost', () => {
    const world = new World();
    const { near, far } = world.pair();
    far.connection?.destroy();
    world.network.cut('b', 'a');
    world.clock.advanceBy(1000);
    world.network.heal('b', 'a');
    world.clock.advanceBy(1000);
    expect([near.closed, far.closed]).toEqual([[], [{ by: 'local' }]]);
  });

  test('what waits behind a cut goes with the side that sent it', () => {
    const world = new World();
    const { near, far } = world.pair();
    world.network.cut('a', 'b');
    near.connection?.write([bytes(1)]);
    world.clock.advanceBy(1000);
    near.connection?.destroy();
    world.network.heal('a', 'b');
    world.clock.advanceBy(1000);
    expect([far.received, far.closed]).toEqual([[], []]);
  });

  test('a reset from between ends both sides as remote, and only between those two', () => {
    const world = new World();
    const { near, far } = world.pair();
    const other = world.dial('c', 'b');
    world.clock.advanceBy(10);
    world.network.reset('a', 'b');
    world.clock.advanceBy(10);
    expect([near.closed, far.closed]).toEqual([
      [{ by: 'remote', code: 'reset' }],
      [{ by: 'remote', code: 'reset' }],
    ]);
    expect([other.opened, other.closed]).toEqual([1, []]);
  });

  test('destroying tells this side local and the other reset, and sends nothing that waited', () => {
    const world = new World();
    const { near, far } = world.pair();
    near.connection?.write([new Uint8Array(1024 * 1024)]);
    near.connection?.write([bytes(1)]);
    near.connection?.destroy();
    near.connection?.destroy();
    near.connection?.close();
    world.clock.runUntilIdle();
    expect([near.closed, far.closed]).toEqual([[{ by: 'local' }], [{ by: 'remote', code: 'reset' }]]);
    expect(far.received.includes(1)).toBe(false);
  });

  test('carries a hundred thousand segments in a second or so', () => {
    const world = new World();
    const { near, far } = world.pair();
    const chunk = new Uint8Array(64);
    let sent = 0;
    let arrived = 0;
    far.onData = () => {
      arrived += 1;
      if (sent >= 100_000) return;
      sent += 1;
      far.connection?.write([chunk]);
    };
    near.onData = () => {
      sent += 1;
      near.connection?.write([chunk]);
    };
    for (let at = 0; at < 64; at += 1) near.connection?.write([chunk]);
    const before = process.cpuUsage();
    world.clock.runUntil(() => sent >= 100_000, 1e9);
    const { user, system } = process.cpuUsage(before);
    expect(arrived).toBeGreaterThan(40_000);
    // CPU time, not wall-clock time; five times what it takes, so that only a change of order fails it.
    expect((user + system) / 1e6).toBeLessThan(2.5);
  });
});

describe('a machine without power', () => {
  function talking(): { world: World; side: Side } {
    const world = new World();
    world.listen('b');
    const side = world.dial('a', 'b');
    world.clock.advanceBy(5);
    expect(side.opened).toBe(1);
    return { world, side };
  }

  test('resets nothing: the other end learns of it when the machine is back and something is sent', () => {
    const { world, side } = talking();
    world.network.goDark('b');
    side.connection?.write([new Uint8Array([1])]);
    world.clock.advanceBy(10_000);
    expect(side.closed).toEqual([]);
    world.listen('b');
    side.connection?.write([new Uint8Array([2])]);
    world.clock.advanceBy(5);
    expect(side.closed).toEqual([{ by: 'remote', code: 'reset' }]);
  });

  test('answers no call, and refuses none', () => {
    const { world } = talking();
    world.network.goDark('b');
    const late = world.dial('a', 'b', 500);
    world.clock.advanceBy(499);
    expect(late.closed).toEqual([]);
    world.clock.advanceBy(2);
    expect(late.closed).toMatchObject([{ by: 'connect', code: 'timeout' }]);
  });
});

describe('a bad way', () => {
  test('delays what goes there, in order, until it is over', () => {
    const world = new World();
    world.listen('b');
    const side = world.dial('a', 'b');
    world.clock.advanceBy(5);
    world.network.clog('a', 'b', 100, 200);
    for (const byte of [1, 2, 3]) side.connection?.write([new Uint8Array([byte])]);
    world.clock.advanceBy(99);
    expect(world.accepted[0]?.received).toEqual([]);
    world.clock.advanceBy(102);
    expect(world.accepted[0]?.received).toEqual([1, 2, 3]);
    world.network.unclog('a', 'b');
    side.connection?.write([new Uint8Array([4])]);
    world.clock.advanceBy(1);
    expect(world.accepted[0]?.received).toEqual([1, 2, 3, 4]);
  });

  test('flips bits without changing anything for who sent them', () => {
    const world = new World();
    world.listen('b');
    const side = world.dial('a', 'b');
    world.clock.advanceBy(5);
    world.network.disturb('a', 'b', 1);
    const sent = new Uint8Array(100);
    side.connection?.write([sent]);
    world.clock.advanceBy(5);
    const changed = world.accepted[0]?.received.filter((byte) => byte !== 0).length ?? 0;
    expect(changed).toBeGreaterThanOrEqual(1);
    expect(changed).toBeLessThanOrEqual(3);
    expect(sent.every((byte) => byte === 0)).toBe(true);
    world.network.disturb('a', 'b', 0);
    side.connection?.write([new Uint8Array([7])]);
    world.clock.advanceBy(5);
    expect(world.accepted[0]?.received.at(-1)).toBe(7);
  });
});
