import { describe, expect, test, vi } from 'vitest';
import { CliError, usageError } from '../../src/cli/cli-error.ts';
import { ExitCode } from '../../src/cli/exit-code.ts';
import { errorText, layOut, writeAnswer, type Answer } from '../../src/cli/output.ts';
import { stdoutOf } from './support/stdout.ts';

const now = new Date('2026-01-31T12:00:00.000Z');

const answer: Answer = {
  kind: 'ClusterStatus',
  data: { leaderId: 'n1', term: 3, nodes: [{ id: 'n2', lastIndex: null }] },
  sources: [{ node: 'n2', ok: false, error: 'connection refused' }],
  warnings: ['n3 is\u001b[2J old'],
  headline: ['n1 leads\u001b[2J', ''],
  table: (wide) => [
    ['NODE', 'LAST', ...(wide ? ['VOTED'] : [])],
    ['n1', '1204', ...(wide ? ['n1'] : [])],
    ['node-2', '?', ...(wide ? ['?'] : [])],
  ],
};

const unreachable = new CliError('UNREACHABLE', ExitCode.unreachable, 'no node\u001b[2J answers', {
  tried: ['n1 connection refused', 'n2 no answer within 5000 ms'],
  next: 'check that the nodes run',
  retryable: true,
});

describe('an answer', () => {
  test('in JSON is an envelope', async () => {
    expect(await stdoutOf(async () => writeAnswer(answer, 'json', now))).toBe(
      `{
  "apiVersion": "dledger/v1",
  "kind": "ClusterStatus",
  "at": "2026-01-31T12:00:00.000Z",
  "sources": [
    {
      "node": "n2",
      "ok": false,
      "error": "connection refused"
    }
  ],
  "data": {
    "leaderId": "n1",
    "term": 3,
    "nodes": [
      {
        "id": "n2",
        "lastIndex": null
      }
    ]
  },
  "warnings": [
    "n3 is\\u001b[2J old"
  ]
}
`,
    );
  });

  test('in NDJSON is the same on one line', async () => {
    const json = await stdoutOf(async () => writeAnswer(answer, 'json', now));
    const line = await stdoutOf(async () => writeAnswer(answer, 'ndjson', now));
    expect(line.indexOf('\n')).toBe(line.length - 1);
    expect(JSON.parse(line)).toEqual(JSON.parse(json));
  });

  test('in YAML is the same again', async () => {
    expect(await stdoutOf(async () => writeAnswer(answer, 'yaml', now))).toBe(
      `apiVersion: dledger/v1
kind: ClusterStatus
at: 2026-01-31T12:00:00.000Z
sources:
  - node: n2
    ok: false
    error: connection refused
data:
  leaderId: n1
  term: 3
  nodes:
    - id: n2
      lastIndex: null
warnings:
  - "n3 is\\e[2J old"
`,
    );
  });

  test('for people is a table, and its warnings are talk', async () => {
    const talk = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const shown = await stdoutOf(async () => writeAnswer(answer, 'table', now));
    const wide = await stdoutOf(async () => writeAnswer(answer, 'wide', now));
    const told = talk.mock.calls.map(([text]) => text);
    talk.mockRestore();
    expect(shown).toBe('n1 leads\\u001b[2J\n\nNODE    LAST\nn1      1204\nnode-2     ?\n');
    expect(wide.split('\n')[2]).toBe('NODE    LAST  VOTED');
    expect(told[0]).toBe('warning: n3 is\\u001b[2J old\n');
  });

  test('waits for a reader that is slow', async () => {
    const write = vi.spyOn(process.stdout, 'write').mockReturnValue(false);
    let isWritten = false;
    const written = writeAnswer(answer, 'json', now).then(() => {
      isWritten = true;
    });
    await Promise.resolve();
    expect(isWritten).toBe(false);
    process.stdout.emit('drain');
    await written;
    write.mockRestore();
    expect(isWritten).toBe(true);
  });
});

describe('an error', () => {
  test('for people says what was tried and what to do', () => {
    expect(errorText(unreachable, 'table', now)).toBe(
      'error[UNREACHABLE]: no node\\u001b[2J answers\n' +
        '  tried: n1 connection refused, n2 no answer within 5000 ms\n' +
        '  next:  check that the nodes run\n',
    );
    expect(errorText(usageError('no'), 'raw', now)).toBe('error[USAGE]: no\n');
  });

  test('for programs is an object of a kind of its own', () => {
    expect(JSON.parse(errorText(unreachable, 'json', now))).toEqual({
      apiVersion: 'dledger/v1',
      kind: 'Error',
      at: '2026-01-31T12:00:00.000Z',
      code: 'UNREACHABLE',
      message: 'no node\u001b[2J answers',
      tried: ['n1 connection refused', 'n2 no answer within 5000 ms'],
      hint: 'check that the nodes run',
      retryable: true,
      outcome: 'none',
    });
    expect(errorText(unreachable, 'ndjson', now).split('\n')).toHaveLength(2);
    expect(errorText(unreachable, 'yaml', now)).toContain('code: UNREACHABLE\n');
  });
});

describe('a table', () => {
  test('has numbers to the right and texts to the left, and no blanks at the ends of lines', () => {
    expect(
      layOut([
        ['ID', 'COUNT', 'WHY'],
        ['n1', '5', ''],
        ['n10', '1,000', 'long'],
      ]),
    ).toEqual(['ID   COUNT  WHY', 'n1       5', 'n10  1,000  long']);
  });

  test('may have only a head, or nothing', () => {
    expect(layOut([['ID', 'COUNT']])).toEqual(['ID  COUNT']);
    expect(layOut([])).toEqual([]);
  });
});
