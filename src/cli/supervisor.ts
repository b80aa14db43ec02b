import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { NodeEvent } from '../node/index.ts';
import { NODE_EVENT } from '../wire/watch-schema.ts';
import { parseJson } from './json.ts';

export interface SupervisedNode {
  readonly id: string;
  readonly address: string;
}

export interface SupervisorHandlers {
  onEvent(id: string, event: NodeEvent): void;
  /** A line of a node that is no event: a crash, a warning of the runtime. */
  onLine(id: string, line: string): void;
  /** A node ended and nobody had asked it to. */
  onDeath(id: string, how: string): void;
}

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));
/** Longer than a hand-over and the end of a sync take. */
const STOP_TIMEOUT_MS = 5000;

/** Runs `dledger start` as child processes, which stop when this process dies, however it dies. */
export class Supervisor {
  readonly #nodes: readonly SupervisedNode[];
  readonly #directory: string;
  readonly #settings: readonly string[];
  readonly #handlers: SupervisorHandlers;
  readonly #children = new Map<string, ChildProcess>();
  readonly #stopping = new Set<ChildProcess>();
  /** Orders for a node are carried out one after the other. */
  readonly #queues = new Map<string, Promise<void>>();
  #isEnding = false;

  /** @param settings flags of `dledger start` that all nodes get. */
  constructor(
    nodes: readonly SupervisedNode[],
    directory: string,
    settings: readonly string[],
    handlers: SupervisorHandlers,
  ) {
    this.#nodes = nodes;
    this.#directory = directory;
    this.#settings = settings;
    this.#handlers = handlers;
  }

  get ids(): string[] {
    return this.#nodes.map((node) => node.id);
  }

  /** Null if it does not run. */
  pid(id: string): number | null {
    const child = this.#children.get(id);
    return child !== undefined && isRunning(child) ? (child.pid ?? null) : null;
  }

  logFile(id: string): string {
    return path.join(this.#directory, `${id}.log`);
  }

  startAll(): void {
    for (const id of this.ids) this.#start(id);
  }

  /** Stops it if it runs, and starts it. */
  async restart(id: string): Promise<void> {
    const before = this.#queues.get(id) ?? Promise.resolve();
    const turn = before.then(async () => {
      await this.#stop(id);
      if (!this.#isEnding) this.#start(id);
    });
    this.#queues.set(id, turn);
    await turn;
  }

  /** Stops it where it stands, lets it go on, or ends it at once. @returns false if it does not run. */
  signal(id: string, signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): boolean {
    const child = this.#children.get(id);
    return child !== undefined && isRunning(child) && child.kill(signal);
  }

  async stopAll(): Promise<void> {
    this.#isEnding = true;
    await Promise.all(this.#queues.values());
    await Promise.all(this.ids.map(async (id) => this.#stop(id)));
  }

  #start(id: string): void {
    const peers = this.#nodes.map((node) => `${node.id}=${node.address}`).join(',');
    const data = path.join(this.#directory, id);
    const args = ['start', '--id', id, '--peers', peers, '--data', data, '--log-format', 'json'];
    const child = spawn(
      process.execPath,
      // The launcher’s limits on memory hold for the nodes too.
      [...process.execArgv, MAIN, ...args, '--stop-with-stdin', ...this.#settings],
      // The pipe to its stdin ends when this process does: that is how a child learns that it is alone. In a group of
      // its own, so that Ctrl-C on the terminal reaches it through us and not twice.
      { stdio: ['pipe', 'ignore', 'pipe'], detached: true, env: withoutSettings(process.env) },
    );
    this.#children.set(id, child);
    child.stdin?.on('error', () => undefined);
    const log = fs.createWriteStream(this.logFile(id), { flags: 'a', mode: 0o600 });
    // A full disk ends the copy for people, and nothing else.
    log.on('error', () => undefined);
    if (child.stderr !== null) {
      createInterface({ input: child.stderr }).on('line', (line) => {
        log.write(`${line}\n`);
        const event = NODE_EVENT.safeParse(parseJson(line));
        if (event.success) this.#handlers.onEvent(id, event.data);
        else this.#handlers.onLine(id, line);
      });
    }
    child.on('error', (error) => this.#handlers.onDeath(id, error.message));
    // After its last line, not when it exits.
    child.on('close', (code, signal) => {
      log.end();
      if (!this.#stopping.delete(child)) this.#handlers.onDeath(id, signal ?? `exit status ${code}`);
    });
  }

  /** Asks it to end, and ends it if it does not. */
  async #stop(id: string): Promise<void> {
    const child = this.#children.get(id);
    if (child === undefined || !isRunning(child)) return;
    this.#stopping.add(child);
    const closed = once(child, 'close');
    child.kill('SIGTERM');
    // One that was stopped hears nothing until it goes on.
    child.kill('SIGCONT');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await closed;
    clearTimeout(timer);
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

/** Nodes get what `up` was told, as flags; what the environment says would reach them past its checks. */
function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('DLEDGER_')));
}
