import { encodeBatch, type ProducerStamp } from '../../../src/base/batch.ts';
import { crc32 } from '../../../src/base/crc32.ts';
import type { Connection, Network } from '../../../src/base/ports/network.ts';
import { UNKNOWN_INCARNATION, type LogIndex, type NodeId, type Term } from '../../../src/base/units.ts';
import {
  decodeFetchResult,
  decodeProduceResults,
  encodeFetch,
  encodeProduce,
  type Fetch,
  type FetchResult,
  type ProduceResult,
} from '../../../src/wire/broker-codec.ts';
import {
  decodeAdminResult,
  decodeGroupResult,
  encodeAdmin,
  encodeGroup,
  type AdminRequest,
  type AdminResult,
  type GroupRequest,
  type GroupResult,
} from '../../../src/wire/broker-schema.ts';
import {
  decodeAppendResults,
  decodeProducerOpened,
  decodeReadResult,
  decodeStatusResult,
  decodeTransferred,
  encodeAppend,
  encodeOpenProducer,
  encodeRead,
  encodeTransferLeadership,
  type ReadRequest,
  type ReadResult,
  type Transferred,
} from '../../../src/wire/client-codec.ts';
import { decodeError, type ErrorInfo } from '../../../src/wire/errors.ts';
import { FrameKind, encodeFrame, type Frame } from '../../../src/wire/frame.ts';
import { FrameParser } from '../../../src/wire/frame-parser.ts';
import { decodeHelloAck, encodeHello, type Hello, type HelloAck } from '../../../src/wire/handshake.ts';
import { LIMITS } from '../../../src/wire/limits.ts';
import {
  decodeFaultReport,
  encodeFaultOrder,
  type FaultOrder,
  type FaultReport,
} from '../../../src/wire/fault-schema.ts';
import type { NodeStatus } from '../../../src/wire/status-schema.ts';
import {
  decodeEvents,
  encodeGetEvents,
  encodeWatch,
  type Events,
  type GetEvents,
  type Watch,
} from '../../../src/wire/watch-schema.ts';

export interface Appended {
  readonly index: LogIndex;
  readonly term: Term;
}

/** Requests without their deadline. */
export type Undated<T> = T extends unknown ? Omit<T, 'deadlineMs'> & { readonly deadlineMs?: number } : never;

type Answer<T> = (error: ErrorInfo | null, value: T | null) => void;

export const ANONYMOUS: ProducerStamp = { producerId: 0, epoch: 0, sequence: 0 };

/** Speaks the protocol to one node, with callbacks and no cleverness: what a test says is what the node hears. */
export class RawClient {
  readonly connection: Connection;
  ack: HelloAck | null = null;
  refused: ErrorInfo | null = null;
  isOpen = false;
  isClosed = false;
  readonly #waiting = new Map<
    number,
    (error: ErrorInfo | null, frame: Frame | null, appended: Appended | null) => void
  >();
  readonly #produced = new Map<number, Answer<ProduceResult>>();
  readonly #watches = new Map<number, (frame: Frame) => void>();
  #nextRequestId = 1;

