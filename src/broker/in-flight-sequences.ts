import type { ProducerStamp } from '../base/batch.ts';
import type { LogIndex, Term } from '../base/units.ts';
import type { Judgement } from './producer-sessions.ts';
import type { StateMachine } from './state-machine.ts';

export type Admission =
  | Exclude<Judgement, { verdict: 'duplicate' }>
  /** `committed` false: the first copy is in the log and not applied yet. */
  | {
      readonly verdict: 'duplicate';
      readonly index: LogIndex;
      readonly term: Term;
      /** Null in the raw log, and before the first copy is applied. */
      readonly baseOffset: number | null;
      readonly committed: boolean;
    };

interface Track {
  readonly epoch: number;
  readonly term: Term;
  /** Sequence of indexes[head]; what is applied is dropped from the front. */
  firstSequence: number;
  indexes: LogIndex[];
  head: number;
}

const ACCEPT: Admission = { verdict: 'accept' };
/** The producers with something in flight in one queue, and for a while those that had. */
interface QueueTracks {
  readonly byProducer: Map<number, Track>;
  /** With so many tracks those with nothing in flight are looked for. Twice what was left the last time. */
  sweepAt: number;
}

const SWEEP_AT_MIN = 1024;

/**
 * What this leader has proposed and not applied yet, by producer: together with the applied state it tells a retry
 * from a new batch before it is written, so that the log holds each batch once. The state machine decides for good
 * when it applies; this only spares the log.
 *
 * Complete only at a leader that has applied everything up to the start of its term: before that an entry of an
 * earlier leader could still turn up.
 */
export class InFlightSequences {
  readonly #queues = new Map<number, QueueTracks>();

  /** Judges a batch that would be proposed at `index`; an accepted one is remembered as proposed there. */
  admit(machine: StateMachine, stamp: ProducerStamp, queue: number, index: LogIndex, term: Term): Admission {
    if (stamp.producerId === 0)
      return queue === 0 || machine.queue(queue) !== null ? ACCEPT : { verdict: 'unknown-queue', queue };
    const track = this.#queues.get(queue)?.byProducer.get(stamp.producerId);
    const applied = machine.lastSequence(stamp.producerId, queue);
    if (track !== undefined) dropApplied(track, applied);
    if (track === undefined || track.indexes.length === track.head || track.epoch !== stamp.epoch) {
      const judgement = machine.judge(stamp, queue);
      if (judgement.verdict === 'duplicate') return { ...judgement, committed: true };
      if (judgement.verdict === 'accept') this.#begin(machine, stamp, queue, index, term);
      return judgement;
    }
    if (stamp.sequence <= applied) {
      const judgement = machine.judge(stamp, queue);
      return judgement.verdict === 'duplicate' ? { ...judgement, committed: true } : judgement;
    }
    const next = track.firstSequence + track.indexes.length - track.head;
    if (stamp.sequence === next) {
      track.indexes.push(index);
      return ACCEPT;
    }
    if (stamp.sequence > next) return { verdict: 'out-of-order', expected: next };
    const first = track.indexes[track.head + stamp.sequence - track.firstSequence];
    if (first === undefined) return { verdict: 'out-of-order', expected: next };
    return { verdict: 'duplicate', index: first, term: track.term, baseOffset: null, committed: false };
  }

  /** Leadership was lost, or a proposal refused: nothing is known to be in flight. */
  reset(): void {
    this.#queues.clear();
  }

  /** A batch of this producer was refused when applied: what is in flight behind it will be too. */
  forget(producerId: number, queue: number): void {
    this.#queues.get(queue)?.byProducer.delete(producerId);
  }

  #begin(machine: StateMachine, stamp: ProducerStamp, queue: number, index: LogIndex, term: Term): void {
    let tracks = this.#queues.get(queue);
    if (tracks === undefined) {
      tracks = { byProducer: new Map(), sweepAt: SWEEP_AT_MIN };
      this.#queues.set(queue, tracks);
    }
    tracks.byProducer.set(stamp.producerId, {
      epoch: stamp.epoch,
      term,
      firstSequence: stamp.sequence,
      indexes: [index],
      head: 0,
    });
    if (tracks.byProducer.size > tracks.sweepAt) sweep(machine, queue, tracks);
  }
}

function sweep(machine: StateMachine, queue: number, tracks: QueueTracks): void {
  for (const [producerId, track] of tracks.byProducer) {
    dropApplied(track, machine.lastSequence(producerId, queue));
    if (track.indexes.length === track.head) tracks.byProducer.delete(producerId);
  }
  tracks.sweepAt = Math.max(SWEEP_AT_MIN, tracks.byProducer.size * 2);
}

function dropApplied(track: Track, applied: number): void {
  const count = Math.min(applied - track.firstSequence + 1, track.indexes.length - track.head);
  if (count <= 0) return;
  track.head += count;
  track.firstSequence += count;
  if (track.head > 1024 && track.head * 2 > track.indexes.length) {
    track.indexes = track.indexes.slice(track.head);
    track.head = 0;
  }
}
