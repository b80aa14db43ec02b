import yargs, { type Argv } from 'yargs';
import { CliError, usageError } from './cli-error.ts';
import type { Call, Command, Flag, FlagValue } from './command.ts';
import { readConfigFile } from './config-file.ts';
import { ANSWER_FORMATS, type OutputFormat } from './output.ts';
import { suggest } from '../base/suggest.ts';

// The one file that knows yargs.

const OUTPUT_FLAG: Flag = {
  name: 'output',
  alias: 'o',
  type: 'string',
  describe: 'form of the answer',
  choices: ANSWER_FORMATS,
  default: 'table',
  inConfig: true,
};

const CLIENT_FLAGS: readonly Flag[] = [
  {
    name: 'endpoints',
    type: 'string',
    describe: 'nodes to ask, HOST:PORT,...; default: the cluster that `up` last started from this directory',
    inConfig: true,
  },
  {
    name: 'timeout',
    type: 'string',
    describe: 'how long to wait for the cluster: a number with ms, s, m or h',
    default: '30s',
    inConfig: true,
  },
];

const CONFIG_FLAG: Flag = {
  name: 'config',
  type: 'string',
  describe: 'YAML file with settings, named like the flags; default: none',
};

const GROUPS: Record<string, string> = {
  cluster: 'look at a cluster, and decide who leads it',
  node: 'act on one node of the cluster that `up` runs',
  topic: 'queues of messages with a name',
  group: 'who reads topics together, and how far they are',
  drill: 'break a cluster on purpose, and see what holds',
  log: 'look at the files of a log, offline',
  sink: 'bring the log into another system, each record once',
};

const SHELLS = ['bash', 'zsh'];

type Environment = Readonly<Record<string, string | undefined>>;

export interface Parsed {
  readonly command: Command;
  readonly call: Call;
}

/**
 * Reads the words of a command line. A value comes from them, else from DLEDGER_<NAME>, else from the configuration
 * file, else it is the default.
 * @returns null where help, a version or a completion was asked for and printed.
 * @throws CliError USAGE that says what was wrong and what is probably meant.
 */
export async function parse(
  commands: readonly Command[],
  words: readonly string[],
  version: string,
  environment: Environment = process.env,
): Promise<Parsed | null> {
  let found: { command: Command; argv: Record<string, unknown> } | null = null;
  const parser = yargs(takeShell(words))
    .scriptName('dledger')
    .usage('$0 COMMAND: a commit log replicated by Raft')
    .version(version)
    .help()
    .alias('h', 'help')
    // Messages are matched below, and mixed languages help nobody.
    .detectLocale(false)
    .wrap(Math.min(100, process.stdout.columns || 100))
    .exitProcess(false)
    .showHelpOnFail(false)
    .strict()
    .parserConfiguration({ 'camel-case-expansion': false, 'dot-notation': false })
    .fail((message, error) => {
      // yargs throws errors of its own with a message, and hands on ours without one.
      throw error instanceof Error && message === null ? error : misunderstood(commands, words, message);
    });
  register(parser, commands, [], (command, argv) => {
    found = { command, argv };
  });
  parser.completion('completion', 'print what makes a shell complete commands: completion bash|zsh');
  await parser.parseAsync();
  if (found === null) return null;
  const { command, argv } = found as { command: Command; argv: Record<string, unknown> };
  refuseGuesses(command, words);
  return { command, call: settle(commands, command, argv, environment) };
}

/** The format that was asked for, for errors that come before a call is settled. */
export function formatOf(words: readonly string[], environment: Environment = process.env): OutputFormat {
  const at = words.findIndex((word) => /^(-o|--output(=|$))/.test(word));
  const joined = words[at]?.replace(/^(-o=?|--output=?)/, '');
  const chosen = joined === '' ? words[at + 1] : (joined ?? environment[variableOf(OUTPUT_FLAG)]);
  return ANSWER_FORMATS.find((format) => format === chosen) ?? 'table';
}

