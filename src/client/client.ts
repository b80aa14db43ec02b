import type { LogIndex, Term } from '../base/units.ts';
import { isNodeId } from '../base/units.ts';
import {
  decodeReadResult,
  decodeTransferred,
  encodeRead,
  encodeTransferLeadership,
  type Consistency,
  type ReadResult,
  type Transferred,
} from '../wire/client-codec.ts';
import { FrameKind } from '../wire/frame.ts';
import { LIMITS } from '../wire/limits.ts';
import type { NodeStatus } from '../wire/status-schema.ts';
import { parseEndpoint, parseEndpoints, type Endpoint } from './endpoint.ts';
import { AbortedError, ArgumentError, TimeoutError, UnreachableError, type DledgerError } from './errors.ts';
import type { ClientPorts } from './leader-link.ts';
import { queryStatus } from './node-query.ts';
import { ProducerCore, type AppendCallback } from './producer-core.ts';
import { realPorts } from './real-ports.ts';
import { recordsOf, type LogRecord } from './records.ts';
import { RequestChannel, type Request } from './request-channel.ts';

export interface ConnectOptions {
  /** One or more nodes, host:port; the others are found through them. */
  readonly endpoints: string | readonly string[];
  /** How long a call may take before it is rejected. Default 30,000 ms. */
  readonly requestTimeoutMs?: number;
  /** 32 hexadecimal digits: nodes of another cluster are refused. Default: any. */
  readonly clusterId?: string;
  /** Appends on their way at once. Default 1,024, at most 8,192. */
  readonly inFlightMax?: number;
  /** Appends that wait for a place among those. Default 65,536; beyond it they are rejected as OVERLOADED. */
  readonly queueMax?: number;
  /** For tests: another network and clock than the machine's. */
  readonly ports?: ClientPorts;
}

export interface CallOptions {
  /** Default: the client's requestTimeoutMs. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
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
  /** First index. Default 1. */
  readonly from?: number;
  /** Last index. Default: what is committed when the read begins. */
  readonly to?: number;
  /** Records at most. Default: no limit. */
  readonly count?: number;
  /**
   * `linearizable` (default): sees everything acknowledged before the read began. `committed`: any node answers, from
   * what it knows.
   */
  readonly consistency?: Consistency;
  readonly signal?: AbortSignal;
}

export interface NodeAnswer {
  /** host:port. */
  readonly address: string;
  /** Null where it did not answer. */
  readonly status: NodeStatus | null;
  /** Why it did not. */
  readonly error: string | null;
}

export interface ClusterStatus {
  readonly clusterId: string | null;
  readonly leaderId: string | null;
  readonly term: number | null;
  /** Every node that is known from the endpoints and from what nodes say of their members, answering or not. */
  readonly nodes: readonly NodeAnswer[];
}

const READ_ENTRIES = 8192;
const READ_BYTES: number = 1024 * 1024;
const LONG_POLL_MS = 20_000;
const STATUS_TIMEOUT_MS = 2000;

/**
 * Connects to a cluster: finds the leader through any endpoint.
 * @throws UnreachableError that names each endpoint and why it did not do; RefusedError WRONG_CLUSTER; ArgumentError.
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

/** A connection to a cluster. Use one for all you do. Get it from `connect`. */
export class Client {
  readonly #endpoints: readonly Endpoint[];
  readonly #options: ConnectOptions;
  readonly #ports: ClientPorts;
  readonly #timeoutMs: number;
  readonly #requests: RequestChannel;
  #producer: ProducerCore | null = null;
  #isClosed = false;

  constructor(options: ConnectOptions) {
    this.#endpoints = parseEndpoints(options.endpoints);
    this.#options = options;
    this.#ports = options.ports ?? realPorts();
    this.#timeoutMs = options.requestTimeoutMs ?? 30_000;
    this.#requests = new RequestChannel(this.#endpoints, options.clusterId ?? null, this.#ports);
  }

  /** Resolves when some node answers. */
  async reach(): Promise<void> {
    const answers = await Promise.all(this.#endpoints.map(async (endpoint) => this.#ask(endpoint)));
    if (answers.some((answer) => answer.status !== null)) return;
    throw new UnreachableError(
      `no node answers: ${answers.map((answer) => `${answer.address} ${answer.error ?? ''}`).join(', ')}`,
    );
  }

  /**
   * Stores one record and resolves once a majority has it on disk. Survives failovers: a retry is stored once.
   * @throws TimeoutUnknownError where the outcome is not known; RefusedError RECORD_TOO_LARGE and others (outcome none).
   */
  async append(record: Uint8Array | string, options: CallOptions = {}): Promise<Appended> {
    const { index, term } = await this.#append([bytesOf(record)], options);
    return { index, ordinal: 0, term };
  }

  /** Stores several records as one entry: all or none, in this order, one after the other. */
  async appendBatch(
    records: readonly (Uint8Array | string)[],
    options: CallOptions = {},
  ): Promise<BatchAppended> {
    if (records.length === 0) throw new ArgumentError('a batch needs at least one record');
    const { index, term } = await this.#append(records.map(bytesOf), options);
    return { index, count: records.length, term };
  }

  /** The records of one entry; null where it holds none or is not committed. */
  async get(index: number, options: CallOptions = {}): Promise<LogRecord[] | null> {
    const page = await this.#readPage(
      checkIndex(index),
      { entriesMax: 1, waitMs: 0, consistency: 'linearizable' },
      options,
    );
    const entry = page.entries[0];
    return entry?.index === index ? recordsOf(entry) : null;
  }

