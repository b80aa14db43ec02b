import { assert } from '../base/assert.ts';
import { batchBytes, encodeBatch } from '../base/batch.ts';
import { crc32 } from '../base/crc32.ts';
import type { TimerHandle } from '../base/ports/clock.ts';
import type { LogIndex, Term } from '../base/units.ts';
import {
  decodeAppendResults,
  decodeProducerOpened,
  encodeAppend,
  encodeOpenProducer,
} from '../wire/client-codec.ts';
import { decodeError, type ErrorInfo } from '../wire/errors.ts';
import { FrameKind, encodeFrame, type Frame } from '../wire/frame.ts';
import { LIMITS } from '../wire/limits.ts';
import type { HelloAck } from '../wire/handshake.ts';
import type { Endpoint } from './endpoint.ts';
import {
  ClosedError,
  OutcomeUnknownError,
  OverloadedError,
  RefusedError,
  TimeoutError,
  TimeoutUnknownError,
  type DledgerError,
} from './errors.ts';
import { LeaderLink, type ClientPorts } from './leader-link.ts';
import type { Session } from './session.ts';

/** Told once about each batch: where it was stored, or why not. */
export type AppendCallback = (error: DledgerError | null, index: LogIndex, term: Term) => void;

export interface ProducerOptions {
  readonly endpoints: readonly Endpoint[];
  readonly clusterId: string | null;
  /** Batches sent and not answered. The node may allow fewer. */
  readonly inFlightMax: number;
  /** Bytes sent and not answered. */
  readonly inFlightBytesMax: number;
  /** Batches that wait to be sent; beyond it they are refused as OVERLOADED. */
  readonly queueMax: number;
}

interface Batch {
  readonly records: readonly Uint8Array[];
  readonly bytes: number;
  /** Monotonic. */
  readonly deadlineMs: number;
  readonly callback: AppendCallback;
  /** Encoded with its stamp when first sent. */
  encoded: Uint8Array | null;
  checksum: number;
  isDone: boolean;
}

const DEADLINE_CHECK_MS = 50;
const OVERLOAD_PAUSE_MS_MIN = 5;
const OVERLOAD_PAUSE_MS_MAX = 200;

/**
 * An idempotent producer: what it sends again after a failover is stored once, in the order in which it was sent.
 *
 * Batches get consecutive sequence numbers under a producer id that the cluster issued. Whatever goes wrong on the way
 * (a dead leader, a redirect, a full node), everything unanswered is sent again in order, with the same stamps, to
 * whoever leads; the replicated state recognises what it has.
 *
 * A batch whose time is up after it was sent has an unknown outcome, and its sequence number stays behind as a
 * possible gap: later batches could not be accepted, and giving them its number might store two batches as one. So the
 * producer gives up its id, reports everything sent under it as unknown, and opens a new one for what comes later.
 */
export class ProducerCore {
  readonly #options: ProducerOptions;
  readonly #ports: ClientPorts;
  readonly #link: LeaderLink;
  /** Sent under the present id, in the order of their sequence numbers; answered ones are dropped from the front. */
  #sent: Batch[] = [];
  #sentHead = 0;
  #sentBytes = 0;
  /** Sequence number of #sent[#sentHead]. */
  #headSequence = 1;
  #queued: Batch[] = [];
  #queuedHead = 0;
  #producer: { readonly producerId: number; readonly epoch: number } | null = null;
  #openRequestId = 0;
  #limits: HelloAck['limits'] | null = null;
  #nextRequestId = 1;
  /** Request id and sequence number of the first batch that was sent (again) on this connection: they run in step. */
  #firstRequestId = 0;
  #firstSequence = 0;
  /** How many of #sent have left on this connection. */
  #leftOnConnection = 0;
  #overloadPauseMs = OVERLOAD_PAUSE_MS_MIN;
  #pauseTimer: TimerHandle | null = null;
  #deadlineTimer: TimerHandle | null = null;
  #isPumpDue = false;
  /** A sequence number was left as a gap: the id is given up as soon as what was sent before it is answered. */
  #isDraining = false;
  #isClosed = false;
  #resent = 0;
  #onWritable: (() => void) | null = null;

