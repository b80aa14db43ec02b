import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { CliError } from '../../src/cli/cli-error.ts';
import {
  defaultDirectory,
  isVacant,
  lastUp,
  privateDirectory,
  readLocalCluster,
  rememberLastUp,
  writeLocalCluster,
} from '../../src/cli/local-cluster.ts';
import { useDirectory } from './support/directory.ts';

const home = useDirectory();
const cluster = { nodes: [{ id: 'n1', address: '127.0.0.1:7101' }], control: '/run/control.sock' };

describe('what up writes down', () => {
  test('is read back', () => {
    writeLocalCluster(home.path, cluster);
    expect(readLocalCluster(home.path)).toEqual(cluster);
    writeLocalCluster(home.path, { ...cluster, control: null });
    expect(readLocalCluster(home.path)).toEqual({ ...cluster, control: null });
    expect(fs.readdirSync(home.path)).toEqual(['cluster.json']);
  });

  test('is nothing where there is no cluster', () => {
    expect(readLocalCluster(home.path)).toBeNull();
    expect(readLocalCluster(path.join(home.path, 'none'))).toBeNull();
  });

  test.each(['', '{', '[]', '{}', '{"nodes":[]}', '{"nodes":[{"id":"n1"}]}', '{"nodes":"n1"}'])(
    'is refused, and left alone, where it is something else: %j',
    (text) => {
      const file = path.join(home.path, 'cluster.json');
      fs.writeFileSync(file, text);
      expect(() => readLocalCluster(home.path)).toThrow(CliError);
      expect(() => readLocalCluster(home.path)).toThrow(file);
      expect(fs.readFileSync(file, 'utf8')).toBe(text);
    },
  );
});

describe('the cluster that was last up from here', () => {
  test('is remembered for this directory only', () => {
    expect(lastUp()).toBeNull();
    rememberLastUp(path.resolve('some/cluster'));
    expect(lastUp()).toBe(path.resolve('some/cluster'));
    fs.mkdirSync('elsewhere');
    process.chdir('elsewhere');
    expect(lastUp()).toBeNull();
  });

  test('is found again when the whole directory was moved, unless it lay outside', () => {
    fs.mkdirSync('before');
    process.chdir('before');
    rememberLastUp(defaultDirectory());
    process.chdir('..');
    fs.renameSync('before', 'after');
    process.chdir('after');
    expect(lastUp()).toBe(path.join(home.path, 'after/.dledger'));
    const outside = path.join(home.path, 'outside');
    rememberLastUp(outside);
    expect(lastUp()).toBe(outside);
  });

  test.each(['', 'garbage', '{"directory": 7}', '[]'])('is none where the note says %j', (text) => {
    fs.mkdirSync('.dledger');
    fs.writeFileSync('.dledger/last-up.json', text);
    expect(lastUp()).toBeNull();
  });
});

describe('a directory', () => {
  test('is vacant with nothing in it but what up leaves before there is a cluster', () => {
    expect(isVacant(home.path)).toBe(true);
    rememberLastUp(defaultDirectory());
    fs.mkdirSync(privateDirectory(defaultDirectory()));
    expect(isVacant(defaultDirectory())).toBe(true);
  });

  test('is not vacant with anything else', () => {
    fs.mkdirSync('n1');
    expect(isVacant(home.path)).toBe(false);
  });
});
