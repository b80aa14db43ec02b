import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { DiskError, type DirectoryLock } from '../base/ports/disk.ts';

/**
 * Holds a directory for this process. Node offers no flock(2), so the lock is a file `lock-<n>` that names its holder:
 * process id, when that process started, and which boot of the machine it belongs to. Those three name one process for
 * ever, so a holder that is gone is recognised whatever became of its process id, and there is nothing to clean up by
 * hand after a kill -9 or a power cut.
 *
 * The highest n counts. A file is published whole, by link(2) from a private name, which fails if the name is taken. A
 * dead holder of n is succeeded by making n+1, never by removing and remaking n: between those two steps somebody else
 * could take the lock and lose it again. Of several successors one makes n+1. Who made n+1 then looks whether there is
 * a higher one, and if so withdraws: it had looked at the holder of n long ago, another has since taken n+1, died and
 * been succeeded, and its successor removed n+1. (That successor made n+2 before it removed n+1, so n+2 is seen.) Only
 * then are lower ones removed.
 *
 * It protects from a second start by mistake within one machine and one process-id namespace. Two containers with
 * namespaces of their own that share a volume do not see each other's processes.
 */
export function lockDirectory(directory: string): DirectoryLock {
  refuseWorldAccess(directory);
  const draft = join(directory, `lock.${process.pid}.${randomBytes(6).toString('hex')}`);
  fs.writeFileSync(draft, JSON.stringify(self()), { flag: 'wx', mode: 0o600 });
  try {
    return acquire(directory, draft);
  } finally {
    fs.unlinkSync(draft);
  }
}

interface Holder {
  readonly pid: number;
  /** Clock ticks since boot; null where the system does not tell (outside Linux). */
  readonly startTicks: string | null;
  readonly bootId: string | null;
}

/** What this process holds. */
const held = new Set<string>();

function acquire(directory: string, draft: string): DirectoryLock {
  for (;;) {
    const generations = listGenerations(directory);
    const highest = generations.at(-1) ?? 0;
    const holder = highest === 0 ? null : readHolder(pathOf(directory, highest));
    if (holder !== null && isAlive(holder)) {
      throw new DiskError(
        'lock',
        directory,
        'ELOCKED',
        `the process with pid ${holder.pid} holds this directory`,
      );
    }
    const path = pathOf(directory, highest + 1);
    if (!linkNew(draft, path)) continue;
    const seen = listGenerations(directory);
    if ((seen.at(-1) ?? 0) > highest + 1) {
      removeIfThere(path);
      continue;
    }
    for (const older of seen) if (older <= highest) removeIfThere(pathOf(directory, older));
    held.add(path);
    return {
      release: () => {
        if (held.delete(path)) removeIfThere(path);
      },
    };
  }
}

function pathOf(directory: string, generation: number): string {
  return join(directory, `lock-${generation}`);
}

function listGenerations(directory: string): number[] {
  return fs
    .readdirSync(directory)
    .map((name) => /^lock-([1-9][0-9]{0,14})$/.exec(name)?.[1])
    .filter((digits) => digits !== undefined)
    .map(Number)
    .sort((a, b) => a - b);
}

/** @returns null if it is gone or says nothing: a lock is published whole, so a holder that wrote nothing lost power. */
function readHolder(path: string): Holder | null {
  let text: string;
  try {
    text = fs.readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
  try {
    const holder: unknown = JSON.parse(text);
    return isHolder(holder) ? holder : null;
  } catch {
    return null;
  }
}

function isHolder(value: unknown): value is Holder {
  return typeof value === 'object' && value !== null && 'pid' in value && Number.isSafeInteger(value.pid);
}

function self(): Holder {
  return { pid: process.pid, startTicks: processOf(process.pid)?.startTicks ?? null, bootId: bootId() };
}

function isAlive(holder: Holder): boolean {
  if (holder.bootId !== null && holder.bootId !== bootId()) return false;
  if (holder.startTicks !== null) {
    const found = processOf(holder.pid);
    return found !== null && found.startTicks === holder.startTicks && !found.isGone;
  }
  // No start time to tell a process from a later one with its id: err on the side of refusing, except for our own id.
  if (holder.pid === process.pid) return held.size > 0;
  try {
    process.kill(holder.pid, 0);
    return true;
  } catch (error) {
    // EPERM: it exists and belongs to somebody else.
    return codeOf(error) !== 'ESRCH';
  }
}

/** What Linux tells about a process; null if there is none by that id, or no /proc. */
function processOf(pid: number): { readonly startTicks: string; readonly isGone: boolean } | null {
  let stat: string;
  try {
    stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return null;
  }
  // The command, field 2, is in parentheses and may itself hold spaces and parentheses. Field 3 is the state, 22 the start.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state] = fields;
  const startTicks = fields[22 - 3];
  if (startTicks === undefined) return null;
  // A killed process stays as a zombie until its parent asks for it. It is gone unless one of its threads is still
  // inside the kernel, where it could be writing.
  return { startTicks, isGone: (state === 'Z' || state === 'X') && threadCount(pid) <= 1 };
}

function threadCount(pid: number): number {
  try {
    return fs.readdirSync(`/proc/${pid}/task`).length;
  } catch {
    return 0;
  }
}

function bootId(): string | null {
  try {
    return fs.readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return null;
  }
}

function refuseWorldAccess(directory: string): void {
  const mode = fs.statSync(directory).mode & 0o777;
  if ((mode & 0o007) === 0) return;
  const octal = mode.toString(8).padStart(3, '0');
  throw new DiskError(
    'lock',
    directory,
    'EACCES',
    `open to everybody (mode ${octal}); run: chmod 700 ${directory}`,
  );
}

/** @returns false if the name is taken. */
function linkNew(from: string, to: string): boolean {
  try {
    fs.linkSync(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

function removeIfThere(path: string): void {
  try {
    fs.unlinkSync(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : null;
}
