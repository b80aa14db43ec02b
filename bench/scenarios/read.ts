import type { Client } from '../../src/client/index.ts';
import { awaiting, closedLoop } from '../closed-loop.ts';
import type { Histogram } from '../histogram.ts';
import type { Operation, Scenario } from '../scenario.ts';

const READ_ENTRIES = 4096;
const READS_IN_FLIGHT = 64;
const APPENDED_AT_ONCE = 512;

/** Linearizable reads of one entry each, anywhere in what was just written. */
export const READ: Scenario = {
  name: 'read',
  inFlight: null,
  async setUp(client: Client, recordBytes: number): Promise<Operation> {
    const record = new Uint8Array(recordBytes).fill(120);
    const indexes: number[] = [];
    while (indexes.length < READ_ENTRIES) {
      const appended = await Promise.all(
        Array.from({ length: APPENDED_AT_ONCE }, () => client.append(record)),
      );
      indexes.push(...appended.map(({ index }) => index));
    }
    return {
      run: (durationMs, latencies) => read(client, indexes, durationMs, latencies),
      close: () => undefined,
    };
  },
};

async function read(
  client: Client,
  indexes: readonly number[],
  durationMs: number,
  latencies: Histogram,
): Promise<number> {
  let at = 0;
  return closedLoop(
    awaiting(async () => {
      // A prime step visits them all, and never two neighbours after one another.
      at = (at + 1009) % indexes.length;
      const index = indexes[at] ?? 1;
      if ((await client.get(index)) === null) throw new Error(`entry ${index} is not there`);
    }),
    READS_IN_FLIGHT,
    durationMs,
    latencies,
  );
}
