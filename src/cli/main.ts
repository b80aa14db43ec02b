import { CliError, asCliError } from './cli-error.ts';
import type { Command } from './command.ts';
import { append } from './commands/append.ts';
import { clusterStatus } from './commands/cluster-status.ts';
import { clusterTransferLeader } from './commands/cluster-transfer-leader.ts';
import { down } from './commands/down.ts';
import { logDump } from './commands/log-dump.ts';
import { logVerify } from './commands/log-verify.ts';
import { nodeRestart } from './commands/node-restart.ts';
import { read } from './commands/read.ts';
import { start } from './commands/start.ts';
import { up } from './commands/up.ts';
import { version } from './commands/version.ts';
import { ExitCode } from './exit-code.ts';
import { writeError } from './output.ts';
import { formatOf, parse } from './parse.ts';
import { VERSION } from './version.ts';

const COMMANDS: readonly Command[] = [
  up,
  down,
  start,
  append,
  read,
  clusterStatus,
  clusterTransferLeader,
  nodeRestart,
  logVerify,
  logDump,
  version,
];

/** Runs one command. @returns the exit status. */
async function main(words: readonly string[]): Promise<number> {
  try {
    const parsed = await parse(COMMANDS, words, VERSION);
    return parsed === null ? ExitCode.ok : await parsed.command.run(parsed.call);
  } catch (error) {
    const shown = asCliError(error) ?? bug(error);
    writeError(shown, formatOf(words), new Date());
    return shown.exitCode;
  }
}

function bug(error: unknown): CliError {
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new CliError('INTERNAL', ExitCode.internal, message, {
    next: 'this is a bug: please report it with these lines',
  });
}

// Whoever reads our output may leave at any time (`| head`): then there is nobody left to tell.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(ExitCode.ok);
  throw error;
});

process.exitCode = await main(process.argv.slice(2));
// What still keeps the loop alive (a socket that lingers, stdin) has no work left.
process.stdout.write('', () => process.exit());
