import type { LogIndex, Term } from '../base/units.ts';
import { isNodeId } from '../base/units.ts';
import {
  decodeTransferred,
  encodeTransferLeadership,
  type Consistency,
  type Transferred,
} from '../wire/client-codec.ts';
import { FrameKind } from '../wire/frame.ts';
import { LIMITS } from '../wire/limits.ts';
import { Admin } from './admin.ts';
import type { CallOptions } from './call-options.ts';
import { surveyCluster, type ClusterStatus } from './cluster-status.ts';
import { parseEndpoints, type Endpoint } from './endpoint.ts';
import { integer } from './check.ts';
import { Consumer } from './consumer.ts';
import { ConsumerCore, type ConsumerChannels } from './consumer-core.ts';
import { AbortedError, ArgumentError, ClosedError } from './errors.ts';
import type { ClientPorts } from './leader-link.ts';
import { findAny } from './node-query.ts';
import { Producer } from './producer.ts';
import { ProducerCore } from './producer-core.ts';
import { appendLink } from './producer-link.ts';
import { ReaderCore, pageRequest } from './reader-core.ts';
import { realPorts } from './real-ports.ts';
import type { LogRecord } from './records.ts';
import { RequestChannel, type Request } from './request-channel.ts';
import { TopicProducer } from './topic-producer.ts';
import { TopicProducerCore } from './topic-producer-core.ts';
import {
  checkTopicSettings,
  consumerOptions,
  type ConsumerSettings,
  type TopicProducerSettings,
} from './topic-settings.ts';

export interface ConnectOptions {
  /** One or more nodes, host:port; the others are found through them. */
  readonly endpoints: string | readonly string[];
  /** How long a call may take before it is rejected. Default 30,000 ms, at most an hour. */
  readonly requestTimeoutMs?: number;
  /** 32 hexadecimal digits: nodes of another cluster are refused. Default: any. */
  readonly clusterId?: string;
  /** Appends on their way at once. Default 1,024, at most 8,192. */
  readonly inFlightMax?: number;
  /** Appends that wait for a place among those. Default 65,536; beyond it they are rejected as OVERLOADED. */
  readonly queueMax?: number;
  /** Bytes of the appends that wait. Default 64 MiB; beyond it likewise. */
  readonly queueBytesMax?: number;
  /** For tests: another network, clock and chance than the machine's. */
  readonly ports?: ClientPorts;
}

export interface ProducerSettings {
  /** Each default: the client's. */
  readonly inFlightMax?: number;
  readonly queueMax?: number;
  readonly queueBytesMax?: number;
}

export interface Appended {
  readonly index: LogIndex;
  /** Place within the entry: 0, as the record has it to itself. */
  readonly ordinal: number;
  readonly term: Term;
}

export interface BatchAppended {
  readonly index: LogIndex;
  readonly count: number;
  readonly term: Term;
}

export interface ReadOptions {
  /** First index. Default: the first that the log keeps. */
  readonly from?: number;
  /** Last index. Default, and at most: what is committed when the read begins. */
  readonly to?: number;
  /** Records at most. Default: no limit. */
  readonly count?: number;
  /**
   * `linearizable` (default): sees everything acknowledged before the read began; only the leader answers.
   * `committed`: any node answers from what it knows to be committed, also where nobody leads.
   */
  readonly consistency?: Consistency;
  readonly signal?: AbortSignal;
}

export interface TailOptions {
  /** First index. Default: the first that the log keeps. */
  readonly from?: number;
  /** Ends the iteration with AbortedError; leaving the loop ends it too. */
  readonly signal?: AbortSignal;
}

const STATUS_TIMEOUT_MS = 2000;
const IN_FLIGHT_BYTES_MAX: number = 16 * 1024 * 1024;
const REQUEST_ID_MAX = 0xffffffff;
const TEXT = new TextEncoder();

/**
 * Connects to a cluster: resolves as soon as one of the endpoints answers. The leader is found by itself.
 * @throws UnreachableError that names each endpoint and why it did not do; RefusedError WRONG_CLUSTER and others that
 * no waiting mends; ArgumentError.
 */
export async function connect(options: ConnectOptions): Promise<Client> {
  const client = new Client(options);
  try {
    await client.reach();
  } catch (error) {
    await client.close();
    throw error;
  }
  return client;
}

/**
 * A client of one cluster: use one for all you do, from `connect`. Appends have a connection of their own, so that
 * reads of megabytes do not hold up their answers.
 */
