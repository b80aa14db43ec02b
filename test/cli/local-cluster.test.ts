import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CliError } from '../../src/cli/cli-error.ts';
import {
  defaultDirectory,
  isVacant,
  lastUp,
  readLocalCluster,
  rememberLastUp,
  writeLocalCluster,
} from '../../src/cli/local-cluster.ts';

const cluster = { nodes: [{ id: 'n1', address: '127.0.0.1:7101' }], control: '/run/up.sock' };

let directory: string;
let before: string;
beforeEach(() => {
  directory = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'dledger-local-')));
  before = process.cwd();
  process.chdir(directory);
});
afterEach(() => {
  process.chdir(before);
  fs.rmSync(directory, { recursive: true });
});

describe('a cluster on this machine', () => {
  test('is written down and found again', () => {
    expect(readLocalCluster(directory)).toBeNull();
    writeLocalCluster(directory, cluster);
    expect(readLocalCluster(directory)).toEqual(cluster);
    writeLocalCluster(directory, { ...cluster, control: null });
    expect(readLocalCluster(directory)?.control).toBeNull();
    expect(fs.readdirSync(directory)).toEqual(['cluster.json']);
  });

  test.each(['', '{', '[]', '{"nodes": []}', '{"nodes": [{"id": "n1"}]}', '{"nodes": "n1"}'])(
    'is not guessed from a file that says %j',
    (text) => {
      fs.writeFileSync(path.join(directory, 'cluster.json'), text);
      expect(() => readLocalCluster(directory)).toThrow(CliError);
      expect(() => readLocalCluster(directory)).toThrow(/cluster\.json is not what/);
    },
  );

  test('is made only where nothing else lies', () => {
    expect(isVacant(directory)).toBe(true);
    fs.mkdirSync(path.join(directory, 'up'));
    fs.writeFileSync(path.join(directory, 'cluster.json.new'), '');
    expect(isVacant(directory)).toBe(true);
    fs.writeFileSync(path.join(directory, 'thesis.txt'), '');
    expect(isVacant(directory)).toBe(false);
  });
});

describe('the cluster that was last up from here', () => {
  test('is none, then the last one', () => {
    expect(lastUp()).toBeNull();
    rememberLastUp(path.join(directory, 'one'));
    rememberLastUp(path.join(directory, 'two'));
    expect(lastUp()).toBe(path.join(directory, 'two'));
    rememberLastUp('/elsewhere/three');
    expect(lastUp()).toBe('/elsewhere/three');
    rememberLastUp(defaultDirectory());
    expect(lastUp()).toBe(path.join(directory, '.dledger'));
  });

  test('is found where everything was moved together', () => {
    fs.mkdirSync('old');
    process.chdir('old');
    rememberLastUp(path.resolve('data'));
    process.chdir('..');
    fs.renameSync('old', 'new');
    process.chdir('new');
    expect(lastUp()).toBe(path.join(directory, 'new', 'data'));
  });

  test.each(['', 'garbage', '{"directory": 7}', '[]'])('is none where the note says %j', (text) => {
    fs.mkdirSync('.dledger');
    fs.writeFileSync('.dledger/last-up.json', text);
    expect(lastUp()).toBeNull();
  });

  test('does not make its own home a directory with something else in it', () => {
    rememberLastUp(defaultDirectory());
    expect(isVacant(defaultDirectory())).toBe(true);
  });
});
