import { DiskError } from '../base/ports/disk.ts';
import { DirectoryRefusedError } from '../wal/index.ts';
import { CliError } from './cli-error.ts';
import { ExitCode } from './exit-code.ts';

/** Says what keeps an offline tool from reading a data directory. */
export function offline<T>(look: () => T): T {
  try {
    return look();
  } catch (error) {
    if (error instanceof DirectoryRefusedError) {
      throw new CliError(error.code, ExitCode.usage, error.message, { cause: error });
    }
    if (error instanceof DiskError) {
      const exitCode = error.code === 'ENOENT' ? ExitCode.notFound : ExitCode.usage;
      throw new CliError(error.code, exitCode, error.message, {
        next: 'give the data directory of a node',
        cause: error,
      });
    }
    throw error;
  }
}