export class Client {
  readonly #endpoints: readonly Endpoint[];
  readonly #clusterId: string | null;
  readonly #ports: ClientPorts;
  readonly #timeoutMs: number;
  readonly #producerDefaults: Required<ProducerSettings>;
  /** Requests to the leader. */
  readonly #requests: RequestChannel;
  /** Requests to any node; made when it is first needed. */
  #anyNode: RequestChannel | null = null;
  /** Records for consumers outside of groups; made when it is first needed. */
  #fetches: RequestChannel | null = null;
  readonly #channels = new Set<RequestChannel>();
  #producer: ProducerCore | null = null;
  readonly #producers = new Set<ProducerCore>();
  /** Producers and consumers of topics. */
  readonly #closables = new Set<{ close(): void }>();
  #isClosed = false;
  /** Topics and groups: made, looked at, changed. */
  readonly admin: Admin;

  constructor(options: ConnectOptions) {
    this.#endpoints = parseEndpoints(options.endpoints);
    this.#clusterId = options.clusterId ?? null;
    if (this.#clusterId !== null && !/^[0-9a-f]{32}$/.test(this.#clusterId)) {
      throw new ArgumentError(
        `${JSON.stringify(this.#clusterId)} is no cluster id: give 32 hexadecimal digits`,
      );
    }
    this.#timeoutMs = integer('requestTimeoutMs', options.requestTimeoutMs ?? 30_000, LIMITS.durationMsMax);
    this.#producerDefaults = checkSettings({
      inFlightMax: options.inFlightMax ?? 1024,
      queueMax: options.queueMax ?? 65_536,
      queueBytesMax: options.queueBytesMax ?? 64 * 1024 * 1024,
    });
    this.#ports = options.ports ?? realPorts();
    this.#requests = this.#channel('leader');
    this.admin = new Admin(async (request, call) =>
      this.#request(this.#requests, { ...request, timeoutMs: this.#timeoutOf(call) }, call.signal),
    );
  }

  /** Resolves when some node answers. @throws as `connect` */
  async reach(): Promise<void> {
    return new Promise((resolve, reject) => {
      findAny(this.#endpoints, this.#clusterId, this.#ports, (error) => {
        if (error === null) resolve();
        else reject(error);
      });
    });
  }

  /**
   * Stores one record and resolves once a majority has it on disk. Survives failovers: a retry is stored once.
   * Calls that do not wait for each other are stored in the order of the calls.
   * @param record must not be changed before the promise is settled. Text is stored as UTF-8.
   * @throws TimeoutUnknownError and OutcomeUnknownError where it may have been stored; OverloadedError where too many
   * wait; RefusedError RECORD_TOO_LARGE and others; TimeoutError where it was never sent.
   */
  async append(record: Uint8Array | string, options: CallOptions = {}): Promise<Appended> {
    const { index, term } = await this.#append([bytesOf(record)], options);
    return { index, ordinal: 0, term };
  }

  /** Stores several records as one entry: all or none, in this order, one after the other. @throws as `append` */
  async appendBatch(
    records: readonly (Uint8Array | string)[],
    options: CallOptions = {},
  ): Promise<BatchAppended> {
    if (records.length === 0) throw new ArgumentError('a batch needs at least one record');
    const { index, term } = await this.#append(records.map(bytesOf), options);
    return { index, count: records.length, term };
  }

  /**
   * The records of one entry, as of now; null where it holds none or is not committed.
   * @throws RefusedError OUT_OF_RANGE where the log does not go back so far any more.
   */
  async get(index: number, options: CallOptions = {}): Promise<LogRecord[] | null> {
    const from = checkIndex('index', index);
    const timeoutMs = this.#timeoutOf(options);
    const request = pageRequest(from, { entriesMax: 1, waitMs: 0, consistency: 'linearizable', timeoutMs });
    const page = await this.#request(this.#requests, request, options.signal);
    const records = page.records.filter((record) => record.index === from);
    return records.length === 0 ? null : records;
  }

  /**
   * All records from an index to what is committed when the read begins, in order, each once.
   * @throws ArgumentError at once; RefusedError OUT_OF_RANGE; TimeoutError and UnreachableError after requestTimeoutMs
   * without an answer.
   */
  read(options: ReadOptions = {}): AsyncGenerator<LogRecord, void, undefined> {
    const consistency = options.consistency ?? 'linearizable';
    const channel = consistency === 'linearizable' ? this.#requests : this.#anyNodeChannel();
    const reader = new ReaderCore(channel, this.#ports.clock, {
      from: options.from === undefined ? null : checkIndex('from', options.from),
      to: options.to === undefined ? null : checkIndex('to', options.to),
      countMax: options.count ?? Infinity,
      isFollowing: false,
      consistency,
      timeoutMs: this.#timeoutMs,
    });
    return records(reader, options.signal);
  }

  /**
   * Records from an index on, those that are there and those that will come, until the caller stops. Waits through
   * elections. @throws as `read`
   */
  tail(options: TailOptions = {}): AsyncGenerator<LogRecord, void, undefined> {
    const reader = new ReaderCore(this.#requests, this.#ports.clock, {
      from: options.from === undefined ? null : checkIndex('from', options.from),
      to: null,
      countMax: Infinity,
      isFollowing: true,
      consistency: 'linearizable',
      timeoutMs: this.#timeoutMs,
    });
    return records(reader, options.signal);
  }

  /**
   * Asks every node that can be found, each directly: works without a leader and with nodes missing, and is rejected
   * only when the client is closed.
   * @param options.timeoutMs for each node. Default 2,000.
   */
  async status(options: { readonly timeoutMs?: number } = {}): Promise<ClusterStatus> {
    if (this.#isClosed) throw new ClosedError('none');
    const timeoutMs = integer('timeoutMs', options.timeoutMs ?? STATUS_TIMEOUT_MS, LIMITS.durationMsMax);
    return new Promise((resolve) => {
      surveyCluster(this.#endpoints, this.#clusterId, timeoutMs, this.#ports, resolve);
    });
  }

  /**
   * Hands leadership to a node, or to the best one, and waits until it leads.
   * @throws RefusedError TRANSFER_REFUSED that says why; TimeoutUnknownError where the answer was lost.
   */
  async transferLeadership(target?: string, options: CallOptions = {}): Promise<Transferred> {
    if (this.#isClosed) throw new ClosedError('none');
    if (target !== undefined && !isNodeId(target)) {
      throw new ArgumentError(`${JSON.stringify(target)} is no node id`);
    }
    const request: Request<Transferred> = {
      kind: FrameKind.TRANSFER_LEADERSHIP,
      answerKind: FrameKind.TRANSFERRED,
      isRepeatable: false,
      timeoutMs: this.#timeoutOf(options),
      encode: (remainingMs) =>
        encodeTransferLeadership({ target: target ?? null, deadlineMs: Math.ceil(remainingMs) }),
      decode: decodeTransferred,
    };
    // On a connection of its own: the old leader turns away everything else, and then the others would be left.
    const channel = this.#channel('leader');
    try {
      return await this.#request(channel, request, options.signal);
    } finally {
      channel.close();
      this.#channels.delete(channel);
    }
  }

  /** A producer of its own, with callbacks instead of promises: for whoever sends a great many records. */
  createProducer(settings: ProducerSettings = {}): Producer {
    const core = this.#newProducer(settings);
    return new Producer(core, this.#timeoutMs, () => this.#producers.delete(core));
  }

  /** Sends records to topics. A producer has a connection of its own. */
  createTopicProducer(settings: TopicProducerSettings = {}): TopicProducer {
    if (this.#isClosed) throw new ClosedError('none');
    const core = new TopicProducerCore(
      { ...checkTopicSettings(settings), endpoints: this.#endpoints, clusterId: this.#clusterId },
      this.#ports,
    );
    this.#closables.add(core);
    return new TopicProducer(
      core,
      this.#ports.clock,
      (options) => this.#timeoutOf(options),
      () => this.#closables.delete(core),
    );
  }

  /**
   * Reads topics: as a member of a group that shares the queues and remembers how far it is, or alone. It begins at once.
   * @throws ArgumentError
   */
  createConsumer(settings: ConsumerSettings): Consumer {
    if (this.#isClosed) throw new ClosedError('none');
    const { handlers, options } = consumerOptions(settings, this.#ports.prng);
    const core = new ConsumerCore(
      { ...options, endpoints: this.#endpoints, clusterId: this.#clusterId, timeoutMs: this.#timeoutMs },
      this.#ports,
      handlers,
      ...(options.group === null ? [this.#sharedChannels()] : []),
    );
    const closable = { close: (): void => core.close(() => undefined) };
    this.#closables.add(closable);
    core.start();
    return new Consumer(core, () => this.#closables.delete(closable));
  }

  /** Ends the connections, those of its producers too. Calls that wait are rejected with ClosedError. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const producer of this.#producers) producer.close();
    for (const closable of this.#closables) closable.close();
    for (const channel of this.#channels) channel.close();
    await new Promise<void>((resolve) => this.#ports.clock.defer(resolve));
  }

  async #append(
    records: readonly Uint8Array[],
    options: CallOptions,
  ): Promise<{ index: LogIndex; term: Term }> {
    const { signal } = options;
    const timeoutMs = this.#timeoutOf(options);
    if (signal?.aborted === true) throw new AbortedError('none');
    const producer = (this.#producer ??= this.#newProducer({}));
    return new Promise((resolve, reject) => {
      const ticket = producer.send(records, timeoutMs, (error, index, term) => {
        signal?.removeEventListener('abort', abort);
        if (error === null) resolve({ index, term });
        else reject(error);
      });
      const abort = (): void => producer.abort(ticket);
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  #newProducer(settings: ProducerSettings): ProducerCore {
    if (this.#isClosed) throw new ClosedError('none');
    const producer = new ProducerCore(
      {
        ...checkSettings({ ...this.#producerDefaults, ...settings }),
        inFlightBytesMax: IN_FLIGHT_BYTES_MAX,
      },
      this.#ports,
      appendLink(
        { endpoints: this.#endpoints, clusterId: this.#clusterId, requestIdMax: REQUEST_ID_MAX },
        this.#ports,
      ),
    );
    this.#producers.add(producer);
    return producer;
  }

  async #request<T>(
    channel: RequestChannel,
    request: Request<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    if (signal?.aborted === true) throw new AbortedError('none');
    return new Promise((resolve, reject) => {
      const cancel = channel.ask(request, (error, answer) => {
        signal?.removeEventListener('abort', abort);
        if (error === null) resolve(answer as T);
        else reject(error);
      });
      const abort = (): void => reject(new AbortedError(cancel()));
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  /** For consumers outside of groups, however many: closing one leaves the others theirs. */
  #sharedChannels(): ConsumerChannels {
    this.#fetches ??= this.#channel('leader');
    return { control: this.#requests, fetches: this.#fetches, close: () => undefined };
  }

  #anyNodeChannel(): RequestChannel {
    if (this.#isClosed) throw new ClosedError('none');
    return (this.#anyNode ??= this.#channel('anyNode'));
  }

  #channel(wants: 'leader' | 'anyNode'): RequestChannel {
    const options = { endpoints: this.#endpoints, clusterId: this.#clusterId, wants };
    const channel = new RequestChannel(options, this.#ports);
    this.#channels.add(channel);
    return channel;
  }

  #timeoutOf(options: CallOptions): number {
    return integer('timeoutMs', options.timeoutMs ?? this.#timeoutMs, LIMITS.durationMsMax);
  }
}

async function* records(
  reader: ReaderCore,
  signal: AbortSignal | undefined,
): AsyncGenerator<LogRecord, void, undefined> {
  try {
    for (;;) {
      const page = await nextPage(reader, signal);
      if (page === null) return;
      for (const record of page) yield record;
    }
  } finally {
    reader.close();
  }
}

async function nextPage(reader: ReaderCore, signal: AbortSignal | undefined): Promise<LogRecord[] | null> {
  if (signal?.aborted === true) throw new AbortedError('none');
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reader.close();
      reject(new AbortedError('none'));
    };
    signal?.addEventListener('abort', abort, { once: true });
    reader.next((error, records) => {
      signal?.removeEventListener('abort', abort);
      if (error === null) resolve(records);
      else reject(error);
    });
  });
}

function checkSettings(settings: Required<ProducerSettings>): Required<ProducerSettings> {
  integer('inFlightMax', settings.inFlightMax, LIMITS.inFlightMax);
  integer('queueMax', settings.queueMax, Number.MAX_SAFE_INTEGER);
  integer('queueBytesMax', settings.queueBytesMax, Number.MAX_SAFE_INTEGER);
  return settings;
}

function checkIndex(name: string, value: number): LogIndex {
  return integer(name, value, Number.MAX_SAFE_INTEGER) as LogIndex;
}

function bytesOf(record: Uint8Array | string): Uint8Array {
  return typeof record === 'string' ? TEXT.encode(record) : record;
}
