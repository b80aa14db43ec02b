import { spawn, type ChildProcess } from 'node:child_process';

/**
 * Ends processes whose owner died. A child that runs notices by itself that the pipe from its owner is closed; one that
 * was stopped with SIGSTOP, or that hangs, does not. So a shell is told of every child: when its own pipe closes, which
 * happens however the owner dies, it gives them the time to end in good order and then kills those that it knows of.
 */
export class ProcessGuard {
  readonly #shell: ChildProcess;

  constructor() {
    // In a group of its own: what ends the owner from the terminal must not end the guard with it.
    this.#shell = spawn('/bin/sh', ['-c', SCRIPT], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    this.#shell.on('error', () => undefined);
    this.#shell.stdin?.on('error', () => undefined);
    this.#shell.unref();
  }

  watch(pid: number): void {
    this.#shell.stdin?.write(`+ ${pid}\n`);
  }

  /** To be called as soon as the process is gone, before its number may be another's. */
  forget(pid: number): void {
    this.#shell.stdin?.write(`- ${pid}\n`);
  }

  /** As the death of the owner would do. */
  close(): void {
    this.#shell.stdin?.end();
  }
}

/** Numbers of processes come round again only after thousands of others, so three seconds do not make one another's. */
const SCRIPT = `
alive=
while read -r sign pid; do
  if [ "$sign" = + ]; then alive="$alive $pid"; continue; fi
  rest=
  for each in $alive; do [ "$each" = "$pid" ] || rest="$rest $each"; done
  alive=$rest
done
[ -z "$alive" ] && exit
sleep 3
kill -KILL $alive
`;
