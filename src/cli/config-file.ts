import fs from 'node:fs';
import { LineCounter, isMap, isScalar, parseDocument } from 'yaml';
import { z } from 'zod';
import { usageError } from './cli-error.ts';
import type { Flag, FlagValue } from './command.ts';
import { suggest } from '../base/suggest.ts';

/**
 * Reads a YAML file of settings.
 * @param settings what may be in it, by name.
 * @throws CliError that names file, line and column of what is wrong: unreadable, no YAML, an unknown key, a bad value.
 */
export function readConfigFile(path: string, settings: ReadonlyMap<string, Flag>): Map<string, FlagValue> {
  const source = readFile(path);
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number | undefined): string => {
    const { line, col } = lines.linePos(offset ?? 0);
    return `${path}:${line}:${col}`;
  };
  const syntax = document.errors[0];
  if (syntax !== undefined) throw usageError(`${at(syntax.pos[0])}: ${syntax.message}`);
  const values = new Map<string, FlagValue>();
  if (document.contents === null) return values;
  if (!isMap(document.contents)) {
    throw usageError(`${at(document.contents.range?.[0])}: this is no key with a value, such as "id: n1"`);
  }
  for (const pair of document.contents.items) {
    const key = isScalar(pair.key) ? String(pair.key.value) : '';
    const keyAt = at(isScalar(pair.key) ? pair.key.range?.[0] : undefined);
    const flag = settings.get(key);
    if (flag === undefined) {
      const meant = suggest(key, settings.keys());
      throw usageError(
        `${keyAt}: unknown key ${JSON.stringify(key)}`,
        meant === null ? `known keys: ${[...settings.keys()].sort().join(', ')}` : `did you mean ${meant}?`,
      );
    }
    const value = isScalar(pair.value) ? pair.value : null;
    if (value === null || value.value === null) {
      throw usageError(`${keyAt}: ${key} needs one value`, flag.describe);
    }
    const parsed = schemaOf(flag).safeParse(value.value);
    if (!parsed.success) {
      const why = parsed.error.issues[0]?.message ?? 'not valid';
      throw usageError(`${at(value.range?.[0])}: ${key}: ${why}`, flag.describe);
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
