import { connect, type Client } from '../../../src/client/index.ts';

/** What a writer was told about each record it sent. */
export interface Written {
  /** Payload and the index it was acknowledged at, in the order of acknowledgement. */
  readonly acknowledged: { readonly payload: string; readonly index: number }[];
  /** Payloads whose outcome is unknown: they may be stored or not. */
  readonly unknown: string[];
}

/** Writes numbered records with a few in flight until it is stopped; remembers every answer. */
export class Writer {
  readonly written: Written = { acknowledged: [], unknown: [] };
  readonly #client: Client;
  readonly #name: string;
  readonly #lanes: Promise<void>[];
  #next = 0;
  #stopped = false;
  readonly #watchers = new Set<() => void>();

  private constructor(client: Client, name: string, inFlight: number) {
    this.#client = client;
    this.#name = name;
    this.#lanes = Array.from({ length: inFlight }, async () => this.#lane());
  }

  static async start(endpoints: string, name: string, inFlight = 16): Promise<Writer> {
    return new Writer(await connect({ endpoints: endpoints.split(',') }), name, inFlight);
  }

  /** Resolves when so many records more than now are acknowledged. */
  async more(count: number): Promise<void> {
    const goal = this.written.acknowledged.length + count;
    await new Promise<void>((resolve) => {
      const check = (): void => {
        if (this.written.acknowledged.length < goal) return;
        this.#watchers.delete(check);
        resolve();
      };
      this.#watchers.add(check);
      check();
    });
  }

  async stop(): Promise<Written> {
    this.#stopped = true;
    await Promise.all(this.#lanes);
    await this.#client.close();
    return this.written;
  }

  async #lane(): Promise<void> {
    while (!this.#stopped) {
      this.#next += 1;
      const payload = `${this.#name}-${this.#next}`;
      try {
        const { index } = await this.#client.append(payload);
        this.written.acknowledged.push({ payload, index });
      } catch (error) {
        const outcome = (error as { outcome?: string }).outcome;
        if (outcome === 'unknown') this.written.unknown.push(payload);
        else if (outcome !== 'none') throw error;
      }
      for (const watcher of this.#watchers) watcher();
    }
  }
}

/** Every record in the log with its index, read to the end of what is committed. */
export async function readAll(endpoints: string, from = 1): Promise<{ payload: string; index: number }[]> {
  const client = await connect({ endpoints: endpoints.split(',') });
  const records: { payload: string; index: number }[] = [];
  for await (const record of client.read({ from })) {
    records.push({ payload: new TextDecoder().decode(record.data), index: record.index });
  }
  await client.close();
  return records;
}

export interface Verdict {
  readonly lost: string[];
  readonly duplicated: string[];
  /** Acknowledged at one index and found at another. */
  readonly moved: string[];
  /** In the log although nobody sent it. */
  readonly invented: string[];
}

/** Holds what writers were told against what the log says. */
export function judge(
  written: readonly Written[],
  log: readonly { payload: string; index: number }[],
): Verdict {
  const seen = new Map<string, number[]>();
  for (const { payload, index } of log) seen.set(payload, [...(seen.get(payload) ?? []), index]);
  const verdict: Verdict = { lost: [], duplicated: [], moved: [], invented: [] };
  const sent = new Set<string>();
  for (const { acknowledged, unknown } of written) {
    for (const payload of unknown) sent.add(payload);
    for (const { payload, index } of acknowledged) {
      sent.add(payload);
      const indexes = seen.get(payload);
      if (indexes === undefined) verdict.lost.push(payload);
      else if (indexes[0] !== index) verdict.moved.push(payload);
    }
  }
  for (const [payload, indexes] of seen) {
    if (indexes.length > 1) verdict.duplicated.push(payload);
    if (!sent.has(payload)) verdict.invented.push(payload);
  }
  return verdict;
}

export const CLEAN: Verdict = { lost: [], duplicated: [], moved: [], invented: [] };
