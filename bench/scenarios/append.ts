import type { Client } from '../../src/client/index.ts';
import { closedLoop } from '../closed-loop.ts';
import type { Operation, Scenario } from '../scenario.ts';

/** What one entry holds, with room for what each record takes beside its own bytes. */
const BATCH_BYTES_MAX = 1_000_000;

/**
 * Requests to the raw log, each an entry of its own as far as the client is concerned.
 * @param recordsPerRequestMax of large records as many as fit.
 */
export function appendScenario(name: string, inFlight: number, recordsPerRequestMax: number): Scenario {
  return {
    name,
    inFlight: recordsPerRequestMax === 1 ? inFlight : null,
    setUp(client: Client, recordBytes: number): Operation {
      const recordsPerRequest = Math.min(recordsPerRequestMax, Math.floor(BATCH_BYTES_MAX / recordBytes));
      const producer = client.createProducer({ inFlightMax: inFlight });
      const records = Array.from({ length: recordsPerRequest }, () => new Uint8Array(recordBytes).fill(120));
      return {
        run: async (durationMs, latencies) => {
          const requests = await closedLoop(
            (done) => {
              producer.send(records, done);
            },
            inFlight,
            durationMs,
            latencies,
          );
          return requests * recordsPerRequest;
        },
        close: () => producer.close(),
      };
    },
  };
}
