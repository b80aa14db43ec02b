#!/usr/bin/env node
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { Journal } from '../src/drill/journal.ts';
import { runDrill } from '../src/drill/run-drill.ts';
import { parseDrill } from '../src/drill/script.ts';

/**
 * Runs the drills of the library on real processes, one after the other.
 *
 *     npm run drills                            all of them
 *     npm run drills -- leader-kill q2-jitter   these
 *     npm run drills -- --times 3               each three times
 *     npm run drills -- --out DIR               journals and histories go there; default: a directory for the time being
 */
const { values, positionals } = parseArgs({
  options: { times: { type: 'string', default: '1' }, out: { type: 'string' }, seed: { type: 'string' } },
  allowPositionals: true,
});
const library = path.join(import.meta.dirname, '../drills');
const names = fs
  .readdirSync(library)
  .filter((file) => file.endsWith('.yaml'))
  .map((file) => file.slice(0, -'.yaml'.length))
  .filter((name) => positionals.length === 0 || positionals.includes(name));
const out = values.out ?? fs.mkdtempSync(path.join(os.tmpdir(), 'dledger-drills-'));
const abort = new AbortController();
process.once('SIGINT', () => abort.abort());

let passed = 0;
const others: string[] = [];
for (const name of names) {
  const file = path.join(library, `${name}.yaml`);
  const drill = parseDrill(fs.readFileSync(file, 'utf8'), file);
  for (let time = 1; time <= Number(values.times); time += 1) {
    if (abort.signal.aborted) break;
    const directory = path.join(out, `${name}-${time}`);
    const journal = await runDrill(drill, {
      target: null,
      directory,
      signal: abort.signal,
      ...(values.seed === undefined ? {} : { seed: Number(values.seed) }),
    });
    console.log(summary(name, journal));
    if (journal.verdict === 'pass') passed += 1;
    else others.push(`${name} (${directory})`);
  }
}
console.log(
  `${passed} passed, ${others.length} did not${others.length === 0 ? '' : `: ${others.join(', ')}`}`,
);
if (others.length > 0) process.exitCode = 1;

/** A line, and one more for each reason where it is not well. */
function summary(name: string, { verdict, counts, gaps, roles, reasons, durationMs }: Journal): string {
  const longest = Math.round(gaps.reduce((most, { fromMs, toMs }) => Math.max(most, toMs - fromMs), 0));
  const terms = new Set(roles.filter(({ role }) => role === 'leader').map(({ term }) => term));
  const facts = `${counts.acked} acked, ${counts.unknown} unknown, ${counts.missing} missing, longest gap ${longest} ms, ${terms.size} leaders`;
  const line = `${verdict.padEnd(12)} ${name.padEnd(24)} ${(durationMs / 1000).toFixed(1).padStart(5)} s   ${facts}`;
  return [line, ...(verdict === 'pass' ? [] : reasons.map((reason) => `             ${reason}`))].join('\n');
}
