import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Client } from '../../client/index.ts';
import type { Drill } from '../../drill/drill.ts';
import type { DrillProgress } from '../../drill/drill-run.ts';
import { DrillDirectoryError } from '../../drill/drill-directory.ts';
import { JOURNAL_NAME, parseJournal } from '../../drill/journal-file.ts';
import type { Journal } from '../../drill/journal.ts';
import { compareRows } from '../../drill/reports/compare.ts';
import { comparePage, htmlReport } from '../../drill/reports/html.ts';
import { junitReport } from '../../drill/reports/junit.ts';
import { terminalReport } from '../../drill/reports/terminal.ts';
import { runDrill } from '../../drill/run-drill.ts';
import { CliError, usageError } from '../cli-error.ts';
import { noneAnswers } from '../cluster-client.ts';
import { flag, number, text, type Call, type Command, type Flag, type Positional } from '../command.ts';
import { glyphsFor } from '../console/theme.ts';
import {
  DRILL_EXTENSION,
  DRILL_LIBRARY,
  drillNames,
  freshDrillDirectory,
  readDrill,
} from '../drill-library.ts';
import { ExitCode } from '../exit-code.ts';
import { say, writeAnswer, writeOut } from '../output.ts';
import { printable } from '../printable.ts';

/** What a new script begins as. */
const TEMPLATE = 'leader-kill';

const REACH_TIMEOUT_MS = 5000;

const SCRIPT: Positional = {
  name: 'drill',
  describe: 'a script, or the name of one of the library (`drill list`)',
  isRequired: true,
};
const JUNIT: Flag = { name: 'junit', type: 'string', describe: 'write JUnit XML to this file' };
const HTML: Flag = {
  name: 'html',
  type: 'string',
  describe: 'write a page that needs nothing else to this file',
};

export const drillList: Command = {
  path: 'drill list',
  describe: 'the drills that come with this program, and what each claims',
  isClient: false,
  flags: [],
  run: async (call) => {
    const drills = drillNames().map(readDrill);
    await writeAnswer(
      {
        kind: 'Drills',
        data: drills.map(({ name, hypothesis, mustFail }) => ({ name, hypothesis, mustFail })),
        table: () => [['NAME', 'HYPOTHESIS'], ...drills.map(({ name, hypothesis }) => [name, hypothesis])],
      },
      call.format,
      call.now(),
    );
    return ExitCode.ok;
  },
};

export const drillValidate: Command = {
  path: 'drill validate',
  describe: 'read a script, and say what it would do; 2 with line and column where it cannot be run',
  isClient: false,
  positionals: [SCRIPT],
  flags: [],
  run: async (call) => {
    await showPlan(call, readDrill(call.positionals.get('drill') ?? ''));
    return ExitCode.ok;
  },
};

export const drillRun: Command = {
  path: 'drill run',
  describe: 'load a cluster, break it on purpose, mend it always, and judge what held; brings its own nodes',
  isClient: false,
  positionals: [SCRIPT],
  flags: [
    {
      name: 'target',
      type: 'string',
      describe: 'HOST:PORT,... of a cluster that is there and was started with --allow-faults; needs --yes',
    },
    { name: 'seed', type: 'number', describe: 'what chance is drawn from; default: the one of the script' },
    {
      name: 'out',
      type: 'string',
      describe:
        'directory for the journal, the history and the nodes; default: a new one in ./.dledger/drills',
    },
    JUNIT,
    HTML,
    { name: 'dry-run', type: 'boolean', describe: 'only say what it would do', default: false },
    { name: 'yes', type: 'boolean', describe: 'with --target: break that cluster', default: false },
  ],
  examples: [['$0 drill run leader-kill', 'kill a leader under load, in a cluster that is made for it']],
  run: async (call) => {
    const name = call.positionals.get('drill') ?? '';
    const drill = readDrill(name);
    const target = text(call, 'target');
    const seed = number(call, 'seed');
    if (seed !== null && (!Number.isSafeInteger(seed) || seed < 0))
      throw usageError(`--seed ${seed} is not an integer in 0..2^53-1`);
    if (flag(call, 'dry-run')) {
      await showPlan(call, drill);
      return ExitCode.ok;
    }
    if (target !== null && !flag(call, 'yes')) {
      throw new CliError(
        'UNSAFE',
        ExitCode.refused,
        `${drill.name} breaks the cluster ${target} for a while`,
        {
          next: 'say it with --yes; without --target the drill brings a cluster of its own',
        },
      );
    }
    const endpoints = target === null ? null : await reachable(target);
    const directory = path.resolve(text(call, 'out') ?? freshDrillDirectory(drill.name, call.now()));
    const journal = await run(drill, directory, endpoints, seed);
    await report(call, journal);
    say(`journal: ${path.join(directory, JOURNAL_NAME)}`);
    return exitOf(journal);
  },
};

