import { LineCounter, isMap, isNode, isScalar, parseDocument, type Document } from 'yaml';
import type { z } from 'zod';
import { suggest } from '../base/suggest.ts';
import type { Drill } from './drill.ts';
import { DRILL, KNOWN_KEYS } from './script-schema.ts';

/** A script that cannot be run, and where that shows. */
export class DrillScriptError extends Error {
  override readonly name = 'DrillScriptError';
  readonly code = 'DRILL_SCRIPT';
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** What to write instead; null where the message says it. */
  readonly hint: string | null;

  constructor(file: string, place: { line: number; col: number }, message: string, hint: string | null) {
    super(`${file}:${place.line}:${place.col}: ${message}`);
    this.file = file;
    this.line = place.line;
    this.column = place.col;
    this.hint = hint;
  }
}

/**
 * Reads a drill from YAML.
 * @param file how the text is called in errors.
 * @throws DrillScriptError
 */
export function parseDrill(text: string, file: string): Drill {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const refuse = (offset: number | undefined, message: string, hint: string | null = null): never => {
    throw new DrillScriptError(file, lines.linePos(offset ?? 0), message, hint);
  };
  const syntax = document.errors[0];
  if (syntax !== undefined) refuse(syntax.pos[0], syntax.message);
  let content: unknown;
  try {
    content = document.toJS();
  } catch (error) {
    // Aliases of aliases may stand for more than a machine holds.
    refuse(undefined, (error as Error).message);
  }
  const parsed = DRILL.safeParse(content);
  if (parsed.success) return parsed.data;
  const issue = deepest(parsed.error.issues);
  const where = issue.path.join('.');
  if (issue.code !== 'unrecognized_keys') {
    return refuse(
      offsetOf(document, issue.path),
      where === '' ? issue.message : `${where}: ${issue.message}`,
    );
  }
  const key = issue.keys[0] ?? '';
  const meant = suggest(key, KNOWN_KEYS);
  return refuse(
    keyOffset(document, issue.path, key),
    `unknown key ${JSON.stringify(key)}`,
    meant === null ? null : `did you mean ${meant}?`,
  );
}

/** Of several complaints the one that points furthest into the script says the most. */
function deepest(issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue {
  return issues.reduce((one, other) => (other.path.length > one.path.length ? other : one));
}

/** Where the value at a path stands; where there is none, the nearest that holds it. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number | undefined {
  for (let length = path.length; length >= 0; length -= 1) {
    const found = document.getIn(path.slice(0, length), true);
    if (isNode(found)) return found.range?.[0];
  }
  return undefined;
}

function keyOffset(document: Document, path: readonly PropertyKey[], key: string): number | undefined {
  const map = document.getIn(path, true);
  const pair = isMap(map)
    ? map.items.find((item) => isScalar(item.key) && String(item.key.value) === key)
    : undefined;
  return pair !== undefined && isNode(pair.key) ? pair.key.range?.[0] : offsetOf(document, path);
}
