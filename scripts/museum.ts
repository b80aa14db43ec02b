#!/usr/bin/env node
import { parseArgs } from 'node:util';
import type { Mutation } from '../src/base/mutations.ts';
import { exhibitOf, isCaught, show, SHOWN } from '../src/sim/museum.ts';

/**
 * Measures how soon each wrong behaviour is noticed:
 *
 *     npm run museum -- [--only NAME] [--seeds N] [--starts K]
 *
 * Seeds of its world are tried until one notices it, at most N (default 300), from K starting points (default 3): 1, 1001
 * ... The table is the one of docs/museum.md. Exit code 1 if anything went unnoticed.
 */
const option = { type: 'string' } as const;
const { values } = parseArgs({ options: { only: option, seeds: option, starts: option } });
const seedsMax = wholeNumber('seeds', values.seeds ?? '300');
const starts = wholeNumber('starts', values.starts ?? '3');
const names = values.only === undefined ? SHOWN : [nameOf(values.only)];

let unnoticed = 0;
console.log('| switch | world | caught by | first seed | median | worst |');
console.log('|---|---|---|---|---|---|');
for (const name of names) {
  const rules = new Set<string>();
  const needed: number[] = [];
  for (let at = 0; at < starts; at += 1) needed.push(measure(name, at * 1000 + 1, rules));
  const [first = 0] = needed;
  const sorted = needed.toSorted((one, other) => one - other);
  const median = sorted[sorted.length >> 1] ?? 0;
  const worst = sorted.at(-1) ?? 0;
  if (worst === Infinity) unnoticed += 1;
  const row = [`\`${name}\``, exhibitOf(name).world, [...rules].join(', '), first, median, worst];
  console.log(`| ${row.join(' | ')} |`);
}
process.exitCode = unnoticed === 0 ? 0 : 1;

/** @returns how many seeds it took from this one on; infinite where they were not enough. */
function measure(name: Mutation, from: number, rules: Set<string>): number {
  for (let taken = 1; taken <= seedsMax; taken += 1) {
    const result = show(name, from + taken - 1);
    if (!isCaught(name, result)) continue;
    for (const { rule } of result.failures) rules.add(rule);
    return taken;
  }
  return Infinity;
}

function nameOf(text: string): Mutation {
  const name = SHOWN.find((known) => known === text);
  if (name === undefined) throw new Error(`there is no switch ${text}`);
  return name;
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} is a whole number from 1 on`);
  return value;
}
