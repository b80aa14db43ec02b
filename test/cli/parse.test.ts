import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CliError } from '../../src/cli/cli-error.ts';
import type { Call, Command } from '../../src/cli/command.ts';
import { formatOf, parse } from '../../src/cli/parse.ts';

const answer = async (): Promise<number> => Promise.resolve(0);

const commands: readonly Command[] = [
  {
    path: 'serve',
    describe: 'run',
    isClient: false,
    flags: [
      { name: 'id', type: 'string', describe: 'name', inConfig: true },
      { name: 'priority', type: 'number', describe: 'a number', default: 7, inConfig: true },
      { name: 'fast-lane', type: 'boolean', describe: 'yes or no', default: false, inConfig: true },
      {
        name: 'profile',
        type: 'string',
        describe: 'times',
        choices: ['lan', 'wan'],
        default: 'lan',
        inConfig: true,
      },
    ],
    run: answer,
  },
  {
    path: 'put',
    describe: 'store',
    isClient: true,
    positionals: [{ name: 'source', describe: 'where from', isRequired: false }],
    flags: [
      { name: 'id', alias: 'i', type: 'string', describe: 'what' },
      { name: 'count', type: 'number', describe: 'how many' },
    ],
    run: answer,
  },
  { path: 'cluster status', describe: 'look', isClient: true, flags: [], run: answer },
  {
    path: 'cluster transfer-leader',
    describe: 'hand over',
    isClient: true,
    positionals: [{ name: 'node', describe: 'to whom', isRequired: true }],
    flags: [],
    run: answer,
  },
];

let config: string;
beforeAll(() => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dledger-parse-'));
  config = path.join(directory, 'all.yaml');
  fs.writeFileSync(config, 'id: from-file\npriority: 3\nprofile: wan\ntimeout: 9s\n');
});
afterAll(() => {
  fs.rmSync(path.dirname(config), { recursive: true });
});

async function call(
  line: string | readonly string[],
  environment: Record<string, string> = {},
): Promise<Call> {
  const words = typeof line === 'string' ? line.split(' ').filter((word) => word !== '') : line;
  const parsed = await parse(commands, words, '1.2.3', environment);
  if (parsed === null) throw new Error('nothing was asked for');
  return parsed.call;
}

async function refusal(
  line: string | readonly string[],
  environment: Record<string, string> = {},
): Promise<string> {
  try {
    await call(line, environment);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    expect(error).toMatchObject({ code: 'USAGE', exitCode: 2, outcome: 'none' });
    expect(error.message).not.toContain('\n');
    return `${error.message} / ${error.next ?? ''}`;
  }
  throw new Error('it was taken');
}

const valuesOf = async (
  line: string,
  environment?: Record<string, string>,
): Promise<Record<string, unknown>> => Object.fromEntries((await call(line, environment)).values);

describe('a value', () => {
  test('comes from the flag, else from the environment, else from the file, else it is the default', async () => {
    const all = { DLEDGER_PRIORITY: '2', DLEDGER_CONFIG: config };
    expect(await valuesOf('serve --priority 1', all)).toMatchObject({ priority: 1 });
    expect(await valuesOf('serve', all)).toMatchObject({ priority: 2, id: 'from-file' });
    expect(await valuesOf(`serve --config ${config}`)).toMatchObject({ priority: 3, profile: 'wan' });
    expect(await valuesOf('serve')).toMatchObject({ priority: 7, profile: 'lan' });
    expect((await call('serve')).values.has('id')).toBe(false);
  });

  test('of the environment counts for settings only: what is set for a node never becomes a record', async () => {
    expect(await valuesOf('serve', { DLEDGER_ID: 'n1' })).toMatchObject({ id: 'n1' });
    expect((await call('put', { DLEDGER_ID: 'n1', DLEDGER_CONFIG: config })).values.has('id')).toBe(false);
  });

  test('of the environment that is empty counts as none', async () => {
    expect(await valuesOf('serve', { DLEDGER_PRIORITY: '', DLEDGER_FAST_LANE: '' })).toMatchObject({
      priority: 7,
      'fast-lane': false,
    });
  });

  test('of the environment is held to the same rules', async () => {
    expect(await valuesOf('serve', { DLEDGER_FAST_LANE: 'true' })).toMatchObject({ 'fast-lane': true });
    expect(await refusal('serve', { DLEDGER_FAST_LANE: 'yes' })).toContain('DLEDGER_FAST_LANE=yes');
    expect(await refusal('serve', { DLEDGER_PRIORITY: 'x' })).toContain('DLEDGER_PRIORITY=x');
    expect(await refusal('serve', { DLEDGER_PROFILE: 'moon' })).toMatch(/DLEDGER_PROFILE=moon.*lan, wan/);
    expect(await refusal('serve', { DLEDGER_OUTPUT: 'xml' })).toContain('DLEDGER_OUTPUT=xml');
  });

  test('of a file that serves all commands is taken by those that know it', async () => {
    expect(await valuesOf(`put --config ${config}`)).toMatchObject({ timeout: '9s' });
    expect(await refusal('put --config /nowhere.yaml')).toContain('/nowhere.yaml');
  });

  test('is text where text is asked for, whatever it looks like', async () => {
    for (const text of ['007', '1e3', '0x10', 'true', 'null', 'a=b', 'ä', ' x ', '{}'])
      expect((await call(['put', '--id', text])).values.get('id')).toBe(text);
    expect((await call(['put', '--id=-x'])).values.get('id')).toBe('-x');
    expect((await call(['put', '--id', ''])).values.get('id')).toBe('');
    expect((await call(['put', '-i', 'x', '-o', 'json'])).values.get('id')).toBe('x');
  });

  test.each(['x', '1x', 'NaN', ''])('is no number: %j', async (text) => {
    expect(await refusal(['put', `--count=${text}`])).toContain('count');
  });

  test.each(['yes', 'foo', '1', ''])('is neither true nor false: %j', async (text) => {
    expect(await refusal(`serve --fast-lane=${text}`)).toContain('--fast-lane');
  });

  test('that is true or false may be written out', async () => {
    expect(await valuesOf('serve --fast-lane')).toMatchObject({ 'fast-lane': true });
    expect(await valuesOf('serve --fast-lane=true')).toMatchObject({ 'fast-lane': true });
    expect(await valuesOf('serve --fast-lane=false', { DLEDGER_FAST_LANE: 'true' })).toMatchObject({
      'fast-lane': false,
    });
    expect(await valuesOf('serve --no-fast-lane')).toMatchObject({ 'fast-lane': false });
  });

  test('given twice is refused, not half forgotten', async () => {
    expect(await refusal('put --id a --id b')).toContain('--id');
    expect(await refusal('put -i a --id b')).toContain('--id');
    expect(await refusal('serve --priority 1 --priority 2')).toContain('--priority');
  });
});

