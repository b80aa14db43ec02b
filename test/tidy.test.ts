import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';

// Checks on the code itself: what a review should not have to spend a thought on.

const root = path.dirname(import.meta.dirname);

/** The floors of src, and those that each may import. Imports go down only. */
const floors: Record<string, readonly string[]> = {
  base: [],
  platform: ['base'],
  raft: ['base'],
  broker: ['base'],
  wal: ['base'],
  queue: ['base'],
  wire: ['base'],
  node: ['base', 'broker', 'queue', 'raft', 'wal', 'wire'],
  client: ['base', 'platform', 'wire'],
  sink: ['base', 'client'],
  check: ['base'],
  sim: ['base', 'broker', 'check', 'client', 'node', 'raft', 'wal', 'wire'],
  drill: ['base', 'check', 'client', 'platform', 'wal', 'wire'],
  cli: ['base', 'client', 'drill', 'node', 'platform', 'sink', 'wal', 'wire'],
};

const linesMax = 700;

const notOurs = new Set(['.git', '.cache', '.dledger', 'node_modules', 'dist', 'coverage']);
const files = listFiles('');
const sources = files.filter((file) => file.startsWith('src/') && isCode(file));
const tests = files.filter((file) => file.startsWith('test/') && isCode(file));

describe('sources', () => {
  test('have a seam before they have 700 lines', () => {
    const long = sources.filter((file) => read(file).split('\n').length - 1 > linesMax);
    expect(long).toEqual([]);
  });

  test('are named in kebab-case', () => {
    const kebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*$/;
    const named = [...sources, ...tests].filter((file) => !file.split('/').every((part) => kebab.test(part)));
    expect(named).toEqual([]);
  });

  test('leave nothing to be done later', () => {
    expect(matches([...sources, 'bin/dledger'], /\b(TODO|FIXME|XXX)\b/)).toEqual([]);
  });

  test('hold no path of the machine they were written on', () => {
    expect(matches(files, /(?<![\w.~-])\/(work|root|home|Users)\//)).toEqual([]);
  });
});

describe('tests', () => {
  test('all run', () => {
    expect(matches(tests, /\b(it|test|describe|suite)\.(only|skip|todo)\b/)).toEqual([]);
  });
});

describe('floors', () => {
  test('are all in the table above', () => {
    const found = new Set(sources.map((file) => file.split('/')[1]));
    expect([...found].filter((floor) => floor === undefined || !(floor in floors))).toEqual([]);
  });

  test('import only floors below', () => {
    const upward = sources.flatMap((file) => {
      const floor = floorOf(file);
      return importsOf(file)
        .filter((target) => target !== floor && !floors[floor]?.includes(target))
        .map((target) => `${file} imports src/${target}`);
    });
    expect(upward).toEqual([]);
  });

  test.each(Object.keys(floors))('%s has a TypeScript project that says the same', (floor) => {
    expect(referencesOf(`src/${floor}/tsconfig.json`).map((target) => target.replace('../', ''))).toEqual(
      floors[floor],
    );
    expect(referencesOf('tsconfig.json')).toContain(`./src/${floor}`);
    expect(referencesOf('test/tsconfig.json')).toContain(`../src/${floor}`);
  });
});

describe('package', () => {
  const manifest = JSON.parse(read('package.json')) as Manifest;
  const lock = JSON.parse(read('package-lock.json')) as Lock;

  test('agrees with its lockfile', () => {
    // The set-up uses `npm install --no-save`, which does not complain when the two disagree.
    const locked = lock.packages[''];
    const fields = ['name', 'version', 'bin', 'engines', 'dependencies', 'devDependencies'];
    for (const field of fields) expect(locked?.[field], field).toEqual(manifest[field]);
    const names = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(names.filter((name) => !(`node_modules/${name}` in lock.packages))).toEqual([]);
  });

  test('does not say where packages were downloaded from', () => {
    expect(matches(['package-lock.json'], /"resolved"/)).toEqual([]);
  });

  test('has its licence and notice', () => {
    expect(manifest.license).toBe('Apache-2.0');
    expect(read('LICENSE')).toContain('Apache License');
    expect(read('NOTICE')).toContain(manifest.name);
  });

  test('has programs that can be executed', () => {
    for (const file of [...Object.values(manifest.bin), '.ci/run']) {
      expect(() => fs.accessSync(path.join(root, file), fs.constants.X_OK)).not.toThrow();
    }
  });
});

describe('documents', () => {
  test('link only to what exists', () => {
    const broken = files
      .filter((file) => file.endsWith('.md'))
      .flatMap((file) =>
        linksOf(file)
          .filter((target) => !fs.existsSync(path.join(root, path.dirname(file), target)))
          .map((target) => `${file} links to ${target}`),
      );
    expect(broken).toEqual([]);
  });
});

function listFiles(folder: string): string[] {
  return fs.readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const file = path.posix.join(folder, entry.name);
    if (notOurs.has(entry.name)) return [];
    if (entry.isDirectory()) return listFiles(file);
    return entry.isFile() ? [file] : [];
  });
}

function read(file: string): string {
  return fs.readFileSync(path.join(root, file), 'utf8');
}

/** What the checks read of package.json and package-lock.json. */
interface Manifest {
  readonly [field: string]: unknown;
  readonly name: string;
  readonly license: string;
  readonly bin: Record<string, string>;
  readonly dependencies: Record<string, string>;
  readonly devDependencies: Record<string, string>;
}

interface Lock {
  readonly packages: Record<string, Record<string, unknown>>;
}

function isCode(file: string): boolean {
  return /\.(ts|tsx|mjs)$/.test(file);
}

/** Each line that matches, as `file:line: text`. */
function matches(among: readonly string[], pattern: RegExp): string[] {
  return among.flatMap((file) =>
    read(file)
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])),
  );
}

function floorOf(file: string): string {
  return file.split('/')[1] ?? '';
}

/** The floors that a source file imports from, its own included. */
function importsOf(file: string): string[] {
  const specifiers = read(file).matchAll(/\b(?:from|import)\s*\(?\s*['"](\.[^'"]*)['"]/g);
  return [...specifiers].map(([, specifier = '']) => floorOf(path.posix.join(path.dirname(file), specifier)));
}

function referencesOf(tsconfig: string): string[] {
  const [, references = ''] = /"references": \[([^\]]*)\]/.exec(read(tsconfig)) ?? [];
  return [...references.matchAll(/"path": "([^"]+)"/g)].map(([, target = '']) => target);
}

/** The relative link targets of a document, without their anchors. */
function linksOf(file: string): string[] {
  const prose = read(file).replace(/^```[^]*?^```/gm, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target.replace(/#.*$/, ''))
    .filter((target) => target !== '' && !/^[a-z]+:/.test(target));
}
