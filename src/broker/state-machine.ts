import { assert } from '../base/assert.ts';
import { BATCH_VERSION, batchStamp } from '../base/batch.ts';
import { EntryKind, entryBody, entryQueue, entryTime, entryVersion, type Entry } from '../base/entry.ts';
import { mark } from '../base/marks.ts';
import { NO_MUTATIONS, type Mutations } from '../base/mutations.ts';
import { readUint53, writeUint53 } from '../base/uint53.ts';
import { NO_INDEX, type LogIndex, type Term } from '../base/units.ts';
import type { ProducerStamp } from '../base/batch.ts';
import { COMMAND_VERSION, decodeCommand } from './commands.ts';
import {
  ProducerSession,
  ProducerSessions,
  SESSION_LIMITS,
  type Judgement,
  type Rejection,
  type SessionLimits,
} from './producer-sessions.ts';

/** What applying an entry came to. */
export type ApplyResult =
  /** The batch is stored: its records may be read. */
  | { readonly result: 'accepted' }
  /** The batch had been stored before, there; this copy is void. */
  | { readonly result: 'duplicate'; readonly index: LogIndex; readonly term: Term }
  | { readonly result: 'producer-opened'; readonly producerId: number; readonly epoch: number }
  /** The batch was refused; it is void. */
  | { readonly result: 'rejected'; readonly rejection: Rejection }
  /** The entry means nothing to the state machine. */
  | { readonly result: 'none' };

const ACCEPTED: ApplyResult = { result: 'accepted' };
const NONE: ApplyResult = { result: 'none' };

/** An entry that a newer version wrote. Applying must stop: to skip it would be to disagree with the other nodes. */
export class UnknownEntryKind extends Error {
  override readonly name = 'UnknownEntryKind';
  readonly code = 'UNKNOWN_ENTRY_KIND';

  constructor(entry: Entry) {
    super(
      `entry ${entry.index} has kind ${entry.kind} version ${entryVersion(entry)}, which this version does not know`,
    );
  }
}

const MAGIC = 0x4d534c44;
const CHECKPOINT_VERSION = 1;
const HEAD_BYTES = 32;

/**
 * The replicated state: what the committed log means. Two machines that applied the same entries are in the same
 * state, whatever node, day or process they ran on: it sees no clock, no chance and no file positions.
 */
export class StateMachine {
  readonly #sessions: ProducerSessions;
  readonly #mutations: Mutations;
  #appliedIndex: LogIndex = NO_INDEX;
  #digest = 0;
  /** Indexes of batches that were refused when applied. Ascending, nearly always empty: leaders check first. */
  #voided: LogIndex[] = [];

  constructor(limits: SessionLimits = SESSION_LIMITS, mutations: Mutations = NO_MUTATIONS) {
    this.#sessions = new ProducerSessions(limits);
    this.#mutations = mutations;
  }

  get appliedIndex(): LogIndex {
    return this.#appliedIndex;
  }

  get producerCount(): number {
    return this.#sessions.size;
  }

  /** Equal on all nodes that applied the same entries and decided the same about each. */
  digest(): number {
    return this.#digest;
  }

  /** @throws UnknownEntryKind, with nothing changed. */
  apply(entry: Entry): ApplyResult {
    assert(
      entry.index === this.#appliedIndex + 1,
      () => `applied ${entry.index} after ${this.#appliedIndex}`,
    );
    const result = this.#decide(entry);
    this.#appliedIndex = entry.index;
    this.#digest = mix(this.#digest, entry.checksum, RESULT_CODE[result.result]);
    return result;
  }

  /** What would become of a batch if it were applied next. For leaders, who ask before they propose. */
  judge(stamp: ProducerStamp, queue: number): Judgement {
    return this.#sessions.judge(stamp, queue);
  }

  /** The last sequence accepted from a producer; 0 if there is none. */
  lastSequence(producerId: number, queue: number): number {
    return this.#sessions.find(producerId)?.lastSequence(queue) ?? 0;
  }

  /** Whether the batch at this index was refused when applied, so that readers must skip it. */
  isVoided(index: LogIndex): boolean {
    if (this.#voided.length === 0) return false;
    let low = 0;
    let high = this.#voided.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#voided[middle] ?? 0) < index) low = middle + 1;
      else high = middle;
    }
    return this.#voided[low] === index;
  }

