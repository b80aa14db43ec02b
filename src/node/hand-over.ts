import type { Clock } from '../base/ports/clock.ts';
import type { NodeId } from '../base/units.ts';
import type { RaftCore, RaftEvent } from '../raft/index.ts';
import type { Transferred } from '../wire/client-codec.ts';
import { errorInfo, type ErrorInfo } from '../wire/errors.ts';

type Done = (result: Transferred | ErrorInfo) => void;

/** A leadership transfer that somebody waits for. The core does the work and limits its time; one at a time. */
export class HandOver {
  readonly #core: RaftCore;
  readonly #clock: Clock;
  #waiting: { readonly startedAtMs: number; readonly done: Done } | null = null;

  constructor(core: RaftCore, clock: Clock) {
    this.#core = core;
    this.#clock = clock;
  }

  /** @returns false if it did not begin; `done` has then been called with the reason. */
  begin(target: NodeId | null, done: Done): boolean {
    const result = this.#core.transferLeadership(target);
    if (!result.ok) {
      const nobody = result.refusal === 'unknown-target' && target === null;
      done(
        errorInfo(
          'TRANSFER_REFUSED',
          nobody
            ? 'there is no other node to hand leadership to'
            : `leadership is not handed to ${target ?? 'anybody'}: ${result.refusal}`,
        ),
      );
      return false;
    }
    this.#waiting = { startedAtMs: this.#clock.monotonicMs(), done };
    return true;
  }

  ended({ target, outcome }: Extract<RaftEvent, { type: 'transfer-ended' }>): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting === null) return;
    const tookMs = this.#clock.monotonicMs() - waiting.startedAtMs;
    waiting.done(
      outcome === 'done'
        ? { from: this.#core.id, to: target, term: this.#core.term, tookMs }
        : errorInfo(
            'TRANSFER_REFUSED',
            `the hand-over to ${target} ended without effect (${outcome}) after ${Math.round(tookMs)} ms`,
          ),
    );
  }
}
