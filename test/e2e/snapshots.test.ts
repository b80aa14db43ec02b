import { afterEach, expect, test } from 'vitest';
import { FileDisk } from '../../src/platform/file-disk.ts';
import { RealClock } from '../../src/platform/real-clock.ts';
import { trimToCheckpoint } from '../node/support/trimmed.ts';
import { Cluster } from './support/cluster.ts';
import { CLEAN, Writer, judge, readAll } from './support/load.ts';

// Real processes: one was away while the others trimmed their logs beyond it.

let cluster: Cluster;

afterEach(async () => {
  await cluster.stop();
});

/** Stops a node in good order and takes what its last checkpoint covers from its log. @returns the last entry that went. */
async function stopAndTrim(id: string): Promise<number> {
  cluster.node(id).signal('SIGTERM');
  expect((await cluster.node(id).finished).code).toBe(0);
  const directory = cluster.dataDirectory(id);
  return new Promise((resolve) => {
    trimToCheckpoint({ disk: new FileDisk(), clock: new RealClock(), directory, id }, resolve);
  });
}

test('a follower comes back behind the others’ logs; it and the leader are killed while it gets a snapshot', async () => {
  // A tenth of a megabyte a second, and a state of some hundred kilobytes: the transfer takes a second or two.
  const slow = ['--snapshot-mib-per-s', '0.1'];
  cluster = await Cluster.start(3, slow);
  const first = await cluster.leader();
  const [behind, other] = cluster.ids.filter((id) => id !== first) as [string, string];
  const created = await cluster.command('topic', 'create', 'orders', '--queues', '4096');
  expect(created.code).toBe(0);
  await cluster.converged();
  await cluster.kill(behind);
  const early = await Writer.start(cluster.endpoints, 'early');
  await early.more(500);
  await early.stop();
  await cluster.untilStatus(({ nodes }) =>
    nodes.every(({ reachable, appliedIndex, lastIndex }) => !reachable || appliedIndex === lastIndex),
  );
  await stopAndTrim(other);
  const base = await stopAndTrim(first);
  cluster.startNode(first);
  cluster.startNode(other);
  await cluster.leader();

  const writer = await Writer.start(cluster.endpoints, 'late');
  await writer.more(200);
  const begun = (): Promise<void> =>
    cluster.node(behind).untilPrinted((_out, said) => said.includes('installing the snapshot at index'));
  cluster.startNode(behind);
  await begun();
  await cluster.kill(behind);
  cluster.startNode(behind);
  await begun();
  const leader = await cluster.leader();
  await cluster.kill(leader);
  // The two that are left are a majority as soon as one of them has got its snapshot from the other.
  await cluster
    .node(behind)
    .untilPrinted((_out, said) => said.includes(`installed snapshot at index ${base}`));
  await writer.more(200);
  cluster.startNode(leader);
  await cluster.untilStatus((status) => status.nodes.every((node) => node.reachable));
  await writer.more(100);
  const written = await writer.stop();
  expect(judge([written], await readAll(cluster.endpoints, base + 1))).toEqual(CLEAN);
  const status = await cluster.converged();
  expect(status.nodes.find((node) => node.id === behind)).toMatchObject({ reachable: true });
}, 60_000);
