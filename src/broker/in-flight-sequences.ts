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
const TRACKS_BEFORE_SWEEP = 1024;

/**
 * What this leader has proposed and not applied yet, by producer: together with the applied state it tells a retry
 * from a new batch before it is written, so that the log holds each batch once. The state machine decides for good
 * when it applies; this only spares the log.
 *
 * Complete only at a leader that has applied everything up to the start of its term: before that an entry of an
 * earlier leader could still turn up.
 */
export class InFlightSequences {
  #tracks = new Map<string, Track>();

  /** Judges a batch that would be proposed at `index`; an accepted one is remembered as proposed there. */
  admit(machine: StateMachine, stamp: ProducerStamp, queue: number, index: LogIndex, term: Term): Admission {
    if (stamp.producerId === 0) return ACCEPT;
    const key = `${stamp.producerId}/${queue}`;
    const applied = machine.lastSequence(stamp.producerId, queue);
    const track = this.#tracks.get(key);
    if (track !== undefined) dropApplied(track, applied);
    if (track === undefined || track.indexes.length === track.head || track.epoch !== stamp.epoch) {
      const judgement = machine.judge(stamp, queue);
      if (judgement.verdict === 'duplicate') return { ...judgement, committed: true };
      if (judgement.verdict === 'accept') this.#begin(key, stamp, index, term, machine, queue);
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
    return { verdict: 'duplicate', index: first, term: track.term, committed: false };
  }

  /** Leadership was lost, or a proposal refused: nothing is known to be in flight. */
  reset(): void {
    this.#tracks.clear();
  }

  /** A batch of this producer was refused when applied: what is in flight behind it will be too. */
  forget(producerId: number, queue: number): void {
    this.#tracks.delete(`${producerId}/${queue}`);
  }

  #begin(
    key: string,
    stamp: ProducerStamp,
    index: LogIndex,
    term: Term,
    machine: StateMachine,
    queue: number,
  ): void {
    if (this.#tracks.size >= TRACKS_BEFORE_SWEEP) this.#sweep(machine, queue);
    this.#tracks.set(key, {
      epoch: stamp.epoch,
      term,
      firstSequence: stamp.sequence,
      indexes: [index],
      head: 0,
    });
  }

  #sweep(machine: StateMachine, queue: number): void {
    for (const [key, track] of this.#tracks) {
      dropApplied(track, machine.lastSequence(Number(key.slice(0, key.indexOf('/'))), queue));
      if (track.indexes.length === track.head) this.#tracks.delete(key);
    }
  }
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
