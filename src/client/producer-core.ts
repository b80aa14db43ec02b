import { assert } from '../base/assert.ts';
import { batchBytes, encodeBatch } from '../base/batch.ts';
import { crc32 } from '../base/crc32.ts';
import { mark } from '../base/marks.ts';
import type { TimerHandle } from '../base/ports/clock.ts';
import { NO_MUTATIONS, type Mutations } from '../base/mutations.ts';
import type { LogIndex, Term } from '../base/units.ts';
import { decodeProducerOpened, encodeOpenProducer } from '../wire/client-codec.ts';
import { errorInfo, type ErrorInfo } from '../wire/errors.ts';
import { FrameKind, encodeFrame, pooledBytes } from '../wire/frame.ts';
import type { HelloAck } from '../wire/handshake.ts';
import { LIMITS } from '../wire/limits.ts';
import { WireError } from '../wire/wire-error.ts';
import { Deque } from './deque.ts';
import {
  AbortedError,
  ClosedError,
  OutcomeUnknownError,
  OverloadedError,
  RefusedError,
  TimeoutError,
  TimeoutUnknownError,
  type DledgerError,
} from './errors.ts';
import type { ClientPorts } from './leader-link.ts';
import type { MakeProducerLink, ProducerLink, StoredRun } from './producer-link.ts';
import type { Session } from './session.ts';

/**
 * Told once about each batch, in a later turn: where it was stored, or why not.
 * @param baseOffset of its first record in its queue; null in the raw log.
 */
export type AppendCallback = (
  error: DledgerError | null,
  index: LogIndex,
  term: Term,
  baseOffset: number | null,
) => void;

export interface ProducerOptions {
  /** Batches sent and not answered. The node may allow fewer. */
  readonly inFlightMax: number;
  /** Bytes sent and not answered; one batch may pass it. */
  readonly inFlightBytesMax: number;
  /** Batches that wait to be sent, and their bytes; beyond either they are refused as OVERLOADED. */
  readonly queueMax: number;
  readonly queueBytesMax: number;
}

/** Stands for one batch that was given to `send`. */
export interface Ticket {
  /** Monotonic. */
  readonly deadlineMs: number;
}

interface Batch extends Ticket {
  readonly records: readonly Uint8Array[];
  readonly bytes: number;
  callback: AppendCallback;
  state: 'queued' | 'sent' | 'done';
  /** How often it left under its present stamp. */
  sends: number;
  /** With its stamp; null until it gets one. */
  encoded: Uint8Array | null;
  checksum: number;
  /** Where it was stored; 0 until then. */
  index: LogIndex;
  term: Term;
  baseOffset: number | null;
}

interface OpenedProducer {
  readonly producerId: number;
  readonly epoch: number;
  /** Batches in flight that were announced when it was opened: the cluster remembers so many results. */
  readonly inFlightMax: number;
}

const OPEN_DEADLINE_MS = 10_000;
const ABORTED_MAX = 1024;
const PAUSE_MS_MIN = 5;
const PAUSE_MS_MAX = 200;

/**
 * An idempotent producer: what it sends again after a failover is stored once, in the order in which it was sent.
 *
 * Batches get consecutive sequence numbers under a producer id that the cluster issued. Whatever goes wrong on the way
 * (a dead leader, a redirect, a full node), everything unanswered is sent again in order, with the same stamps, to
 * whoever leads; the replicated state recognises what it has. Only the answer of a leader makes a batch stored.
 *
 * A batch whose time is up after it was sent has an unknown outcome, and its sequence number stays behind as a
 * possible gap. Later batches cannot jump it: the cluster refuses what leaves a gap. Nor can one of them take its
 * number: if the first batch was stored after all, the second would be taken for its retry, acknowledged and lost; and
 * whatever is sent again under another number may be stored twice. So the producer gives up the id: everything sent
 * under it is reported as unknown, what was never sent goes on under a new id.
 *
 * Request ids run in step with sequence numbers within one attempt on one connection, so an answer finds its batch by
 * subtraction. A retry gets new ids, and answers to the old ones, should they still come, count for nothing.
 */
