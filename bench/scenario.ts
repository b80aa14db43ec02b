import type { Client } from '../src/client/index.ts';
import type { Histogram } from './histogram.ts';

/** What is done again and again, and measured. */
export interface Operation {
  /** @returns records that were acknowledged, or read, within the time. */
  run(durationMs: number, latencies: Histogram): Promise<number>;
  close(): void | Promise<void>;
}

export interface Scenario {
  readonly name: string;
  /** For scenarios that peers can do too: one record a request, so many of them under way. */
  readonly inFlight: number | null;
  /** Everything that is not to be measured: what is read must be there first. */
  setUp(client: Client, recordBytes: number): Operation | Promise<Operation>;
}