  /** All records from an index to what is committed when the read begins, in order, each once. */
  async *read(options: ReadOptions = {}): AsyncGenerator<LogRecord, void, undefined> {
    const consistency = options.consistency ?? 'linearizable';
    let next = checkIndex(options.from ?? 1);
    let left = options.count ?? Number.POSITIVE_INFINITY;
    let last: number | null = options.to ?? null;
    const page = async (from: LogIndex): Promise<ReadResult> =>
      this.#readPage(from, { entriesMax: READ_ENTRIES, waitMs: 0, consistency }, options);
    let ahead: Promise<ReadResult> | null = null;
    while (left > 0) {
      const result: ReadResult = await (ahead ?? page(next));
      const end: number = (last ??= result.commitIndex);
      next = result.nextIndex;
      // The next page is on its way while the caller is at work on this one.
      const isEnd: boolean = next > end || next > result.commitIndex;
      ahead = isEnd || result.entries.length >= left ? null : quiet(page(next));
      for (const entry of result.entries) {
        if (entry.index > end) return;
        for (const record of recordsOf(entry)) {
          if (left <= 0) return;
          left -= 1;
          yield record;
        }
      }
      if (isEnd) return;
    }
  }

  /** Records from an index on, those that are there and those that will come, until the caller stops. */
  async *tail(
    options: { from?: number; signal?: AbortSignal } = {},
  ): AsyncGenerator<LogRecord, void, undefined> {
    let next = checkIndex(options.from ?? 1);
    for (;;) {
      let result: ReadResult;
      try {
        result = await this.#readPage(
          next,
          { entriesMax: READ_ENTRIES, waitMs: LONG_POLL_MS, consistency: 'linearizable' },
          {
            ...(options.signal === undefined ? {} : { signal: options.signal }),
            timeoutMs: LONG_POLL_MS + this.#timeoutMs,
          },
        );
      } catch (error) {
        if (error instanceof AbortedError) return;
        // Following means waiting, for a leader too.
        if (error instanceof TimeoutError) continue;
        throw error;
      }
      next = result.nextIndex;
      for (const entry of result.entries) yield* recordsOf(entry);
    }
  }

  /** Asks every node that can be found, each directly: works without a leader and with nodes missing. */
  async status(options: { readonly timeoutMs?: number } = {}): Promise<ClusterStatus> {
    const timeoutMs = options.timeoutMs ?? STATUS_TIMEOUT_MS;
    const answers = new Map<string, NodeAnswer>();
    let round = this.#endpoints.map((endpoint) => `${endpoint.host}:${endpoint.port}`);
    while (round.length > 0) {
      const found = await Promise.all(
        round.map(async (address) => this.#ask(parseEndpoint(address) as Endpoint, timeoutMs)),
      );
      for (const answer of found) answers.set(answer.address, answer);
      const members = found.flatMap((answer) => answer.status?.groups[0]?.members ?? []);
      round = [...new Set(members.map((member) => member.address))].filter(
        (address) => !answers.has(address) && parseEndpoint(address) !== null,
      );
    }
    return summarize([...answers.values()]);
  }

  /**
   * Hands leadership to a node, or to the best one, and waits until it leads.
   * @throws RefusedError TRANSFER_REFUSED that says why.
   */
  async transferLeadership(target?: string, options: CallOptions = {}): Promise<Transferred> {
    if (target !== undefined && !isNodeId(target))
      throw new ArgumentError(`${JSON.stringify(target)} is no node id`);
    const body = await this.#request(
      {
        kind: FrameKind.TRANSFER_LEADERSHIP,
        answerKind: FrameKind.TRANSFERRED,
        isRepeatable: false,
        timeoutMs: options.timeoutMs ?? this.#timeoutMs,
        body: (remainingMs) =>
          encodeTransferLeadership({
            target: target ?? null,
            deadlineMs: clampMs(remainingMs),
          }),
      },
      options.signal,
    );
    return decodeTransferred(body);
  }

  /** A producer of its own, with callbacks instead of promises: for whoever sends a great many records. */
  createProducer(options: { readonly inFlightMax?: number; readonly queueMax?: number } = {}): Producer {
    return new Producer(this.#newProducer(options), this.#timeoutMs);
  }

  /** Ends the connections. Calls that wait are rejected. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#producer?.close();
    this.#requests.close();
    await new Promise<void>((resolve) => this.#ports.clock.defer(resolve));
  }

  async #append(
    records: readonly Uint8Array[],
    options: CallOptions,
  ): Promise<{ index: LogIndex; term: Term }> {
    if (options.signal?.aborted === true) throw new AbortedError('none');
    this.#producer ??= this.#newProducer({});
    const producer = this.#producer;
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(new AbortedError('unknown'));
      options.signal?.addEventListener('abort', abort, { once: true });
      producer.send(records, options.timeoutMs ?? this.#timeoutMs, (error, index, term) => {
        options.signal?.removeEventListener('abort', abort);
        if (error === null) resolve({ index, term });
        else reject(error);
      });
    });
  }

  #newProducer(options: { readonly inFlightMax?: number; readonly queueMax?: number }): ProducerCore {
    const inFlightMax = options.inFlightMax ?? this.#options.inFlightMax ?? 1024;
    if (!Number.isInteger(inFlightMax) || inFlightMax < 1 || inFlightMax > LIMITS.inFlightMax) {
      throw new ArgumentError(`inFlightMax is ${inFlightMax}: give an integer in 1..${LIMITS.inFlightMax}`);
    }
    return new ProducerCore(
      {
        endpoints: this.#endpoints,
        clusterId: this.#options.clusterId ?? null,
        inFlightMax,
        inFlightBytesMax: 16 * 1024 * 1024,
        queueMax: options.queueMax ?? this.#options.queueMax ?? 65_536,
      },
      this.#ports,
    );
  }

  async #readPage(
    from: LogIndex,
    page: { entriesMax: number; waitMs: number; consistency: Consistency },
    options: CallOptions,
  ): Promise<ReadResult> {
    const body = await this.#request(
      {
        kind: FrameKind.READ,
        answerKind: FrameKind.READ_RESULT,
        isRepeatable: true,
        timeoutMs: options.timeoutMs ?? this.#timeoutMs,
        body: (remainingMs) =>
          encodeRead({ from, ...page, bytesMax: READ_BYTES, deadlineMs: clampMs(remainingMs) }),
      },
      options.signal,
    );
    return decodeReadResult(body);
  }

  async #request(request: Request, signal: AbortSignal | undefined): Promise<Uint8Array> {
    if (signal?.aborted === true) throw new AbortedError('none');
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(new AbortedError(request.isRepeatable ? 'none' : 'unknown'));
      signal?.addEventListener('abort', abort, { once: true });
      this.#requests.ask(request, (error: DledgerError | null, body) => {
        signal?.removeEventListener('abort', abort);
        if (error === null) resolve(body);
        else reject(error);
      });
    });
  }

  async #ask(endpoint: Endpoint, timeoutMs: number = STATUS_TIMEOUT_MS): Promise<NodeAnswer> {
    return new Promise((resolve) => {
      queryStatus(endpoint, this.#options.clusterId ?? null, timeoutMs, this.#ports, (status, why) => {
        resolve({
          address: `${endpoint.host}:${endpoint.port}`,
          status,
          error: status === null ? why : null,
        });
      });
    });
  }
}

/** Sends records without a promise for each. Order is kept; retries are stored once. */
export class Producer {
  readonly #core: ProducerCore;
  readonly #timeoutMs: number;

  constructor(core: ProducerCore, timeoutMs: number) {
    this.#core = core;
    this.#timeoutMs = timeoutMs;
  }

  /** False when the queue is full: wait for `onWritable`. */
  get isWritable(): boolean {
    return this.#core.isWritable;
  }

  set onWritable(callback: (() => void) | null) {
    this.#core.onWritable = callback;
  }

  /** Batches not answered yet. */
  get pending(): number {
    return this.#core.pending;
  }

  /** Batches that had to be sent again. */
  get resent(): number {
    return this.#core.resent;
  }

  /** Sends one entry: a record, or several at once. The callback comes once, in a later turn. */
  send(records: Uint8Array | readonly Uint8Array[], callback: AppendCallback): void {
    this.#core.send(records instanceof Uint8Array ? [records] : records, this.#timeoutMs, callback);
  }

  close(): void {
    this.#core.close();
  }
}

function summarize(nodes: NodeAnswer[]): ClusterStatus {
  const groups = nodes.flatMap((node) => node.status?.groups[0] ?? []);
  // A leader is believed only at its own word and in the highest term anybody knows: one of the past says so too.
  const term = groups.length === 0 ? null : Math.max(...groups.map((group) => group.term));
  const leader = nodes.find((node) => {
    const group = node.status?.groups[0];
    return group?.role === 'leader' && group.term === term;
  });
  return {
    clusterId: nodes.find((node) => (node.status?.clusterId ?? null) !== null)?.status?.clusterId ?? null,
    leaderId: leader?.status?.nodeId ?? null,
    term,
    nodes,
  };
}

function bytesOf(record: Uint8Array | string): Uint8Array {
  return typeof record === 'string' ? new TextEncoder().encode(record) : record;
}

function checkIndex(index: number): LogIndex {
  if (!Number.isSafeInteger(index) || index < 1)
    throw new ArgumentError(`index ${index} is not an integer in 1..2^53-1`);
  return index as LogIndex;
}

function clampMs(milliseconds: number): number {
  return Math.min(Math.max(0, Math.ceil(milliseconds)), LIMITS.durationMsMax);
}

/** A promise that may be left behind: its failure is then nobody's. */
function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
