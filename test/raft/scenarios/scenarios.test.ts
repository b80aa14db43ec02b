import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { play } from './harness/interpreter.ts';
import { formatScenario, parseScenario } from './harness/scenario-file.ts';

// Stories about consensus, each in a file: commands and what they print. `UPDATE=1` writes what they print now; then
// read the difference before you believe it.

const files = fs.readdirSync(import.meta.dirname).filter((file) => file.endsWith('.txt'));

test.each(files)('%s', (file) => {
  const scenarioPath = path.join(import.meta.dirname, file);
  const text = fs.readFileSync(scenarioPath, 'utf8');
  const played = formatScenario(play(parseScenario(text)));
  if (process.env['UPDATE'] === '1') fs.writeFileSync(scenarioPath, played);
  else expect(played).toBe(text);
});

test('there are scenarios', () => {
  expect(files.length).toBeGreaterThanOrEqual(14);
});