export const drillReport: Command = {
  path: 'drill report',
  describe: 'show again what a drill came to; with --junit and --html as files',
  isClient: false,
  positionals: [{ name: 'journal', describe: 'a journal, or the directory of a drill', isRequired: true }],
  flags: [JUNIT, HTML],
  run: async (call) => {
    const journal = readJournal(call.positionals.get('journal') ?? '');
    await report(call, journal);
    return exitOf(journal);
  },
};

export const drillCompare: Command = {
  path: 'drill compare',
  describe: 'hold two runs against each other; with --html on one axis of time',
  isClient: false,
  positionals: [
    { name: 'one', describe: 'a journal, or the directory of a drill', isRequired: true },
    { name: 'other', describe: 'likewise', isRequired: true },
  ],
  flags: [HTML],
  run: async (call) => {
    const [one, other] = ['one', 'other'].map((name) => readJournal(call.positionals.get(name) ?? '')) as [
      Journal,
      Journal,
    ];
    const rows = compareRows(one, other);
    const data = rows.slice(1).map(([what, first, second]) => ({ what, first, second }));
    await writeAnswer({ kind: 'DrillComparison', data, table: () => rows }, call.format, call.now());
    writeFile(text(call, 'html'), () => comparePage(one, other));
    return ExitCode.ok;
  },
};

export const drillNew: Command = {
  path: 'drill new',
  describe: 'write a script to begin with, NAME.yaml in this directory',
  isClient: false,
  positionals: [{ name: 'name', describe: 'lower case, digits and dashes', isRequired: true }],
  flags: [],
  run: async (call) => {
    const name = call.positionals.get('name') ?? '';
    if (!/^[a-z0-9][a-z0-9-]*$/.test(name))
      throw usageError(`${JSON.stringify(name)} is no name for a drill`);
    const file = `${name}${DRILL_EXTENSION}`;
    if (fs.existsSync(file)) throw new CliError('EXISTS', ExitCode.notFound, `${file} is there already`);
    const template = fs.readFileSync(path.join(DRILL_LIBRARY, `${TEMPLATE}${DRILL_EXTENSION}`), 'utf8');
    const schema = `# yaml-language-server: $schema=${pathToFileURL(path.join(DRILL_LIBRARY, 'drill.schema.json')).href}\n`;
    fs.writeFileSync(file, schema + template.replace(`name: ${TEMPLATE}`, `name: ${name}`));
    await writeAnswer({ kind: 'DrillMade', data: { file }, table: () => [[file]] }, call.format, call.now());
    say(`run it with: dledger drill run ${file}`);
    return ExitCode.ok;
  },
};

/** A cluster that nobody answers for is not worth waiting for. @throws CliError */
async function reachable(target: string): Promise<string[]> {
  const endpoints = target.split(',');
  const client = new Client({ endpoints });
  try {
    const silence = noneAnswers(await client.status({ timeoutMs: REACH_TIMEOUT_MS }), 'target');
    if (silence !== null) throw silence;
  } finally {
    await client.close();
  }
  return endpoints;
}

