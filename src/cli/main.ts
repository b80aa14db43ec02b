import { CliError, asCliError } from './cli-error.ts';
import { COMMANDS } from './commands.ts';
import { ExitCode } from './exit-code.ts';
import { leave, leaveInOrder } from './leaving.ts';
import { say, writeError, type OutputFormat } from './output.ts';
import { formatOf, parse } from './parse.ts';
import { VERSION } from './version.ts';

/** Runs one command. @returns the exit status. */
async function main(words: readonly string[]): Promise<number> {
  let format = formatOf(words);
  try {
    const parsed = await parse(COMMANDS, words, VERSION);
    if (parsed === null) return ExitCode.ok;
    format = parsed.call.format;
    return await parsed.command.run(parsed.call);
  } catch (error) {
    return tell(error, format);
  }
}

function tell(error: unknown, format: OutputFormat): ExitCode {
  const shown = asCliError(error);
  if (shown !== null) {
    writeError(shown, format, new Date());
    return shown.exitCode;
  }
  const bug = new CliError('INTERNAL', ExitCode.internal, String(error), {
    next: 'this is a bug: please report it',
    cause: error,
  });
  writeError(bug, format, new Date());
  if (error instanceof Error && format === 'table') say(error.stack ?? '');
  return bug.exitCode;
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // Whoever reads our output may leave at any time (`| head`): then there is nobody left to tell.
  if (error.code === 'EPIPE') {
    void leave(ExitCode.ok);
    return;
  }
  const failed = new CliError(
    'OUTPUT_FAILED',
    ExitCode.internal,
    `cannot write the output: ${error.message}`,
  );
  void leave(tell(failed, 'table'));
});

// Whoever reads the talk may be gone, or the whole terminal: that ends the talk, and neither a node nor its stop.
process.stderr.on('error', () => undefined);

const exitCode = await main(process.argv.slice(2));
// What still keeps the loop alive (a socket that lingers, stdin) has no work left.
leaveInOrder(exitCode, exitCode === ExitCode.interrupted);
