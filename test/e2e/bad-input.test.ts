import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { Client } from '../../src/client/index.ts';
import { Cluster, Command, run } from './support/cluster.ts';
import { freePorts } from '../support/free-ports.ts';

// What a tired operator types, and what a stranger sends to the port: named, refused, and nothing lost.

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

function start(args: readonly string[]): Command {
  const command = new Command(['start', ...args]);
  strays.push(command);
  return command;
}

test('peers that cannot be parsed', async () => {
  const { code, stderr } = await run([
    'start',
    '--id',
    'n1',
    '--peers',
    'n1:7101,,',
    '--data',
    '/tmp/dledger-never-made',
  ]);
  expect(code).toBe(2);
  expect(stderr).toContain('n1=');
  expect(fs.existsSync('/tmp/dledger-never-made')).toBe(false);
});

test('a port in use', async () => {
  cluster = await Cluster.start(1);
  const port = [...cluster.addresses.values()][0] as string;
  const { code, stderr } = await start([
    '--id',
    'x1',
    '--peers',
    `x1=${port}`,
    '--data',
    path.join(cluster.directory, 'x1'),
  ]).finished;
  expect(code).toBe(2);
  expect(stderr).toContain('PORT_IN_USE');
  expect(stderr).toContain(port);
});

test('two nodes with one data directory: the second is refused and names the first', async () => {
  cluster = await Cluster.start(1);
  const [port] = await freePorts(1);
  const { code, stderr } = await start([
    '--id',
    'n1',
    '--peers',
    `n1=127.0.0.1:${port}`,
    '--data',
    cluster.dataDirectory('n1'),
  ]).finished;
  expect(code).toBe(2);
  expect(stderr).toContain('DATA_LOCKED');
  expect(stderr).toContain(String(cluster.node('n1').pid));
  expect(cluster.node('n1').isRunning).toBe(true);
});

test('two nodes with one id: the second is refused by its peers', async () => {
  cluster = await Cluster.start(3);
  const before = await cluster.status();
  const [port] = await freePorts(1);
  const second = start([
    '--id',
    'n1',
    '--peers',
    cluster.peers,
    '--listen',
    `127.0.0.1:${port}`,
    '--data',
    path.join(cluster.directory, 'second'),
  ]);
  const { code, stderr } = await second.finished;
  expect(code).not.toBe(0);
  expect(stderr).toContain('DUPLICATE_NODE');
  const after = await cluster.status();
  expect({ leader: after.leaderId, term: after.term }).toEqual({
    leader: before.leaderId,
    term: before.term,
  });
});

test('a data directory of another node', async () => {
  cluster = await Cluster.start(1);
  await cluster.kill('n1');
  const [port] = await freePorts(1);
  const { code, stderr } = await start([
    '--id',
    'other',
    '--peers',
    `other=127.0.0.1:${port}`,
    '--data',
    cluster.dataDirectory('n1'),
  ]).finished;
  expect(code).toBe(2);
  expect(stderr).toContain('DATA_OF_ANOTHER_NODE');
  expect(stderr).toContain('n1');
});

test('a node of another cluster is refused', async () => {
  cluster = await Cluster.start(3);
  const stranger = await Cluster.start(1);
  try {
    await stranger.kill('n1');
    const follower = cluster.ids.find((id) => id !== 'n1') as string;
    await cluster.kill('n1');
    // The directory of n1 of the one-node cluster, started as n1 of the other.
    const { code, stderr } = await start([
      '--id',
      'n1',
      '--peers',
      cluster.peers,
      '--data',
      stranger.dataDirectory('n1'),
    ]).finished;
    expect(code).not.toBe(0);
    expect(stderr).toContain('DATA_OF_ANOTHER_CLUSTER');
    expect(cluster.node(follower).isRunning).toBe(true);
  } finally {
    await stranger.stop();
  }
});

test('a data directory of another version', async () => {
  cluster = await Cluster.start(1);
  await cluster.kill('n1');
  const identity = path.join(cluster.dataDirectory('n1'), 'identity');
  const stored = JSON.parse(fs.readFileSync(identity, 'utf8')) as { format: number };
  fs.writeFileSync(identity, JSON.stringify({ ...stored, format: stored.format + 1 }));
  const node = cluster.startNode('n1');
  const { code } = await node.finished;
  expect(code).toBe(2);
  expect(node.stderr).toContain('DATA_VERSION');
});

