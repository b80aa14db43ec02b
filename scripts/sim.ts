#!/usr/bin/env node
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { parseMutations } from '../src/base/mutations.ts';
import { envelopeOf, structured } from '../src/cli/output.ts';
import type { NodeOptions } from '../src/node/index.ts';
import { CampaignTally } from '../src/sim/campaign-tally.ts';
import { ScenarioFormatError, parseScenario } from '../src/sim/scenario-file.ts';
import { simulate, type SimulationResult } from '../src/sim/simulation.ts';
import { WORLD_NAMES, type WorldName } from '../src/sim/worlds.ts';
import { failureLines, progressLine, summaryData, summaryLines } from './sim/report.ts';
import { runSeeds, simulateSeed, worldOf, type Variant } from './sim/seeds.ts';
import { mutationsFlag, shrinkToFile } from './sim/shrinking.ts';
import { measureSpeed, speedLines } from './sim/speed.ts';

const USAGE = `usage: npm run sim -- --seeds N | --minutes M     a campaign
         --from S              begins with seed S (default 1)
         --workers W           in W processes (default 1)
         --no-shrink           leaves failing seeds as they are
         --require-marks       fails if a rare path was never taken
         -o json               the summary as JSON
       npm run sim -- --seed N | --scenario FILE      one run, with a line for each event
         --shrink              instead: leaves out what it fails without
       npm run sim -- --speed                         how fast it is
       with all but the last:
         --shrink-seconds T    default 20
         --node JSON           options for all nodes, over those drawn
         --world NAME          ${WORLD_NAMES.join(', ')} or all (default swarm)
         --mutations A,B       wrong behaviours that a run should notice

Exit code 1 if a run failed, 2 if this was misused.`;

class UsageError extends Error {}

const OPTIONS = {
  seeds: { type: 'string' },
  minutes: { type: 'string' },
  seed: { type: 'string' },
  scenario: { type: 'string' },
  speed: { type: 'boolean', default: false },
  from: { type: 'string', default: '1' },
  workers: { type: 'string', default: '1' },
  shrink: { type: 'boolean' },
  'shrink-seconds': { type: 'string', default: '20' },
  'require-marks': { type: 'boolean', default: false },
  node: { type: 'string', default: '{}' },
  mutations: { type: 'string', default: '' },
  world: { type: 'string', default: 'swarm' },
  output: { type: 'string', short: 'o', default: 'table' },
} as const;

interface Settings {
  readonly from: number;
  readonly workers: number;
  readonly shrink: boolean;
  readonly shrinkMs: number;
  readonly requireMarks: boolean;
  readonly variant: Variant;
  readonly isJson: boolean;
}

/** @returns whether everything held. */
async function main(args: string[]): Promise<boolean> {
  const { values } = parseArgs({ args, options: OPTIONS, allowNegative: true });
  const isOne = values.seed !== undefined || values.scenario !== undefined;
  if (values.output !== 'table' && values.output !== 'json') throw new UsageError('-o is table or json');
  const settings: Settings = {
    from: wholeNumber('from', values.from),
    workers: wholeNumber('workers', values.workers),
    shrink: values.shrink ?? !isOne,
    shrinkMs: positive('shrink-seconds', values['shrink-seconds']) * 1000,
    requireMarks: values['require-marks'],
    variant: {
      world: world(values.world),
      node: nodeOptions(values.node),
      mutations: mutations(values.mutations),
    },
    isJson: values.output === 'json',
  };
  if (values.speed) return speed(settings);
  if (values.seed !== undefined) {
    const seed = wholeNumber('seed', values.seed);
    return one(settings, `seed ${seed}`, `seed-${seed}`, (onLine) =>
      simulateSeed(seed, settings.variant, onLine),
    );
  }
  if (values.scenario !== undefined) {
    const { scenario } = parseScenario(fs.readFileSync(values.scenario, 'utf8'));
    const name = path.basename(values.scenario, '.json');
    const { node, mutations: wrong } = settings.variant;
    return one(settings, name, `${name}-smaller`, (onLine) =>
      simulate(scenario, { node, mutations: wrong, onLine }),
    );
  }
  if (values.minutes !== undefined) {
    const limitMs = positive('minutes', values.minutes) * 60_000;
    return campaign(settings, (_, elapsedMs) => elapsedMs / limitMs);
  }
  if (values.seeds === undefined) throw new UsageError('what is to be run?');
  const seeds = wholeNumber('seeds', values.seeds);
  return campaign(settings, (begun) => begun / seeds);
}

