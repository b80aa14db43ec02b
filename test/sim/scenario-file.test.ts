import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { formatScenario, parseScenario, ScenarioFormatError } from '../../src/sim/scenario-file.ts';
import { simulate } from '../../src/sim/simulation.ts';
import { drawScenario } from '../../src/sim/swarm.ts';

const kept = new URL('scenarios/', import.meta.url);

describe('scenario files', () => {
  test('hold a scenario as it is', () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const scenario = drawScenario(seed);
      const text = formatScenario('what "it" showed', scenario);
      expect(parseScenario(text)).toEqual({ format: 1, found: 'what "it" showed', scenario });
    }
  });

  test('have a line for each fault and each operation', () => {
    const { faults, clients, ...world } = drawScenario(2);
    const operations = clients.reduce((sum, client) => sum + client.operations.length, 0);
    const lines = formatScenario('', { ...world, faults, clients }).split('\n');
    expect(lines.filter((line) => line.includes('"atMs"')).length).toBe(faults.length + operations);
  });

  test.each([
    ['{', 'the file'],
    ['{"format":2}', 'format'],
    ['{"format":1}', 'scenario'],
    [formatScenario('', { ...drawScenario(1), size: -1 }), 'scenario.size'],
    [
      formatScenario('', drawScenario(1)).replace('"kind": "producer"', '"kind": "x"'),
      'scenario.clients[0].kind',
    ],
    [formatScenario('', drawScenario(2)).replace(/("kind": ")[a-z-]+/, '$1x'), 'scenario.faults[0].kind'],
    [
      formatScenario('', drawScenario(1)).replace('"ordinal": 2,', ''),
      'scenario.clients[0].operations[1].ordinal',
    ],
  ])('say where they are wrong', (text, where) => {
    const thrown = ((): unknown => {
      try {
        return parseScenario(text);
      } catch (error) {
        return error;
      }
    })();
    expect(thrown).toBeInstanceOf(ScenarioFormatError);
    expect((thrown as ScenarioFormatError).where).toBe(where);
  });
});

describe('scenarios that once failed', () => {
  const files = fs.readdirSync(kept).filter((file) => file.endsWith('.json'));

  test('are kept', () => {
    expect(files.length).toBeGreaterThan(0);
  });

  test.each(files)('%s fails no more', (file) => {
    const { scenario, found } = parseScenario(fs.readFileSync(new URL(file, kept), 'utf8'));
    expect(found).not.toBe('');
    expect(simulate(scenario).failures, `npm run sim -- --scenario test/sim/scenarios/${file}`).toEqual([]);
  });
});
