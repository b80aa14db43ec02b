import { encodeMessage, queueOfMessage, type Message } from '../base/message.ts';
import type { TimerHandle } from '../base/ports/clock.ts';
import type { LogIndex } from '../base/units.ts';
import type { TopicInfo } from '../wire/broker-schema.ts';
import type { Endpoint } from './endpoint.ts';
import {
  AbortedError,
  ClosedError,
  OverloadedError,
  TimeoutError,
  topicGone,
  type DledgerError,
} from './errors.ts';
import type { ClientPorts } from './leader-link.ts';
import { ProducerCore } from './producer-core.ts';
import { RequestChannel } from './request-channel.ts';
import { TopicDirectory } from './topic-directory.ts';
import { TopicLink } from './topic-link.ts';

/** Where a record was stored. */
export interface Produced {
  readonly topic: string;
  /** Ordinal of the queue in its topic. */
  readonly queue: number;
  /** In that queue: dense, from 0. */
  readonly offset: number;
  /** Of the log entry that holds it. */
  readonly index: LogIndex;
}

/** Told once about each record, in a later turn. */
export type ProducedCallback = (error: DledgerError | null, produced: Produced | null) => void;

export interface TopicProducerOptions {
  readonly endpoints: readonly Endpoint[];
  readonly clusterId: string | null;
  /** Batches sent and not answered, of each queue. */
  readonly inFlightMax: number;
  /** A batch that waits for company leaves after so long. With nothing in flight it leaves at once. */
  readonly lingerMs: number;
  /** A batch that has so many bytes leaves. One record may pass it. */
  readonly batchBytesMax: number;
  /** Bytes of records that were not answered; beyond it they are refused as OVERLOADED. */
  readonly bufferBytesMax: number;
}

/** One record on its way. */
interface Sending {
  readonly bytes: Uint8Array;
  readonly deadlineMs: number;
  callback: ProducedCallback | null;
  state: 'gathered' | 'sent' | 'done';
}

/** Stands for one record that was given to `send`. */
export interface SendTicket {
  abort(): void;
}

const IN_FLIGHT_BYTES_MAX: number = 16 * 1024 * 1024;
/** Batches of one queue that wait to be sent. Bytes are bounded for all queues together. */
const BATCHES_MAX = 65_536;
const RECORDS_MAX = 65_536;
/** Records that may go anywhere spread over the queues, however large a batch may be. */
const TURN_RECORDS_MAX = 32;

/**
 * Sends records to topics: chooses the queue, gathers batches, and has each queue's batches stored in order and once.
 *
 * A record with an ordering group, or else with a key, goes to the queue that this decides. The others fill one queue's
 * batch after the other's, in turn. While a batch of a queue is on its way the next one gathers, for `lingerMs` at most:
 * alone a record waits for nobody, under load many share a request.
 */
export class TopicProducerCore {
  readonly #options: TopicProducerOptions;
  readonly #ports: ClientPorts;
  readonly #channel: RequestChannel;
  readonly #directory: TopicDirectory;
  readonly #links: TopicLink[] = [];
  /** By number of the queue in the cluster. */
  readonly #queues = new Map<number, QueueBatcher>();
  /** Those of queues that are gone too: what they sent may still be answered. */
  readonly #batchers: QueueBatcher[] = [];
  /** By topic: the queue whose batch the records that may go anywhere are filling, and how many of them did. */
  readonly #turns = new Map<string, { ordinal: number; records: number }>();
  #bytes = 0;
  #pending = 0;
  #wasFull = false;
  #isClosed = false;
  #onWritable: (() => void) | null = null;
  #onEmpty: (() => void)[] = [];

  constructor(options: TopicProducerOptions, ports: ClientPorts) {
    const { endpoints, clusterId } = options;
    this.#options = options;
    this.#ports = ports;
    this.#channel = new RequestChannel({ endpoints, clusterId, wants: 'leader' }, ports);
    this.#directory = new TopicDirectory(this.#channel);
  }

  /** Records not answered yet. */
  get pending(): number {
    return this.#pending;
  }

  /** Whether `send` should be called now. */
  get isWritable(): boolean {
    return this.#bytes < this.#options.bufferBytesMax;
  }

