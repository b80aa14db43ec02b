import { CliError } from './cli-error.ts';
import type { Call, Flag } from './command.ts';
import { ExitCode } from './exit-code.ts';
import { ANSWER_FORMATS, type OutputFormat } from './output.ts';
import { printable } from './printable.ts';

// Payloads of records, which may be anything, as commands print them.

const LINE_FEED = 10;
const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export const PAYLOAD_OUTPUT: Flag = {
  name: 'output',
  alias: 'o',
  type: 'string',
  describe: 'form of the records; raw: payloads only, a line each; default: table on a terminal, else raw',
  choices: [...ANSWER_FORMATS, 'raw'],
  inConfig: true,
};

/** Raw when piped, a table for eyes. */
export function payloadFormatOf(call: Call): OutputFormat {
  if (call.isFormatChosen) return call.format;
  return process.stdout.isTTY ? 'table' : 'raw';
}

/** Text as it is; what is no UTF-8 as base64. */
export function asText(bytes: Uint8Array): { data: string; encoding: 'base64' | null } {
  try {
    return { data: STRICT_UTF8.decode(bytes), encoding: null };
  } catch {
    return { data: Buffer.from(bytes).toString('base64'), encoding: 'base64' };
  }
}

/** For a table: nothing in it moves a terminal. */
export function shownText(bytes: Uint8Array): string {
  const { data, encoding } = asText(bytes);
  return printable(encoding === null ? data : `${encoding}:${data}`);
}

/** @param what for the message. @throws CliError where the payload would be taken for two. */
export function rawLine(bytes: Uint8Array, what: string): Uint8Array {
  const raw = rawBytes(bytes, what);
  // A terminal obeys what it is sent; whoever pipes gets the bytes as they are.
  return process.stdout.isTTY ? Buffer.from(printable(new TextDecoder().decode(raw))) : raw;
}

/** The same for where no terminal is. */
export function rawBytes(bytes: Uint8Array, what: string): Uint8Array {
  if (!bytes.includes(LINE_FEED)) return bytes;
  throw new CliError(
    'LINE_FEED_IN_RECORD',
    ExitCode.usage,
    `${what} contains a line feed, which stands between records in raw output`,
    { next: 'use -o ndjson' },
  );
}
