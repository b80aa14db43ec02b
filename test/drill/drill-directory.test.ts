import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DrillDirectoryError, prepareDirectory } from '../../src/drill/drill-directory.ts';

let directory = '';

beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dledger-drill-'));
});

afterEach(() => fs.rmSync(directory, { recursive: true }));

test('the nodes of an earlier run make room', () => {
  const nodes = prepareDirectory(path.join(directory, 'a', 'b'));
  expect(nodes).toBe(path.join(directory, 'a', 'b', 'nodes'));
  fs.mkdirSync(nodes);
  fs.writeFileSync(path.join(directory, 'a', 'b', 'history.ndjson'), '');
  expect(prepareDirectory(path.join(directory, 'a', 'b'))).toBe(nodes);
  expect(fs.existsSync(nodes)).toBe(false);
});

test.each(['nodes', 'journal.json'])('%s that is not of a drill stays, and stops it', (name) => {
  fs.mkdirSync(path.join(directory, name));
  expect(() => prepareDirectory(directory)).toThrow(DrillDirectoryError);
  expect(fs.existsSync(path.join(directory, name))).toBe(true);
});

test('a directory with other things in it keeps them', () => {
  fs.writeFileSync(path.join(directory, 'drill.yaml'), '');
  prepareDirectory(directory);
  expect(fs.readdirSync(directory)).toEqual(['drill.yaml']);
});

test('a directory that cannot be made is named', () => {
  const file = path.join(directory, 'file');
  fs.writeFileSync(file, '');
  expect(() => prepareDirectory(file)).toThrow(/cannot use .*file: EEXIST/);
});