  constructor(network: Network, host: string, port: number, hello: Partial<Hello> = {}) {
    const parser = new FrameParser({ bodyBytesMax: LIMITS.peerFrameBytesMax }, (frame) =>
      this.#onFrame(frame),
    );
    this.connection = network.connect({
      host,
      port,
      timeoutMs: 1000,
      handler: {
        onOpen: () => {
          this.isOpen = true;
          this.connection.write(
            encodeFrame(FrameKind.HELLO, 0, [encodeHello({ ...CLIENT_HELLO, ...hello })]),
          );
        },
        onData: (bytes) => parser.push(bytes),
        onClose: () => {
          this.isClosed = true;
          const waiting = [...this.#waiting.values()];
          this.#waiting.clear();
          for (const answer of waiting) answer(null, null, null);
        },
      },
    });
  }

  append(records: readonly string[], stamp: ProducerStamp, answer: Answer<Appended>): void {
    const batch = encodeBatch(
      stamp,
      records.map((record) => new TextEncoder().encode(record)),
    );
    this.appendBytes(batch, crc32(batch), answer);
  }

  appendBytes(batch: Uint8Array, bodyChecksum: number, answer: Answer<Appended>): void {
    const requestId = this.#expect((error, _frame, appended) => answer(error, appended));
    this.connection.write(encodeAppend(requestId, { deadlineMs: 10_000, bodyChecksum, batch }));
  }

  produce(queue: number, batch: Uint8Array, answer: Answer<ProduceResult>, deadlineMs = 10_000): void {
    const requestId = this.#expect((error) => {
      this.#produced.delete(requestId);
      answer(error, null);
    });
    this.#produced.set(requestId, answer);
    this.connection.write(encodeProduce(requestId, { deadlineMs, queue, bodyChecksum: crc32(batch), batch }));
  }

  fetch(request: Partial<Fetch> & { readonly queue: number }, answer: Answer<FetchResult>): void {
    const full: Fetch = {
      offset: 0,
      recordsMax: 1000,
      bytesMax: 1024 * 1024,
      waitMs: 0,
      deadlineMs: 10_000,
      consistency: 'linearizable',
      tags: [],
      ...request,
    };
    this.#ask(FrameKind.FETCH, encodeFetch(full), decodeFetchResult, answer);
  }

  admin(request: Undated<AdminRequest>, answer: Answer<AdminResult>): void {
    const full = { deadlineMs: 10_000, ...request } as AdminRequest;
    this.#ask(FrameKind.ADMIN, encodeAdmin(full), decodeAdminResult, answer);
  }

  group(request: Undated<GroupRequest>, answer: Answer<GroupResult>): void {
    const full = { deadlineMs: 10_000, ...request } as GroupRequest;
    this.#ask(FrameKind.GROUP, encodeGroup(full), decodeGroupResult, answer);
  }

  openProducer(inFlightMax: number, answer: Answer<{ producerId: number; epoch: number }>): void {
    this.#ask(
      FrameKind.OPEN_PRODUCER,
      encodeOpenProducer({ inFlightMax, deadlineMs: 10_000 }),
      decodeProducerOpened,
      answer,
    );
  }

  read(request: Partial<ReadRequest>, answer: Answer<ReadResult>): void {
    const full: ReadRequest = {
      from: 1 as LogIndex,
      entriesMax: 1000,
      bytesMax: 1024 * 1024,
      waitMs: 0,
      deadlineMs: 10_000,
      consistency: 'linearizable',
      ...request,
    };
    this.#ask(FrameKind.READ, encodeRead(full), decodeReadResult, answer);
  }

  status(answer: Answer<NodeStatus>): void {
    this.#ask(FrameKind.STATUS, new Uint8Array(0), decodeStatusResult, answer);
  }

  transfer(target: NodeId | null, answer: Answer<Transferred>): void {
    this.#ask(
      FrameKind.TRANSFER_LEADERSHIP,
      encodeTransferLeadership({ target, deadlineMs: 10_000 }),
      decodeTransferred,
      answer,
    );
  }

  /** Pushes come until the connection ends. */
  watch(request: Watch, push: { onStatus(status: NodeStatus): void; onEvents(events: Events): void }): void {
    const requestId = this.#nextRequestId;
    this.#nextRequestId += 1;
    this.#watches.set(requestId, (frame) => {
      if (frame.kind === FrameKind.STATUS_RESULT) push.onStatus(decodeStatusResult(frame.body));
      else push.onEvents(decodeEvents(frame.body));
    });
    this.connection.write(encodeFrame(FrameKind.WATCH, requestId, [encodeWatch(request)]));
  }

  events(request: GetEvents, answer: Answer<Events>): void {
    this.#ask(FrameKind.GET_EVENTS, encodeGetEvents(request), decodeEvents, answer);
  }

  fault(order: FaultOrder, answer: Answer<FaultReport>): void {
    this.#ask(FrameKind.FAULT, encodeFaultOrder(order), decodeFaultReport, answer);
  }

  #ask<T>(kind: FrameKind, body: Uint8Array, decode: (body: Uint8Array) => T, answer: Answer<T>): void {
    const requestId = this.#expect((error, frame) =>
      answer(error, frame === null ? null : decode(frame.body)),
    );
    this.connection.write(encodeFrame(kind, requestId, [body]));
  }

  #expect(answer: (error: ErrorInfo | null, frame: Frame | null, appended: Appended | null) => void): number {
    const requestId = this.#nextRequestId;
    this.#nextRequestId += 1;
    this.#waiting.set(requestId, answer);
    return requestId;
  }

  #onFrame(frame: Frame): void {
    if (frame.kind === FrameKind.HELLO_ACK) {
      this.ack = decodeHelloAck(frame.body);
      return;
    }
    if (frame.kind === FrameKind.APPEND_RESULTS) {
      for (const run of decodeAppendResults(frame.body)) {
        for (let at = 0; at < run.count; at += 1) {
          this.#take(run.firstRequestId + at)(null, null, {
            index: (run.firstIndex + at) as LogIndex,
            term: run.term,
          });
        }
      }
      return;
    }
    if (frame.kind === FrameKind.PRODUCE_RESULTS) {
      for (const result of decodeProduceResults(frame.body)) {
        const answer = this.#produced.get(result.requestId);
        this.#produced.delete(result.requestId);
        this.#waiting.delete(result.requestId);
        if (answer === undefined)
          throw new Error(`an answer to batch ${result.requestId}, which waits for none`);
        answer(null, result);
      }
      return;
    }
    const watch = this.#watches.get(frame.requestId);
    if (watch !== undefined && frame.kind !== FrameKind.ERROR) {
      watch(frame);
      return;
    }
    if (frame.kind === FrameKind.ERROR) {
      const error = decodeError(frame.body);
      if (this.ack === null) this.refused = error;
      else this.#take(frame.requestId)(error, null, null);
      return;
    }
    this.#take(frame.requestId)(null, frame, null);
  }

  #take(
    requestId: number,
  ): (error: ErrorInfo | null, frame: Frame | null, appended: Appended | null) => void {
    const answer = this.#waiting.get(requestId);
    if (answer === undefined) throw new Error(`an answer to request ${requestId}, which waits for none`);
    this.#waiting.delete(requestId);
    return answer;
  }
}

const CLIENT_HELLO: Hello = {
  protocolVersion: LIMITS.protocolVersion,
  role: 'client',
  lane: 'none',
  clusterId: null,
  nodeId: null,
  incarnation: UNKNOWN_INCARNATION,
  bootId: 0,
  priority: 0,
  redirects: true,
  forwarded: false,
  softwareVersion: 'test',
  credentials: null,
};
