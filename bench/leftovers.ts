import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

// A run that is interrupted, or ends by an error, must leave neither servers that go on nor the data of a log of many
// gigabytes. Only SIGKILL leaves them.

const children = new Set<ChildProcess>();
const directories = new Set<string>();

/** A new directory for data, which goes with this process at the latest. */
export function temporaryDirectory(parent: string, prefix: string): string {
  const directory = fs.mkdtempSync(path.join(parent, prefix));
  if (directories.size === 0) watchTheEnd();
  directories.add(directory);
  return directory;
}

export function removeDirectory(directory: string): void {
  fs.rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  directories.delete(directory);
}

/** @returns the same process, which is killed when this one ends. */
export function killedAtTheEnd<T extends ChildProcess>(child: T): T {
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

let isWatching = false;

function watchTheEnd(): void {
  if (isWatching) return;
  isWatching = true;
  process.on('exit', () => {
    for (const child of children) child.kill('SIGKILL');
    for (const directory of directories) removeDirectory(directory);
  });
  // 128 and the signal's number, as shells have it.
  process.once('SIGINT', () => process.exit(130));
  process.once('SIGTERM', () => process.exit(143));
}
