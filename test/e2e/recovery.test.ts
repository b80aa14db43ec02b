import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { contentsOf } from '../cli/support/log-directory.ts';
import { Cluster, Command, run, type Finished } from './support/cluster.ts';

// The tools for the worst nights, on real processes.

let cluster: Cluster | null = null;
const strays: Command[] = [];

afterEach(async () => {
  for (const stray of strays.splice(0)) {
    if (stray.isRunning) stray.signal('SIGKILL');
    await stray.finished;
  }
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

/** A node of the old cluster, with its old disk. */
function startOld(of: Cluster, id: string, directory: string): Command {
  const node = new Command(['start', '--id', id, '--peers', of.peers, '--data', directory]);
  strays.push(node);
  return node;
}

test('the only copy there is, damaged: what is good of it is gone on with', async () => {
  cluster = await Cluster.start(1);
  const records = [
    ...(await append(cluster, 1)),
    ...(await append(cluster, 2)),
    ...(await append(cluster, 3)),
  ];
  const { clusterId } = await cluster.converged();
  await cluster.kill('n1');
  const left = cluster.dataDirectory('n1');
  const to = path.join(cluster.directory, 'new');
  const words = ['cluster', 'force-recover', '--data', left, '--to', to, '--confirm', clusterId as string];
  // It could simply be started.
  expect((await run(words)).stderr).toContain('QUORUM_ANSWERS');
  damage(left);
  expect((await run(words)).stderr).toContain('LOG_DAMAGED');
  expect((await run(['log', 'repair', left, '--yes-lose-committed-records'])).code).toBe(0);
  expect(await run(words)).toMatchObject({ code: 0 });
  const [address] = [...cluster.addresses.values()];
  const alone = startAlone('n1', address as string, path.join(to, 'n1'));
  await alone.untilPrinted((_, stderr) => stderr.includes('listening on'));
  const { stdout } = await run(['read', '--endpoints', address as string]);
  const kept = stdout.trimEnd().split('\n');
  expect(kept.length).toBeGreaterThan(50);
  expect(kept).toEqual(records.slice(0, kept.length));
});

describe('a cluster of which one disk is left', () => {
  /** n1 has the first 200 records; the others had a hundred more, and are gone. */
  async function lost(): Promise<{ cluster: Cluster; records: string[]; clusterId: string }> {
    cluster = await Cluster.start(3);
    const records = [...(await append(cluster, 1)), ...(await append(cluster, 2))];
    const { clusterId } = await cluster.converged();
    await cluster.kill('n1');
    await append(cluster, 3);
    await cluster.kill('n2');
    await cluster.kill('n3');
    return { cluster, records, clusterId: clusterId as string };
  }

  test('goes on with what it had, whole again; who comes back with an old disk is refused', async () => {
    const { cluster: nodes, records, clusterId } = await lost();
    const left = nodes.dataDirectory('n1');
    const to = path.join(nodes.directory, 'new');
    const words = [
      'cluster',
      'force-recover',
      '--data',
      left,
      '--members',
      nodes.peers,
      '--to',
      to,
      '-o',
      'json',
    ];

    // With one of the others it is a majority: no force is needed.
    nodes.startNode('n2');
    await nodes.untilStatus((status) => status.nodes.some((node) => node.reachable));
    const needless = await run([...words, '--confirm', clusterId]);
    expect(needless.code).toBe(7);
    expect(needless.stderr).toContain('QUORUM_ANSWERS');
    await nodes.kill('n2');

    const before = contentsOf(left);
    const asked = await run(words);
    expect(asked.code).toBe(7);
    expect(asked.stderr).toContain('NOT_CONFIRMED');
    expect((await run([...words, '--confirm', 'yes'])).code).toBe(7);
    expect(fs.existsSync(to)).toBe(false);

    const done = await run([...words, '--confirm', clusterId]);
    expect(done).toMatchObject({ code: 0 });
    expect(answerOf(done)).toMatchObject({ replaces: clusterId });
    expect(contentsOf(left)).toEqual(before);

    for (const id of nodes.ids) {
      fs.renameSync(nodes.dataDirectory(id), `${nodes.dataDirectory(id)}.old`);
      fs.renameSync(path.join(to, id), nodes.dataDirectory(id));
    }
    nodes.startNode('n1');
    await nodes.untilStatus((status) => status.nodes.some((node) => node.reachable));
    for (const id of ['n2', 'n3']) {
      const { code, stderr } = await startOld(nodes, id, `${nodes.dataDirectory(id)}.old`).finished;
      expect({ id, code }).toEqual({ id, code: 7 });
      expect(stderr).toContain('CLUSTER_REPLACED');
    }
    nodes.startNode('n2');
    nodes.startNode('n3');
    const { clusterId: now } = await nodes.converged();
    expect(now).not.toBe(clusterId);
    expect(await recordsOf(nodes)).toEqual(records);
    records.push(...(await append(nodes, 4)));

    // A disk that is lost later gets the whole log, in which the old cluster is named first.
    await nodes.kill('n3');
    fs.rmSync(nodes.dataDirectory('n3'), { recursive: true });
    nodes.startNode('n3');
    await nodes.converged();
    await nodes.kill('n1');
    nodes.startNode('n1');
    await nodes.converged();
    await nodes.kill('n2');
    records.push(...(await append(nodes, 5)));
    expect(await recordsOf(nodes)).toEqual(records);
  });

  test('goes on alone, where nothing else is said', async () => {
    const { cluster: nodes, records, clusterId } = await lost();
    const left = nodes.dataDirectory('n1');
    const to = path.join(nodes.directory, 'new');
    const words = ['cluster', 'force-recover', '--data', left, '--to', to, '--confirm', clusterId];
    expect(await run(words)).toMatchObject({ code: 0 });
    const [address] = [...nodes.addresses.values()];
    const alone = startAlone('n1', address as string, path.join(to, 'n1'));
    await alone.untilPrinted((_, stderr) => stderr.includes('listening on'));
    const { code, stdout } = await run(['read', '--endpoints', address as string]);
    expect({ code, records: stdout.trimEnd().split('\n') }).toEqual({ code: 0, records });
  });
});

function startAlone(id: string, address: string, directory: string): Command {
  const node = new Command(['start', '--id', id, '--peers', `${id}=${address}`, '--data', directory]);
  strays.push(node);
  return node;
}
