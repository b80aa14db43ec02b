import type { ProducerStamp } from '../../../src/base/batch.ts';
import { entryBody } from '../../../src/base/entry.ts';
import { decodeBatch } from '../../../src/base/batch.ts';
import type { LogIndex } from '../../../src/base/units.ts';
import { NODE_PORT, SimulatedCluster } from '../../../src/sim/simulated-cluster.ts';
import type { ErrorInfo } from '../../../src/wire/errors.ts';
import { ANONYMOUS, RawClient, type Appended } from './raw-client.ts';

/** A client on a host of its own in a simulated cluster, driven to each answer in virtual time. */
export class Driver {
  readonly cluster: SimulatedCluster;
  readonly name: string;
  #client: RawClient | null = null;
  #to: string | null = null;

  constructor(cluster: SimulatedCluster, name = 'client') {
    this.cluster = cluster;
    this.name = name;
  }

  /** A greeted connection to this node. */
  to(id: string): RawClient {
    if (this.#client !== null && this.#to === id && !this.#client.isClosed) return this.#client;
    const client = new RawClient(this.cluster.network.host(this.name), id, NODE_PORT);
    this.cluster.clock.runUntil(() => client.ack !== null || client.isClosed, 2000);
    this.#client = client;
    this.#to = id;
    return client;
  }

  append(id: string, records: readonly string[], stamp: ProducerStamp = ANONYMOUS): Outcome<Appended> {
    const client = this.to(id);
    return this.settle((done) => client.append(records, stamp, done));
  }

  openProducer(id: string, inFlightMax = 16): { producerId: number; epoch: number } {
    const client = this.to(id);
    const { value } = this.settle<{ producerId: number; epoch: number }>((done) =>
      client.openProducer(inFlightMax, done),
    );
    if (value === null) throw new Error('no producer was opened');
    return value;
  }

  /** All records from `from` on, as text with their indexes. */
  readAll(
    id: string,
    consistency: 'linearizable' | 'committed' = 'linearizable',
    first = 1,
  ): { index: number; text: string }[] {
    const client = this.to(id);
    const records: { index: number; text: string }[] = [];
    let from = first;
    for (;;) {
      const { error, value } = this.settle<import('../../../src/wire/client-codec.ts').ReadResult>((done) =>
        client.read({ from: from as LogIndex, consistency }, done),
      );
      if (value === null) throw new Error(`read failed: ${error?.code ?? 'closed'} ${error?.message ?? ''}`);
      for (const entry of value.entries) {
        for (const record of decodeBatch(entryBody(entry))) {
          records.push({ index: entry.index, text: new TextDecoder().decode(record) });
        }
      }
      if (value.nextIndex > value.commitIndex) return records;
      from = value.nextIndex;
    }
  }

  /** Lets time pass until the answer is there. A closed connection answers with two nulls. */
  settle<T>(
    ask: (done: (error: ErrorInfo | null, value: T | null) => void) => void,
    withinMs = 10_000,
  ): Outcome<T> {
    let outcome: Outcome<T> | null = null;
    ask((error, value) => {
      outcome = { error, value };
    });
    const answered = this.cluster.clock.runUntil(() => outcome !== null, withinMs);
    if (!answered) throw new Error(`no answer within ${withinMs} ms`);
    return outcome as unknown as Outcome<T>;
  }
}

export interface Outcome<T> {
  readonly error: ErrorInfo | null;
  readonly value: T | null;
}
