import { spawn, type ChildProcess } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DiskError, type DiskFile } from '../../src/base/ports/disk.ts';
import { FileDisk } from '../../src/platform/file-disk.ts';

const disk = new FileDisk();
let directory = '';

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'file-disk-'));
});

afterEach(() => {
  fs.rmSync(directory, { recursive: true });
});

function create(name: string): DiskFile {
  return disk.openSync(join(directory, name), 'create');
}

function settled(operation: (done: (error: DiskError | null) => void) => void): Promise<DiskError | null> {
  return new Promise((resolve) => operation(resolve));
}

describe('a file', () => {
  test('is written and read at positions', async () => {
    const file = create('a');
    file.writevSync([Buffer.from('one'), Buffer.from('two')], 4);
    expect(await settled((done) => file.write(Buffer.from('zero'), 0, done))).toBe(null);
    expect(file.size()).toBe(10);
    const target = new Uint8Array(10);
    expect(file.readSync(target, 0)).toBe(10);
    expect(Buffer.from(target).toString()).toBe('zeroonetwo');
    const bytes = await new Promise((resolve) => {
      file.read(target, 7, (error, bytesRead) => resolve([error, bytesRead]));
    });
    expect(bytes).toEqual([null, 3]);
    expect(file.readSync(target, 100)).toBe(0);
    expect(await settled((done) => file.datasync(done))).toBe(null);
    file.datasyncSync();
    file.closeSync();
  });

  test('takes more chunks than the system does at once', () => {
    const file = create('many');
    const chunks = Array.from({ length: 3000 }, (_, at) => Uint8Array.of(at & 0xff, at >> 8, 7));
    file.writevSync(chunks, 10);
    const found = new Uint8Array(9000);
    file.readSync(found, 10);
    expect(Buffer.from(found).equals(Buffer.concat(chunks))).toBe(true);
    file.closeSync();
  });

  test('is private, and what is made is too', () => {
    create('a').closeSync();
    expect(fs.statSync(join(directory, 'a')).mode & 0o777).toBe(0o600);
    disk.mkdirSync(join(directory, 'x/y/z'));
    disk.mkdirSync(join(directory, 'x/y/z'));
    for (const made of ['x', 'x/y', 'x/y/z'])
      expect(fs.statSync(join(directory, made)).mode & 0o777).toBe(0o700);
  });

  // A file system that says of what cannot be made that it is not there: Node's own way tries for ever.
  test.skipIf(process.platform !== 'linux')('that cannot be made is refused', () => {
    expect(() => disk.mkdirSync('/proc/x/y')).toThrow(/ENOENT/);
    fs.writeFileSync(join(directory, 'file'), '');
    expect(() => disk.mkdirSync(join(directory, 'file'))).toThrow(/EEXIST/);
    expect(() => disk.mkdirSync(join(directory, 'file/x'))).toThrow(/ENOTDIR/);
  });

  test('is not reached through a symbolic link', () => {
    fs.writeFileSync(join(directory, 'secret'), 'old');
    fs.symlinkSync(join(directory, 'secret'), join(directory, 'hard-state'));
    for (const mode of ['read', 'write'] as const) {
      expect(() => disk.openSync(join(directory, 'hard-state'), mode)).toThrow(
        'symbolic links are not followed',
      );
    }
    expect(() => create('hard-state')).toThrow(expect.objectContaining({ code: 'EEXIST' }));
    fs.unlinkSync(join(directory, 'secret'));
    expect(disk.existsSync(join(directory, 'hard-state'))).toBe(true);
  });

  test('keeps its descriptor until what it was asked for is done', async () => {
    const file = create('a');
    const zeros = settled((done) => file.write(new Uint8Array(4 << 20), 0, done));
    file.closeSync();
    const other = create('b');
    expect(await zeros).toBe(null);
    expect(other.size()).toBe(0);
    expect(fs.statSync(join(directory, 'a')).size).toBe(4 << 20);
    expect(() => file.size()).toThrow('used after it was closed');
    other.closeSync();
  });
});

describe('failures', () => {
  test('carry the code of the system, the operation and the path', () => {
    const path = join(directory, 'none');
    const failing: [DiskError['operation'], () => unknown][] = [
      ['open', () => disk.openSync(path, 'read')],
      ['open', () => disk.openSync(path, 'write')],
      ['rename', () => disk.renameSync(path, join(directory, 'b'))],
      ['unlink', () => disk.unlinkSync(path)],
      ['list', () => disk.listSync(path)],
      ['sync', () => disk.syncDirectorySync(path)],
    ];
    for (const [operation, fail] of failing) {
      expect(fail).toThrow(expect.objectContaining({ name: 'DiskError', code: 'ENOENT', operation, path }));
    }
  });

  test('of asynchronous work come through the call back', async () => {
    create('a').closeSync();
    const file = disk.openSync(join(directory, 'a'), 'read');
    expect(await settled((done) => file.write(Uint8Array.of(1), 0, done))).toMatchObject({
      code: 'EBADF',
      operation: 'write',
    });
    expect(() => file.writevSync([Uint8Array.of(1)], 0)).toThrow(DiskError);
    file.closeSync();
  });
});