/** @param done what part of the campaign is over, 1 = all of it. */
async function campaign(
  settings: Settings,
  done: (begun: number, elapsedMs: number) => number,
): Promise<boolean> {
  const startedMs = performance.now();
  const elapsedMs = (): number => performance.now() - startedMs;
  const tally = new CampaignTally();
  const shrunk = new Set<string>();
  let isInterrupted = false;
  process.once('SIGINT', () => {
    isInterrupted = true;
  });
  const outcomes = runSeeds({
    ...settings,
    isOver: (begun) => isInterrupted || done(begun, elapsedMs()) >= 1,
  });
  for await (const outcome of outcomes) {
    tally.add(outcome);
    if (outcome.failures.length > 0) {
      tell(failureLines(`seed ${outcome.seed}`, outcome.failures));
      tell([
        `    repeat it   npm run sim -- --seed ${outcome.seed}${overlay(settings.variant, outcome.seed)}`,
      ]);
      // The first of each kind: the others are most likely the same.
      const rules = outcome.failures.map(({ rule }) => rule).join(' ');
      if (settings.shrink && !shrunk.has(rules)) {
        shrunk.add(rules);
        const failed = simulateSeed(outcome.seed, settings.variant);
        tell(
          shrinkToFile(failed, settings.variant, `seed-${outcome.seed}`, settings.shrinkMs, progress).map(
            indented,
          ),
        );
      }
    }
    progress(progressLine(tally, elapsedMs(), done(tally.seeds, elapsedMs())));
  }
  progress('');
  if (settings.isJson) writeJson('SimulationCampaign', summaryData(tally, elapsedMs()));
  else for (const line of summaryLines(tally, elapsedMs())) console.log(line);
  return tally.failed.length === 0 && !(settings.requireMarks && tally.missed.length > 0);
}

function one(
  settings: Settings,
  name: string,
  smaller: string,
  run: (onLine: (line: string) => void) => SimulationResult,
): boolean {
  const result = run(settings.shrink || settings.isJson ? () => undefined : (line) => console.log(line));
  const { failures, hash, simulatedMs, events } = result;
  if (settings.isJson) writeJson('SimulationRun', { hash, simulatedMs, events, failures });
  else console.log(`hash ${hash}`);
  tell(failureLines(name, failures));
  if (settings.shrink && failures.length > 0)
    tell(shrinkToFile(result, settings.variant, smaller, settings.shrinkMs, progress));
  else if (settings.shrink) tell(['it does not fail: there is nothing to shrink']);
  return failures.length === 0;
}

function speed({ isJson }: Settings): boolean {
  const speeds = measureSpeed(progress);
  progress('');
  if (isJson) writeJson('SimulationSpeed', speeds);
  else for (const line of speedLines(speeds)) console.log(line);
  return true;
}

/** Replaces the last line of a terminal; says nothing elsewhere. */
function progress(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${line}`);
}

function tell(lines: readonly string[]): void {
  progress('');
  for (const line of lines) console.error(line);
}

/** What a command needs besides the seed to do the same. */
function overlay(variant: Variant, seed: number): string {
  const { node } = variant;
  const drawn = worldOf(variant, seed);
  const from = drawn === 'swarm' ? '' : ` --world ${drawn}`;
  const options = Object.keys(node).length === 0 ? '' : ` --node '${JSON.stringify(node)}'`;
  return `${from}${options}${mutationsFlag(variant)}`;
}

function indented(line: string): string {
  return `    ${line}`;
}

function writeJson(kind: string, data: unknown): void {
  process.stdout.write(structured(envelopeOf({ kind, data }, new Date()), 'json'));
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new UsageError(`--${name} is a whole number from 1 on`);
  return value;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new UsageError(`--${name} is a number above 0`);
  return value;
}

function nodeOptions(text: string): Partial<NodeOptions> {
  try {
    return JSON.parse(text) as Partial<NodeOptions>;
  } catch {
    throw new UsageError('--node is a JSON object of options');
  }
}

function world(text: string): Variant['world'] {
  if (text === 'all' || (WORLD_NAMES as readonly string[]).includes(text)) return text as WorldName | 'all';
  throw new UsageError(`--world is one of ${WORLD_NAMES.join(', ')}, all`);
}

function mutations(text: string): Variant['mutations'] {
  try {
    return parseMutations(text);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1;
  } catch (error) {
    const isMisuse = error instanceof UsageError || isParseError(error);
    if (!isMisuse && !(error instanceof ScenarioFormatError)) throw error;
    console.error(`${error.message}${isMisuse ? `\n${USAGE}` : ''}`);
    process.exitCode = 2;
  }
}

function isParseError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
}
