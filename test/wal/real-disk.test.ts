import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FileDisk } from '../../src/platform/file-disk.ts';
import { verifyLog } from '../../src/wal/verify.ts';
import type { Wal } from '../../src/wal/wal.ts';
import { index } from './harness.ts';
import { fill, openOnDisk } from './real-disk-writer.ts';

let directory = '';

beforeEach(() => {
  directory = join(fs.mkdtempSync(join(tmpdir(), 'wal-')), 'data');
});

afterEach(() => {
  fs.rmSync(join(directory, '..'), { recursive: true });
});

function closed(wal: Wal): Promise<void> {
  return new Promise((resolve) => wal.close(resolve));
}

test('what was written to files is read back from files', async () => {
  const wal = await fill(directory, () => {});
  const checksum = wal.lastChecksum;
  await closed(wal);
  expect(verifyLog(new FileDisk(), directory)).toMatchObject({ ok: true, lastIndex: 4000, tornBytes: 0 });
  const again = openOnDisk(directory, () => {});
  expect([again.lastIndex, again.lastChecksum]).toEqual([4000, checksum]);
  expect(again.stats().segments).toBeGreaterThan(1);
  const read = await new Promise((resolve) => {
    again.read(index(1234), 5, 1 << 20, (error, entries) =>
      resolve([error, entries.map((entry) => entry.index)]),
    );
  });
  expect(read).toEqual([null, [1234, 1235, 1236, 1237, 1238]]);
  await closed(again);
});

test('kill -9 in the middle of writing loses nothing that was reported', async () => {
  const writer = `
    import { fill } from ${JSON.stringify(join(import.meta.dirname, 'real-disk-writer.ts'))};
    await fill(process.argv[1], (number) => process.stdout.write(number + '\\n'));`;
  const flags = [
    '--experimental-strip-types',
    '--no-warnings',
    '--input-type=module',
    '-e',
    writer,
    directory,
  ];
  const child = spawn(process.execPath, flags, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = once(child, 'exit');
  let reported = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    reported = Number(line);
    if (reported === 57) child.kill('SIGKILL');
  }
  await exit;
  expect(reported).toBeGreaterThanOrEqual(57);
  const wal = openOnDisk(directory, () => {});
  expect(wal.lastIndex).toBeGreaterThanOrEqual(reported * 20);
  await closed(wal);
  expect(verifyLog(new FileDisk(), directory).ok).toBe(true);
});
