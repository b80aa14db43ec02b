import path from 'node:path';
import { assert } from '../base/assert.ts';
import { makeDirectory } from '../platform/make-directory.ts';
import { freeRun } from '../platform/tcp-ports.ts';
import type { NodeEvent } from '../wire/watch-schema.ts';
import { NodeProcess } from './node-process.ts';
import { ProcessGuard } from './process-guard.ts';

export interface FleetOptions {
  /** How many nodes; they are named n1, n2, ... */
  readonly size: number;
  /** Gets a directory and a log file for each node. */
  readonly directory: string;
  /** More flags of `dledger start` for all of them. */
  readonly settings: readonly string[];
  /** Wrong behaviours that all of them are to have. */
  readonly unsafeMutations: readonly string[];
}

export interface FleetHandlers {
  onEvent(id: string, event: NodeEvent): void;
  /** A node is gone. `wasAsked` is false where no drill had asked for it. */
  onEnd(id: string, how: string, wasAsked: boolean): void;
}

interface Member {
  readonly id: string;
  readonly address: string;
  process: NodeProcess | null;
}

const HOST = '127.0.0.1';
const PORT_FIRST = 20_000;
/** Drills that run at the same time look for their ports in different places. */
const PORT_PLACES = 1000;
const PORT_PLACE = 10;

/** The nodes of a drill that brings its own cluster: real processes on this machine, of which none outlives the drill. */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #handlers: FleetHandlers;
  readonly #guard: ProcessGuard = new ProcessGuard();
  readonly #members: ReadonlyMap<string, Member>;

  private constructor(options: FleetOptions, addresses: readonly string[], handlers: FleetHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#members = new Map(
      addresses.map((address, at) => [`n${at + 1}`, { id: `n${at + 1}`, address, process: null }]),
    );
  }

  /** Starts all nodes; whether they have found each other is for their watcher to see. */
  static async start(options: FleetOptions, handlers: FleetHandlers): Promise<Fleet> {
    makeDirectory(options.directory);
    const first = PORT_FIRST + (process.pid % PORT_PLACES) * PORT_PLACE;
    const ports = await freeRun(first, options.size);
    const addresses = ports.map((port) => `${HOST}:${port}`);
    const fleet = new Fleet(options, addresses, handlers);
    for (const id of fleet.ids) fleet.start(id);
    return fleet;
  }

  get ids(): string[] {
    return [...this.#members.keys()];
  }

  /** host:port of each. */
  get addresses(): string[] {
    return [...this.#members.values()].map(({ address }) => address);
  }

  dataDirectory(id: string): string {
    return path.join(this.#options.directory, id);
  }

  logFile(id: string): string {
    return path.join(this.#options.directory, `${id}.log`);
  }

  /** Null if it does not run. */
  pid(id: string): number | null {
    return this.#member(id).process?.pid ?? null;
  }

  /** One that runs already is let be. */
  start(id: string): void {
    const member = this.#member(id);
    if (member.process?.isRunning === true) return;
    const { settings, unsafeMutations } = this.#options;
    const options = {
      id,
      peers: [...this.#members.values()],
      dataDirectory: this.dataDirectory(id),
      logFile: this.logFile(id),
      settings: ['--allow-faults', ...settings],
      environment:
        unsafeMutations.length === 0 ? {} : { DLEDGER_UNSAFE_MUTATIONS: unsafeMutations.join(',') },
    };
    member.process = new NodeProcess(options, this.#guard, {
      onEvent: (event) => this.#handlers.onEvent(id, event),
      onLine: () => undefined,
      onEnd: (how, wasAsked) => this.#handlers.onEnd(id, how, wasAsked),
    });
  }

  /** @returns how it ended, once it is gone: a signal, or `exit status N`; null if it did not run. */
  async end(id: string, signal: 'SIGKILL' | 'SIGTERM'): Promise<string | null> {
    const { process } = this.#member(id);
    if (process?.isRunning !== true) return null;
    return signal === 'SIGKILL' ? process.kill() : process.stop();
  }

  /** @returns false if it does not run. */
  signal(id: string, signal: 'SIGSTOP' | 'SIGCONT'): boolean {
    return this.#member(id).process?.signal(signal) ?? false;
  }

  /** Ends all of them at once, as a power cut would end their processes. */
  async killAll(): Promise<void> {
    await Promise.all(this.ids.map(async (id) => this.end(id, 'SIGKILL')));
  }

  /** To be called at the very end. */
  async close(): Promise<void> {
    await this.killAll();
    this.#guard.close();
  }

  #member(id: string): Member {
    const member = this.#members.get(id);
    assert(member !== undefined, () => `no node ${id} among ${this.ids.join(', ')}`);
    return member;
  }
}
