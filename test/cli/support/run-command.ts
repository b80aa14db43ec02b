import { vi } from 'vitest';
import { asCliError } from '../../../src/cli/cli-error.ts';
import { COMMANDS } from '../../../src/cli/commands.ts';
import { writeError } from '../../../src/cli/output.ts';
import { parse } from '../../../src/cli/parse.ts';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command in this process, as the binary would. */
export async function runCommand(...words: string[]): Promise<Ran> {
  const streams = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((chunk: string | Uint8Array) => {
      streams[name].push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
      return true;
    }),
  );
  try {
    const code = await codeOf(words);
    const [stdout = '', stderr = ''] = [streams.stdout, streams.stderr].map((chunks) =>
      Buffer.concat(chunks).toString(),
    );
    return { code, stdout, stderr };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

async function codeOf(words: readonly string[]): Promise<number> {
  try {
    const parsed = await parse(COMMANDS, words, '0.0.0');
    if (parsed === null) return 0;
    return await parsed.command.run(parsed.call);
  } catch (error) {
    const shown = asCliError(error);
    if (shown === null) throw error;
    writeError(shown, 'table', new Date(0));
    return shown.exitCode;
  }
}
