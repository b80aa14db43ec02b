import fs, { existsSync } from 'node:fs';
import timers from 'node:timers';
import { describe, expect, test } from 'vitest';
import { OutsideWorld } from '../../src/sim/outside-world.ts';
import { simulate } from '../../src/sim/simulation.ts';
import { drawScenario } from '../../src/sim/swarm.ts';

const touches: Record<string, () => unknown> = {
  'Date.now': () => Date.now(),
  'new Date': () => new Date(),
  Date: () => Date(),
  'Math.random': () => Math.random(),
  'performance.now': () => performance.now(),
  'process.hrtime': () => process.hrtime(),
  'process.nextTick': () => {
    process.nextTick(() => undefined);
  },
  setTimeout: () => setTimeout(() => undefined, 1),
  'timers.setImmediate': () => timers.setImmediate(() => undefined),
  queueMicrotask: () => {
    queueMicrotask(() => undefined);
  },
  'fs.readFileSync': () => fs.readFileSync('package.json'),
  // As most code imports it.
  'fs.existsSync': () => existsSync('package.json'),
  'crypto.randomUUID': () => crypto.randomUUID(),
};

function theWorld(): unknown[] {
  return [
    Date,
    setTimeout,
    fs.readFileSync,
    Reflect.get(process, 'nextTick'),
    Reflect.get(performance, 'now'),
  ];
}

describe('the outside world', () => {
  test.each(Object.entries(touches))('is out of reach: %s', (what, touch) => {
    const world = new OutsideWorld();
    const original = theWorld();
    expect(() => world.sealed(touch)).toThrow(`${what} was called in a simulation`);
    expect(world.touched).toEqual([what]);
    expect(theWorld()).toEqual(original);
    expect(touch).not.toThrow();
  });

  test('may be told of what happens', () => {
    const world = new OutsideWorld();
    world.sealed(() => {
      world.open(() => fs.existsSync('package.json'));
      expect(new Date(0).getTime()).toBe(0);
    });
    expect(world.touched).toEqual([]);
  });

  test('is missed by no run, even if what was thrown is swallowed', () => {
    const scenario = { ...drawScenario(1), safetyMs: 500 };
    const original = Reflect.get(Map.prototype, 'get') as (key: unknown) => unknown;
    let left = 1000;
    try {
      // Something deep inside that everything uses, and that looks at the clock now and then.
      Map.prototype.get = function get(key: unknown): unknown {
        left -= 1;
        try {
          if (left === 0) Date.now();
        } catch {
          // As a parser does that takes all errors for bad input.
        }
        return original.call(this, key);
      };
      expect(simulate(scenario).failures.map(({ rule }) => rule)).toEqual(['touched-the-world']);
    } finally {
      Map.prototype.get = original;
    }
    expect(simulate(scenario).failures).toEqual([]);
  });
});