async function run(
  drill: Drill,
  directory: string,
  target: readonly string[] | null,
  seed: number | null,
): Promise<Journal> {
  const abort = new AbortController();
  const onSignal = (): void => {
    // Whoever asks twice means it; the nodes of the drill end with it, faults elsewhere when their time runs out.
    if (abort.signal.aborted) process.exit(ExitCode.interrupted);
    say('ending the drill: mending everything first');
    abort.abort();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, onSignal);
  try {
    return await runDrill(drill, {
      target,
      directory,
      onProgress: tell,
      signal: abort.signal,
      ...(seed === null ? {} : { seed }),
    });
  } catch (error) {
    if (error instanceof DrillDirectoryError)
      throw usageError(error.message, 'give another directory to --out');
    throw error;
  } finally {
    for (const signal of signals) process.removeListener(signal, onSignal);
  }
}

function tell({ atMs, step, text: what, leader, acked }: DrillProgress): void {
  const name = step === null ? '' : `${step}: `;
  say(
    printable(
      `${(atMs / 1000).toFixed(2).padStart(7)} s  ${name}${what}   (leader ${leader ?? '-'}, ${acked} acknowledged)`,
    ),
  );
}

/** To stdout as asked, and to the files that were named. */
async function report(call: Call, journal: Journal): Promise<void> {
  if (call.format === 'table' || call.format === 'wide') {
    const { ok, broken: bad } = glyphsFor(process.env, false);
    await writeOut(
      terminalReport(journal, { ok, bad, warn: '!' })
        .map((line) => `${printable(line)}\n`)
        .join(''),
    );
  } else {
    await writeAnswer({ kind: 'DrillJournal', data: journal, table: () => [] }, call.format, call.now());
  }
  writeFile(text(call, 'junit'), () => junitReport(journal));
  writeFile(text(call, 'html'), () => htmlReport(journal));
}

/** Where one was asked for. */
function writeFile(file: string | null, content: () => string): void {
  if (file === null) return;
  try {
    fs.writeFileSync(file, content());
  } catch (error) {
    throw usageError(`cannot write ${file}: ${(error as Error).message}`);
  }
  say(`wrote ${printable(file)}`);
}

async function showPlan(call: Call, drill: Drill): Promise<void> {
  const { cluster, load, steps, expect, steady } = drill;
  const rate = load.rate === null ? `${load.inFlight} in flight each` : `${load.rate} records a second`;
  await writeAnswer(
    {
      kind: 'Drill',
      data: drill,
      headline: [
        `${drill.name}: ${drill.hypothesis}`,
        `${cluster.nodes} nodes; ${load.producers} producers, ${rate}; ${load.consumers} readers; steady for ${steady.forMs} ms`,
        ...(cluster.unsafeMutations.length === 0
          ? []
          : [`UNSAFE on purpose: ${cluster.unsafeMutations.join(', ')}`]),
        '',
      ],
      table: () => [
        ['STEP', 'KIND', 'TIMES'],
        ...steps.map(({ name, kind, repeat }) => [name, kind, String(repeat)]),
        ['', '', ''],
        ...expect.map(({ id, severity }) => [id, drill.mustFail.includes(id) ? 'must fail' : severity, '']),
      ],
    },
    call.format,
    call.now(),
  );
}

function exitOf({ verdict, unhealed }: Journal): number {
  if (unhealed.length > 0) return ExitCode.unhealed;
  if (verdict === 'pass') return ExitCode.ok;
  return verdict === 'fail' ? ExitCode.drillFailed : ExitCode.drillUnclear;
}

/** @param given a journal, or the directory that it lies in. @throws CliError */
function readJournal(given: string): Journal {
  const isDirectory = fs.existsSync(given) && fs.statSync(given).isDirectory();
  const file = isDirectory ? path.join(given, JOURNAL_NAME) : given;
  let content: string;
  try {
    content = fs.readFileSync(file, 'utf8');
  } catch (error) {
    throw new CliError('NOT_FOUND', ExitCode.notFound, `there is no journal ${file}`, {
      next: 'give the directory that `drill run` named, or the journal in it',
      cause: error,
    });
  }
  try {
    return parseJournal(content);
  } catch (error) {
    throw usageError(`${file} is no journal of a drill: ${(error as Error).message}`);
  }
}
