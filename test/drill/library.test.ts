import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { drillJsonSchema } from '../../src/drill/json-schema.ts';
import { parseDrill } from '../../src/drill/script.ts';

const library = path.resolve(import.meta.dirname, '../../drills');
const files = fs.readdirSync(library).filter((file) => file.endsWith('.yaml'));

describe('the library', () => {
  test.each(files)('%s can be run, and is called as its file', (file) => {
    const drill = parseDrill(fs.readFileSync(path.join(library, file), 'utf8'), file);
    expect(`${drill.name}.yaml`).toBe(file);
    // Whatever is broken on purpose must be missed on purpose.
    expect(drill.mustFail.length > 0).toBe(drill.cluster.unsafeMutations.length > 0);
  });

  test('comes with the schema for editors as it is made now: node scripts/drill-schema.ts', () => {
    const shipped: unknown = JSON.parse(fs.readFileSync(path.join(library, 'drill.schema.json'), 'utf8'));
    expect(shipped).toEqual(JSON.parse(JSON.stringify(drillJsonSchema())));
  });

  test('asks both questions with the protection and without', () => {
    expect(files).toEqual(expect.arrayContaining(['q1-before-it-left.yaml', 'q1-unprotected.yaml']));
    expect(files).toEqual(expect.arrayContaining(['q2-jitter.yaml', 'q2-unprotected.yaml']));
  });
});
