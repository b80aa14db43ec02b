import fs from 'node:fs';
import { LineCounter, isMap, isScalar, parseDocument } from 'yaml';
import { z } from 'zod';
import { usageError } from './cli-error.ts';
import type { Flag, FlagValue } from './command.ts';

/**
 * Reads a YAML file whose keys are flag names.
 * @throws CliError that names file, line and column of what is wrong: unreadable, no YAML, an unknown key, a bad value.
 */
export function readConfigFile(path: string, flags: readonly Flag[]): Map<string, FlagValue> {
  const source = readFile(path);
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${line}:${col}`;
  };
  const syntax = document.errors[0];
  if (syntax !== undefined) throw usageError(`${at(syntax.pos[0])}: ${syntax.message}`);
  const values = new Map<string, FlagValue>();
  if (document.contents === null) return values;
  if (!isMap(document.contents))
    throw usageError(`${at(0)}: the file must hold keys and values, such as "id: n1"`);
  for (const pair of document.contents.items) {
    const key = isScalar(pair.key) ? String(pair.key.value) : '';
    const keyAt = at((isScalar(pair.key) ? pair.key.range?.[0] : undefined) ?? 0);
    const flag = flags.find((candidate) => candidate.inConfig === true && candidate.name === key);
    if (flag === undefined) {
      const known = flags
        .filter((candidate) => candidate.inConfig === true)
        .map((candidate) => candidate.name);
      throw usageError(`${keyAt}: unknown key ${JSON.stringify(key)}`, `known keys: ${known.join(', ')}`);
    }
    const value: unknown = isScalar(pair.value) ? pair.value.value : null;
    const parsed = schemaOf(flag).safeParse(value);
    if (!parsed.success) {
      const valueAt = at((isScalar(pair.value) ? pair.value.range?.[0] : undefined) ?? 0);
      throw usageError(`${valueAt}: ${key}: ${parsed.error.issues[0]?.message ?? 'not valid'}`);
    }
    values.set(key, parsed.data);
  }
  return values;
}

function schemaOf(flag: Flag): z.ZodType<FlagValue> {
  if (flag.choices !== undefined) return z.enum(flag.choices as [string, ...string[]]);
  if (flag.type === 'number') return z.number();
  if (flag.type === 'boolean') return z.boolean();
  return z.union([z.string(), z.number()]).transform(String);
}

function readFile(path: string): string {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch (error) {
    throw usageError(
      `cannot read the configuration file ${path}: ${(error as Error).message}`,
      'give an existing file to --config',
    );
  }
}
