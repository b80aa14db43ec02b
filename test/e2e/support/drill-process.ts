import fs from 'node:fs';
import { parseDrill } from '../../../src/drill/script.ts';
import { runDrill } from '../../../src/drill/run-drill.ts';

/**
 * A drill in a process of its own, for tests that kill it: says the name of each step as it begins.
 *
 *     node drill-process.ts SCRIPT DIRECTORY [ENDPOINTS]
 */
const [script = '', directory = '', endpoints] = process.argv.slice(2);
await runDrill(parseDrill(fs.readFileSync(script, 'utf8'), script), {
  target: endpoints?.split(',') ?? null,
  directory,
  onProgress: ({ step }) => {
    if (step !== null) process.stdout.write(`${step}\n`);
  },
});
