import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.ts';
import { ExitCode } from '../../src/cli/exit-code.ts';

const page = fs.readFileSync(path.join(import.meta.dirname, '../../docs/cli.md'), 'utf8');

/** The cells of the rows below this head. */
function table(head: string): string[][] {
  const lines = page.split('\n');
  const start = lines.findIndex((line) => line.startsWith(head));
  expect(start).toBeGreaterThan(-1);
  const length = lines.slice(start).findIndex((line) => !line.startsWith('|'));
  return lines
    .slice(start + 2, start + length)
    .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('`', '')));
}

describe('the page of the command line', () => {
  test('lists every command, and none else', () => {
    const listed = table('| Command |').map(([, name]) => name?.replace(/^\[(.*)\].*$/, '$1') ?? '');
    expect(listed.filter((name) => !name.startsWith('completion')).sort()).toEqual(
      COMMANDS.map((command) => command.path).sort(),
    );
  });

  test.each(COMMANDS.map((command) => [command.path, command] as const))(
    'names every flag of %s',
    (_path, command) => {
      const unnamed = command.flags
        .filter((flag) => flag.hidden !== true && flag.name !== 'output')
        .filter(({ name }) => !page.includes(`--${name}`));
      expect(unnamed).toEqual([]);
    },
  );

  test('lists every setting with its default, and none else', () => {
    const settings = COMMANDS.flatMap((command) => command.flags).filter((flag) => flag.inConfig === true);
    const rows = table('| Setting |').flatMap(([, names, , byDefault]) =>
      (names ?? '').split(', ').map((name) => [name, byDefault] as const),
    );
    const common = ['endpoints', 'timeout', 'output'];
    const names = new Set([...common, ...settings.map((flag) => flag.name)]);
    expect(rows.map(([name]) => name).sort()).toEqual([...names].sort());
    const shown = new Map(rows);
    // A command may have another default for what all have: the page says so beside it.
    for (const flag of settings.filter(({ name }) => !common.includes(name)))
      if (flag.default !== undefined)
        expect([flag.name, shown.get(flag.name)]).toEqual([flag.name, String(flag.default)]);
  });

  test('lists every exit status by its number and name', () => {
    expect(Object.fromEntries(table('| Status |').map(([, number, name]) => [name, Number(number)]))).toEqual(
      ExitCode,
    );
  });
});
