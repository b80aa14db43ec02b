import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CliError } from '../../src/cli/cli-error.ts';
import type { Flag } from '../../src/cli/command.ts';
import { readConfigFile } from '../../src/cli/config-file.ts';

const settings = new Map<string, Flag>(
  (
    [
      { name: 'id', type: 'string', describe: 'name' },
      { name: 'priority', type: 'number', describe: 'a number' },
      { name: 'unsafe-no-sync', type: 'boolean', describe: 'yes or no' },
      { name: 'profile', type: 'string', describe: 'times', choices: ['lan', 'wan'] },
    ] as const
  ).map((flag) => [flag.name, flag]),
);

let directory: string;
beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dledger-config-'));
});
afterAll(() => {
  fs.rmSync(directory, { recursive: true });
});

function readText(text: string): Record<string, unknown> {
  const file = path.join(directory, 'n1.yaml');
  fs.writeFileSync(file, text);
  return Object.fromEntries(readConfigFile(file, settings));
}

function refusal(attempt: () => unknown): string {
  try {
    attempt();
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    expect(error.exitCode).toBe(2);
    return `${error.message.replace(directory, '')} / ${error.next ?? ''}`;
  }
  throw new Error('it was taken');
}

describe('a configuration file', () => {
  test('has settings by the names of their flags', () => {
    expect(readText('# node 1\nid: n1\npriority: 3\nunsafe-no-sync: true\nprofile: wan\n')).toEqual({
      id: 'n1',
      priority: 3,
      'unsafe-no-sync': true,
      profile: 'wan',
    });
  });

  test('may be empty, or JSON, or name a node by a number', () => {
    expect(readText('')).toEqual({});
    expect(readText('# nothing\n')).toEqual({});
    expect(readText('{"id": "n1"}')).toEqual({ id: 'n1' });
    expect(readText('id: 7\n')).toEqual({ id: '7' });
  });

  test.each([
    ['an unknown key', 'id: n1\n  \nprioritty: 1\n', '/n1.yaml:3:1: unknown key "prioritty"'],
    ['a key in other letters', 'id: n1\nId: n2\n', '/n1.yaml:2:1: unknown key "Id"'],
    ['a text for a number', 'id: n1\npriority: high\n', '/n1.yaml:2:11: priority:'],
    ['not a number', 'priority: .nan\n', '/n1.yaml:1:11: priority:'],
    ['a text for yes or no', 'unsafe-no-sync: "true"\n', '/n1.yaml:1:17: unsafe-no-sync:'],
    ['a value that is no choice', 'profile:   moon\n', '/n1.yaml:1:12: profile:'],
    ['a list', 'id:\n  - n1\n', '/n1.yaml:1:1: id needs one value'],
    ['no value', 'priority: 1\nid:\n', '/n1.yaml:2:1: id needs one value'],
    ['broken YAML', 'id: n1\npriority: [1\n', '/n1.yaml:'],
    ['a tab for indentation', 'id: n1\n\tpriority: 1\n', '/n1.yaml:2:'],
    ['a key twice', 'id: n1\nid: n2\n', '/n1.yaml:2:1:'],
    ['no keys at all', 'n1\n', '/n1.yaml:1:1:'],
    ['a list at the top', '\n- id: n1\n', '/n1.yaml:2:1:'],
  ])('is refused where it has %s, by line and column', (_name, text, start) => {
    expect(refusal(() => readText(text)).startsWith(start)).toBe(true);
  });

  test('that misspells a key is told what was meant', () => {
    expect(refusal(() => readText('prioritty: 1\n'))).toContain('did you mean priority?');
    expect(refusal(() => readText('colour: red\n'))).toContain('id, priority, profile, unsafe-no-sync');
  });

  test('that cannot be read is named', () => {
    const missing = refusal(() => readConfigFile(path.join(directory, 'none.yaml'), settings));
    expect(missing).toContain('/none.yaml');
    expect(missing).toContain('ENOENT');
    expect(refusal(() => readConfigFile(directory, settings))).toContain('EISDIR');
  });
});
