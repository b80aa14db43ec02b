#!/usr/bin/env node
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { MARKS, MARK_NAMES, type Mark } from '../src/base/marks.ts';
import { FAULT_KINDS, type FaultKind } from '../src/sim/scenario.ts';
import { simulate, type SimulationResult } from '../src/sim/simulation.ts';

/**
 * Campaigns of simulated clusters.
 *
 *     npm run sim -- --seeds N [--from S]    N seeds, from S on (default 1)
 *     npm run sim -- --minutes M [--from S]  as many as fit
 *     npm run sim -- --seed N                one seed, with a line for each event
 *
 * Exit code 1 if any seed failed; with --require-marks also if a rare path was never taken.
 */
const USAGE = 'usage: npm run sim -- --seeds N [--from S] | --minutes M [--from S] | --seed N';

/** What a campaign adds up. */
class Campaign {
  readonly #startedAtMs = performance.now();
  readonly #faults = Object.fromEntries(FAULT_KINDS.map((kind) => [kind, 0])) as Record<FaultKind, number>;
  readonly #marks = Object.fromEntries(MARK_NAMES.map((name) => [name, 0])) as Record<Mark, number>;
  readonly #failed: number[] = [];
  #seeds = 0;
  #simulatedMs = 0;
  #events = 0;
  #operations = 0;
  #acknowledged = 0;
  #unknown = 0;
  #recordsRead = 0;

  get elapsedMs(): number {
    return performance.now() - this.#startedAtMs;
  }

  get hasFailed(): boolean {
    return this.#failed.length > 0;
  }

  add(result: SimulationResult): void {
    this.#seeds += 1;
    this.#simulatedMs += result.simulatedMs;
    this.#events += result.events;
    this.#operations += result.operations;
    this.#acknowledged += result.check?.acknowledged ?? 0;
    this.#unknown += result.check?.unknown ?? 0;
    this.#recordsRead += result.check?.recordsRead ?? 0;
    for (const kind of FAULT_KINDS) this.#faults[kind] += result.faults[kind];
    for (const name of MARK_NAMES) this.#marks[name] += result.marks[name];
    if (result.failures.length > 0) this.#failed.push(result.scenario.seed);
  }

  progress(): string {
    const rate = this.#simulatedMs / this.elapsedMs;
    return `${this.#seeds} seeds, ${Math.round(this.#simulatedMs / 1000)} s simulated, ${rate.toFixed(0)} s a second, ${this.#failed.length} failed`;
  }

  summary(): string[] {
    const seconds = this.elapsedMs / 1000;
    const faults = FAULT_KINDS.map((kind) => `${kind} ${this.#faults[kind]}`).join(', ');
    return [
      `seeds             ${this.#seeds}, ${this.#failed.length} failed${this.hasFailed ? `: ${this.#failed.join(' ')}` : ''}`,
      `simulated         ${(this.#simulatedMs / 1000).toFixed(0)} s in ${seconds.toFixed(1)} s: ${(this.#simulatedMs / 1000 / seconds).toFixed(0)} s a second`,
      `events            ${this.#events}, ${Math.round(this.#events / seconds)} a second`,
      `client operations ${this.#operations}: ${this.#acknowledged} appends acknowledged, ${this.#unknown} of unknown outcome; ${this.#recordsRead} records read`,
      `faults            ${faults}`,
      ...this.#markLines(),
    ];
  }

  /** Paths that were never taken. */
  get missed(): Mark[] {
    return MARK_NAMES.filter((name) => this.#marks[name] === 0);
  }

  #markLines(): string[] {
    const taken = MARK_NAMES.filter((name) => this.#marks[name] > 0);
    return [
      `rare paths        ${taken.length} of ${MARK_NAMES.length} taken`,
      ...taken.map((name) => `  ${String(this.#marks[name]).padStart(9)}  ${name}`),
      ...this.missed.map((name) => `      never  ${name}: ${MARKS[name]}`),
    ];
  }
}

function tellFailures(result: SimulationResult): void {
  if (result.failures.length === 0) return;
  for (const { rule, message, evidence } of result.failures) {
    console.error(`seed ${result.scenario.seed}: ${rule}: ${message}`);
    for (const line of evidence) console.error(`    ${line.replaceAll('\n', '\n    ')}`);
  }
  console.error(`    to repeat it: npm run sim -- --seed ${result.scenario.seed}`);
}

function runOne(seed: number): boolean {
  const result = simulate(seed, { onLine: (line) => console.log(line) });
  console.log(`hash ${result.hash}`);
  tellFailures(result);
  return result.failures.length === 0;
}

function runMany(
  from: number,
  isOver: (seeds: number, elapsedMs: number) => boolean,
  requireMarks: boolean,
): boolean {
  const campaign = new Campaign();
  const isTerminal = process.stderr.isTTY;
  for (let seed = from; !isOver(seed - from, campaign.elapsedMs); seed += 1) {
    const result = simulate(seed);
    campaign.add(result);
    if (isTerminal) process.stderr.write('\r\u001b[K');
    tellFailures(result);
    if (isTerminal) process.stderr.write(campaign.progress());
  }
  if (isTerminal) process.stderr.write('\r\u001b[K');
  for (const line of campaign.summary()) console.log(line);
  return !campaign.hasFailed && !(requireMarks && campaign.missed.length > 0);
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} is a whole number from 1 on`);
  return value;
}

function main(args: string[]): boolean {
  const option = { type: 'string' } as const;
  const { values } = parseArgs({
    args,
    options: {
      seeds: option,
      seed: option,
      minutes: option,
      from: option,
      'require-marks': { type: 'boolean' },
    },
  });
  if (values.seed !== undefined) return runOne(wholeNumber('seed', values.seed));
  const from = wholeNumber('from', values.from ?? '1');
  const requireMarks = values['require-marks'] ?? false;
  if (values.minutes !== undefined) {
    const limitMs = Number(values.minutes) * 60_000;
    if (!(limitMs > 0)) throw new Error('--minutes is a number above 0');
    return runMany(from, (_, elapsedMs) => elapsedMs >= limitMs, requireMarks);
  }
  if (values.seeds === undefined) throw new Error('what is to be run?');
  const count = wholeNumber('seeds', values.seeds);
  return runMany(from, (seeds) => seeds >= count, requireMarks);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    process.exitCode = main(process.argv.slice(2)) ? 0 : 1;
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    process.exitCode = 2;
  }
}
