import fs from 'node:fs';
import path from 'node:path';

const OWN = path.resolve(import.meta.dirname, '../../bin/dledger');

/** What to type to call this program from here: in a clone, where it is installed, and from anywhere else. */
export function binaryName(environment: NodeJS.ProcessEnv = process.env): string {
  if (path.resolve('bin/dledger') === OWN) return './bin/dledger';
  const isOnPath = (environment['PATH'] ?? '')
    .split(path.delimiter)
    .some((directory) => directory !== '' && fs.existsSync(path.join(directory, 'dledger')));
  return isOnPath ? 'dledger' : OWN;
}
