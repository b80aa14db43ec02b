import fs from 'node:fs';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { FileDisk } from '../../src/platform/file-disk.ts';
import { dumpLog } from '../../src/wal/index.ts';
import { Cluster, run } from './support/cluster.ts';

// Bits that flip on the disks of real processes: what nobody has to mend by hand.

let cluster: Cluster | null = null;

afterEach(async () => {
  await cluster?.stop();
  cluster = null;
});

/** Segments and a cache so small that most of the log is read from closed segments. */
const SMALL = ['--segment-mib', '0.25', '--cache-mib', '0.0625', '--scrub-mib-per-s', '100'];
const FLIPS = 5;

async function append(to: Cluster, round: number): Promise<string[]> {
  const lines = Array.from({ length: 1500 }, (_, at) => `record ${round}.${at} ${'x'.repeat(500)}`);
  const { code, stderr } = await run(['append', '-f', '-', '--endpoints', to.endpoints], {
    input: `${lines.join('\n')}\n`,
  });
  expect({ code, stderr }).toMatchObject({ code: 0 });
  return lines;
}

/** Of entries in closed segments, in place: a node may be running on them. */
function flipSome(directory: string, prng: Prng): void {
  const entries: { readonly file: string; readonly position: number; readonly bytes: number }[] = [];
  let closed = 0;
  for (const item of dumpLog(new FileDisk(), directory)) {
    if (item.type === 'entry') entries.push(item);
    if (item.type === 'sealed') closed = entries.length;
  }
  for (let left = FLIPS; left > 0; left -= 1) {
    const entry = entries[prng.below(closed)];
    if (entry === undefined) throw new Error('no segment is closed yet');
    const position = entry.position + prng.below(entry.bytes);
    const file = fs.openSync(path.join(directory, entry.file), 'r+');
    const byte = Buffer.alloc(1);
    fs.readSync(file, byte, 0, 1, position);
    fs.writeSync(file, Buffer.from([(byte[0] ?? 0) ^ (1 << prng.below(8))]), 0, 1, position);
    fs.closeSync(file);
  }
}

async function isWhole(directory: string): Promise<boolean> {
  return (await run(['log', 'verify', directory])).code === 0;
}

test('bits that flip under a leader that runs and a follower that does not are put back, and no record is missing', async () => {
  const prng = new Prng(12);
  cluster = await Cluster.start(3, SMALL);
  const records = [...(await append(cluster, 1)), ...(await append(cluster, 2))];
  await cluster.converged();
  const leader = await cluster.leader();
  const follower = cluster.ids.find((id) => id !== leader) as string;
  await cluster.kill(follower);
  for (const id of [leader, follower]) {
    flipSome(cluster.dataDirectory(id), prng);
    expect(await isWhole(cluster.dataDirectory(id))).toBe(false);
  }

  cluster.startNode(follower);
  const { code, stdout } = await cluster.command('read');
  expect(code).toBe(0);
  expect(stdout.trimEnd().split('\n')).toEqual(records);
  await cluster.converged();
  for (const id of [leader, follower]) {
    const told = cluster.node(id);
    await told.untilPrinted((_out, err) => err.includes('put back') && err.includes('damaged'));
    while (!(await isWhole(cluster.dataDirectory(id)))) expect(told.isRunning).toBe(true);
  }
  records.push(...(await append(cluster, 3)));
  const again = await cluster.command('read');
  expect(again.stdout.trimEnd().split('\n')).toEqual(records);
});