  /** Called in a later turn when what was full is half empty. */
  set onWritable(callback: (() => void) | null) {
    this.#onWritable = callback;
  }

  /** Batches that had to be sent again. */
  get resent(): number {
    let resent = 0;
    for (const { core } of this.#batchers) resent += core.resent;
    return resent;
  }

  /** @throws MessageFormatError where a part of the message is over its limit. */
  send(topic: string, message: Message, timeoutMs: number, callback: ProducedCallback): SendTicket {
    const sending: Sending = {
      bytes: encodeMessage(message),
      deadlineMs: this.#ports.clock.monotonicMs() + timeoutMs,
      callback: null,
      state: 'gathered',
    };
    const refusal = this.#refusal();
    if (refusal !== null) {
      this.#ports.clock.defer(() => callback(refusal, null));
      return { abort: () => undefined };
    }
    this.#pending += 1;
    this.#bytes += sending.bytes.length;
    if (!this.isWritable) this.#wasFull = true;
    sending.callback = callback;
    this.#directory.find(topic, timeoutMs, (error, found) => {
      if (sending.state === 'done') return;
      if (found === null) this.#settle(sending, error, null);
      else this.#batcher(found, message).add(sending);
    });
    return { abort: () => this.#abort(sending) };
  }

  /** Calls back in a later turn when everything that was sent before is answered. */
  flush(done: () => void): void {
    for (const queue of this.#batchers) queue.leave();
    if (this.#pending === 0) this.#ports.clock.defer(done);
    else this.#onEmpty.push(done);
  }

  /** What is unanswered is reported: unknown if it was sent, nothing happened if not. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const queue of this.#batchers) queue.close();
    for (const link of this.#links) link.close();
    this.#channel.close();
  }

  #refusal(): DledgerError | null {
    if (this.#isClosed) return new ClosedError('none');
    if (this.isWritable) return null;
    return new OverloadedError(`${this.#pending} records of ${this.#bytes} bytes wait already`);
  }

  #batcher(topic: TopicInfo, message: Message): QueueBatcher {
    const count = topic.queues.length;
    const ordinal = queueOfMessage(message, count) ?? this.#turn(topic.name, count);
    const { id } = topic.queues[ordinal] as TopicInfo['queues'][number];
    const known = this.#queues.get(id);
    if (known !== undefined) return known;
    const queue = this.#newBatcher(topic, ordinal, id);
    this.#queues.set(id, queue);
    this.#batchers.push(queue);
    return queue;
  }

  /** One queue's batch is filled before the next one's, but for so many records at most. */
  #turn(topic: string, queueCount: number): number {
    const turn = this.#turns.get(topic) ?? { ordinal: 0, records: 0 };
    this.#turns.set(topic, turn);
    if (turn.records >= TURN_RECORDS_MAX) {
      turn.ordinal = (turn.ordinal + 1) % queueCount;
      turn.records = 0;
    }
    turn.records += 1;
    return turn.ordinal;
  }

  #newBatcher({ name: topic, queues }: TopicInfo, ordinal: number, id: number): QueueBatcher {
    let link = this.#links.at(-1);
    if (link === undefined || link.isFull) {
      link = new TopicLink(this.#options, this.#ports);
      this.#links.push(link);
    }
    const core = new ProducerCore(
      {
        inFlightMax: this.#options.inFlightMax,
        inFlightBytesMax: IN_FLIGHT_BYTES_MAX,
        queueMax: BATCHES_MAX,
        queueBytesMax: Number.MAX_SAFE_INTEGER,
      },
      this.#ports,
      link.lane(id),
    );
    return new QueueBatcher(core, this.#options, this.#ports, {
      left: () => {
        const turn = this.#turns.get(topic);
        if (turn?.ordinal !== ordinal) return;
        turn.ordinal = (ordinal + 1) % queues.length;
        turn.records = 0;
      },
      settle: (sending, error, offset, index) => {
        if (error?.code === 'UNKNOWN_TOPIC') {
          this.#directory.forget(topic);
          this.#queues.delete(id);
          this.#settle(sending, topicGone(topic), null);
          return;
        }
        const produced = error === null ? { topic, queue: ordinal, offset, index } : null;
        this.#settle(sending, error, produced);
      },
    });
  }

