import type { Redis } from 'ioredis';
import { assert } from '../base/assert.ts';
import { SinkError } from './errors.ts';
import { after, formatPosition, isBefore, parsePosition, type Position } from './position.ts';
import { APPEND, OPEN } from './scripts.ts';

/** One record on its way into a stream. */
export interface StreamEntry {
  readonly position: Position;
  /** Names and values, in turn. */
  readonly fields: readonly (string | Uint8Array)[];
  readonly bytes: number;
}

export interface RedisStreamOptions {
  /** Key of the stream. Its checkpoint is beside it, at this key followed by `:checkpoint`. */
  readonly key: string;
  /** What fills the stream: another source is refused. */
  readonly source: string;
  /** Of this process, and of no other. */
  readonly owner: string;
  /** Entries to keep, about; 0 keeps all. */
  readonly lengthMax: number;
}

export interface Opened {
  /** Where to go on. */
  readonly next: Position;
  /** Nothing was known of this stream. */
  readonly isNew: boolean;
}

/**
 * A stream that takes each record once. Its checkpoint lies beside it and moves in the same step as the stream, so the
 * two agree whatever dies; when Redis comes back with older data, both are older, and the checkpoint says from where.
 */
export class RedisStream {
  readonly key: string;
  readonly checkpointKey: string;
  readonly #redis: Redis;
  readonly #options: RedisStreamOptions;
  /** What was won by opening; grows with each owner. 0: never opened. */
  #epoch = 0;
  #next: Position | null = null;

  constructor(redis: Redis, options: RedisStreamOptions) {
    this.#redis = redis;
    this.#options = options;
    this.key = options.key;
    this.checkpointKey = `${options.key}:checkpoint`;
  }

  /** Where the next entry goes. */
  get next(): Position {
    assert(this.#next !== null, 'the position of a stream that is not open');
    return this.#next;
  }

  /**
   * Takes the stream over from whoever had it, or finds out where it stands now.
   * @param first where to begin if nothing is known of this stream.
   * @throws SinkError FENCED where somebody else has taken it over since; WRONG_SOURCE, STRAY_STREAM.
   */
  async open(first: Position): Promise<Opened> {
    const { source, owner } = this.#options;
    const reply = await this.#eval(OPEN, [source, owner, String(this.#epoch), formatPosition(first)]);
    const [verdict, said = '', epoch, knowledge] = reply as string[];
    switch (verdict) {
      case 'open':
        break;
      case 'fenced':
        throw new SinkError(
          'FENCED',
          `another sink (${said}) has taken over the stream ${this.key}`,
          'run one sink for a stream; the other one goes on from where this one stopped',
        );
      case 'other':
        throw new SinkError(
          'WRONG_SOURCE',
          `the stream ${this.key} is filled from ${said}, and this is ${source}`,
          `choose another --prefix, or delete ${this.key} and ${this.checkpointKey} to begin anew`,
        );
      default:
        throw new SinkError(
          'STRAY_STREAM',
          `the stream ${this.key} exists, and ${this.checkpointKey} does not: nobody knows how far it goes`,
          'choose another --prefix, or delete the stream to fill it anew',
        );
    }
    const next = parsePosition(said);
    if (next === null) {
      throw new SinkError(
        'KEY_IN_USE',
        `${this.checkpointKey} says ${JSON.stringify(said)}, which is no position`,
        'choose another --prefix, or delete the stream and its checkpoint to begin anew',
      );
    }
    this.#epoch = Number(epoch);
    this.#next = next;
    return { next, isNew: knowledge === 'new' };
  }

  /**
   * Writes all of these or none, in one step with the checkpoint.
   * @returns false where the stream stands somewhere else than this process believes: open it again, and go on from
   * there. A second try of a write whose reply was lost changes nothing, and is true.
   */
  async append(entries: readonly StreamEntry[]): Promise<boolean> {
    const { next } = this;
    const first = entries[0];
    const last = entries.at(-1);
    assert(first !== undefined && last !== undefined, 'an append of 0 entries');
    assert(
      !isBefore(first.position, next),
      `entry ${formatPosition(first.position)} lies before ${formatPosition(next)}`,
    );
    const then = after(last.position);
    const { owner, lengthMax } = this.#options;
    const args: (string | Buffer)[] = [
      owner,
      String(this.#epoch),
      formatPosition(next),
      formatPosition(then),
      String(lengthMax),
    ];
    for (const { position, fields } of entries) {
      args.push(formatPosition(position), String(fields.length));
      for (const field of fields) args.push(typeof field === 'string' ? field : asBuffer(field));
    }
    if ((await this.#eval(APPEND, args)) !== 'applied') return false;
    this.#next = then;
    return true;
  }

  async #eval(script: string, args: readonly (string | Buffer)[]): Promise<unknown> {
    return this.#redis.eval(script, 2, this.key, this.checkpointKey, ...args);
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
