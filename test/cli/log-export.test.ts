import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { encodeBatch } from '../../src/base/batch.ts';
import { EntryKind } from '../../src/base/entry.ts';
import { encodeMessage } from '../../src/base/message.ts';
import { Bench, index } from '../wal/harness.ts';
import { useDirectory } from './support/directory.ts';
import { contentsOf, onThisMachine } from './support/log-directory.ts';
import { runCommand } from './support/run-command.ts';

const home = useDirectory();

/** Entry 1 without records, 2 to 91 with one each, of which those from 70 on were truncated and written anew. */
function bench(): Bench {
  const filled = new Bench();
  filled.open();
  filled.write(1, { kind: EntryKind.noop });
  for (let count = 0; count < 9; count += 1) filled.write(10, { bodyBytes: 1000 });
  filled.write(2, { truncateFrom: 70, term: 2, mark: 7 });
  filled.wal.noteCommit(index(71));
  filled.write(1, { term: 2 });
  filled.close();
  return filled;
}

function directoryOf(filled: Bench): string {
  const directory = path.join(home.path, 'n1');
  onThisMachine(filled, directory);
  return directory;
}

interface Line {
  readonly index: number;
  readonly ordinal: number;
  readonly term: number;
  readonly data: string;
  readonly kind: string;
}

function linesOf(ndjson: string): Line[] {
  return ndjson
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

test('writes the log as it stands, without what was truncated, and changes nothing', async () => {
  const directory = directoryOf(bench());
  const before = contentsOf(directory);
  const { code, stdout, stderr } = await runCommand('log', 'export', directory, '-o', 'ndjson');
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: 'warning: entries 72 to 72 are not known to be committed: a cluster may have others there\n',
  });
  const lines = linesOf(stdout);
  expect(lines.map((line) => line.index)).toEqual(Array.from({ length: 71 }, (_, at) => at + 2));
  expect(lines.slice(67, 69)).toMatchObject([
    { index: 69, term: 1, data: String.fromCharCode(69).repeat(1000) },
    { index: 70, term: 2, data: 'M'.repeat(40) },
  ]);
  expect(contentsOf(directory)).toEqual(before);
});

test('writes a range of entries into a new file, and never over another', async () => {
  const directory = directoryOf(bench());
  const words = [
    'log',
    'export',
    directory,
    '--from',
    '1',
    '--to',
    '3',
    '--entries',
    '--file',
    'out',
    '-o',
    'ndjson',
  ];
  expect(await runCommand(...words)).toEqual({ code: 0, stdout: '', stderr: '' });
  const lines = linesOf(fs.readFileSync('out', 'utf8'));
  expect(lines.map(({ index: at, kind }) => `${at} ${kind}`)).toEqual(['1 noop', '2 batch', '3 batch']);
  expect((await runCommand(...words)).code).toBe(8);
  const inside = await runCommand('log', 'export', directory, '--file', path.join(directory, 'out'));
  expect(inside).toMatchObject({ code: 2, stdout: '' });
  expect(fs.existsSync(path.join(directory, 'out'))).toBe(false);
});

test('writes payloads alone when piped', async () => {
  const { stdout } = await runCommand(
    'log',
    'export',
    directoryOf(bench()),
    '--from',
    '70',
    '--to',
    '71',
    '-o',
    'raw',
  );
  expect(stdout).toBe(`${'M'.repeat(40)}\n${'N'.repeat(40)}\n`);
});

test('writes messages of topics with all that they carry, and what is none as it is', async () => {
  const filled = bench();
  filled.open();
  const stamp = { producerId: 9, epoch: 2, sequence: 4 };
  const message = encodeMessage({
    bornTimeMs: 1_700_000_000_001,
    key: 'k',
    tag: 't',
    orderingGroup: null,
    headers: [{ name: 'h', value: Buffer.from('v') }],
    body: Buffer.from('hello'),
  });
  filled.write(1, { term: 2, queue: 5, body: encodeBatch(stamp, [message]) });
  filled.write(1, { term: 2, queue: 5, body: encodeBatch(stamp, [Buffer.from('no message')]) });
  filled.close();
  const words = ['log', 'export', directoryOf(filled), '--from', '73'];
  expect(linesOf((await runCommand(...words, '-o', 'ndjson')).stdout)).toMatchObject([
    {
      index: 73,
      queue: 5,
      producer: { id: 9, epoch: 2, sequence: 4 },
      key: 'k',
      tag: 't',
      headers: [{ name: 'h', data: 'v', encoding: null }],
      bornTimeMs: 1_700_000_000_001,
      data: 'hello',
    },
    { index: 74, queue: 5, data: 'no message' },
  ]);
  expect((await runCommand(...words, '-o', 'raw')).stdout).toBe('hello\nno message\n');
});

test('refuses a range that the log does not hold', async () => {
  const directory = directoryOf(bench());
  for (const range of [
    ['--from', '73'],
    ['--to', '73'],
    ['--from', '80', '--to', '90'],
  ]) {
    const { code, stdout, stderr } = await runCommand('log', 'export', directory, ...range);
    expect({ code, stdout }).toEqual({ code: 8, stdout: '' });
    expect(stderr).toContain('the log holds 1 to 72');
  }
});

test('writes what comes before the damage, and says what is missing', async () => {
  const filled = bench();
  filled.flip(filled.segmentPath(1), 30_000);
  const directory = directoryOf(filled);
  const { code, stdout, stderr } = await runCommand('log', 'export', directory, '-o', 'ndjson');
  expect(code).toBe(1);
  const last = linesOf(stdout).at(-1)?.index ?? 0;
  expect(last).toBeGreaterThan(10);
  expect(last).toBeLessThan(40);
  // Up to the very entry, in the middle of a block of ten.
  expect(last % 10).not.toBe(1);
  expect(stderr).toContain(`the log is good up to ${last}, then: the body of the entry does not verify`);
  // What was asked for is there.
  expect((await runCommand('log', 'export', directory, '--to', '5', '-o', 'json')).code).toBe(0);
  expect((await runCommand('log', 'export', directory, '--to', '50', '-o', 'json')).code).toBe(1);
});
