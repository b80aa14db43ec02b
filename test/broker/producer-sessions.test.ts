import { describe, expect, test } from 'vitest';
import { SESSION_LIMITS, StateMachine, type SessionLimits } from '../../src/broker/index.ts';
import { Log, stamp } from './support/log.ts';

const DAY_MS = 24 * 3600 * 1000;

class World {
  readonly log: Log = new Log();
  readonly machine: StateMachine;

  constructor(limits: Partial<SessionLimits>) {
    this.machine = new StateMachine({ ...SESSION_LIMITS, ...limits });
  }

  open(inFlightMax = 1): number {
    const result = this.machine.apply(this.log.openProducer(inFlightMax));
    if (result.result !== 'producer-opened') throw new Error(result.result);
    return result.producerId;
  }

  /** Sends the producer's next batch. @returns whether it was known. */
  use(id: number): boolean {
    const next = this.machine.lastSequence(id, 0) + 1;
    return this.machine.apply(this.log.batch(stamp(id, next))).result === 'accepted';
  }

  knows(id: number): boolean {
    return this.machine.judge(stamp(id, 1_000_000), 0).verdict !== 'session-expired';
  }
}

describe('the table of producers', () => {
  test('lets go of whoever was used longest ago when it is full', () => {
    const world = new World({ sessionsMax: 3 });
    const [a, b, c] = [world.open(), world.open(), world.open()];
    expect(world.use(a)).toBe(true);
    const d = world.open();
    expect([a, b, c, d].map((id) => world.knows(id))).toEqual([true, false, true, true]);
    expect(world.use(b)).toBe(false);
    expect(world.use(c)).toBe(true);
    expect(world.use(a)).toBe(true);
    const e = world.open();
    expect([a, c, d, e].map((id) => world.knows(id))).toEqual([true, true, false, true]);
    expect(world.machine.producerCount).toBe(3);
  });

  test('lets go of whoever was idle for too long, by the time of the entries, when one is opened', () => {
    const world = new World({ idleMsMax: 7 * DAY_MS });
    const [a, b] = [world.open(), world.open()];
    world.log.time += 4 * DAY_MS;
    world.use(b);
    world.log.time += 3 * DAY_MS;
    world.open();
    expect([world.knows(a), world.knows(b)]).toEqual([true, true]);
    world.log.time += 1;
    world.open();
    expect([world.knows(a), world.knows(b)]).toEqual([false, true]);
    // Without anybody to make room for, nobody goes.
    world.log.time += 100 * DAY_MS;
    expect(world.use(b)).toBe(true);
  });

  test('a refused batch does not count as use', () => {
    const world = new World({ sessionsMax: 2 });
    const [a, b] = [world.open(), world.open()];
    world.machine.apply(world.log.batch(stamp(a, 9)));
    world.open();
    expect([world.knows(a), world.knows(b)]).toEqual([false, true]);
  });

  test('bounds what all of them together may have to remember', () => {
    const world = new World({ resultsMax: 100 });
    const [a, b, c] = [world.open(40), world.open(40), world.open(20)];
    expect([a, b, c].map((id) => world.knows(id))).toEqual([true, true, true]);
    const d = world.open(50);
    expect([a, b, c, d].map((id) => world.knows(id))).toEqual([false, false, true, true]);
    const e = world.open(200);
    expect([c, d, e].map((id) => world.knows(id))).toEqual([false, false, true]);
  });

  test('a hundred thousand producers cost what four thousand cost', () => {
    const world = new World({});
    const before = process.memoryUsage().heapUsed;
    const cpu = process.cpuUsage();
    for (let at = 0; at < 100_000; at += 1) {
      world.open(1024);
      world.log.entries.splice(0, world.log.entries.length - 1);
    }
    const { user, system } = process.cpuUsage(cpu);
    // 4,096 of them: 4 Mi results at 1,024 each.
    expect(world.machine.producerCount).toBe(4096);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * 1024 * 1024);
    // Mostly for sealing entries in this test; an eviction that looked at all others would take a minute.
    expect((user + system) / 1e6).toBeLessThan(10);
  });
});
