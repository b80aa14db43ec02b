import fs from 'node:fs';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { Cluster, run, type Finished } from './support/cluster.ts';

// The tools for the worst nights, on real processes.

let cluster: Cluster | null = null;

afterEach(async () => {
  await cluster?.stop();
  cluster = null;
});

/** Each 100 records, with payloads that say which they are. */
async function append(to: Cluster, round: number): Promise<string[]> {
  const lines = Array.from({ length: 100 }, (_, at) => `record ${round}.${at} ${'x'.repeat(200)}`);
  const { code, stderr } = await run(['append', '-f', '-', '--endpoints', to.endpoints], {
    input: `${lines.join('\n')}\n`,
  });
  expect({ code, stderr }).toMatchObject({ code: 0 });
  return lines;
}

async function recordsOf(from: Cluster): Promise<string[]> {
  const { code, stdout } = await from.command('read');
  expect(code).toBe(0);
  return stdout.trimEnd().split('\n');
}

/** One byte of the first segment, in the middle of what was written. */
function damage(directory: string): void {
  const file = fs.openSync(path.join(directory, 'segment-0000000001'), 'r+');
  const byte = Buffer.alloc(1);
  fs.readSync(file, byte, 0, 1, 30_000);
  fs.writeSync(file, Buffer.from([(byte[0] ?? 0) ^ 0x10]), 0, 1, 30_000);
  fs.closeSync(file);
}

function answerOf({ stdout }: Finished): Record<string, unknown> {
  return (JSON.parse(stdout) as { data: Record<string, unknown> }).data;
}

test('a log that was cut by a repair is made whole by the others, and its node counts again', async () => {
  cluster = await Cluster.start(3);
  const records = [
    ...(await append(cluster, 1)),
    ...(await append(cluster, 2)),
    ...(await append(cluster, 3)),
  ];
  await cluster.converged();
  const leader = await cluster.leader();
  const victim = cluster.ids.find((id) => id !== leader) as string;
  await cluster.kill(victim);
  const directory = cluster.dataDirectory(victim);
  damage(directory);
  expect((await run(['log', 'verify', directory])).code).toBe(1);

  const shown = await run(['log', 'repair', directory, '-o', 'json']);
  expect(shown.code).toBe(7);
  expect(answerOf(shown)).toMatchObject({ cost: 'lose-records', hopeless: null, copies: null });
  expect((await run(['log', 'repair', directory, '--yes-repair'])).code).toBe(7);
  expect((await run(['log', 'verify', directory])).code).toBe(1);

  const copies = path.join(cluster.directory, 'as-it-was');
  const consent = '--yes-lose-committed-records';
  const done = await run(['log', 'repair', directory, consent, '--copy-to', copies, '-o', 'json']);
  expect(done).toMatchObject({ code: 0 });
  expect(answerOf(done)).toMatchObject({ copies });
  expect(fs.readdirSync(copies)).toContain('segment-0000000001');
  expect((await run(['log', 'verify', directory])).code).toBe(0);

  cluster.startNode(victim);
  await cluster.converged();
  await cluster.untilStatus((status) => status.boundMembers === 3);
  // With one of the others gone its disk is needed.
  await cluster.kill(cluster.ids.find((id) => id !== victim) as string);
  records.push(...(await append(cluster, 4)));
  expect(await recordsOf(cluster)).toEqual(records);
});

test('a directory is not repaired while a node runs on it', async () => {
  cluster = await Cluster.start(1);
  const directory = cluster.dataDirectory('n1');
  const { code, stderr } = await run(['log', 'repair', directory, '--yes-lose-committed-records']);
  expect(code).toBe(7);
  expect(stderr).toContain('DATA_LOCKED');
});
