import fs from 'node:fs';
import path from 'node:path';
import { DIRECTORY, type Bench } from '../../wal/harness.ts';

/** Puts what a test's log has on its disk into a directory of this machine. */
export function onThisMachine({ disk }: Bench, directory: string): void {
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (const file of disk.paths.filter((name) => name.startsWith(`${DIRECTORY}/`))) {
    const name = path.join(directory, path.relative(DIRECTORY, file));
    fs.mkdirSync(path.dirname(name), { recursive: true });
    fs.writeFileSync(name, disk.visible(file), { mode: 0o600 });
  }
}

/** Names and contents of all files, to see that nothing changed. */
export function contentsOf(directory: string): Map<string, string> {
  const names = fs.readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort();
  const files = names.filter((name) => fs.statSync(path.join(directory, name)).isFile());
  return new Map(files.map((name) => [name, fs.readFileSync(path.join(directory, name), 'latin1')]));
}