describe('a word that means nothing', () => {
  test.each([
    ['serve --priorty 1', '--priorty', 'did you mean --priority?'],
    ['serve --fastlane', '--fastlane', 'did you mean --fast-lane?'],
    ['put --zzz', '--zzz', 'see dledger put --help'],
    ['put -z', '-z', 'see dledger put --help'],
    ['cluster stauts', 'stauts', 'did you mean cluster status?'],
    ['clutser status', 'clutser', 'did you mean cluster?'],
    ['status', 'status', 'did you mean cluster status?'],
    ['zzz', 'zzz', 'see dledger --help'],
    ['put a b', 'b', 'see dledger put --help'],
    ['cluster status x', 'x', 'see dledger cluster status --help'],
  ])('%s', async (line, named, next) => {
    const said = await refusal(line);
    expect(said).toContain(named);
    expect(said).toContain(next);
  });

  test.each([
    ['', 'give a command'],
    ['cluster', 'status, transfer-leader'],
    ['cluster transfer-leader', 'NODE'],
    ['put --id', '--id'],
    ['put -i', '--id'],
    ['serve --profile moon', 'moon'],
    ['put -o xml', 'choose one of'],
  ])('%j: what is missing or not to be chosen is named', async (line, named) => {
    expect(await refusal(line)).toContain(named);
  });
});

describe('positional words', () => {
  test('are the command’s own', async () => {
    expect((await call('cluster transfer-leader n2')).positionals).toEqual(new Map([['node', 'n2']]));
    expect((await call('put')).positionals).toEqual(new Map());
    expect((await call('cluster transfer-leader 007')).positionals.get('node')).toBe('007');
  });
});

describe('the form of the answer', () => {
  test('is a table unless it is chosen', async () => {
    expect(await call('put')).toMatchObject({ format: 'table', isFormatChosen: false });
    expect(await call('put -o json')).toMatchObject({ format: 'json', isFormatChosen: true });
    expect(await call('put', { DLEDGER_OUTPUT: 'yaml' })).toMatchObject({
      format: 'yaml',
      isFormatChosen: true,
    });
  });

  test.each([
    ['put', 'table'],
    ['put -o json --zzz', 'json'],
    ['put --output ndjson', 'ndjson'],
    ['put --output=yaml', 'yaml'],
    ['put -o=json', 'json'],
    ['put -ojson', 'json'],
    ['put -o', 'table'],
    ['put -o xml', 'table'],
  ])('of an error before %j is understood', (line, format) => {
    expect(formatOf(line.split(' '), {})).toBe(format);
  });

  test('of such an error may come from the environment', () => {
    expect(formatOf(['put'], { DLEDGER_OUTPUT: 'json' })).toBe('json');
    expect(formatOf(['put', '-o', 'yaml'], { DLEDGER_OUTPUT: 'json' })).toBe('yaml');
  });
});
