import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Client } from '../../src/client/index.ts';
import { Cluster, Command, run } from './support/cluster.ts';

// Commands that send and print records, and are told to end, or whose pipes end, stop, or cannot take what comes.

const binary = path.resolve(import.meta.dirname, '../../bin/dledger');
/** Each is more than a pipe holds. */
const LARGE = 8;

let cluster: Cluster;
let client: Client;
let at: string[];

beforeAll(async () => {
  cluster = await Cluster.start(1);
  client = new Client({ endpoints: cluster.endpoints });
  at = ['--endpoints', cluster.endpoints];
  await topic(
    'large',
    Array.from({ length: LARGE }, (_, line) => `${line} `.padEnd(900_000, '.')),
  );
});

afterAll(async () => {
  await client.close();
  await cluster.stop();
});

async function topic(name: string, bodies: readonly string[]): Promise<void> {
  await client.admin.createTopic({ name });
  const producer = client.createTopicProducer();
  await producer.sendBatch(
    name,
    bodies.map((body) => ({ body })),
  );
  await producer.close();
}

/** With a stdout that nobody reads until somebody does. */
function unread(...args: string[]): ChildProcess {
  return spawn(binary, [...args, ...at], { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Records in the log. */
async function inLog(): Promise<number> {
  let count = 0;
  for await (const _ of client.read()) count += 1;
  return count;
}

async function inTopic(): Promise<number> {
  const topics = await client.admin.listTopics();
  return topics.find(({ name }) => name === 'sent')?.records ?? 0;
}

/** The group, once it is as it should be. */
async function untilMembers(group: string, count: number): Promise<void> {
  for (;;) {
    const groups = await client.admin.listGroups();
    if (groups.find(({ name }) => name === group)?.memberCount === count) return;
  }
}

async function committedOf(group: string): Promise<number | null | undefined> {
  const [queue] = await client.admin.groupLag(group);
  return queue?.committed;
}

test('what was printed before a record that cannot be is committed', async () => {
  await topic('lines', ['one', 'two', 'thr\nee', 'four']);
  const consume = ['consume', 'lines', '--group', 'lines', ...at];
  const first = await run(consume);
  expect(first).toMatchObject({ code: 2, stdout: 'one\ntwo\n' });
  expect(first.stderr).toContain('LINE_FEED_IN_RECORD');
  expect(await run(consume)).toMatchObject({ code: 2, stdout: '' });
  const rest = await run([...consume, '-o', 'ndjson']);
  const bodies = rest.stdout.split('\n').filter((line) => line !== '');
  expect(bodies.map((line) => (JSON.parse(line) as { data: string }).data)).toEqual(['thr\nee', 'four']);
});

test('a member whose reader leaves, leaves its group', async () => {
  const member = new Command(['consume', 'large', '--group', 'head', ...at]);
  await member.untilPrinted((stdout) => stdout.startsWith('0 '));
  member.child.stdout?.destroy();
  expect((await member.finished).code).toBe(0);
  expect(await client.admin.describeGroup('head')).toMatchObject({ state: 'empty', members: [] });
});

test('a member that nobody reads ends when it is told to, and commits nothing of what nobody took', async () => {
  const member = unread('consume', 'large', '--group', 'stuck', '--follow');
  // Its first page is being written by then: the pipe is full of it.
  await once(member.stdout as NonNullable<typeof member.stdout>, 'readable');
  member.kill('SIGTERM');
  const [code] = (await once(member, 'exit')) as [number | null];
  expect(code).toBe(130);
  expect(await client.admin.describeGroup('stuck')).toMatchObject({ state: 'empty', members: [] });
  expect(await committedOf('stuck')).toBe(0);
});

test('what is being written when a member is told to end is written, and committed', async () => {
  const member = unread('consume', 'large', '--group', 'slow', '--follow');
  const output = member.stdout as NonNullable<typeof member.stdout>;
  await once(output, 'readable');
  member.kill('SIGINT');
  let printed = '';
  output.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  const [code] = (await once(member, 'close')) as [number | null];
  expect(code).toBe(130);
  const lines = printed.split('\n').length - 1;
  expect(lines).toBeGreaterThan(0);
  expect(lines).toBeLessThan(LARGE);
  expect(await committedOf('slow')).toBe(lines);
  await untilMembers('slow', 0);
});

test.each([
  ['append', ['-'], inLog],
  ['produce', ['sent', '-'], inTopic],
] as const)('%s says what became of what it sent when it is told to end', async (command, words, count) => {
  if (command === 'produce') await client.admin.createTopic({ name: 'sent' });
  const sender = spawn(binary, [command, ...words, ...at], { stdio: ['pipe', 'ignore', 'pipe'] });
  sender.stdin.write('one\ntwo\nthree\n');
  while ((await count()) < 3);
  let said = '';
  sender.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  sender.kill('SIGTERM');
  const [code] = (await once(sender, 'close')) as [number | null];
  expect(code).toBe(130);
  expect(said).toContain('error[INTERRUPTED]: interrupted: 3 of 3 records were acknowledged');
});