  constructor(options: ProducerOptions, ports: ClientPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#link = new LeaderLink(options.endpoints, options.clusterId, ports, {
      onUp: (_session, ack) => this.#onUp(ack),
      onFrame: (frame) => this.#onFrame(frame),
      onDown: () => this.#onDown(),
      onRefused: (refusal) => this.#failAll(new RefusedError(refusal)),
    });
  }

  /** Batches that were sent more than once. */
  get resent(): number {
    return this.#resent;
  }

  /** Batches not answered yet. */
  get pending(): number {
    return this.#inFlight + this.#waiting;
  }

  /** Whether `send` should be called now: the queue is not full. */
  get isWritable(): boolean {
    return this.#waiting < this.#options.queueMax;
  }

  /** Called when the queue has room again after it was full. */
  set onWritable(callback: (() => void) | null) {
    this.#onWritable = callback;
  }

  /**
   * Queues one batch. The callback comes once, in a later turn.
   * @param timeoutMs how long the caller is ready to wait.
   */
  send(records: readonly Uint8Array[], timeoutMs: number, callback: AppendCallback): void {
    let payloadBytes = 0;
    for (const record of records) payloadBytes += record.length;
    const bytes = batchBytes(records.length, payloadBytes);
    const refusal = this.#refusal(bytes);
    if (refusal !== null) {
      this.#ports.clock.defer(() => callback(refusal, 0 as LogIndex, 0 as Term));
      return;
    }
    const deadlineMs = this.#ports.clock.monotonicMs() + timeoutMs;
    this.#queued.push({ records, bytes, deadlineMs, callback, encoded: null, checksum: 0, isDone: false });
    this.#link.open();
    this.#armDeadline();
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    this.#ports.clock.defer(() => {
      this.#isPumpDue = false;
      this.#pump();
    });
  }

  /** Ends it; what is unanswered is reported: unknown if it was sent, nothing happened if not. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#pauseTimer?.cancel();
    this.#deadlineTimer?.cancel();
    this.#link.close();
    const sent = this.#takeSent();
    const queued = this.#takeQueued();
    for (const batch of sent) finish(batch, new ClosedError('unknown'));
    for (const batch of queued) finish(batch, new ClosedError('none'));
  }

  get #inFlight(): number {
    return this.#sent.length - this.#sentHead;
  }

  get #waiting(): number {
    return this.#queued.length - this.#queuedHead;
  }

  #refusal(bytes: number): DledgerError | null {
    if (this.#isClosed) return new ClosedError('none');
    const limit = this.#limits?.batchBytesMax ?? LIMITS.batchBytesMax;
    if (bytes > limit) {
      return new RefusedError({
        code: 'RECORD_TOO_LARGE',
        message: `a batch of ${bytes} bytes; the limit is ${limit}: send less at once`,
        retryable: false,
        outcome: 'none',
        leaderId: null,
        leaderAddress: null,
        firstIndex: null,
        lastIndex: null,
      });
    }
    if (!this.isWritable)
      return new OverloadedError(`${this.#waiting} batches wait already: wait for earlier ones`);
    return null;
  }

  // --- the connection -------------------------------------------------------------------------------------------------

  #onUp(ack: HelloAck): void {
    this.#limits = ack.limits;
    this.#nextRequestId = 1;
    this.#openRequestId = 0;
    this.#restart();
  }

  #onDown(): void {
    this.#openRequestId = 0;
    this.#leftOnConnection = 0;
    this.#pauseTimer?.cancel();
    this.#pauseTimer = null;
  }

  /** Everything unanswered is to be sent again, from the oldest on. Answers to what was sent before count for nothing. */
  #restart(): void {
    this.#resent += this.#inFlight;
    this.#leftOnConnection = 0;
    this.#firstRequestId = this.#nextRequestId;
    this.#firstSequence = this.#headSequence;
    this.#pump();
  }

  #pump(): void {
    const session = this.#link.session;
    if (session === null || this.#isClosed || this.#pauseTimer !== null) return;
    if (this.#producer === null) {
      if (this.#waiting > 0) this.#openProducer(session);
      return;
    }
    while (this.#leftOnConnection < this.#inFlight) {
      this.#transmit(session, this.#sent[this.#sentHead + this.#leftOnConnection] as Batch);
    }
    if (this.#isDraining) {
      if (this.#inFlight > 0) return;
      this.#isDraining = false;
      this.#producer = null;
      this.#pump();
      return;
    }
    const inFlightMax = Math.min(this.#options.inFlightMax, this.#limits?.inFlightMax ?? 1);
    const wasFull = !this.isWritable;
    while (this.#waiting > 0 && this.#inFlight < inFlightMax) {
      const batch = this.#queued[this.#queuedHead] as Batch;
      if (this.#inFlight > 0 && this.#sentBytes + batch.bytes > this.#options.inFlightBytesMax) break;
      this.#queuedHead += 1;
      this.#encode(batch, this.#headSequence + this.#inFlight);
      this.#sent.push(batch);
      this.#sentBytes += batch.bytes;
      this.#transmit(session, batch);
    }
    if (this.#queuedHead > 1024 && this.#queuedHead * 2 > this.#queued.length) {
      this.#queued = this.#queued.slice(this.#queuedHead);
      this.#queuedHead = 0;
    }
    if (wasFull && this.isWritable) this.#onWritable?.();
  }

  #encode(batch: Batch, sequence: number): void {
    assert(this.#producer !== null, 'a batch is stamped before there is a producer id');
    batch.encoded = encodeBatch({ ...this.#producer, sequence }, batch.records);
    batch.checksum = crc32(batch.encoded);
  }

  #transmit(session: Session, batch: Batch): void {
    assert(batch.encoded !== null, 'a batch is sent before it is encoded');
    const remainingMs = Math.max(0, Math.ceil(batch.deadlineMs - this.#ports.clock.monotonicMs()));
    const deadlineMs = Math.min(remainingMs, LIMITS.durationMsMax);
    session.send(
      encodeAppend(this.#takeRequestId(), { deadlineMs, bodyChecksum: batch.checksum, batch: batch.encoded }),
    );
    this.#leftOnConnection += 1;
  }

  #openProducer(session: Session): void {
    if (this.#openRequestId !== 0) return;
    this.#openRequestId = this.#takeRequestId();
    const inFlightMax = Math.min(this.#options.inFlightMax, this.#limits?.inFlightMax ?? 1);
    session.send(
      encodeFrame(FrameKind.OPEN_PRODUCER, this.#openRequestId, [
        encodeOpenProducer({ inFlightMax, deadlineMs: 10_000 }),
      ]),
    );
  }

  #takeRequestId(): number {
    const requestId = this.#nextRequestId;
    this.#nextRequestId += 1;
    return requestId;
  }

  // --- answers --------------------------------------------------------------------------------------------------------

  #onFrame(frame: Frame): void {
    switch (frame.kind) {
      case FrameKind.APPEND_RESULTS:
        for (const run of decodeAppendResults(frame.body)) {
          for (let at = 0; at < run.count; at += 1) {
            this.#onStored(run.firstRequestId + at, (run.firstIndex + at) as LogIndex, run.term);
          }
        }
        this.#advance();
        return;
      case FrameKind.PRODUCER_OPENED:
        if (frame.requestId !== this.#openRequestId) return;
        this.#producer = decodeProducerOpened(frame.body);
        this.#openRequestId = 0;
        this.#headSequence = 1;
        this.#firstSequence = 1;
        this.#firstRequestId = this.#nextRequestId;
        this.#pump();
        return;
      case FrameKind.ERROR:
        this.#onError(frame.requestId, decodeError(frame.body));
        return;
      default:
        this.#link.session?.fail(`frame of kind ${frame.kind} answers no append`);
    }
  }

  /** The batch that a request id of this connection stands for; null for ids of an earlier attempt. */
  #batchOf(requestId: number): Batch | null {
    const sequence = this.#firstSequence + requestId - this.#firstRequestId;
    if (requestId < this.#firstRequestId || sequence < this.#headSequence) return null;
    return this.#sent[this.#sentHead + sequence - this.#headSequence] ?? null;
  }

  #onStored(requestId: number, index: LogIndex, term: Term): void {
    const batch = this.#batchOf(requestId);
    if (batch === null || batch.isDone) return;
    batch.isDone = true;
    this.#overloadPauseMs = OVERLOAD_PAUSE_MS_MIN;
    batch.callback(null, index, term);
  }

  /** Drops what is answered from the front and sends on. */
  #advance(): void {
    while (this.#sentHead < this.#sent.length) {
      const batch = this.#sent[this.#sentHead] as Batch;
      if (!batch.isDone) break;
      this.#sentHead += 1;
      this.#headSequence += 1;
      this.#leftOnConnection -= 1;
      this.#sentBytes -= batch.bytes;
    }
    if (this.#sentHead > 1024 && this.#sentHead * 2 > this.#sent.length) {
      this.#sent = this.#sent.slice(this.#sentHead);
      this.#sentHead = 0;
    }
    this.#pump();
  }

  #onError(requestId: number, info: ErrorInfo): void {
    const isOpen = requestId === this.#openRequestId && requestId !== 0;
    const batch = isOpen ? null : this.#batchOf(requestId);
    if (!isOpen && (batch === null || batch.isDone)) return;
    switch (info.code) {
      case 'NOT_LEADER':
      case 'NO_LEADER':
      case 'LEADERSHIP_LOST':
      case 'SHUTTING_DOWN':
        this.#link.redirect(info);
        return;
      case 'OVERLOADED':
      case 'DISK_FULL':
      case 'BAD_CHECKSUM':
      case 'TIMEOUT':
        this.#openRequestId = isOpen ? 0 : this.#openRequestId;
        this.#pause();
        return;
      case 'OUT_OF_ORDER':
      case 'SESSION_EXPIRED':
      case 'STALE_EPOCH':
        this.#abandon(new OutcomeUnknownError(`the producer's session ended: ${info.message}`));
        return;
      default:
        if (batch === null) this.#failAll(new RefusedError(info));
        else this.#refuse(batch, info);
    }
  }

  /** The node is short of something: everything unanswered goes again after a pause. */
  #pause(): void {
    if (this.#pauseTimer !== null) return;
    const pauseMs = this.#overloadPauseMs * (0.5 + this.#ports.prng.fraction() / 2);
    this.#overloadPauseMs = Math.min(this.#overloadPauseMs * 2, OVERLOAD_PAUSE_MS_MAX);
    // Later answers to what was sent already belong to the attempt that is over.
    this.#firstRequestId = this.#nextRequestId;
    this.#firstSequence = this.#headSequence;
    this.#pauseTimer = this.#ports.clock.setTimer(pauseMs, () => {
      this.#pauseTimer = null;
      this.#restart();
    });
  }

  /**
   * One batch is refused for good, and its sequence number stays a gap: what was sent behind it can never be stored
   * under this id. Those before it are waited for; then the ones behind go, in order, under a new id. Renumbering them
   * under the old one would not be safe: a copy with the old number may still lie in some node's socket.
   */
  #refuse(batch: Batch, info: ErrorInfo): void {
    const at = this.#sent.indexOf(batch, this.#sentHead);
    const behind = this.#sent.slice(at + 1);
    assert(
      behind.every((other) => !other.isDone),
      () =>
        `a batch behind sequence ${this.#headSequence + at - this.#sentHead} was stored although that one was refused`,
    );
    this.#sent.length = at;
    this.#leftOnConnection = Math.min(this.#leftOnConnection, at - this.#sentHead);
    this.#sentBytes = 0;
    for (const other of this.#sent.slice(this.#sentHead)) this.#sentBytes += other.bytes;
    for (const other of behind) other.encoded = null;
    this.#queued = [...behind, ...this.#queued.slice(this.#queuedHead)];
    this.#queuedHead = 0;
    this.#isDraining = true;
    finish(batch, new RefusedError(info));
    this.#advance();
  }

  // --- the end of a producer id ---------------------------------------------------------------------------------------

  /** Gives up the id: what was sent under it is unknown, what comes later gets a new one. */
  #abandon(error: DledgerError): void {
    this.#producer = null;
    this.#isDraining = false;
    this.#openRequestId = 0;
    const sent = this.#takeSent();
    this.#firstRequestId = this.#nextRequestId;
    for (const batch of sent) finish(batch, error);
    this.#pump();
  }

  /** A node refuses this client for what it is: what was never sent is refused, the rest stays unknown. */
  #failAll(error: RefusedError): void {
    const queued = this.#takeQueued();
    if (this.#inFlight > 0) this.#abandon(new OutcomeUnknownError(`no answer, and now: ${error.message}`));
    for (const batch of queued) finish(batch, error);
  }

  #takeSent(): Batch[] {
    const sent = this.#sent.slice(this.#sentHead).filter((batch) => !batch.isDone);
    this.#sent = [];
    this.#sentHead = 0;
    this.#sentBytes = 0;
    this.#leftOnConnection = 0;
    return sent;
  }

  #takeQueued(): Batch[] {
    const queued = this.#queued.slice(this.#queuedHead);
    this.#queued = [];
    this.#queuedHead = 0;
    return queued;
  }

  #armDeadline(): void {
    if (this.#deadlineTimer !== null || this.#isClosed) return;
    this.#deadlineTimer = this.#ports.clock.setTimer(DEADLINE_CHECK_MS, () => {
      this.#deadlineTimer = null;
      this.#checkDeadlines();
      if (this.pending > 0) this.#armDeadline();
    });
  }

  #checkDeadlines(): void {
    const now = this.#ports.clock.monotonicMs();
    const oldest = this.#sent[this.#sentHead];
    const late = this.#queued.slice(this.#queuedHead).filter((batch) => batch.deadlineMs <= now);
    if (late.length > 0) {
      this.#queued = this.#queued.slice(this.#queuedHead).filter((batch) => batch.deadlineMs > now);
      this.#queuedHead = 0;
      const tried = this.#link.tried;
      for (const batch of late) {
        finish(
          batch,
          new TimeoutError(`not sent in time${tried === '' ? '' : `: no leader found (${tried})`}`),
        );
      }
    }
    if (oldest !== undefined && oldest.deadlineMs <= now) {
      this.#abandon(
        new TimeoutUnknownError('no answer in time: the record may have been stored, or may yet be'),
      );
    }
  }
}

function finish(batch: Batch, error: DledgerError): void {
  if (batch.isDone) return;
  batch.isDone = true;
  batch.callback(error, 0 as LogIndex, 0 as Term);
}
