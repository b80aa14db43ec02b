import { describe, expect, test } from 'vitest';
import type { GroupId } from '../../src/base/units.ts';
import { DirectoryRefusedError } from '../../src/wal/errors.ts';
import type { WalOptions } from '../../src/wal/wal-options.ts';
import { Bench, DIRECTORY, N2 } from './harness.ts';

const CLUSTER = '0123456789abcdef'.repeat(2);
const OTHER = 'f'.repeat(32);

/** A directory that was used once, on a disk that the returned function opens differently. */
function used(clusterId: string | null = CLUSTER): Bench {
  const bench = new Bench();
  bench.open();
  if (clusterId !== null) bench.wal.setClusterId(clusterId);
  bench.write(1);
  bench.close();
  return bench;
}

function refusal(bench: Bench, options: Partial<WalOptions> = {}): DirectoryRefusedError {
  const before = bench.disk
    .listSync(DIRECTORY)
    .map((name) => [name, bench.disk.visible(`${DIRECTORY}/${name}`)]);
  Object.assign(bench.options, options);
  try {
    bench.open();
  } catch (error) {
    expect(error).toBeInstanceOf(DirectoryRefusedError);
    const after = bench.disk
      .listSync(DIRECTORY)
      .map((name) => [name, bench.disk.visible(`${DIRECTORY}/${name}`)]);
    expect(after).toEqual(before);
    return error as DirectoryRefusedError;
  }
  throw new Error('it was not refused');
}

function writeFile(bench: Bench, name: string, text: string): void {
  bench.disk.mkdirSync(DIRECTORY);
  const path = `${DIRECTORY}/${name}`;
  if (bench.disk.existsSync(path)) bench.disk.unlinkSync(path);
  bench.disk.openSync(path, 'create').writevSync([Buffer.from(text)], 0);
}

describe('an identity', () => {
  test('is drawn once and kept', () => {
    const bench = used();
    const { identity } = bench.open();
    expect(identity).toMatchObject({ nodeId: 'n1', group: 1, clusterId: CLUSTER });
    bench.close();
    expect(bench.open().identity).toEqual(identity);
    const other = new Bench({ seed: 2 });
    expect(other.open().identity.incarnation).not.toBe(identity.incarnation);
  });

  test('learns its cluster once', () => {
    const bench = used(null);
    expect(bench.open().identity.clusterId).toBe(null);
    bench.wal.setClusterId(CLUSTER);
    bench.wal.setClusterId(CLUSTER);
    expect(() => bench.wal.setClusterId(OTHER)).toThrow(
      expect.objectContaining({ code: 'DIRECTORY_CLUSTER' }),
    );
    bench.cutPowerAndOpen('none');
    expect(bench.wal.identity.clusterId).toBe(CLUSTER);
  });

  test('may be told its cluster at the first start', () => {
    const bench = new Bench({ clusterId: CLUSTER });
    expect(bench.open().identity.clusterId).toBe(CLUSTER);
  });
});

describe('a directory is refused, untouched,', () => {
  test('by another node', () => {
    const error = refusal(used(), { nodeId: N2 });
    expect(error).toMatchObject({ code: 'DIRECTORY_NODE', expected: 'n2', found: 'n1' });
    expect(error.message).toBe(
      '/data belongs to node n1, this is node n2: ' +
        'start this node with a data directory of its own, or as the node that the directory belongs to',
    );
  });

  test('by another group', () => {
    expect(refusal(used(), { group: 2 as GroupId })).toMatchObject({
      code: 'DIRECTORY_GROUP',
      expected: '2',
      found: '1',
    });
  });

  test('by another cluster', () => {
    const error = refusal(used(), { clusterId: OTHER });
    expect(error).toMatchObject({ code: 'DIRECTORY_CLUSTER', expected: OTHER, found: CLUSTER });
    expect(error.message).toContain('use another data directory, or correct the cluster id');
  });

  test('in another format', () => {
    const bench = used();
    writeFile(bench, 'identity', '{"format":2,"anything":"else"}\n');
    const error = refusal(bench);
    expect(error).toMatchObject({ code: 'DIRECTORY_FORMAT', expected: '1', found: '2' });
    expect(error.message).toContain('run the version of the program that made the directory');
  });

  test('when it is somebody else`s', () => {
    const bench = new Bench();
    writeFile(bench, 'holiday.jpg', 'beach');
    const error = refusal(bench);
    expect(error).toMatchObject({ code: 'DIRECTORY_FOREIGN', found: 'holiday.jpg' });
    expect(error.message).toContain('use an empty directory');
  });

  test('when its identity is damaged or gone', () => {
    const bench = used();
    const text = Buffer.from(bench.disk.visible(`${DIRECTORY}/identity`)).toString();
    writeFile(bench, 'identity', text.replace('"n1"', '"n2"'));
    expect(refusal(bench).code).toBe('DIRECTORY_IDENTITY_DAMAGED');
    writeFile(bench, 'identity', text.slice(0, 20));
    expect(refusal(bench).code).toBe('DIRECTORY_IDENTITY_DAMAGED');
    bench.disk.unlinkSync(`${DIRECTORY}/identity`);
    expect(refusal(bench)).toMatchObject({ code: 'DIRECTORY_IDENTITY_DAMAGED', expected: 'identity' });
    writeFile(bench, 'identity', text);
    bench.open();
  });
});

test('the lock of a process and the root of a file system are nobody`s files', () => {
  const bench = new Bench();
  writeFile(bench, 'lock-1', 'somebody');
  writeFile(bench, 'lost+found', '');
  expect(bench.open().lastIndex).toBe(0);
});
