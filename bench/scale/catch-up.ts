import { setTimeout } from 'node:timers/promises';
import { connect, type Client } from '../../src/client/index.ts';
import { BenchCluster } from '../processes.ts';
import { untilWhole } from '../whole-cluster.ts';
import { point, ticksOfBytes, type Point } from './figure.ts';
import { fill } from './fill.ts';
import { diskLimit, loopbackLimit } from './limits.ts';
import type { ScalePart } from './part.ts';

/** How far behind the follower is: these, but for the first no more than 30 % of the longest log. */
const BEHIND_BYTES = [100e6, 300e6, 1e9, 3e9];
const POLL_MS = 5;
const CAUGHT_UP_WITHIN_MS = 300_000;

/** How fast a follower that was away gets what it lacks, with nothing else to do, beside what the machine can do. */
export const CATCH_UP: ScalePart = {
  name: 'catch-up',
  diskBytes: ({ logBytesMax }) => 4.5 * Math.min(logBytesMax, 4.5e9) + 3e9,
  run: async ({ parent, logBytesMax, progress }) => {
    const sizes = BEHIND_BYTES.filter((bytes, at) => at === 0 || bytes <= logBytesMax * 0.3);
    const cluster = await BenchCluster.start(3, parent, ['--retention-disk', 'none']);
    const [rates, seconds]: [Point[], Point[]] = [[], []];
    const [disk, loopback]: [number[], number[]] = [[], []];
    try {
      const client = await connect({ endpoints: cluster.endpoints });
      for (const bytes of sizes) {
        const leader = await untilWhole(client, cluster.ids.length);
        const away = cluster.ids.find((id) => id !== leader) ?? '';
        await cluster.kill(away);
        const written = await fill(cluster.endpoints, bytes, (done) =>
          progress(`catch-up: written ${Math.round(done / 1e6)} of ${bytes / 1e6} MB`),
        );
        progress('catch-up: what disk and loopback can do');
        disk.push(diskLimit(parent));
        loopback.push(await loopbackLimit());
        progress(`catch-up: ${bytes / 1e6} MB`);
        const { transferSeconds, allSeconds } = await caughtUp(client, cluster, away);
        rates.push(point(bytes, [written / 1e6 / transferSeconds]));
        seconds.push(point(bytes, [allSeconds]));
      }
      await client.close();
    } finally {
      await cluster.stop();
    }
    const x = {
      label: 'records that it lacks',
      isLogarithmic: true,
      isBytes: true,
      ticks: ticksOfBytes(sizes),
    };
    return [
      {
        name: 'catch-up',
        title: 'A follower that was away catches up',
        panels: [
          {
            title: 'MB/s',
            x,
            series: [
              { name: 'records, from the first that came to the last', points: rates },
              { name: 'disk: 1 MiB written and synced at a time', points: [point(0, disk)], isLimit: true },
              { name: 'loopback: writes of 64 KiB', points: [point(0, loopback)], isLimit: true },
            ],
          },
          {
            title: 'seconds',
            x,
            series: [{ name: 'from the start of its process until it has all', points: seconds }],
          },
        ],
      },
    ];
  },
};

/** Starts the node and looks at what the leader knows of it. */
async function caughtUp(
  client: Client,
  cluster: BenchCluster,
  id: string,
): Promise<{ transferSeconds: number; allSeconds: number }> {
  const startedMs = performance.now();
  cluster.startNode(id);
  let [matchBefore, movedMs]: [number | null, number | null] = [null, null];
  while (performance.now() - startedMs < CAUGHT_UP_WITHIN_MS) {
    await setTimeout(POLL_MS);
    const { leaderId, nodes } = await client.status();
    const leader = nodes.find(({ status }) => status?.nodeId === leaderId)?.status?.groups[0];
    const progress = leader?.progress.find((peer) => peer.id === id);
    if (leader === undefined || progress === undefined) continue;
    const now = performance.now();
    matchBefore ??= progress.matchIndex;
    if (movedMs === null && progress.matchIndex > matchBefore) movedMs = now;
    if (progress.matchIndex >= leader.lastIndex)
      return {
        transferSeconds: (now - (movedMs ?? startedMs)) / 1000,
        allSeconds: (now - startedMs) / 1000,
      };
  }
  throw new Error(`${id} has not caught up within ${CAUGHT_UP_WITHIN_MS / 1000} s`);
}
