import type { Client, LogRecord } from '../client/index.ts';
import { isBefore, type Position } from './position.ts';
import type { StreamEntry } from './redis-stream.ts';
import type { Source } from './sink.ts';

/** Beside its payload an entry carries some bytes of names and numbers. */
const OVERHEAD_BYTES = 64;

/** The records of the log, from a position on: those that are committed, and, if asked, those that will be. */
export class LogSource implements Source {
  readonly identity: string;
  readonly #client: Client;
  readonly #isFollowing: boolean;

  /** @param clusterId of the cluster whose log it is: indexes mean nothing in another one. */
  constructor(client: Client, clusterId: string, isFollowing: boolean) {
    this.identity = `cluster ${clusterId}, log`;
    this.#client = client;
    this.#isFollowing = isFollowing;
  }

  async *read(from: Position, signal: AbortSignal): AsyncGenerator<StreamEntry, void, undefined> {
    const options = { from: from.major, signal };
    const records = this.#isFollowing ? this.#client.tail(options) : this.#client.read(options);
    for await (const record of records) {
      const position = { major: record.index, minor: record.ordinal };
      // The position may lie within an entry, and the log is read by whole ones.
      if (!isBefore(position, from)) yield entryOf(position, record);
    }
  }
}

function entryOf(position: Position, { data, time }: LogRecord): StreamEntry {
  return {
    position,
    fields: ['data', data, 'time', String(time)],
    bytes: data.length + OVERHEAD_BYTES,
  };
}
