import fs from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a directory with all that lead to it, for its owner alone. Not by Node's own way to do this: where a file system lets
 * nothing be made (as `/proc`, which says of it that it is not there) that one tries for ever.
 *
 * @returns the first that was made; null where it was there already.
 * @throws what the file system said.
 */
export function makeDirectory(path: string): string | null {
  try {
    fs.mkdirSync(path, 0o700);
    return path;
  } catch (error) {
    if (fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return null;
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const parent = dirname(path);
    const firstMade = parent === path ? null : makeDirectory(parent);
    if (firstMade === null) throw error;
    fs.mkdirSync(path, 0o700);
    return firstMade;
  }
}
