import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { killedAtTheEnd } from '../leftovers.ts';

const READY_WITHIN_MS = 20_000;

export function isInstalled(program: string): boolean {
  const { error } = spawnSync(program, ['--version'], { stdio: 'ignore' });
  return error === undefined;
}

/** The servers of one peer. */
export class Programs {
  readonly #directory: string;
  readonly #children: ChildProcess[] = [];

  constructor(directory: string) {
    this.#directory = directory;
  }

  get pids(): number[] {
    return this.#children.map(({ pid }) => pid ?? 0);
  }

  run(program: string, args: readonly string[]): ChildProcess {
    const log = fs.openSync(path.join(this.#directory, `server-${this.#children.length + 1}.log`), 'a');
    const child = spawn(program, args, { stdio: ['ignore', log, log], cwd: this.#directory });
    fs.closeSync(log);
    this.#children.push(killedAtTheEnd(child));
    return child;
  }

  async stop(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
}

/** Asks again until there is an answer. @throws the last error after twenty seconds. */
export async function eventually<T>(what: string, ask: () => Promise<T>): Promise<T> {
  const endMs = performance.now() + READY_WITHIN_MS;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (performance.now() > endMs) throw new Error(`${what}: ${String(error)}`, { cause: error });
      await setTimeout(50);
    }
  }
}

/** A connection that is open. */
export async function dial(port: number): Promise<net.Socket> {
  const socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
  await once(socket, 'connect');
  return socket;
}
