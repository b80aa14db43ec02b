import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { NODE_EVENT, type NodeEvent } from '../wire/watch-schema.ts';
import type { ProcessGuard } from './process-guard.ts';

export interface NodeProcessOptions {
  readonly id: string;
  /** All nodes of the cluster, this one included, as host:port. */
  readonly peers: readonly { readonly id: string; readonly address: string }[];
  readonly dataDirectory: string;
  /** Gets a copy of everything that the node says. */
  readonly logFile: string;
  /** More flags of `dledger start`. */
  readonly settings: readonly string[];
  /** Variables of its environment besides those of this process, of which none that begins with DLEDGER_ is passed on. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface NodeProcessHandlers {
  onEvent(event: NodeEvent): void;
  /** A line that is no event: a crash, a warning of the runtime. */
  onLine(line: string): void;
  /** It is gone, and has said its last. `wasAsked` is false where it ended by itself or by another's hand. */
  onEnd(how: string, wasAsked: boolean): void;
}

/** From the sources as from what is built of them. */
const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
/** Longer than a hand-over and the end of a sync take. */
const STOP_TIMEOUT_MS = 5000;

/** One `dledger start` as a child, which ends when this process does, however it ends. */
export class NodeProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<string>;
  #wasAsked = false;

  constructor(options: NodeProcessOptions, guard: ProcessGuard, handlers: NodeProcessHandlers) {
    const { id, dataDirectory, settings, environment } = options;
    const peers = options.peers.map((peer) => `${peer.id}=${peer.address}`).join(',');
    const args = ['start', '--id', id, '--peers', peers, '--data', dataDirectory, '--log-format', 'json'];
    const child = spawn(
      process.execPath,
      // The launcher’s limits on memory hold for the nodes too.
      [...process.execArgv.filter(isLimit), MAIN, ...args, '--stop-with-stdin', ...settings],
      // The pipe to its stdin ends when this process does: that is how a child learns that it is alone. In a group of
      // its own, so that Ctrl-C on the terminal reaches it through us and not twice.
      {
        stdio: ['pipe', 'ignore', 'pipe'],
        detached: true,
        env: { ...withoutSettings(process.env), ...environment },
      },
    );
    this.#child = child;
    const { pid } = child;
    if (pid !== undefined) guard.watch(pid);
    child.on('exit', () => {
      if (pid !== undefined) guard.forget(pid);
    });
    child.stdin?.on('error', () => undefined);
    const log = fs.createWriteStream(options.logFile, { flags: 'a', mode: 0o600 });
    // A full disk ends the copy for people, and nothing else.
    log.on('error', () => undefined);
    if (child.stderr !== null) {
      createInterface({ input: child.stderr }).on('line', (line) => {
        log.write(`${line}\n`);
        const event = NODE_EVENT.safeParse(parseJson(line));
        if (event.success) handlers.onEvent(event.data);
        else handlers.onLine(line);
      });
    }
    this.#ended = new Promise((resolve) => {
      const end = (how: string): void => {
        log.end();
        resolve(how);
        handlers.onEnd(how, this.#wasAsked);
      };
      child.on('error', (error) => {
        if (pid === undefined) end(error.message);
      });
      // After its last line, not when it exits.
      child.on('close', (code, signal) => {
        if (pid !== undefined) end(signal ?? `exit status ${code}`);
      });
    });
  }

  /** Null if it does not run any more. */
  get pid(): number | null {
    return this.isRunning ? (this.#child.pid ?? null) : null;
  }

  get isRunning(): boolean {
    const { pid, exitCode, signalCode } = this.#child;
    return pid !== undefined && exitCode === null && signalCode === null;
  }

  /** Resolves with how it ended: a signal, or `exit status N`. */
  get ended(): Promise<string> {
    return this.#ended;
  }

  /** Stops it where it stands, lets it go on, or ends it. @returns false if it does not run. */
  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL' | 'SIGTERM'): boolean {
    return this.isRunning && this.#child.kill(signal);
  }

  /** Asks it to end, and ends it if it does not. @returns how it ended. */
  async stop(): Promise<string> {
    if (!this.isRunning) return this.#ended;
    this.#wasAsked = true;
    this.#child.kill('SIGTERM');
    // One that was stopped hears nothing until it goes on.
    this.#child.kill('SIGCONT');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    const how = await this.#ended;
    clearTimeout(timer);
    return how;
  }

  /** Ends it at once. @returns how it ended. */
  async kill(): Promise<string> {
    this.#wasAsked = true;
    this.signal('SIGKILL');
    return this.#ended;
  }
}

/** Under a test runner the arguments of this process are about other things. */
function isLimit(argument: string): boolean {
  return argument.startsWith('--max-');
}

/** Nodes get what they are told, as flags; what the environment says would reach them past its checks. */
function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('DLEDGER_')));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
