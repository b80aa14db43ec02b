import path from 'node:path';
import { NodeProcess } from '../drill/node-process.ts';
import { ProcessGuard } from '../drill/process-guard.ts';
import type { NodeEvent } from '../node/index.ts';

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

/** Runs the nodes of a cluster as child processes, which end when this process dies, however it dies. */
export class Supervisor {
  readonly #nodes: readonly SupervisedNode[];
  readonly #directory: string;
  readonly #settings: readonly string[];
  readonly #handlers: SupervisorHandlers;
  readonly #guard: ProcessGuard = new ProcessGuard();
  readonly #processes = new Map<string, NodeProcess>();
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
    return this.#processes.get(id)?.pid ?? null;
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
      await this.#processes.get(id)?.stop();
      if (!this.#isEnding) this.#start(id);
    });
    this.#queues.set(id, turn);
    await turn;
  }

  /** Stops it where it stands, lets it go on, or ends it at once. @returns false if it does not run. */
  signal(id: string, signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): boolean {
    return this.#processes.get(id)?.signal(signal) ?? false;
  }

  async stopAll(): Promise<void> {
    this.#isEnding = true;
    await Promise.all(this.#queues.values());
    await Promise.all([...this.#processes.values()].map(async (node) => node.stop()));
    this.#guard.close();
  }

  #start(id: string): void {
    const options = {
      id,
      peers: this.#nodes,
      dataDirectory: path.join(this.#directory, id),
      logFile: this.logFile(id),
      settings: this.#settings,
      environment: {},
    };
    const node = new NodeProcess(options, this.#guard, {
      onEvent: (event) => this.#handlers.onEvent(id, event),
      onLine: (line) => this.#handlers.onLine(id, line),
      onEnd: (how, wasAsked) => {
        if (!wasAsked) this.#handlers.onDeath(id, how);
      },
    });
    this.#processes.set(id, node);
  }
}