export class ProducerCore {
  readonly #options: ProducerOptions;
  readonly #ports: ClientPorts;
  readonly #mutations: Mutations;
  readonly #link: ProducerLink;
  /** Sent under the present id and not answered, in the order of their sequence numbers. */
  readonly #sent = new Deque<Batch>();
  #sentBytes = 0;
  /** Sequence number of the first of #sent. */
  #headSequence = 1;
  /** Not sent yet. Those whose state is `done` were given up by their senders. */
  readonly #queue = new Deque<Batch>();
  #queuedCount = 0;
  #queuedBytes = 0;
  #wasFull = false;
  #producer: OpenedProducer | null = null;
  #openRequestId = 0;
  #limits: HelloAck['limits'] | null = null;
  #nextRequestId = 1;
  /** Where the present attempt began. */
  #firstRequestId = 1;
  #firstSequence = 1;
  /** A new attempt has begun, and #sent has not left in it yet. */
  #mustResend = false;
  /** Batches that were acknowledged on this connection, in any attempt. */
  #answeredCount = 0;
  #pauseMs = PAUSE_MS_MIN;
  #pauseTimer: TimerHandle | null = null;
  #deadline: { readonly atMs: number; readonly timer: TimerHandle } | null = null;
  #isPumpDue = false;
  /** A sequence number was left as a gap: the id is given up as soon as what was sent before it is answered. */
  #isDraining = false;
  #isClosed = false;
  #resent = 0;
  #onWritable: (() => void) | null = null;

