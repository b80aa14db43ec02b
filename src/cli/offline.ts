import fs from 'node:fs';
import path from 'node:path';
import { DiskError } from '../base/ports/disk.ts';
import { DirectoryRefusedError } from '../wal/index.ts';
import { CliError } from './cli-error.ts';
import { ExitCode } from './exit-code.ts';
import { readLocalCluster } from './local-cluster.ts';

/**
 * Looks at the data directory of a node without a node.
 * @throws CliError that says what keeps it from being read.
 */
export function offline<T>(directory: string, look: () => T): T {
  try {
    return look();
  } catch (error) {
    if (!fs.existsSync(directory)) {
      throw new CliError('NOT_FOUND', ExitCode.notFound, `there is no ${directory}`, {
        next: 'give the data directory of a node',
        cause: error,
      });
    }
    if (!fs.statSync(directory).isDirectory()) {
      throw new CliError('USAGE', ExitCode.usage, `${directory} is no directory`, {
        next: 'give the data directory of a node',
        cause: error,
      });
    }
    if (error instanceof DirectoryRefusedError) {
      throw new CliError(error.code, ExitCode.usage, error.message, {
        next: `give the data directory of a node${example(directory)}`,
        cause: error,
      });
    }
    if (error instanceof DiskError) {
      throw new CliError(error.code, ExitCode.usage, error.message, {
        next: 'see that this user may read it',
        cause: error,
      });
    }
    throw error;
  }
}

/** What was probably meant, where the directory is that of a whole cluster. */
function example(directory: string): string {
  const first = readLocalCluster(directory)?.nodes[0];
  return first === undefined ? '' : `, such as ${path.join(directory, first.id)}`;
}