/** yargs asks the environment which shell a completion is for; a name after `completion` answers instead. */
function takeShell(words: readonly string[]): string[] {
  const [first, shell, ...rest] = words;
  if (first !== 'completion' || shell === undefined || shell.startsWith('-')) return [...words];
  if (!SHELLS.includes(shell)) {
    throw usageError(`there is no completion for ${shell}`, `choose one of ${SHELLS.join(', ')}`);
  }
  process.env['SHELL'] = shell;
  return ['completion', ...rest];
}

/** Nested commands are groups: "cluster" holds "status" and "transfer-leader". */
function register(
  parser: Argv,
  commands: readonly Command[],
  above: readonly string[],
  choose: (command: Command, argv: Record<string, unknown>) => void,
): void {
  const heads = new Set(commands.map((command) => wordOf(command, above.length)));
  for (const head of heads) {
    const within = commands.filter((command) => wordOf(command, above.length) === head);
    const leaf = within.find((command) => command.path.split(' ').length === above.length + 1);
    if (leaf === undefined) {
      parser.command(head, GROUPS[head] ?? head, (group) => {
        register(group, within, [...above, head], choose);
        const names = within.map((command) => wordOf(command, above.length + 1));
        return group.demandCommand(1, `give a command of ${head}: ${names.join(', ')}`);
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

function wordOf(command: Command, at: number): string {
  return command.path.split(' ')[at] ?? '';
}

function describe(parser: Argv, command: Command): Argv {
  for (const { name, describe: about } of command.positionals ?? [])
    parser.positional(name, { type: 'string', describe: about });
  for (const flag of flagsOf(command)) {
    // The default is shown and not set: an absent flag leaves room for the environment and the file.
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

/** Its own, and those that all have; what it declares itself goes before. */
function flagsOf(command: Command): readonly Flag[] {
  const own = new Set(command.flags.map((flag) => flag.name));
  const common = [...(command.isClient ? CLIENT_FLAGS : []), OUTPUT_FLAG, CONFIG_FLAG];
  return [...command.flags, ...common.filter((flag) => !own.has(flag.name))];
}

/** yargs makes 0 of `--count=` and false of `--batch=yes`: neither was said. */
function refuseGuesses(command: Command, words: readonly string[]): void {
  for (const word of words) {
    const [, name, value] = /^--([^=]+)=(.*)$/s.exec(word) ?? [];
    const flag = flagsOf(command).find((candidate) => candidate.name === name);
    if (flag?.type === 'number' && value?.trim() === '') throw usageError(`--${name} needs a number`);
    if (flag?.type === 'boolean' && value !== 'true' && value !== 'false')
      throw usageError(`${word} is neither true nor false`, `write --${name}, or leave it out`);
  }
}

function settle(
  commands: readonly Command[],
  command: Command,
  argv: Record<string, unknown>,
  environment: Environment,
): Call {
  const flags = flagsOf(command);
  const given = new Map<string, FlagValue>();
  for (const flag of flags) {
    const value = argv[flag.name];
    // The last one alone would be kept: of two records, say.
    if (Array.isArray(value)) throw usageError(`--${flag.name} is given more than once`);
    if (typeof value === 'number' && Number.isNaN(value)) throw usageError(`--${flag.name} needs a number`);
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      given.set(flag.name, value);
    else if (flag.inConfig === true || flag === CONFIG_FLAG) {
      const fromEnvironment = readEnvironment(flag, environment);
      if (fromEnvironment !== null) given.set(flag.name, fromEnvironment);
    }
  }
  const chosen = new Map<string, FlagValue>();
  const config = given.get(CONFIG_FLAG.name);
  if (typeof config === 'string') {
    const mine = new Set(flags.filter((flag) => flag.inConfig === true).map((flag) => flag.name));
    for (const [name, value] of readConfigFile(config, settingsOf(commands, command)))
      if (mine.has(name)) chosen.set(name, value);
  }
  for (const [name, value] of given) chosen.set(name, value);
  const values = new Map<string, FlagValue>();
  for (const flag of flags) if (flag.default !== undefined) values.set(flag.name, flag.default);
  for (const [name, value] of chosen) values.set(name, value);
  const positionals = new Map<string, string>();
  for (const { name } of command.positionals ?? []) {
    const value = argv[name];
    if (typeof value === 'string') positionals.set(name, value);
  }
  return {
    values,
    positionals,
    format: (values.get(OUTPUT_FLAG.name) as OutputFormat | undefined) ?? 'table',
    isFormatChosen: chosen.has(OUTPUT_FLAG.name),
    now: () => new Date(),
  };
}

/** What a file may set: what any command may, so that one file can serve all, each in the form this command gives it. */
function settingsOf(commands: readonly Command[], command: Command): Map<string, Flag> {
  const settings = new Map<string, Flag>();
  for (const flag of [...commands.flatMap(flagsOf), ...flagsOf(command)])
    if (flag.inConfig === true) settings.set(flag.name, flag);
  return settings;
}

function variableOf(flag: Flag): string {
  return `DLEDGER_${flag.name.toUpperCase().replaceAll('-', '_')}`;
}

function readEnvironment(flag: Flag, environment: Environment): FlagValue | null {
  const name = variableOf(flag);
  const value = environment[name];
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

/** What yargs complains of, with what was probably meant. */
function misunderstood(commands: readonly Command[], words: readonly string[], message: string): CliError {
  const shown = message.replaceAll(/\s*\n\s*/g, ' ').trim();
  const named = commandOf(commands, words);
  const help = `see dledger ${named === null ? '' : `${named.join(' ')} `}--help`;
  const command = commands.find(({ path }) => path === named?.join(' '));
  const valueless = /^Not enough arguments following: (\S+)/.exec(shown)?.[1];
  if (valueless !== undefined) {
    const flag = command && flagsOf(command).find(({ name, alias }) => [name, alias].includes(valueless));
    const name = flag?.name ?? valueless;
    return usageError(`--${name} needs a value`, `one that begins with a dash is written --${name}=-x`);
  }
  const choice = /Argument: ([^,]+), Given: (.+), Choices: (.+)$/.exec(shown);
  if (choice !== null)
    return usageError(`--${choice[1]} ${choice[2]} is no choice`, `choose one of ${choice[3]}`);
  const missing = command?.positionals?.find((positional) => positional.isRequired);
  if (missing !== undefined && shown.startsWith('Not enough non-option arguments'))
    return usageError(`${missing.name.toUpperCase()} is missing: ${missing.describe}`, help);
  const unknown = /^Unknown arguments?: ([^,]+)/.exec(shown)?.[1];
  if (unknown === undefined) return usageError(shown, help);
  const isFlag = words.some((word) => word.startsWith('-') && word.replace(/^-+/, '').startsWith(unknown));
  if (isFlag) {
    const names = command === undefined ? [] : flagsOf(command).map((flag) => flag.name);
    const meant = suggest(unknown, names);
    const dashes = unknown.length === 1 ? '-' : '--';
    return usageError(`${dashes}${unknown} is unknown`, meant === null ? help : `did you mean --${meant}?`);
  }
  const depth = named?.length ?? 0;
  const siblings = commands.filter(({ path }) => path.startsWith([...(named ?? []), ''].join(' ')));
  // Somebody who types `dledger status` means one of the commands that end so.
  const elsewhere = commands.find(({ path }) => path.endsWith(` ${unknown}`));
  const meant = elsewhere?.path ?? suggest(unknown, new Set(siblings.map((one) => wordOf(one, depth))));
  return usageError(
    `${[...(named ?? []), unknown].join(' ')} is no command`,
    meant === null
      ? help
      : `did you mean ${elsewhere === undefined ? [...(named ?? []), meant].join(' ') : meant}?`,
  );
}

/** The words at the beginning that name a command or a group. Null if there are none. */
function commandOf(commands: readonly Command[], words: readonly string[]): string[] | null {
  const named: string[] = [];
  for (const word of words) {
    const path = [...named, word].join(' ');
    if (!commands.some((command) => command.path === path || command.path.startsWith(`${path} `))) break;
    named.push(word);
  }
  return named.length === 0 ? null : named;
}
