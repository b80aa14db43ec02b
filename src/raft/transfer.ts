import { mark } from '../base/marks.ts';
import { NO_ROOM_SYNC_MS } from '../base/peer-message.ts';
import type { NodeId, Term } from '../base/units.ts';
import type { CoreState } from './core-state.ts';
import type { Progress } from './progress.ts';
import type { Replication } from './replication.ts';
import type { TransferResult } from './ready.ts';

/**
 * Handing leadership over (dissertation 3.10): stop taking proposals, wait until the target's log is complete, and tell
 * it to stand at once. It wins in one round trip, past the stickiness of the others. If it does not, proposals are
 * taken again after a while.
 */
export class Transfer {
  readonly #state: CoreState;
  #target: NodeId | null = null;
  #term = 0 as Term;
  #ticksLeft = 0;
  #told = false;

  constructor(state: CoreState) {
    this.#state = state;
  }

  get target(): NodeId | null {
    return this.#target;
  }

  /** This leader holds proposals back. */
  get isActive(): boolean {
    return this.#target !== null && this.#state.leadership !== null;
  }

  begin(wanted: NodeId | null, replication: Replication): TransferResult {
    if (this.#target !== null) return { ok: false, refusal: 'in-progress' };
    const result = chooseTarget(this.#state, wanted, replication);
    if (!result.ok) return result;
    this.#target = result.target;
    this.#term = this.#state.term;
    this.#ticksLeft = this.#state.options.transferTimeoutTicks;
    this.#told = false;
    this.#state.emit({ type: 'transfer-started', term: this.#state.term, target: result.target });
    const peer = replication.find(result.target);
    if (peer !== null) this.progressed(peer);
    return result;
  }

  /** The target may be complete now. */
  progressed(peer: Progress): void {
    const { log, options } = this.#state;
    const isComplete = peer.matchIndex >= log.lastIndex || options.mutations.handsOverUnchecked;
    if (peer.id !== this.#target || this.#told || !isComplete) return;
    this.#told = true;
    this.#state.send({ type: 'TimeoutNow', from: this.#state.id, to: peer.id, term: this.#state.term });
  }

  /**
   * This leader's disk takes nothing more, so there is nothing to wait for: who has most of the log stands at once. Nobody
   * is asked to do what it could not do by itself, so this needs no proof; voters compare logs as ever.
   */
  nameSuccessor(replication: Replication): void {
    const result = chooseTarget(this.#state, null, replication);
    if (!result.ok || (this.#told && this.#target !== null)) return;
    mark('raft.successor-named');
    const { id, term } = this.#state;
    this.#state.send({ type: 'TimeoutNow', from: id, to: result.target, term });
  }

  tick(): void {
    if (this.#target === null) return;
    this.#ticksLeft -= 1;
    if (this.#ticksLeft <= 0) this.#end(this.#target, 'timeout');
  }

  /** Sees who leads now: it worked if that is the target. */
  observe(): void {
    const { leader, id, term } = this.#state;
    if (this.#target === null || leader === null) return;
    if (leader === this.#target) this.#end(this.#target, 'done');
    else if (leader !== id || term !== this.#term) this.#end(this.#target, 'aborted');
  }

  #end(target: NodeId, outcome: 'done' | 'timeout' | 'aborted'): void {
    this.#target = null;
    mark(OUTCOME_MARKS[outcome]);
    this.#state.emit({ type: 'transfer-ended', term: this.#state.term, target, outcome });
  }
}

const OUTCOME_MARKS = {
  done: 'raft.transfer-done',
  timeout: 'raft.transfer-timeout',
  aborted: 'raft.transfer-aborted',
} as const;

function chooseTarget(state: CoreState, wanted: NodeId | null, replication: Replication): TransferResult {
  if (wanted === state.id) return { ok: false, refusal: 'target-is-leader' };
  if (wanted !== null) {
    const refusal = refuseTarget(state, replication.find(wanted));
    return refusal === null ? { ok: true, target: wanted } : { ok: false, refusal };
  }
  const wellOff = bestTarget(state, replication, (peer) => !isTooSlow(state, peer));
  if (wellOff.ok) return wellOff;
  // A slow disk is better than a full one.
  const withRoom = bestTarget(state, replication, (peer) => peer.syncMs < NO_ROOM_SYNC_MS);
  if (state.hasNoRoom) return withRoom;
  if (state.hasSlowDisk) return wellOff;
  // Whoever is asked to go for another reason than its disk goes, if need be to whoever is worse off.
  return withRoom.ok ? withRoom : bestTarget(state, replication, () => true);
}

/** Half as slow is no gain: both would pass leadership to and fro. */
function isTooSlow({ options, syncMs, hasSlowDisk }: CoreState, peer: Progress): boolean {
  return peer.syncMs >= (hasSlowDisk ? Math.min(options.slowSyncMs, syncMs / 2) : options.slowSyncMs);
}

function bestTarget(
  state: CoreState,
  replication: Replication,
  isWanted: (peer: Progress) => boolean,
): TransferResult {
  let best: Progress | null = null;
  let refused: TransferRefusal = 'unknown-target';
  for (const peer of replication.peers) {
    const refusal = refuseTarget(state, peer) ?? (isWanted(peer) ? null : 'target-slow');
    if (refusal !== null) {
      if (refused === 'unknown-target' || refusal === 'target-lagging') refused = refusal;
    } else if (best === null || isBetter(state, peer, best)) {
      best = peer;
    }
  }
  return best === null ? { ok: false, refusal: refused } : { ok: true, target: best.id };
}

type TransferRefusal = Extract<TransferResult, { ok: false }>['refusal'];

/** Null if this follower could take over within a moment. */
export function refuseTarget(state: CoreState, peer: Progress | null): TransferRefusal | null {
  const { log, membership, options } = state;
  // A learner, or a member whose incarnation is not the configured one, could not stand.
  if (peer === null || !membership.counts(peer.id)) return 'unknown-target';
  if (!peer.controlUp || !peer.heardOnce || peer.ticksSinceHeard >= options.electionTimeoutTicksMin) {
    return 'target-unreachable';
  }
  // Proposals wait while it catches up: what it lacks must be in memory and fit into one window.
  const { matchIndex } = peer;
  const near =
    peer.state !== 'snapshot' &&
    matchIndex >= log.cachedFrom - 1 &&
    log.lastIndex - matchIndex <= options.appendEntriesMax &&
    log.bytesAfter(matchIndex) <= options.inflightBytesMax;
  return near ? null : 'target-lagging';
}

function isBetter(state: CoreState, peer: Progress, than: Progress): boolean {
  if (peer.matchIndex !== than.matchIndex) return peer.matchIndex > than.matchIndex;
  return state.membership.rankOf(peer.id, state.id) < state.membership.rankOf(than.id, state.id);
}
