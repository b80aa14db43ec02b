import type { Client, Producer } from '../../src/client/index.ts';
import { awaiting, closedLoop, type Send } from '../closed-loop.ts';
import { measure, type Measured, type Written } from '../measure.ts';
import type { BenchCluster } from '../processes.ts';
import type { Operation } from '../scenario.ts';
import { SLICE_MS, SLICE_WARM_UP_MS } from './part.ts';

const RECORD = new Uint8Array(256).fill(120);

const nothing = (): Promise<Written> => Promise.resolve({ bytes: null, syncs: null });

/** One short measurement of whatever is done. @param leader whose processor time is told apart. */
export async function slice(
  cluster: BenchCluster,
  operation: Operation,
  leader: string | null = null,
): Promise<Measured> {
  const { pids, directory } = cluster;
  const leaderPid = leader === null ? null : cluster.pid(leader);
  const servers = { pids, leaderPid, directory, written: nothing };
  return measure(servers, operation, SLICE_MS, SLICE_WARM_UP_MS);
}

/** Records of 256 bytes, one a request, so many of them under way by each of the producers. */
export function appends(producers: readonly Producer[], inFlightEach: number): Operation {
  return {
    run: async (durationMs, latencies) => {
      const loops = producers.map((producer) => {
        const send: Send = (done) => {
          producer.send(RECORD, done);
        };
        return closedLoop(send, inFlightEach, durationMs, latencies);
      });
      const answered = await Promise.all(loops);
      return answered.reduce((sum, each) => sum + each, 0);
    },
    close: () => undefined,
  };
}

/** Linearizable reads of one entry each, one after the other, anywhere in a stretch of the log. */
export function reads(client: Client, from: number, to: number): Operation {
  let at = 0;
  return {
    run: (durationMs, latencies) =>
      closedLoop(
        awaiting(async () => {
          // A prime step visits them all, and never two neighbours after one another.
          at = (at + 10_007) % (to - from + 1);
          if ((await client.get(from + at)) === null) throw new Error(`entry ${from + at} is not there`);
        }),
        1,
        durationMs,
        latencies,
      ),
    close: () => undefined,
  };
}
