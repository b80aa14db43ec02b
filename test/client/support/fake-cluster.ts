import { Prng } from '../../../src/base/prng.ts';
import { FrameKind } from '../../../src/wire/frame.ts';
import type { ScriptedNode, ScriptedRequest } from './scripted-node.ts';
import type { World } from './world.ts';

/** How often things go wrong, each a chance for one request. */
export interface Trouble {
  /** The connection is cut before the request is taken. */
  readonly cutBefore: number;
  /** It is stored, and the connection is cut before the answer. */
  readonly cutAfter: number;
  readonly overloaded: number;
  /** Another node leads from now on; what was not committed may be gone. */
  readonly failover: number;
  readonly commitMsMax: number;
}

interface LogEntry {
  /** Null for the entry that opened a producer: its index is the producer's id. */
  readonly batch: { readonly producerId: number; readonly sequence: number; readonly text: string } | null;
}

/**
 * Scripted nodes over one log that keeps the rules of the real one: it takes what comes next in a producer's sequence,
 * knows what it has, refuses gaps, acknowledges what is committed, and may lose what is not when another node leads.
 */
export class FakeCluster {
  readonly log: LogEntry[] = [];
  readonly #world: World;
  readonly #prng: Prng;
  readonly #nodes: readonly ScriptedNode[];
  #trouble: Trouble | null;
  #leader = 0;
  #term = 1;
  #commitIndex = 0;

  constructor(world: World, nodes: readonly ScriptedNode[], seed: number, trouble: Trouble) {
    this.#world = world;
    this.#prng = new Prng(seed);
    this.#nodes = nodes;
    this.#trouble = trouble;
    for (const [at, node] of nodes.entries()) {
      node.onRequest = (request) => this.#onRequest(at, request);
      node.greeting = () => ({
        leaderId: this.#hint(at)?.id ?? null,
        leaderAddress: this.#hint(at)?.address ?? null,
      });
    }
  }

  get texts(): string[] {
    return this.log.flatMap((entry) => (entry.batch === null ? [] : [entry.batch.text]));
  }

  /** From now on everything works. */
  calmDown(): void {
    this.#trouble = null;
    this.#commit(this.log.length);
  }

  failover(): void {
    if (this.#prng.chance(0.5)) this.log.length = this.#commitIndex;
    this.#commit(this.log.length);
    this.#term += 1;
    this.#leader = this.#prng.below(this.#nodes.length);
  }

  /** Whom this node believes to lead; followers may be behind with it. */
  #hint(at: number): ScriptedNode | null {
    if (at === this.#leader) return this.#nodes[at] ?? null;
    const isBehind = this.#trouble !== null && this.#prng.chance(0.2);
    const guess = isBehind ? this.#prng.below(this.#nodes.length) : this.#leader;
    return guess === at ? null : (this.#nodes[guess] ?? null);
  }

  #onRequest(at: number, request: ScriptedRequest): void {
    const trouble = this.#trouble;
    if (trouble !== null && this.#prng.chance(trouble.failover)) this.failover();
    if (at !== this.#leader) {
      const leader = this.#hint(at);
      request.failed(leader === null ? 'NO_LEADER' : 'NOT_LEADER', {
        leaderAddress: leader?.address ?? null,
      });
      return;
    }
    if (trouble !== null && this.#prng.chance(trouble.cutBefore)) {
      request.session.connection.destroy();
    } else if (trouble !== null && this.#prng.chance(trouble.overloaded)) {
      request.failed('OVERLOADED');
    } else {
      this.#take(request);
      if (trouble !== null && this.#prng.chance(trouble.cutAfter)) request.session.connection.destroy();
    }
  }

  #take(request: ScriptedRequest): void {
    if (request.frame.kind === FrameKind.OPEN_PRODUCER) {
      const index = this.log.push({ batch: null });
      this.#whenCommitted(request, index, () => request.opened(index));
      return;
    }
    const { producerId, sequence } = request.stamp;
    const opened = this.log[producerId - 1];
    if (opened?.batch !== null) {
      request.failed('SESSION_EXPIRED');
      return;
    }
    const indexes = this.log.flatMap(({ batch }, at) => (batch?.producerId === producerId ? [at + 1] : []));
    const known = indexes[sequence - 1];
    if (known !== undefined) {
      this.#whenCommitted(request, known, () => request.stored(known));
    } else if (sequence > indexes.length + 1) {
      request.failed('OUT_OF_ORDER');
    } else {
      const index = this.log.push({ batch: { producerId, sequence, text: request.texts.join('+') } });
      this.#whenCommitted(request, index, () => request.stored(index));
    }
  }

  #whenCommitted(request: ScriptedRequest, index: number, answer: () => void): void {
    const term = this.#term;
    const delayMs = this.#trouble === null ? 0.1 : this.#prng.fraction() * this.#trouble.commitMsMax;
    this.#world.clock.setTimer(delayMs, () => {
      if (term !== this.#term) {
        if (this.#prng.chance(0.5)) request.failed('LEADERSHIP_LOST');
        else request.session.connection.destroy();
        return;
      }
      this.#commit(index);
      answer();
    });
  }

  #commit(index: number): void {
    this.#commitIndex = Math.max(this.#commitIndex, index);
  }
}