  /**
   * The state as it is at this call, in chunks: u32 magic, u32 version, u64 applied index, u32 digest, u32 sessions,
   * u32 voided, u32 zero; the voided indexes; the sessions. The chunks may be taken while entries go on being applied.
   */
  checkpoint(): Iterable<Uint8Array> {
    const head = new Uint8Array(HEAD_BYTES + this.#voided.length * 8);
    const view = new DataView(head.buffer);
    view.setUint32(0, MAGIC, true);
    view.setUint32(4, CHECKPOINT_VERSION, true);
    writeUint53(view, 8, this.#appliedIndex);
    view.setUint32(16, this.#digest, true);
    view.setUint32(20, this.#sessions.size, true);
    view.setUint32(24, this.#voided.length, true);
    for (const [at, index] of this.#voided.entries()) writeUint53(view, HEAD_BYTES + at * 8, index);
    const sessions = this.#sessions.freeze();
    // The generator takes its view when it is first asked: ask now, not when the disk is ready.
    const first = sessions.next();
    return (function* chunks(): Generator<Uint8Array> {
      yield head;
      if (first.done !== true) yield first.value;
      yield* sessions;
    })();
  }

  /** @throws RangeError where the bytes are no checkpoint of this version. */
  static restore(
    bytes: Uint8Array,
    limits: SessionLimits = SESSION_LIMITS,
    mutations: Mutations = NO_MUTATIONS,
  ): StateMachine {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (bytes.length < HEAD_BYTES || view.getUint32(0, true) !== MAGIC)
      throw new RangeError('no checkpoint of a state machine');
    const version = view.getUint32(4, true);
    if (version !== CHECKPOINT_VERSION)
      throw new RangeError(`checkpoint version ${version}, this program knows ${CHECKPOINT_VERSION}`);
    const machine = new StateMachine(limits, mutations);
    machine.#appliedIndex = readUint53(view, 8, RangeError) as LogIndex;
    machine.#digest = view.getUint32(16, true);
    const sessions = view.getUint32(20, true);
    const voided = view.getUint32(24, true);
    let offset = HEAD_BYTES;
    for (let at = 0; at < voided; at += 1) {
      machine.#voided.push(readUint53(view, offset, RangeError) as LogIndex);
      offset += 8;
    }
    const decoded: ProducerSession[] = [];
    for (let at = 0; at < sessions; at += 1) {
      const { session, end } = ProducerSession.decode(view, offset);
      decoded.push(session);
      offset = end;
    }
    if (offset !== bytes.length)
      throw new RangeError(`${bytes.length - offset} bytes after the last session`);
    if (!mutations.losesProducersAtStart) machine.#sessions.restore(decoded);
    return machine;
  }

  #decide(entry: Entry): ApplyResult {
    switch (entry.kind) {
      case EntryKind.batch:
        if (entryVersion(entry) !== BATCH_VERSION) throw new UnknownEntryKind(entry);
        return this.#applyBatch(entry);
      case EntryKind.command:
        return this.#applyCommand(entry);
      case EntryKind.noop:
      case EntryKind.configuration:
        return NONE;
      default:
        throw new UnknownEntryKind(entry);
    }
  }

  #applyBatch(entry: Entry): ApplyResult {
    const stamp = batchStamp(entryBody(entry));
    if (stamp.producerId === 0) return ACCEPTED;
    const queue = entryQueue(entry);
    const judgement = this.#sessions.judge(stamp, queue);
    if (judgement.verdict === 'accept') {
      this.#sessions.accept(stamp, queue, entry.index, entry.term, entryTime(entry));
      return ACCEPTED;
    }
    if (judgement.verdict === 'duplicate' && this.#mutations.storesRetriesAgain) return ACCEPTED;
    this.#voided.push(entry.index);
    mark(judgement.verdict === 'duplicate' ? 'broker.duplicate-voided' : 'broker.batch-rejected');
    return judgement.verdict === 'duplicate'
      ? { result: 'duplicate', index: judgement.index, term: judgement.term }
      : { result: 'rejected', rejection: judgement };
  }

  #applyCommand(entry: Entry): ApplyResult {
    const command = entryVersion(entry) === COMMAND_VERSION ? decodeCommand(entryBody(entry)) : null;
    if (command === null) throw new UnknownEntryKind(entry);
    const session = this.#sessions.open(entry.index, command.inFlightMax, entryTime(entry));
    return { result: 'producer-opened', producerId: session.id, epoch: session.epoch };
  }
}

const RESULT_CODE: Record<ApplyResult['result'], number> = {
  none: 1,
  accepted: 2,
  duplicate: 3,
  'producer-opened': 4,
  rejected: 5,
};

/** murmur3's step: cheap, and every bit of the inputs moves about half of the output. */
function mix(digest: number, checksum: number, code: number): number {
  let hash = Math.imul(digest ^ checksum, 0xcc9e2d51) + code;
  hash = Math.imul(hash ^ (hash >>> 15), 0x1b873593);
  return (hash ^ (hash >>> 13)) >>> 0;
}