  /** @param makeLink decides which queue the batches are for. */
  constructor(options: ProducerOptions, ports: ClientPorts, makeLink: MakeProducerLink) {
    this.#options = options;
    this.#ports = ports;
    this.#mutations = ports.mutations ?? NO_MUTATIONS;
    this.#link = makeLink({
      onUp: (ack) => this.#onUp(ack),
      onDown: () => this.#onDown(),
      onRefused: (refusal) => this.#refuseAll(refusal),
      onOpened: (requestId, body) => {
        if (requestId === this.#openRequestId) this.#onOpened(body);
      },
      onStored: (runs) => this.#onStored(runs),
      onError: (requestId, info) => this.#onError(requestId, info),
    });
  }

  /** Batches that had to be sent again, each time counted. */
  get resent(): number {
    return this.#resent;
  }

  /** Batches not answered yet. */
  get pending(): number {
    return this.#sent.length + this.#queuedCount;
  }

  /** Whether `send` should be called now: the queue is not full. */
  get isWritable(): boolean {
    return this.#queuedCount < this.#options.queueMax && this.#queuedBytes < this.#options.queueBytesMax;
  }

  /** Called in a later turn when a queue that was full is half empty. */
  set onWritable(callback: (() => void) | null) {
    this.#onWritable = callback;
  }

  /**
   * Queues one batch. The records must not be changed before the callback comes.
   * @param timeoutMs how long the caller is ready to wait.
   */
  send(records: readonly Uint8Array[], timeoutMs: number, callback: AppendCallback): Ticket {
    let payloadBytes = 0;
    for (const record of records) payloadBytes += record.length;
    const batch: Batch = {
      records,
      bytes: batchBytes(records.length, payloadBytes),
      deadlineMs: this.#ports.clock.monotonicMs() + timeoutMs,
      callback,
      state: 'queued',
      sends: 0,
      encoded: null,
      checksum: 0,
      index: 0 as LogIndex,
      term: 0 as Term,
      baseOffset: null,
    };
    const refusal = this.#refusalOf(batch);
    if (refusal !== null) {
      batch.state = 'done';
      this.#ports.clock.defer(() => this.#call(batch, refusal));
      return batch;
    }
    this.#queue.push(batch);
    this.#queuedCount += 1;
    this.#queuedBytes += batch.bytes;
    if (!this.isWritable) this.#wasFull = true;
    this.#armDeadline(batch.deadlineMs);
    this.#link.open();
    this.#schedulePump();
    return batch;
  }

  /** The sender of this batch does not wait any more. If it was sent, its outcome is unknown and it keeps its place. */
  abort(ticket: Ticket): void {
    const batch = ticket as Batch;
    if (batch.state === 'done') return;
    if (batch.state === 'queued') {
      this.#unqueue(batch);
      batch.state = 'done';
      this.#call(batch, new AbortedError('none'));
      this.#noteRoom();
      // Given up ones stay in the ring until they come up; where nobody leads, that may be never.
      if (this.#queue.length > 2 * this.#queuedCount + ABORTED_MAX) this.#requeue([]);
      return;
    }
    const told = { ...batch };
    batch.callback = () => undefined;
    this.#call(told, new AbortedError('unknown'));
  }

  /** Ends it; what is unanswered is reported: unknown if it was sent, nothing happened if not. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#pauseTimer?.cancel();
    this.#deadline?.timer.cancel();
    this.#link.close();
    const sent = this.#takeSent();
    const queued = this.#takeQueue();
    for (const batch of sent) this.#call(batch, new ClosedError('unknown'));
    for (const batch of queued) this.#call(batch, new ClosedError('none'));
  }

  #refusalOf(batch: Batch): DledgerError | null {
    if (this.#isClosed) return new ClosedError('none');
    const limit = this.#limits?.batchBytesMax ?? LIMITS.batchBytesMax;
    if (batch.bytes > limit) {
      const text = `${batch.records.length} record(s) that take ${batch.bytes} bytes; the limit is ${limit}`;
      return new RefusedError(errorInfo('RECORD_TOO_LARGE', text));
    }
    if (this.isWritable) return null;
    mark('client.queue-full');
    return new OverloadedError(`${this.#queuedCount} appends of ${this.#queuedBytes} bytes wait already`);
  }

  // The connection.

  #onUp(ack: HelloAck): void {
    if (this.#limits !== null) mark('client.reconnected');
    this.#limits = ack.limits;
    if (this.#mutations.retriesAsNewBatch) this.#startOver();
    this.#nextRequestId = this.#link.requestIds.first;
    this.#answeredCount = 0;
    this.#beginAttempt();
    this.#pump();
  }

  #onDown(): void {
    this.#openRequestId = 0;
    this.#pauseTimer?.cancel();
    this.#pauseTimer = null;
  }

  /** Everything unanswered is to be sent again, from the oldest on. Answers to what was sent before count for nothing. */
  #beginAttempt(): void {
    this.#openRequestId = 0;
    this.#mustResend = true;
    this.#firstRequestId = this.#nextRequestId;
    this.#firstSequence = this.#headSequence;
  }

  #schedulePump(): void {
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    this.#ports.clock.defer(() => {
      this.#isPumpDue = false;
      this.#pump();
      // This is the end of a turn already: waiting for the next one would only cost time.
      this.#link.session?.flush();
    });
  }

  #pump(): void {
    const session = this.#link.session;
    if (session === null || this.#isClosed || this.#pauseTimer !== null) return;
    if (this.#isDraining && this.#sent.length === 0) {
      this.#isDraining = false;
      this.#producer = null;
    }
    const producer = this.#producer;
    if (producer === null) {
      if (this.#queuedCount > 0 && this.#openRequestId === 0) this.#openProducer(session);
      return;
    }
    if (this.#mustResend) {
      for (let at = 0; at < this.#sent.length; at += 1) {
        if (!this.#transmit(session, this.#sent.at(at) as Batch)) return;
      }
      this.#mustResend = false;
    }
    while (!this.#isDraining && this.#sent.length < producer.inFlightMax) {
      const batch = this.#queue.at(0);
      if (batch === undefined) break;
      if (batch.state === 'queued') {
        const isTooMuch = this.#sentBytes + batch.bytes > this.#options.inFlightBytesMax;
        if (isTooMuch && this.#sent.length > 0) break;
        this.#stamp(batch, producer);
      }
      this.#queue.shift();
      if (batch.state === 'sent' && !this.#transmit(session, batch)) return;
    }
    this.#noteRoom();
  }

  /** Counts a batch among those in flight. */
  #stamp(batch: Batch, { producerId, epoch }: OpenedProducer): void {
    const sequence = this.#headSequence + this.#sent.length;
    batch.encoded = encodeBatch({ producerId, epoch, sequence }, batch.records, pooledBytes);
    batch.checksum = crc32(batch.encoded);
    this.#unqueue(batch);
    batch.state = 'sent';
    this.#sent.push(batch);
    this.#sentBytes += batch.bytes;
  }

  /** @returns false where the connection has no request ids left and is being replaced. */
  #transmit(session: Session, batch: Batch): boolean {
    assert(batch.encoded !== null, 'a batch is sent before it has a stamp');
    const requestId = this.#takeRequestId(session);
    if (requestId === null) return false;
    const remainingMs = Math.max(0, Math.ceil(batch.deadlineMs - this.#ports.clock.monotonicMs()));
    const deadlineMs = Math.min(remainingMs, LIMITS.durationMsMax);
    const request = { deadlineMs, bodyChecksum: batch.checksum, batch: batch.encoded };
    session.send(this.#link.encode(requestId, request));
    if (batch.sends > 0) {
      mark('client.resent');
      this.#resent += 1;
    }
    batch.sends += 1;
    return true;
  }

  #openProducer(session: Session): void {
    const requestId = this.#takeRequestId(session);
    if (requestId === null) return;
    this.#openRequestId = requestId;
    const request = { inFlightMax: this.#window(), deadlineMs: OPEN_DEADLINE_MS };
    session.send(encodeFrame(FrameKind.OPEN_PRODUCER, requestId, [encodeOpenProducer(request)]));
  }

  #window(): number {
    return Math.min(this.#options.inFlightMax, this.#limits?.inFlightMax ?? LIMITS.inFlightMax);
  }

  #takeRequestId(session: Session): number | null {
    if (this.#nextRequestId > this.#link.requestIds.last) {
      mark('client.request-ids-used-up');
      session.fail('has answered so many requests that their ids are used up');
      return null;
    }
    this.#nextRequestId += 1;
    return this.#nextRequestId - 1;
  }

  // Answers.

  #onOpened(body: Uint8Array): void {
    this.#producer = { ...decodeProducerOpened(body), inFlightMax: this.#window() };
    this.#link.confirm();
    this.#headSequence = 1;
    this.#beginAttempt();
    this.#pump();
  }

  #onStored(runs: readonly StoredRun[]): void {
    const answered: Batch[] = [];
    for (const run of runs) {
      this.#answeredCount += run.count;
      const asked = this.#nextRequestId - this.#link.requestIds.first;
      if (this.#answeredCount > asked)
        throw new WireError('BAD_BODY', `${this.#answeredCount} answers to ${asked} requests`);
      for (let at = 0; at < run.count; at += 1) {
        const batch = this.#batchOf(run.firstRequestId + at);
        if (batch === null) {
          mark('client.answer-of-earlier-attempt');
          continue;
        }
        batch.state = 'done';
        batch.index = (run.firstIndex + at) as LogIndex;
        batch.term = run.term;
        batch.baseOffset = run.baseOffset;
        answered.push(batch);
      }
    }
    if (answered.length === 0) return;
    this.#pauseMs = PAUSE_MS_MIN;
    this.#link.confirm();
    // Before the callbacks: whoever sends the next batch from one looks at `pending` first.
    this.#dropAnswered();
    for (const batch of answered) this.#call(batch, null);
    this.#pump();
  }

  /** The batch that a request id stands for; null where it is answered, or the id is of an earlier attempt. */
  #batchOf(requestId: number): Batch | null {
    if (requestId < this.#firstRequestId || requestId >= this.#nextRequestId) return null;
    const sequence = this.#firstSequence + requestId - this.#firstRequestId;
    const batch = this.#sent.at(sequence - this.#headSequence);
    return batch?.state === 'sent' ? batch : null;
  }

  #dropAnswered(): void {
    while (this.#sent.at(0)?.state === 'done') {
      const batch = this.#sent.shift() as Batch;
      this.#headSequence += 1;
      this.#sentBytes -= batch.bytes;
    }
  }

  #onError(requestId: number, info: ErrorInfo): void {
    const isOpen = requestId !== 0 && requestId === this.#openRequestId;
    const batch = this.#batchOf(requestId);
    if (!isOpen && batch === null) return;
    switch (info.code) {
      case 'NOT_LEADER':
      case 'NO_LEADER':
      case 'LEADERSHIP_LOST':
      case 'SHUTTING_DOWN':
        this.#link.redirect(info);
        return;
      case 'OUT_OF_ORDER':
      case 'SESSION_EXPIRED':
      case 'STALE_EPOCH':
        this.#abandon(() => new OutcomeUnknownError(`the cluster ended this producer: ${info.message}`));
        this.#pump();
        return;
      default:
        if (info.retryable) this.#pause();
        else if (batch === null) this.#refuseAll(info);
        else this.#refuse(batch, requestId, info);
        this.#pump();
    }
  }

  /** The node is short of something: everything unanswered goes again after a pause. */
  #pause(): void {
    if (this.#pauseTimer !== null) return;
    this.#beginAttempt();
    const pauseMs = this.#pauseMs * (0.5 + this.#ports.prng.fraction() / 2);
    this.#pauseMs = Math.min(this.#pauseMs * 2, PAUSE_MS_MAX);
    this.#pauseTimer = this.#ports.clock.setTimer(pauseMs, () => {
      this.#pauseTimer = null;
      this.#pump();
    });
  }

  /**
   * One batch is refused for good, and its sequence number stays a gap: what was sent behind it can never be stored
   * under this id. Those before it are waited for; then the ones behind go, in order, under a new id. Renumbering them
   * under the old one would not be safe: a copy with the old number may still lie in some node's socket.
   *
   * All that holds only if no other node can have stored the batch: not if it was sent before.
   */
  #refuse(batch: Batch, requestId: number, info: ErrorInfo): void {
    if (info.outcome !== 'none' || batch.sends > 1) {
      this.#abandon(() => new OutcomeUnknownError(`refused, but perhaps stored before: ${info.message}`));
      return;
    }
    const at = this.#firstSequence + requestId - this.#firstRequestId - this.#headSequence;
    const [, ...behind] = this.#sent.takeFrom(at);
    this.#sentBytes = 0;
    for (let before = 0; before < at; before += 1) this.#sentBytes += this.#sent.at(before)?.bytes ?? 0;
    this.#requeue(behind);
    this.#isDraining = true;
    batch.state = 'done';
    this.#call(batch, new RefusedError(info));
    this.#dropAnswered();
  }

  /** Puts batches that were sent before those that were not, as if they never had been. */
  #requeue(sent: readonly Batch[]): void {
    const queued = this.#queue.takeAll();
    for (const batch of sent) {
      if (batch.state !== 'sent') continue;
      batch.state = 'queued';
      batch.sends = 0;
      batch.encoded = null;
      this.#queue.push(batch);
      this.#queuedCount += 1;
      this.#queuedBytes += batch.bytes;
    }
    for (const batch of queued) if (batch.state === 'queued') this.#queue.push(batch);
  }

  /** What was sent goes again as if it never had been: what a client without stamps does. */
  #startOver(): void {
    this.#producer = null;
    this.#sentBytes = 0;
    this.#requeue(this.#sent.takeAll());
  }

  // The end of a producer id.

  /** Gives up the id: what was sent under it is reported, what comes later gets a new one. */
  #abandon(errorOf: (batch: Batch) => DledgerError, keepsId = false): void {
    if (!keepsId) this.#producer = null;
    this.#isDraining = false;
    const sent = this.#takeSent();
    mark('client.producer-given-up');
    if (sent.length > 0) mark('client.outcome-unknown');
    if (!keepsId) this.#headSequence = 1;
    this.#beginAttempt();
    for (const batch of sent) this.#call(batch, errorOf(batch));
  }

  /** A node refuses this client for what it is: what was never sent is refused, the rest stays unknown. */
  #refuseAll(info: ErrorInfo): void {
    const queued = this.#takeQueue();
    this.#abandon(() => new OutcomeUnknownError(`no answer to it, and now: ${info.message}`));
    for (const batch of queued) this.#call(batch, new RefusedError(info));
    this.#noteRoom();
  }

  // Whatever is taken out to be reported is done before the first callback: that one may abort the others.

  #takeSent(): Batch[] {
    this.#sentBytes = 0;
    return markDone(this.#sent.takeAll());
  }

  #takeQueue(): Batch[] {
    this.#queuedCount = 0;
    this.#queuedBytes = 0;
    return markDone(this.#queue.takeAll());
  }

  #unqueue(batch: Batch): void {
    this.#queuedCount -= 1;
    this.#queuedBytes -= batch.bytes;
  }

  #noteRoom(): void {
    const { queueMax, queueBytesMax } = this.#options;
    if (!this.#wasFull || this.#queuedCount > queueMax / 2 || this.#queuedBytes > queueBytesMax / 2) return;
    this.#wasFull = false;
    this.#ports.clock.defer(() => {
      if (!this.#isClosed) this.#onWritable?.();
    });
  }

  /** What a callback throws is its owner's, and is thrown where nothing of this producer stands half done. */
  #call(batch: Batch, error: DledgerError | null): void {
    try {
      batch.callback(error, batch.index, batch.term, batch.baseOffset);
    } catch (thrown) {
      this.#ports.clock.defer(() => {
        throw thrown;
      });
    }
  }

  // Deadlines.

  #armDeadline(atMs: number): void {
    if (this.#deadline !== null && this.#deadline.atMs <= atMs) return;
    this.#deadline?.timer.cancel();
    const delayMs = Math.max(0, atMs - this.#ports.clock.monotonicMs());
    const timer = this.#ports.clock.setTimer(delayMs, () => {
      this.#deadline = null;
      this.#checkDeadlines();
    });
    this.#deadline = { atMs, timer };
  }

  #checkDeadlines(): void {
    const now = this.#ports.clock.monotonicMs();
    let earliestMs = Infinity;
    let isSentLate = false;
    for (let at = 0; at < this.#sent.length; at += 1) {
      const batch = this.#sent.at(at) as Batch;
      if (batch.state === 'done') continue;
      if (batch.deadlineMs <= now) isSentLate = true;
      else earliestMs = Math.min(earliestMs, batch.deadlineMs);
    }
    const late: Batch[] = [];
    for (let at = 0; at < this.#queue.length; at += 1) {
      const batch = this.#queue.at(at) as Batch;
      if (batch.state === 'done') continue;
      if (batch.deadlineMs <= now) late.push(batch);
      else earliestMs = Math.min(earliestMs, batch.deadlineMs);
    }
    for (const batch of markDone(late)) this.#unqueue(batch);
    if (earliestMs < Infinity) this.#armDeadline(earliestMs);
    const { tried } = this.#link;
    const why = this.#link.session !== null || tried === '' ? '' : `, as no leader was found: ${tried}`;
    const { reportsTimeoutAsRefused, reusesSequenceNumbers } = this.#mutations;
    const lateError = reportsTimeoutAsRefused ? () => new TimeoutError('not answered in time') : unknownError;
    if (isSentLate) this.#abandon((batch) => lateError(batch, now), reusesSequenceNumbers);
    if (late.length > 0) mark('client.timed-out-unsent');
    for (const batch of late) this.#call(batch, new TimeoutError(`not sent in time${why}`));
    this.#pump();
    this.#noteRoom();
  }
}

function unknownError(batch: Batch, nowMs: number): DledgerError {
  return batch.deadlineMs <= nowMs
    ? new TimeoutUnknownError('no answer in time: it may have been stored, or may yet be')
    : new OutcomeUnknownError('the time of an earlier append ran out, and its producer id was given up');
}

/** @returns those that were not done already. */
function markDone(batches: readonly Batch[]): Batch[] {
  const marked = batches.filter((batch) => batch.state !== 'done');
  for (const batch of marked) batch.state = 'done';
  return marked;
}
