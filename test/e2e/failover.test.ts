import { afterEach, expect, test } from 'vitest';
import { Cluster, run } from './support/cluster.ts';
import { CLEAN, Writer, judge, readAll } from './support/load.ts';

// Real processes, killed and stopped while somebody writes. What was acknowledged must be there, once.

let cluster: Cluster;

afterEach(async () => {
  await cluster.stop();
});

test('the leader is killed 20 times under load: nothing acknowledged is lost or doubled', async () => {
  cluster = await Cluster.start(3);
  const writer = await Writer.start(cluster.endpoints, 'w');
  await writer.more(50);
  for (let kill = 0; kill < 20; kill += 1) {
    const leader = await cluster.leader();
    await cluster.kill(leader);
    await writer.more(50);
    cluster.startNode(leader);
    await cluster.untilStatus((status) => status.nodes.every((node) => node.reachable));
  }
  const written = await writer.stop();
  expect(judge([written], await readAll(cluster.endpoints))).toEqual(CLEAN);
  expect(written.acknowledged.length).toBeGreaterThan(1000);
});

test('all nodes are killed at once and started again: everything acknowledged is there', async () => {
  cluster = await Cluster.start(3);
  const writers = await Promise.all(['a', 'b'].map(async (name) => Writer.start(cluster.endpoints, name)));
  for (let round = 0; round < 3; round += 1) {
    await Promise.all(writers.map(async (writer) => writer.more(200)));
    await Promise.all(cluster.ids.map(async (id) => cluster.kill(id)));
    for (const id of cluster.ids) cluster.startNode(id);
  }
  await Promise.all(writers.map(async (writer) => writer.more(50)));
  const written = await Promise.all(writers.map(async (writer) => writer.stop()));
  expect(judge(written, await readAll(cluster.endpoints))).toEqual(CLEAN);
});

test('a follower is down for 100,000 records and catches up', async () => {
  cluster = await Cluster.start(3);
  const leader = await cluster.leader();
  const follower = cluster.ids.find((id) => id !== leader) as string;
  await cluster.kill(follower);
  const input = Array.from({ length: 100_000 }, (_, at) => `record ${at}`).join('\n');
  const command = await run(['append', '-', '-o', 'json', '--endpoints', cluster.endpoints], { input });
  expect(command.code).toBe(0);
  cluster.startNode(follower);
  const status = await cluster.converged();
  expect(status.nodes.find((node) => node.id === follower)?.lastIndex).toBeGreaterThanOrEqual(100_000);
  // The follower's own log, as it lies on disk, holds them all.
  await cluster.kill(follower);
  const verified = await run(['log', 'verify', cluster.dataDirectory(follower), '-o', 'json']);
  expect(JSON.parse(verified.stdout)).toMatchObject({ data: { ok: true, firstBad: null } });
});

test('a stopped leader acknowledges nothing after it wakes that the surviving log lacks', async () => {
  cluster = await Cluster.start(3);
  const writer = await Writer.start(cluster.endpoints, 'w');
  for (let round = 0; round < 5; round += 1) {
    await writer.more(50);
    const { leaderId, term } = await cluster.untilStatus((status) => status.leaderId !== null);
    const old = leaderId as string;
    cluster.node(old).signal('SIGSTOP');
    await cluster.untilStatus((status) => status.leaderId !== null && status.leaderId !== old);
    await writer.more(50);
    cluster.node(old).signal('SIGCONT');
    // It has heard of the term that began while it slept; on a busy machine it may lead again since, in a later one.
    await cluster.untilStatus(
      (status) =>
        status.nodes.every((node) => node.reachable) &&
        (status.nodes.find((node) => node.id === old)?.term ?? 0) > (term ?? 0),
    );
  }
  const written = await writer.stop();
  expect(judge([written], await readAll(cluster.endpoints))).toEqual(CLEAN);
});

test('a follower that is stopped for a while changes nothing: same leader, same term', async () => {
  cluster = await Cluster.start(3);
  const writer = await Writer.start(cluster.endpoints, 'w');
  await writer.more(20);
  const before = await cluster.status();
  const follower = cluster.ids.find((id) => id !== before.leaderId) as string;
  cluster.node(follower).signal('SIGSTOP');
  // Long enough for many election timeouts to pass: the writer's progress is the clock.
  await writer.more(2000);
  cluster.node(follower).signal('SIGCONT');
  await cluster.untilStatus((status) =>
    status.nodes.every((node) => node.reachable && node.role !== 'preCandidate'),
  );
  await writer.more(50);
  const after = await cluster.status();
  expect({ leaderId: after.leaderId, term: after.term }).toEqual({
    leaderId: before.leaderId,
    term: before.term,
  });
  expect(judge([await writer.stop()], await readAll(cluster.endpoints))).toEqual(CLEAN);
});

test('SIGTERM of the leader hands leadership over and ends with exit code 0', async () => {
  cluster = await Cluster.start(3);
  const writer = await Writer.start(cluster.endpoints, 'w');
  await writer.more(50);
  const leader = await cluster.leader();
  cluster.node(leader).signal('SIGTERM');
  const { code, stderr } = await cluster.node(leader).finished;
  expect(code, stderr).toBe(0);
  await writer.more(50);
  const status = await cluster.status();
  expect(status.leaderId).not.toBe(leader);
  expect(judge([await writer.stop()], await readAll(cluster.endpoints))).toEqual(CLEAN);
});
