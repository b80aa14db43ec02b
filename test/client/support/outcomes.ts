import type { DledgerError } from '../../../src/client/errors.ts';
import type { ProducerCore, Ticket } from '../../../src/client/producer-core.ts';
import { bytes } from './world.ts';

/** What became of each batch, in the order in which the answers came. Notes it when one is answered twice. */
export class Outcomes {
  readonly order: string[] = [];
  readonly stored = new Map<string, number>();
  readonly failed = new Map<string, DledgerError>();
  readonly answeredTwice: string[] = [];

  get count(): number {
    return this.stored.size + this.failed.size;
  }

  send(producer: ProducerCore, record: string, timeoutMs = 30_000): Ticket {
    return producer.send([bytes(record)], timeoutMs, (error, index) => {
      if (this.stored.has(record) || this.failed.has(record)) this.answeredTwice.push(record);
      this.order.push(record);
      if (error === null) this.stored.set(record, index);
      else this.failed.set(record, error);
    });
  }

  code(record: string): string | undefined {
    return this.failed.get(record)?.code;
  }

  outcome(record: string): string | undefined {
    return this.failed.get(record)?.outcome;
  }
}
