import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { NodeEvent } from '../node/index.ts';

export interface SupervisorHandlers {
  onEvent(id: string, event: NodeEvent): void;
  /** A line of a node that is no event: a crash, a warning of the runtime. */
  onLine(id: string, line: string): void;
  /** A node ended and nobody had asked it to. */
  onDeath(id: string, how: string): void;
}

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));
/** Longer than a hand-over and a checkpoint take. */
const STOP_TIMEOUT_MS = 5000;

/** Runs `dledger start` as child processes, which stop when this process dies, however it dies. */
export class Supervisor {
  readonly #nodes: readonly { readonly id: string; readonly address: string }[];
  readonly #dataDirectory: string;
  readonly #extra: readonly string[];
  readonly #handlers: SupervisorHandlers;
  readonly #children = new Map<string, ChildProcess>();
  readonly #stopping = new Set<string>();

  constructor(
    nodes: readonly { readonly id: string; readonly address: string }[],
    dataDirectory: string,
    extra: readonly string[],
    handlers: SupervisorHandlers,
  ) {
    this.#nodes = nodes;
    this.#dataDirectory = dataDirectory;
    this.#extra = extra;
    this.#handlers = handlers;
  }

  get ids(): string[] {
    return this.#nodes.map((node) => node.id);
  }

  pid(id: string): number | null {
    return this.isRunning(id) ? (this.#children.get(id)?.pid ?? null) : null;
  }

  isRunning(id: string): boolean {
    const child = this.#children.get(id);
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  logFile(id: string): string {
    return path.join(this.#dataDirectory, `${id}.log`);
  }

  start(id: string): void {
    const peers = this.#nodes.map((node) => `${node.id}=${node.address}`).join(',');
    const child = spawn(
      process.execPath,
      [
        MAIN,
        'start',
        '--id',
        id,
        '--peers',
        peers,
        '--data',
        path.join(this.#dataDirectory, id),
        '--log-format',
        'json',
        '--stop-with-stdin',
        ...this.#extra,
      ],
      // The pipe to its stdin ends when this process does: that is how a child learns that it is alone. In a group of
      // its own, so that Ctrl-C on the terminal reaches it through us and not twice.
      { stdio: ['pipe', 'ignore', 'pipe'], detached: true },
    );
    this.#children.set(id, child);
    this.#stopping.delete(id);
    child.stdin?.on('error', () => undefined);
    const log = fs.createWriteStream(this.logFile(id), { flags: 'a' });
    if (child.stderr !== null) {
      createInterface({ input: child.stderr }).on('line', (line) => {
        log.write(`${line}\n`);
        const event = parseEvent(line);
        if (event === null) this.#handlers.onLine(id, line);
        else this.#handlers.onEvent(id, event);
      });
    }
    child.on('exit', (code, signal) => {
      log.end();
      if (!this.#stopping.has(id)) this.#handlers.onDeath(id, signal ?? `exit status ${code}`);
    });
  }

  async restart(id: string): Promise<void> {
    await this.stop(id);
    this.start(id);
  }

  /** Asks it to end, and ends it if it does not. */
  async stop(id: string): Promise<void> {
    const child = this.#children.get(id);
    if (child === undefined || !this.isRunning(id)) return;
    this.#stopping.add(id);
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    child.kill('SIGCONT');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(timer);
  }

  async stopAll(): Promise<void> {
    await Promise.all(this.ids.map(async (id) => this.stop(id)));
  }
}

function parseEvent(line: string): NodeEvent | null {
  try {
    const value = JSON.parse(line) as NodeEvent;
    return typeof value.code === 'string' && typeof value.text === 'string' ? value : null;
  } catch {
    return null;
  }
}
