import yargs, { type Argv } from 'yargs';
import { usageError } from './cli-error.ts';
import type { Call, Command, Flag, FlagValue } from './command.ts';
import { readConfigFile } from './config-file.ts';
import type { OutputFormat } from './output.ts';

// The one file that knows yargs.

const FORMATS: readonly OutputFormat[] = ['table', 'wide', 'json', 'ndjson', 'yaml', 'raw'];

export const OUTPUT_FLAG: Flag = {
  name: 'output',
  alias: 'o',
  type: 'string',
  describe: 'form of the answer; raw is for payloads only',
  choices: FORMATS,
};

export const CLIENT_FLAGS: readonly Flag[] = [
  {
    name: 'endpoints',
    type: 'string',
    describe: 'nodes to ask, HOST:PORT,...; default: the cluster that `up` last started from this directory',
  },
  {
    name: 'timeout',
    type: 'string',
    describe: 'how long to wait for the cluster, such as 500ms, 5s, 1m',
    default: '30s',
  },
];

const CONFIG_FLAG: Flag = {
  name: 'config',
  type: 'string',
  describe: 'YAML file with the same keys as the flags',
};

export interface Parsed {
  readonly command: Command;
  readonly call: Call;
}

/** @returns null where help, a version or a completion was asked for and printed. @throws CliError */
export async function parse(
  commands: readonly Command[],
  words: readonly string[],
  version: string,
): Promise<Parsed | null> {
  let found: { command: Command; argv: Record<string, unknown> } | null = null;
  const parser = yargs([...words])
    .scriptName('dledger')
    .usage('$0 COMMAND: a commit log replicated by Raft')
    .version(version)
    .help()
    .alias('h', 'help')
    .completion('completion', 'print a completion script for your shell')
    .wrap(Math.min(100, process.stdout.columns ?? 100))
    .exitProcess(false)
    .showHelpOnFail(false)
    .strict()
    .recommendCommands()
    .parserConfiguration({
      'duplicate-arguments-array': false,
      'camel-case-expansion': false,
      'dot-notation': false,
    })
    .fail((message, error) => {
      // yargs throws errors of its own with a message, and hands on ours without one.
      throw error instanceof Error && message === null
        ? error
        : usageError(message ?? String(error), 'see dledger --help');
    });
  register(parser, commands, [], (command, argv) => {
    found = { command, argv };
  });
  await parser.parseAsync();
  if (found === null) return null;
  const { command, argv } = found as { command: Command; argv: Record<string, unknown> };
  return { command, call: settle(command, argv) };
}

/** Nested commands are groups: "cluster" holds "status" and "transfer-leader". */
function register(
  parser: Argv,
  commands: readonly Command[],
  above: readonly string[],
  choose: (command: Command, argv: Record<string, unknown>) => void,
): void {
  const heads = new Set(commands.map((command) => command.path.split(' ')[above.length] as string));
  for (const head of heads) {
    const within = commands.filter((command) => command.path.split(' ')[above.length] === head);
    const leaf = within.find((command) => command.path.split(' ').length === above.length + 1);
    if (leaf === undefined) {
      parser.command(head, GROUPS[head] ?? head, (group) => {
        register(group, within, [...above, head], choose);
        return group.demandCommand(
          1,
          `give a command of ${head}: ${within.map(({ path }) => path.split(' ').at(-1)).join(', ')}`,
        );
      });
      continue;
    }
    const positionals = (leaf.positionals ?? []).map(({ name, isRequired }) =>
      isRequired ? `<${name}>` : `[${name}]`,
    );
    parser.command(
      [head, ...positionals].join(' '),
      leaf.describe,
      (one) => describe(one, leaf),
      (argv) => choose(leaf, argv as Record<string, unknown>),
    );
  }
  if (above.length === 0) parser.demandCommand(1, 'give a command');
}

const GROUPS: Record<string, string> = {
  cluster: 'look at a cluster and lead it',
  log: 'look at the files of a log, offline',
};

function describe(parser: Argv, command: Command): Argv {
  for (const { name, describe: about } of command.positionals ?? [])
    parser.positional(name, { type: 'string', describe: about });
  for (const flag of flagsOf(command)) {
    const shown = `${flag.describe}${flag.default === undefined ? '' : ` [default: ${flag.default}]`}`;
    parser.option(flag.name, {
      type: flag.type,
      describe: shown,
      requiresArg: flag.type !== 'boolean',
      hidden: flag.hidden ?? false,
      ...(flag.alias === undefined ? {} : { alias: flag.alias }),
      ...(flag.choices === undefined ? {} : { choices: flag.choices }),
    });
  }
  for (const [example, about] of command.examples ?? []) parser.example(example, about);
  return parser;
}

function flagsOf(command: Command): readonly Flag[] {
  const hasConfig = command.flags.some((flag) => flag.inConfig === true);
  return [
    ...command.flags,
    ...(command.isClient ? CLIENT_FLAGS : []),
    ...(hasConfig ? [CONFIG_FLAG] : []),
    OUTPUT_FLAG,
  ];
}

function settle(command: Command, argv: Record<string, unknown>): Call {
  const flags = flagsOf(command);
  const given = new Map<string, FlagValue>();
  for (const flag of flags) {
    const value = argv[flag.name];
    if (typeof value === 'number' && Number.isNaN(value)) throw usageError(`--${flag.name} needs a number`);
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      given.set(flag.name, value);
    else {
      const fromEnvironment = readEnvironment(flag);
      if (fromEnvironment !== null) given.set(flag.name, fromEnvironment);
    }
  }
  const config = given.get('config');
  const values = new Map<string, FlagValue>();
  for (const flag of flags) if (flag.default !== undefined) values.set(flag.name, flag.default);
  if (typeof config === 'string')
    for (const [name, value] of readConfigFile(config, flags)) values.set(name, value);
  for (const [name, value] of given) values.set(name, value);
  const positionals = new Map<string, string>();
  for (const { name } of command.positionals ?? []) {
    const value = argv[name];
    if (typeof value === 'string') positionals.set(name, value);
  }
  const format = values.get('output') as OutputFormat | undefined;
  return {
    values,
    positionals,
    format: format ?? 'table',
    isFormatChosen: format !== undefined,
    now: () => new Date(),
  };
}

function readEnvironment(flag: Flag): FlagValue | null {
  const name = `DLEDGER_${flag.name.toUpperCase().replaceAll('-', '_')}`;
  const value = process.env[name];
  if (value === undefined || value === '') return null;
  if (flag.choices?.includes(value) === false)
    throw usageError(`${name}=${value}: choose one of ${flag.choices.join(', ')}`);
  if (flag.type === 'string') return value;
  if (flag.type === 'number') {
    const number = Number(value);
    if (Number.isNaN(number)) throw usageError(`${name}=${value} is not a number`);
    return number;
  }
  if (value !== 'true' && value !== 'false') throw usageError(`${name}=${value} is neither true nor false`);
  return value === 'true';
}

/** The format that was asked for, for errors that happen before a call is settled. */
export function formatOf(words: readonly string[]): OutputFormat {
  const at = words.findIndex((word) => word === '-o' || word === '--output');
  const joined = words.find((word) => word.startsWith('-o=') || word.startsWith('--output='));
  const chosen = joined?.slice(joined.indexOf('=') + 1) ?? (at === -1 ? undefined : words[at + 1]);
  return FORMATS.find((format) => format === chosen) ?? 'table';
}
