import type { CloseReason } from '../base/ports/network.ts';
import type { Entry } from '../base/entry.ts';
import type { Mutations } from '../base/mutations.ts';
import type { LogIndex, NodeId, Term } from '../base/units.ts';
import { encodeOpenProducer as encodeOpenCommand } from '../broker/index.ts';
import {
  decodeFetch,
  decodeProduce,
  encodeFetchResult,
  encodeProduceResults,
  type FetchResult,
  type ProduceResult,
} from '../wire/broker-codec.ts';
import { decodeAdmin, decodeGroup, encodeAdminResult, encodeGroupResult } from '../wire/broker-schema.ts';
import {
  decodeAppend,
  decodeOpenProducer,
  decodeRead,
  decodeTransferLeadership,
  encodeAppendResults,
  encodeProducerOpened,
  encodeReadResult,
  encodeStatusResult,
  encodeTransferred,
  type AppendResultRun,
  type ReadResult,
  type Transferred,
} from '../wire/client-codec.ts';
import { encodeError, errorInfo, type ErrorInfo } from '../wire/errors.ts';
import {
  decodeFaultOrder,
  encodeFaultReport,
  type FaultOrder,
  type FaultReport,
} from '../wire/fault-schema.ts';
import { FrameKind, encodeFrame, type Frame } from '../wire/frame.ts';
import type { Hello } from '../wire/handshake.ts';
import { LIMITS } from '../wire/limits.ts';
import { decodePeek, encodePeeked, type Peek, type Peeked } from '../wire/peek-schema.ts';
import { decodeGetEntries, encodeEntries, type GetEntries } from '../wire/log-codec.ts';
import type { NodeStatus } from '../wire/status-schema.ts';
import { decodeGetEvents, decodeWatch, encodeEvents } from '../wire/watch-schema.ts';
import type { AppendPath, AppendWaiter } from './append-path.ts';
import type { Forwarder, ForwardingClient } from './forwarding/forwarder.ts';
import type { EventJournal } from './event-journal.ts';
import type { InboundConnection, InboundOwner } from './inbound.ts';
import type { ReadPath, ReadWaiter } from './read-path.ts';
import type { FetchWaiter } from './topics/fetch-path.ts';
import type { TopicsDesk } from './topics/topics-desk.ts';
import type { BodyUse } from './turn-memory.ts';
import type { WatcherSink, Watchers } from './watchers.ts';

export interface SessionServices {
  readonly appends: AppendPath;
  readonly reads: ReadPath;
  readonly topics: TopicsDesk;
  readonly forwarder: Forwarder;
  /** The node is on its way out: nothing new is taken. */
  readonly stopping: () => boolean;
  readonly mutations: Mutations;
  readonly status: () => NodeStatus;
  readonly watchers: Watchers;
  readonly journal: EventJournal;
  readonly peek: (request: Peek) => Peeked;
  readonly entries: (request: GetEntries, done: (result: readonly Entry[] | ErrorInfo) => void) => void;
  readonly faults: (order: FaultOrder) => FaultReport | ErrorInfo;
  readonly transfer: (target: NodeId | null, done: (result: Transferred | ErrorInfo) => void) => void;
  /** Something is queued for this session: flush it at the end of the turn. */
  readonly dirty: (session: ClientSession) => void;
  readonly onGone: (session: ClientSession) => void;
}

