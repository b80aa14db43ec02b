import { Client } from '../client/index.ts';

const RECORD_BYTES = 200;

/** A modest stream of records, so that whoever looks on has something to see. Failures are what the screen is for. */
export class DemoLoad {
  readonly #client: Client;
  readonly #timer: NodeJS.Timeout;
  #count = 0;

  /** @param perSecond records, spread over the second. */
  constructor(endpoints: readonly string[], perSecond: number) {
    this.#client = new Client({ endpoints, queueMax: perSecond * 10 });
    const everyMs = Math.max(20, 1000 / perSecond);
    const atOnce = Math.max(1, Math.round((perSecond * everyMs) / 1000));
    this.#timer = setInterval(() => this.#send(atOnce), everyMs);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#client.close();
  }

  #send(records: number): void {
    for (let at = 0; at < records; at += 1) {
      this.#count += 1;
      const text = JSON.stringify({ order: this.#count, at: new Date().toISOString() });
      this.#client.append(text.padEnd(RECORD_BYTES)).catch(() => undefined);
    }
  }
}
