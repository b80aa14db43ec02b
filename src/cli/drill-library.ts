import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { suggest } from '../base/suggest.ts';
import type { Drill } from '../drill/drill.ts';
import { DrillScriptError, parseDrill } from '../drill/script.ts';
import { CliError, usageError } from './cli-error.ts';
import { ExitCode } from './exit-code.ts';
import { DRILLS_NAME, defaultDirectory } from './local-cluster.ts';

/** Of the package: scripts, and the schema for editors. */
export const DRILL_LIBRARY: string = fileURLToPath(new URL('../../drills', import.meta.url));
export const DRILL_EXTENSION = '.yaml';

/** Those that come with this program, by name. */
export function drillNames(): string[] {
  return fs
    .readdirSync(DRILL_LIBRARY)
    .filter((file) => file.endsWith(DRILL_EXTENSION))
    .map((file) => file.slice(0, -DRILL_EXTENSION.length))
    .sort();
}

/** A file, or by its name one of the library. @throws CliError */
export function readDrill(name: string): Drill {
  const isFile = name.includes('/') || name.endsWith(DRILL_EXTENSION) || fs.existsSync(name);
  const file = isFile ? name : path.join(DRILL_LIBRARY, `${name}${DRILL_EXTENSION}`);
  let script: string;
  try {
    script = fs.readFileSync(file, 'utf8');
  } catch (error) {
    const meant = isFile ? null : suggest(name, drillNames());
    throw new CliError('NOT_FOUND', ExitCode.notFound, `there is no drill ${name}`, {
      next: meant === null ? '`dledger drill list` shows those of the library' : `did you mean ${meant}?`,
      cause: error,
    });
  }
  try {
    return parseDrill(script, file);
  } catch (error) {
    if (error instanceof DrillScriptError) throw usageError(error.message, error.hint ?? undefined);
    throw error;
  }
}

/** Where a run of a drill goes if nothing else is said. */
export function freshDrillDirectory(name: string, now: Date): string {
  const stamp = now.toISOString().slice(0, 19).replaceAll(':', '').replace('T', '-');
  return path.join(defaultDirectory(), DRILLS_NAME, `${stamp}-${name}`);
}
