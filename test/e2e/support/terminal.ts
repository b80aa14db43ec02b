import { spawn, type IPty } from '@lydell/node-pty';
import xterm from '@xterm/headless';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../../..');

/** A command of the binary on a terminal of its own, with what that terminal would show. */
export class TerminalSession {
  readonly exited: Promise<{ exitCode: number; signal?: number | undefined }>;
  /** Everything that was sent to the terminal. */
  output = '';
  isRunning = true;
  readonly #pty: IPty;
  readonly #terminal: InstanceType<typeof xterm.Terminal>;
  readonly #watchers = new Set<() => void>();

  constructor(
    args: readonly string[],
    options: { columns?: number; rows?: number; cwd: string; env?: Record<string, string> },
  ) {
    const { columns = 80, rows = 24 } = options;
    this.#terminal = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true });
    this.#pty = spawn(path.join(root, 'bin/dledger'), [...args], {
      cols: columns,
      rows,
      cwd: options.cwd,
      env: { ...withoutColourSettings(process.env), LANG: 'C.UTF-8', TERM: 'xterm-256color', ...options.env },
    });
    this.#pty.onData((data) => {
      this.output += data;
      this.#terminal.write(data, () => this.#notify());
    });
    this.exited = new Promise((resolve) => {
      this.#pty.onExit((exit) => {
        // What it wrote last may not be on the screen yet.
        this.#terminal.write('', () => {
          this.isRunning = false;
          this.#notify();
          resolve(exit);
        });
      });
    });
  }

  get pid(): number {
    return this.#pty.pid;
  }

  /** What the terminal shows: its rows, without the blanks at their ends. */
  get screen(): string[] {
    const { active } = this.#terminal.buffer;
    return Array.from(
      { length: this.#terminal.rows },
      (_, at) => active.getLine(active.viewportY + at)?.translateToString(true) ?? '',
    );
  }

  /** Whether the terminal is in the state in which it was before: no alternate screen. */
  get isRestored(): boolean {
    return this.#terminal.buffer.active.type === 'normal';
  }

  type(keys: string): void {
    this.#pty.write(keys);
  }

  resize(columns: number, rows: number): void {
    this.#terminal.resize(columns, rows);
    this.#pty.resize(columns, rows);
  }

  kill(signal: NodeJS.Signals): void {
    process.kill(this.#pty.pid, signal);
  }

  /** Resolves as soon as the screen satisfies the condition; fails if the process ends before. */
  async until(condition: (screen: string, rows: readonly string[]) => boolean): Promise<string> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        const rows = this.screen;
        if (condition(rows.join('\n'), rows)) {
          this.#watchers.delete(check);
          resolve(rows.join('\n'));
        } else if (!this.isRunning) {
          this.#watchers.delete(check);
          reject(new Error(`ended before it showed what was awaited:\n${rows.join('\n')}`));
        }
      };
      this.#watchers.add(check);
      check();
    });
  }

  async end(): Promise<void> {
    if (this.isRunning) this.#pty.kill('SIGKILL');
    await this.exited;
    this.#terminal.dispose();
  }

  #notify(): void {
    for (const watcher of this.#watchers) watcher();
  }
}

/** What the test runner sets for itself. */
function withoutColourSettings(environment: NodeJS.ProcessEnv): Record<string, string> {
  const kept = Object.entries(environment).filter(
    ([name, value]) =>
      value !== undefined && !/^(FORCE_COLOR|NO_COLOR|NODE_ENV|VITEST.*|DLEDGER_.*)$/.test(name),
  );
  return Object.fromEntries(kept) as Record<string, string>;
}
