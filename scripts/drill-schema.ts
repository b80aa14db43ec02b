#!/usr/bin/env node
import fs from 'node:fs';
import path from 'node:path';
import { drillJsonSchema } from '../src/drill/json-schema.ts';

/** Writes drills/drill.schema.json anew; a test says when that is due. */
const file = path.join(import.meta.dirname, '../drills/drill.schema.json');
fs.writeFileSync(file, `${JSON.stringify(drillJsonSchema(), null, 2)}\n`);
