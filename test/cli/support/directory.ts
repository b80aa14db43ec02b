import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach } from 'vitest';

/** A directory of its own for each test, which is also where it stands. */
export function useDirectory(): { readonly path: string } {
  let before = '';
  const directory = { path: '' };
  beforeEach(() => {
    before = process.cwd();
    directory.path = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'dledger-cli-')));
    process.chdir(directory.path);
  });
  afterEach(() => {
    process.chdir(before);
    fs.rmSync(directory.path, { recursive: true });
  });
  return directory;
}
