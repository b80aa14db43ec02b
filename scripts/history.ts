#!/usr/bin/env node
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { Prng } from '../src/base/prng.ts';
import {
  checkHistory,
  HistoryChecker,
  HistoryFormatError,
  HistoryReader,
  HistoryWriter,
  type CheckResult,
} from '../src/check/index.ts';
import { isLinearizable } from '../test/check/brute-force.ts';
import { MUTATIONS, rulesBroken } from '../test/check/mutations.ts';
import { validStory } from '../test/check/support.ts';
import { tinyStory } from '../test/check/tiny-story.ts';
import { tellLongStory } from './history/long-story.ts';

/**
 *     npm run history -- check FILE              judges a recorded history; exit code 1 if a promise was broken
 *     npm run history -- bench [--operations N]  how long a history of N operations takes (default 1,000,000)
 *     npm run history -- prove [--histories N]   that falsified histories are caught and others are not (default 1,000
 *                                                of each kind)
 */
const USAGE = 'usage: npm run history -- check FILE | bench [--operations N] | prove [--histories N]';

async function check(file: string): Promise<boolean> {
  const checker = new HistoryChecker();
  const reader = new HistoryReader(checker);
  for await (const piece of fs.createReadStream(file, { encoding: 'utf8', highWaterMark: 1 << 20 })) {
    reader.push(piece as string);
  }
  reader.end();
  const result = checker.result();
  for (const line of resultLines(result)) console.log(line);
  return result.violations.length === 0;
}

function resultLines({ violations, broken, ...counts }: CheckResult): string[] {
  const { acknowledged, failed, unknown, unknownStored, recordsRead } = counts;
  return [
    ...violations.flatMap(({ rule, message, evidence }) => [
      `${rule}: ${message}`,
      ...evidence.map((line) => `    ${line}`),
    ]),
    `${acknowledged} appends acknowledged, ${failed} refused, ${unknown} of unknown outcome of which ${unknownStored} are stored; ${recordsRead} records read`,
    violations.length === 0
      ? 'every promise was kept'
      : `broken: ${Object.entries(broken)
          .map(([rule, count]) => `${rule} ${count}`)
          .join(', ')}`,
  ];
}

/** Writes a long history to a file and judges it from there; then the same in memory, without the file. */
async function bench(operations: number): Promise<boolean> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dledger-history-'));
  const file = path.join(directory, 'history.ndjson');
  try {
    await record(file, operations);
    const bytes = fs.statSync(file).size;
    const startedMs = performance.now();
    const isKept = await check(file);
    const seconds = (performance.now() - startedMs) / 1000;
    const mib = process.resourceUsage().maxRSS / 1024;
    console.log(
      `${operations} operations, ${(bytes / 2 ** 20).toFixed(0)} MiB: read and judged in ${seconds.toFixed(1)} s; at most ${mib.toFixed(0)} MiB of memory`,
    );
    return isKept && seconds <= 10 && mib <= 1024;
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

/** In a process of its own: what it needs to make the story up is not what is measured. */
async function record(file: string, operations: number): Promise<void> {
  const { fork } = await import('node:child_process');
  const child = fork(import.meta.filename, ['record', file, '--operations', String(operations)]);
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`recording ended with ${code}`);
}

function recordHere(file: string, operations: number): void {
  const descriptor = fs.openSync(file, 'w');
  let waiting: string[] = [];
  let length = 0;
  const flush = (): void => {
    fs.writeSync(descriptor, waiting.join(''));
    waiting = [];
    length = 0;
  };
  const writer = new HistoryWriter('npm run history -- bench', (text) => {
    waiting.push(text);
    length += text.length;
    if (length > 1 << 20) flush();
  });
  const logs = tellLongStory(operations, 1, (event) => writer.event(event));
  for (const { node, firstIndex, commitIndex, entries } of logs) {
    writer.beginLog(node, firstIndex, commitIndex);
    for (const entry of entries) writer.entry(entry);
  }
  writer.end();
  flush();
  fs.closeSync(descriptor);
}

function prove(histories: number): boolean {
  let isGood = true;
  const say = (good: boolean, text: string): void => {
    isGood &&= good;
    console.log(`${good ? 'good' : 'BAD '}  ${text}`);
  };
  for (const [name, { rule, mutate }] of Object.entries(MUTATIONS)) {
    let mutated = 0;
    let caught = 0;
    for (let seed = 1; mutated < histories && seed < histories * 20; seed += 1) {
      const story = validStory(seed);
      if (!mutate(story, new Prng(seed))) continue;
      mutated += 1;
      if (rulesBroken(story).has(rule)) caught += 1;
    }
    say(
      caught === mutated && mutated === histories,
      `${rule.padEnd(24)} ${caught} of ${mutated} caught: ${name}`,
    );
  }
  const valid = histories * 10;
  let alarms = 0;
  for (let seed = 1; seed <= valid; seed += 1) {
    const { events, logs } = validStory(seed);
    if (checkHistory(events, logs).violations.length > 0) alarms += 1;
  }
  say(alarms === 0, `${alarms} false alarms over ${valid} valid histories`);
  let agreed = 0;
  let possible = 0;
  for (let seed = 1; seed <= valid; seed += 1) {
    const { events, logs } = tinyStory(seed);
    const isPossible = isLinearizable(events, logs[0]?.entries ?? []);
    if (isPossible) possible += 1;
    if (isPossible === (checkHistory(events, logs).violations.length === 0)) agreed += 1;
  }
  say(
    agreed === valid,
    `agrees with a search of all orders on ${agreed} of ${valid} histories of up to 8 operations, ${possible} of them linearizable`,
  );
  return isGood;
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new TypeError(`--${name} is a whole number from 1 on`);
  return value;
}

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      operations: { type: 'string', default: '1000000' },
      histories: { type: 'string', default: '1000' },
    },
  });
  const [what, file = ''] = positionals;
  const operations = wholeNumber('operations', values.operations);
  const histories = wholeNumber('histories', values.histories);
  let isGood: boolean;
  if (what === 'check' && file !== '') isGood = await check(file);
  else if (what === 'bench') isGood = await bench(operations);
  else if (what === 'prove') isGood = prove(histories);
  else if (what === 'record' && file !== '') {
    recordHere(file, operations);
    isGood = true;
  } else throw new TypeError('what is to be done?');
  process.exitCode = isGood ? 0 : 1;
} catch (error) {
  if (!(error instanceof TypeError) && !(error instanceof HistoryFormatError)) throw error;
  console.error(error instanceof TypeError ? `${error.message}\n${USAGE}` : error.message);
  process.exitCode = 2;
}