test('a config file that cannot be read, or has an unknown key', async () => {
  const missing = await run(['start', '--config', '/tmp/dledger-no-such-config.yaml']);
  expect(missing.code).toBe(2);
  expect(missing.stderr).toContain('/tmp/dledger-no-such-config.yaml');
  const directory = fs.mkdtempSync('/tmp/dledger-config-');
  const file = path.join(directory, 'n1.yaml');
  fs.writeFileSync(file, 'id: n1\nporst: 7101\n');
  const unknown = await run(['start', '--config', file]);
  fs.rmSync(directory, { recursive: true });
  expect(unknown.code).toBe(2);
  expect(unknown.stderr).toContain('porst');
  expect(unknown.stderr).toContain('2:1');
});

test('a record over the limit is refused and what came before it is stored', async () => {
  cluster = await Cluster.start(1);
  const input = `first\n${'x'.repeat(3 * 1024 * 1024)}\nlast\n`;
  const { code, stderr } = await run(['append', '-', '--endpoints', cluster.endpoints], { input });
  expect(code).toBe(2);
  expect(stderr).toContain('RECORD_TOO_LARGE');
  const { stdout } = await cluster.command('read');
  expect(stdout.split('\n')[0]).toBe('first');
});

test('garbage on the port closes that connection and harms nobody', async () => {
  cluster = await Cluster.start(1);
  const [host, port] = cluster.endpoints.split(':') as [string, string];
  for (const garbage of ['GET / HTTP/1.1\r\n\r\n', '\u0000'.repeat(4096), 'x'.repeat(100_000)]) {
    const socket = net.connect(Number(port), host);
    socket.on('error', () => undefined);
    const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
    socket.write(garbage);
    await closed;
  }
  const { code } = await run(['append', '-d', 'still here', '--endpoints', cluster.endpoints]);
  expect(code).toBe(0);
  expect(cluster.node('n1').isRunning).toBe(true);
});

test('no node reachable', async () => {
  const [port] = await freePorts(1);
  const { code, stderr } = await run(['cluster', 'status', '--endpoints', `127.0.0.1:${port}`]);
  expect(code).toBe(3);
  expect(stderr).toContain(`127.0.0.1:${port}`);
});

test('wrong behaviour that does not exist, and one that does', async () => {
  const [port] = await freePorts(1);
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dledger-unsafe-'));
  const args = ['--id', 'n1', '--peers', `n1=127.0.0.1:${port}`, '--data', directory];
  const refused = await run(['start', ...args], { env: { DLEDGER_UNSAFE_MUTATIONS: 'skipsEverything' } });
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain('skipsEverything');
  expect(fs.readdirSync(directory)).toEqual([]);

  const node = new Command(['start', ...args], { env: { DLEDGER_UNSAFE_MUTATIONS: 'skipsLogSync' } });
  strays.push(node);
  await node.untilPrinted((_, stderr) => stderr.includes('listening on'));
  expect(node.stderr).toContain('UNSAFE');
  expect(node.stderr).toContain('skipsLogSync');
  const client = new Client({ endpoints: [`127.0.0.1:${port}`] });
  const { nodes } = await client.status();
  await client.close();
  expect(nodes[0]?.status?.unsafe).toEqual(['skipsLogSync']);
});

test('a drill against nobody, or into what is no directory', async () => {
  const [port] = await freePorts(1);
  const nobody = await run(['drill', 'run', 'leader-kill', '--target', `127.0.0.1:${port}`, '--yes']);
  expect(nobody).toMatchObject({ code: 3, stdout: '' });
  expect(nobody.stderr).toContain('--target');
  const nowhere = await run(['drill', 'run', 'leader-kill', '--out', '/dev/null']);
  expect(nowhere).toMatchObject({ code: 2, stdout: '' });
  expect(nowhere.stderr).toContain('cannot use /dev/null');
});

test('a header that is given twice', async () => {
  const { code, stderr } = await run(['produce', 'orders', '-d', 'x', '-H', 'a=1,b=2,a=3']);
  expect(code).toBe(2);
  expect(stderr).toContain('--header names "a" more than once');
});

test('a cluster whose nodes would all refuse their settings is not begun', async () => {
  const data = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'dledger-e2e-')), 'data');
  const { code, stderr } = await run(['up', '--data', data, '--retention-age', '0s']);
  expect(code).toBe(2);
  expect(stderr).toContain('--retention-age 0s');
  expect(fs.existsSync(data)).toBe(false);
  fs.rmdirSync(path.dirname(data));
});
