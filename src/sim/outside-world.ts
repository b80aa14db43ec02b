import childProcess from 'node:child_process';
import crypto from 'node:crypto';
import dgram from 'node:dgram';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import { performance } from 'node:perf_hooks';
import timers from 'node:timers';

/**
 * Traps on everything by which a program could learn of the real world, or leave something in it: clocks, chance, timers,
 * files and sockets. What runs while they are set must get all that from its ports, or the same seed would not be the
 * same run. A trap throws, and remembers: code that is prepared for anything may swallow what it throws.
 */
export class OutsideWorld {
  readonly #touched = new Set<string>();
  #isSealed = false;

  /** What was touched while it was sealed, as `fs.readFileSync`. */
  get touched(): readonly string[] {
    return [...this.#touched];
  }

  /** Runs something with all traps set. It must be synchronous: nobody else has a turn meanwhile. */
  sealed<T>(run: () => T): T {
    const restores = TRAPPED.flatMap(({ name, owner, keys }) =>
      keys.map((key) => this.#trap(name, owner as Record<string, unknown>, key)),
    );
    syncBuiltinESMExports();
    this.#isSealed = true;
    try {
      return run();
    } finally {
      this.#isSealed = false;
      for (const restore of restores.reverse()) restore();
      syncBuiltinESMExports();
    }
  }

  /** Runs something that may touch the world after all: what tells people about a run, and is no part of it. */
  open<T>(run: () => T): T {
    const wasSealed = this.#isSealed;
    this.#isSealed = false;
    try {
      return run();
    } finally {
      this.#isSealed = wasSealed;
    }
  }

  #trap(name: string, owner: Record<string, unknown>, key: string): () => void {
    const original = Object.getOwnPropertyDescriptor(owner, key);
    const value = owner[key];
    if (typeof value !== 'function' || original?.configurable === false) return () => undefined;
    const touch = (what: string): void => {
      if (!this.#isSealed) return;
      this.#touched.add(what);
      throw new Error(`${what} was called in a simulation`);
    };
    const trap = new Proxy(value, {
      apply: (target, self, args) => {
        touch(`${name}${key}`);
        return Reflect.apply(target as (...all: unknown[]) => unknown, self, args);
      },
      construct: (target, args, newTarget) => {
        // A date of a given time is no look at the clock.
        if (key !== 'Date' || args.length === 0) touch(`new ${name}${key}`);
        return Reflect.construct(target as new () => object, args, newTarget) as object;
      },
      get: (target, property) => {
        if (key === 'Date' && property === 'now') touch('Date.now');
        return Reflect.get(target, property) as unknown;
      },
    });
    if (original?.writable === true) {
      // A plain assignment: a property that is defined anew makes V8 keep `Math` as a table, and every `Math.min` of all
      // that runs becomes a lookup in it, for good.
      owner[key] = trap;
      return () => {
        owner[key] = value;
      };
    }
    Object.defineProperty(owner, key, { value: trap, configurable: true, writable: true, enumerable: true });
    return () => {
      if (original === undefined) delete owner[key];
      else Object.defineProperty(owner, key, original);
    };
  }
}

const TRAPPED: readonly {
  readonly name: string;
  readonly owner: object;
  readonly keys: readonly string[];
}[] = [
  {
    name: '',
    owner: globalThis,
    keys: ['Date', 'setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'fetch'],
  },
  { name: 'Math.', owner: Math, keys: ['random'] },
  { name: 'performance.', owner: performance, keys: ['now'] },
  { name: 'process.', owner: process, keys: ['hrtime', 'nextTick', 'uptime', 'cpuUsage', 'memoryUsage'] },
  { name: 'timers.', owner: timers, keys: ['setTimeout', 'setInterval', 'setImmediate'] },
  { name: 'crypto.', owner: crypto, keys: ['randomBytes', 'randomFillSync', 'randomInt', 'randomUUID'] },
  { name: 'crypto.', owner: globalThis.crypto, keys: ['getRandomValues', 'randomUUID'] },
  { name: 'fs.', owner: fs, keys: functionsOf(fs) },
  { name: 'fs.promises.', owner: fs.promises, keys: functionsOf(fs.promises) },
  { name: 'net.', owner: net, keys: ['connect', 'createConnection', 'createServer'] },
  { name: 'dgram.', owner: dgram, keys: ['createSocket'] },
  { name: 'child_process.', owner: childProcess, keys: functionsOf(childProcess) },
];

/** Functions of a module that are no classes. */
function functionsOf(module: object): string[] {
  return Object.entries(module).flatMap(([key, value]) =>
    typeof value === 'function' && /^[a-z]/.test(key) ? [key] : [],
  );
}