/** One connection of a client or an operator. Answers are queued and leave in one write at the end of the turn. */
export class ClientSession
  implements InboundOwner, AppendWaiter, ReadWaiter, FetchWaiter, WatcherSink, ForwardingClient
{
  readonly bodyBytesMax: number = LIMITS.clientFrameBytesMax;
  readonly goesItself: boolean;
  readonly #connection: InboundConnection;
  readonly #services: SessionServices;
  #isDirty = false;
  /** Acknowledgements of this turn, as runs of consecutive request ids with consecutive indexes. */
  #runs: { firstRequestId: number; count: number; firstIndex: LogIndex; term: Term }[] = [];
  /** Those of batches for topics. */
  #produced: ProduceResult[] = [];

  constructor(hello: Hello, connection: InboundConnection, services: SessionServices) {
    this.goesItself = hello.redirects || hello.forwarded;
    this.#connection = connection;
    this.#services = services;
  }

  get isOpen(): boolean {
    return this.#connection.isOpen;
  }

  get unreadBytes(): number {
    return this.#connection.unreadBytes;
  }

  onFrame(frame: Frame): BodyUse {
    if (this.#services.stopping()) {
      this.failed(
        frame.requestId,
        errorInfo('SHUTTING_DOWN', 'this node is stopping; another one takes over'),
      );
      return 'this-turn';
    }
    if (this.#services.forwarder.takes(this, frame)) return 'kept';
    this.carryOut(frame);
    // A batch is copied into the log when it is proposed.
    return frame.kind === FrameKind.APPEND || frame.kind === FrameKind.PRODUCE ? 'this-turn' : 'kept';
  }

  carryOut(frame: Frame): void {
    switch (frame.kind) {
      case FrameKind.APPEND: {
        const { batch, bodyChecksum, deadlineMs } = decodeAppend(frame);
        this.#services.appends.append(this, frame.requestId, 0, batch, bodyChecksum, deadlineMs);
        return;
      }
      case FrameKind.PRODUCE: {
        const { queue, batch, bodyChecksum, deadlineMs } = decodeProduce(frame);
        this.#services.appends.append(this, frame.requestId, queue, batch, bodyChecksum, deadlineMs);
        return;
      }
      case FrameKind.FETCH:
        this.#services.topics.fetches.fetch(this, frame.requestId, decodeFetch(frame.body));
        return;
      case FrameKind.ADMIN:
        this.#services.topics.admin.handle(decodeAdmin(frame.body), (result) =>
          this.#answerOrFail(FrameKind.ADMIN_RESULT, frame.requestId, result, encodeAdminResult),
        );
        return;
      case FrameKind.GROUP:
        this.#services.topics.groups.handle(decodeGroup(frame.body), (result) =>
          this.#answerOrFail(FrameKind.GROUP_RESULT, frame.requestId, result, encodeGroupResult),
        );
        return;
      case FrameKind.READ:
        this.#services.reads.read(this, frame.requestId, decodeRead(frame.body));
        return;
      case FrameKind.GET_ENTRIES:
        this.#services.entries(decodeGetEntries(frame.body), (result) => {
          if ('code' in result) this.failed(frame.requestId, result);
          else this.#send(FrameKind.ENTRIES, frame.requestId, encodeEntries(result));
        });
        return;
      case FrameKind.OPEN_PRODUCER:
        this.#openProducer(frame);
        return;
      case FrameKind.STATUS:
        this.#send(FrameKind.STATUS_RESULT, frame.requestId, [encodeStatusResult(this.#services.status())]);
        return;
      case FrameKind.TRANSFER_LEADERSHIP:
        this.#transfer(frame);
        return;
      case FrameKind.WATCH:
        this.#services.watchers.add(this, frame.requestId, decodeWatch(frame.body));
        return;
      case FrameKind.GET_EVENTS: {
        const { after, max } = decodeGetEvents(frame.body);
        const events = this.#services.journal.since(after, max);
        this.#send(FrameKind.EVENTS, frame.requestId, [encodeEvents({ events })]);
        return;
      }
      case FrameKind.PEEK:
        this.#send(FrameKind.PEEK_RESULT, frame.requestId, [
          encodePeeked(this.#services.peek(decodePeek(frame.body))),
        ]);
        return;
      case FrameKind.FAULT:
        this.#breakOrMend(frame);
        return;
      default:
        this.failed(frame.requestId, errorInfo('BAD_REQUEST', `frame of kind ${frame.kind} is no request`));
    }
  }

  onDrain(): void {
    // Answers are bounded by what was asked for; the connection cuts itself off when too much lies unread.
  }

  onClose(_reason: CloseReason): void {
    this.#services.watchers.remove(this);
    this.#services.topics.fetches.forget(this);
    this.#services.forwarder.forget(this);
    this.#services.onGone(this);
  }

  appended(requestId: number, index: LogIndex, term: Term, baseOffset: number | null): void {
    if (baseOffset !== null) {
      this.#produced.push({ requestId, index, term, baseOffset });
      this.#markDirty();
      return;
    }
    const run = this.#runs.at(-1);
    if (
      run !== undefined &&
      requestId === run.firstRequestId + run.count &&
      (index === run.firstIndex + run.count || this.#services.mutations.mergesAnswersBlindly) &&
      term === run.term
    ) {
      run.count += 1;
    } else {
      this.#runs.push({ firstRequestId: requestId, count: 1, firstIndex: index, term });
    }
    this.#markDirty();
  }

  answer(requestId: number, answer: ReadResult): void {
    this.#connection.send(encodeFrame(FrameKind.READ_RESULT, requestId, encodeReadResult(answer)));
    this.#markDirty();
  }

  fetched(requestId: number, result: FetchResult): void {
    this.#connection.send(encodeFrame(FrameKind.FETCH_RESULT, requestId, encodeFetchResult(result)));
    this.#markDirty();
  }

  push(kind: Frame['kind'], requestId: number, body: Uint8Array): void {
    this.#send(kind, requestId, [body]);
  }

  relay(kind: Frame['kind'], requestId: number, body: Uint8Array): void {
    this.#send(kind, requestId, [body]);
  }

  failed(requestId: number, error: ErrorInfo): void {
    this.#flushRuns();
    this.#send(FrameKind.ERROR, requestId, [encodeError(error)]);
  }

  /** End of the turn. */
  flush(): void {
    this.#isDirty = false;
    this.#flushRuns();
    this.#connection.flush();
  }

  /** Says goodbye and ends the connection. */
  close(): void {
    this.flush();
    this.#connection.close();
  }

  #openProducer({ requestId, body }: Frame): void {
    const { inFlightMax, deadlineMs } = decodeOpenProducer(body);
    this.#services.appends.command(encodeOpenCommand({ inFlightMax }), deadlineMs, (error, decision) => {
      if (error !== null) this.failed(requestId, error);
      else if (decision?.result === 'producer-opened')
        this.#send(FrameKind.PRODUCER_OPENED, requestId, [encodeProducerOpened(decision)]);
    });
  }

  #answerOrFail<T extends object>(
    kind: Frame['kind'],
    requestId: number,
    result: T | ErrorInfo,
    encode: (result: T) => Uint8Array,
  ): void {
    if ('code' in result) {
      this.failed(requestId, result);
      return;
    }
    const body = encode(result);
    if (body.length <= LIMITS.msgpackAnswerBytesMax) this.#send(kind, requestId, [body]);
    else {
      const size = `the answer has ${body.length} bytes, the limit is ${LIMITS.msgpackAnswerBytesMax}`;
      this.failed(requestId, errorInfo('LIMIT_EXCEEDED', size));
    }
  }

  #transfer(frame: Frame): void {
    const { target } = decodeTransferLeadership(frame.body);
    this.#services.transfer(target, (result) => {
      if ('code' in result) this.failed(frame.requestId, result);
      else this.#send(FrameKind.TRANSFERRED, frame.requestId, [encodeTransferred(result)]);
    });
  }

  /** Answered at once and not at the end of the turn: a node that stands still has no end of a turn, and must be told to go on. */
  #breakOrMend(frame: Frame): void {
    const result = this.#services.faults(decodeFaultOrder(frame.body));
    if ('code' in result) this.failed(frame.requestId, result);
    else this.#send(FrameKind.FAULT_REPORT, frame.requestId, [encodeFaultReport(result)]);
    this.#connection.flush();
  }

  #send(kind: Frame['kind'], requestId: number, chunks: readonly Uint8Array[]): void {
    this.#connection.send(encodeFrame(kind, requestId, chunks));
    this.#markDirty();
  }

  #flushRuns(): void {
    if (this.#produced.length > 0) {
      const produced = this.#produced;
      this.#produced = [];
      this.#connection.send(encodeFrame(FrameKind.PRODUCE_RESULTS, 0, [encodeProduceResults(produced)]));
    }
    if (this.#runs.length === 0) return;
    const runs: readonly AppendResultRun[] = this.#runs;
    this.#runs = [];
    this.#connection.send(encodeFrame(FrameKind.APPEND_RESULTS, 0, [encodeAppendResults(runs)]));
  }

  #markDirty(): void {
    if (this.#isDirty) return;
    this.#isDirty = true;
    this.#services.dirty(this);
  }
}