describe('a directory', () => {
  test('lists, renames, removes, syncs, and says how much room there is', () => {
    for (const name of ['b', 'a', 'c']) create(name).closeSync();
    disk.renameSync(join(directory, 'b'), join(directory, 'd'));
    disk.unlinkSync(join(directory, 'c'));
    disk.syncDirectorySync(directory);
    expect(disk.listSync(directory)).toEqual(['a', 'd']);
    const { freeBytes, totalBytes } = disk.spaceSync(directory);
    const { blocks, bfree, bavail, bsize } = fs.statfsSync(directory);
    expect(freeBytes).toBeGreaterThan(0);
    expect(totalBytes).toBeGreaterThanOrEqual(freeBytes);
    const setAside = bfree - bavail;
    expect(totalBytes).toBe((blocks - setAside) * bsize);
  });

  test('that everybody may enter is not locked', () => {
    fs.chmodSync(directory, 0o755);
    expect(() => disk.lockDirectorySync(directory)).toThrow(`run: chmod 700 ${directory}`);
    fs.chmodSync(directory, 0o770);
    disk.lockDirectorySync(directory).release();
  });
});

describe('the lock', () => {
  /** A process that takes the lock, says so, and holds it until it is killed. */
  const HOLDER = `
    import { FileDisk } from ${JSON.stringify(join(import.meta.dirname, '../../src/platform/file-disk.ts'))};
    try {
      new FileDisk().lockDirectorySync(process.argv[1]);
      process.stdout.write('held\\n');
      setInterval(() => {}, 1000);
    } catch (error) {
      process.stdout.write(error.code + ' ' + error.message + '\\n');
    }`;

  interface Contender {
    readonly child: ChildProcess;
    readonly pid: number;
    readonly says: string;
  }

  function contend(): Promise<Contender> {
    const flags = [
      '--experimental-strip-types',
      '--no-warnings',
      '--input-type=module',
      '-e',
      HOLDER,
      directory,
    ];
    const child = spawn(process.execPath, flags, { stdio: ['ignore', 'pipe', 'inherit'] });
    return new Promise((resolve) => {
      child.stdout.once('data', (data: Buffer) => {
        resolve({ child, pid: child.pid ?? 0, says: data.toString().trim() });
      });
    });
  }

  function kill(child: ChildProcess): Promise<void> {
    return new Promise((resolve) => {
      child.once('exit', () => resolve());
      child.kill('SIGKILL');
    });
  }

  test('is held once, also within one process', () => {
    const lock = disk.lockDirectorySync(directory);
    expect(() => disk.lockDirectorySync(directory)).toThrow(
      expect.objectContaining({ code: 'ELOCKED', message: expect.stringContaining(`pid ${process.pid}`) }),
    );
    lock.release();
    lock.release();
    const again = disk.lockDirectorySync(directory);
    again.release();
    expect(disk.listSync(directory)).toEqual([]);
  });

  test('names the process that holds it, and is free when that is killed', async () => {
    const first = await contend();
    expect(first.says).toBe('held');
    expect(() => disk.lockDirectorySync(directory)).toThrow(
      `the process with pid ${first.pid} holds this directory`,
    );
    const second = await contend();
    expect(second.says).toBe(
      `ELOCKED lock ${directory}: the process with pid ${first.pid} holds this directory`,
    );
    await kill(first.child);
    disk.lockDirectorySync(directory).release();
  });

  test('goes to one of many that find a dead holder at the same time', async () => {
    await kill((await contend()).child);
    const contenders = await Promise.all(Array.from({ length: 4 }, () => contend()));
    const held = contenders.filter(({ says }) => says === 'held');
    expect(held).toHaveLength(1);
    for (const { says } of contenders) if (says !== 'held') expect(says).toContain(`pid ${held[0]?.pid}`);
    await Promise.all(held.map(({ child }) => kill(child)));
  });

  test.each([
    ['a process of another boot', { bootId: 'another' }],
    ['a process whose id was given to another', { startTicks: '1' }],
    ['a process that is no more', { pid: 2 ** 22 + 1 }],
  ])('of %s counts for nothing', (_holder, change) => {
    const lock = disk.lockDirectorySync(directory);
    const mine = JSON.parse(fs.readFileSync(join(directory, 'lock-1'), 'utf8')) as object;
    fs.writeFileSync(join(directory, 'lock-5'), JSON.stringify({ ...mine, ...change }));
    const other = disk.lockDirectorySync(directory);
    expect(disk.listSync(directory)).toEqual(['lock-6']);
    other.release();
    lock.release();
    expect(disk.listSync(directory)).toEqual([]);
  });

  test('that says nothing counts for nothing: its writer lost power', () => {
    fs.writeFileSync(join(directory, 'lock-3'), '');
    disk.lockDirectorySync(directory).release();
    expect(disk.listSync(directory)).toEqual([]);
  });
});