  /** It may have been stored if it was sent; its place among the others it keeps. */
  #abort(sending: Sending): void {
    const { callback, state } = sending;
    if (state === 'done' || callback === null) return;
    if (state === 'sent') {
      sending.callback = null;
      this.#ports.clock.defer(() => callback(new AbortedError('unknown'), null));
      return;
    }
    this.#settle(sending, new AbortedError('none'), null);
  }

  #settle(sending: Sending, error: DledgerError | null, produced: Produced | null): void {
    if (sending.state === 'done') return;
    sending.state = 'done';
    this.#pending -= 1;
    this.#bytes -= sending.bytes.length;
    this.#call(() => sending.callback?.(error, produced));
    if (this.#pending === 0) for (const done of this.#onEmpty.splice(0)) this.#call(done);
    if (!this.#wasFull || this.#bytes > this.#options.bufferBytesMax / 2) return;
    this.#wasFull = false;
    this.#ports.clock.defer(() => {
      if (!this.#isClosed) this.#onWritable?.();
    });
  }

  /** What a callback throws is its owner's, and is thrown where nothing of this producer stands half done. */
  #call(callback: () => void): void {
    try {
      callback();
    } catch (thrown) {
      this.#ports.clock.defer(() => {
        throw thrown;
      });
    }
  }
}

interface BatcherHandlers {
  /** A batch was closed. */
  left(): void;
  settle(sending: Sending, error: DledgerError | null, offset: number, index: LogIndex): void;
}

/** Gathers the records of one queue into batches. */
class QueueBatcher {
  readonly core: ProducerCore;
  readonly #options: TopicProducerOptions;
  readonly #ports: ClientPorts;
  readonly #handlers: BatcherHandlers;
  #gathered: Sending[] = [];
  #bytes = 0;
  #timer: TimerHandle | null = null;
  #isDue = false;

  constructor(
    core: ProducerCore,
    options: TopicProducerOptions,
    ports: ClientPorts,
    handlers: BatcherHandlers,
  ) {
    this.core = core;
    this.#options = options;
    this.#ports = ports;
    this.#handlers = handlers;
  }

  add(sending: Sending): void {
    const { batchBytesMax } = this.#options;
    if (this.#gathered.length > 0 && this.#bytes + sending.bytes.length > batchBytesMax) this.leave();
    this.#gathered.push(sending);
    this.#bytes += sending.bytes.length;
    if (this.#bytes >= batchBytesMax || this.#gathered.length >= RECORDS_MAX) this.leave();
    else this.#leaveLater();
  }

  close(): void {
    this.leave();
    this.core.close();
  }

  /** Sends what has gathered. */
  leave(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const records = this.#gathered.filter(({ state }) => state === 'gathered');
    this.#gathered = [];
    this.#bytes = 0;
    const [first] = records;
    if (first === undefined) return;
    this.#handlers.left();
    for (const record of records) record.state = 'sent';
    let deadlineMs = first.deadlineMs;
    for (const record of records) deadlineMs = Math.min(deadlineMs, record.deadlineMs);
    const timeoutMs = deadlineMs - this.#ports.clock.monotonicMs();
    if (timeoutMs <= 0) {
      const late = new TimeoutError('not sent in time');
      for (const record of records) this.#handlers.settle(record, late, 0, 0 as LogIndex);
      return;
    }
    this.core.send(
      records.map(({ bytes }) => bytes),
      timeoutMs,
      (error, index, _term, baseOffset) => {
        for (const [at, record] of records.entries())
          this.#handlers.settle(record, error, (baseOffset ?? 0) + at, index);
        if (this.core.pending === 0) this.leave();
      },
    );
  }

  #leaveLater(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#ports.clock.defer(() => {
      this.#isDue = false;
      if (this.#gathered.length === 0) return;
      const { lingerMs } = this.#options;
      if (this.core.pending === 0 || lingerMs === 0) this.leave();
      else this.#timer ??= this.#ports.clock.setTimer(lingerMs, () => this.leave());
    });
  }
}
