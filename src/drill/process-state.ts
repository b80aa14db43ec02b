import { execFile } from 'node:child_process';
import fs from 'node:fs';

/** Whether a process stands still after SIGSTOP, by the word of the system. */
export async function isStopped(pid: number): Promise<boolean> {
  return (await stateOf(pid)).startsWith('T');
}

/** The letter that `ps` shows; empty for a process that is gone. */
async function stateOf(pid: number): Promise<string> {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Its name, in parentheses, may hold anything.
    return stat.slice(stat.lastIndexOf(')') + 2);
  } catch {
    return new Promise((resolve) => {
      execFile('ps', ['-o', 'stat=', '-p', String(pid)], (error, stdout) =>
        resolve(error === null ? stdout.trim() : ''),
      );
    });
  }
}
