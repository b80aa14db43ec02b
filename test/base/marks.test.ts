import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { MARKS, MARK_NAMES, mark, markCounts } from '../../src/base/marks.ts';

const root = path.join(import.meta.dirname, '../..');

describe('marks', () => {
  test('count', () => {
    const before = markCounts();
    mark('raft.figure-8-refused');
    mark('raft.figure-8-refused');
    const after = markCounts();
    expect(after['raft.figure-8-refused']).toBe(before['raft.figure-8-refused'] + 2);
    expect({ ...after, 'raft.figure-8-refused': 0 }).toEqual({ ...before, 'raft.figure-8-refused': 0 });
  });

  test('stand each somewhere on the floor that its name tells', () => {
    const textOf = (floor: string): string =>
      fs
        .readdirSync(path.join(root, 'src', floor), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts'))
        .map((file) => fs.readFileSync(path.join(root, 'src', floor, file), 'utf8'))
        .join('\n');
    const texts = new Map<string, string>();
    const nowhere = MARK_NAMES.filter((name) => {
      const [floor = ''] = name.split('.');
      const text = texts.get(floor) ?? textOf(floor);
      texts.set(floor, text);
      return !text.includes(`'${name}'`);
    });
    expect(nowhere).toEqual([]);
  });

  test('are those of the docs', () => {
    const rows = fs
      .readFileSync(path.join(root, 'docs/marks.md'), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('| `'));
    expect(rows).toEqual(Object.entries(MARKS).map(([name, what]) => `| \`${name}\` | ${what} |`));
  });
});
