import type { Client } from '../../src/client/index.ts';
import { closedLoop } from '../closed-loop.ts';
import type { Operation, Scenario } from '../scenario.ts';

/** Requests to the raw log, each an entry of its own as far as the client is concerned. */
export function appendScenario(name: string, inFlight: number, recordsPerRequest: number): Scenario {
  return {
    name,
    inFlight: recordsPerRequest === 1 ? inFlight : null,
    setUp(client: Client, recordBytes: number): Operation {
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
