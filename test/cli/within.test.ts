import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { isWithin } from '../../src/cli/within.ts';
import { useDirectory } from './support/directory.ts';

const home = useDirectory();

test('knows what lies in a directory, also what is not there yet, and through links', () => {
  const data = path.join(home.path, 'data');
  fs.mkdirSync(path.join(data, 'queues'), { recursive: true });
  fs.symlinkSync(data, path.join(home.path, 'link'));
  for (const inside of ['data', 'data/file', 'data/queues/new/file', 'link/file', 'other/../data/x'])
    expect([inside, isWithin(path.join(home.path, inside), data)]).toEqual([inside, true]);
  for (const outside of ['data.copy', 'new/file', '', 'data-2/file'])
    expect([outside, isWithin(path.join(home.path, outside), data)]).toEqual([outside, false]);
});
